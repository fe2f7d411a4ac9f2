/**
 * Brings a database to the shape this program was written for: applies prisma/migrations/<name>/migration.sql
 * in the order of the names and keeps Prisma's own book of it (`_prisma_migrations`), under Prisma's own
 * lock. A starting server and `prisma migrate deploy` take each other's migrations for their own, and of
 * several that start at once one applies them while the others wait.
 *
 *   locked ──▶ history agrees with the files? ──no──▶ refused with a StartError, nothing was touched
 *                          │ yes
 *                          ▼
 *          for each file that is new: BEGIN, the file, its row, COMMIT
 *
 * A file and its row commit together. Prisma's engine commits the row first and leaves it unfinished when
 * the file fails; here a failure, a kill or a lost connection leaves neither, and the next start tries
 * again. An unfinished row is therefore never ours and always refused: nobody but a person can tell how
 * far that migration came. The price: a file holds no BEGIN or COMMIT, and nothing that PostgreSQL refuses
 * inside a transaction (CREATE INDEX CONCURRENTLY).
 */
import { createHash, randomUUID } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Pool, PoolClient, QueryResultRow } from 'pg';
import { messageOf, StartError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';

const OLDEST_POSTGRESQL = 15;

/** The advisory lock of Prisma's schema engine, which knows it by this number. */
const MIGRATION_LOCK = 72707369;

/** The same two steps up from src/db and from dist/db. */
const MIGRATIONS = fileURLToPath(new URL('../../prisma/migrations/', import.meta.url));

interface Migration {
  readonly name: string;
  readonly script: string;
}

/** A row of `_prisma_migrations` that was not marked as rolled back. */
interface HistoryRow {
  readonly name: string;
  readonly checksum: string;
  readonly finished: boolean;
}

/**
 * Applies what the database lacks and answers the names of what was applied now.
 *
 * @throws StartError for a PostgreSQL that is too old, for a history that this program's files do not
 * continue, and for a file that fails.
 */
export async function migrate(
  pool: Pool,
  logger: Logger,
  folder = MIGRATIONS,
): Promise<{ readonly applied: readonly string[] }> {
  const migrations = await readMigrations(folder);
  const connection = await pool.connect();
  // A lost connection fails the query under way; unheard, it would end the process as well.
  connection.on('error', () => {});
  try {
    await refuseOldServer(connection);
    await takeLock(connection, logger);
    const pending = pendingMigrations(migrations, await readHistory(connection));
    for (const migration of pending) {
      await apply(connection, migration);
      logger.info({ migration: migration.name }, 'migration applied');
    }
    return { applied: pending.map(({ name }) => name) };
  } finally {
    // Closed, not given back: an open transaction, the lock and all that a file SET end with the session.
    connection.release(true);
  }
}

async function readMigrations(folder: string): Promise<Migration[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const names = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  return Promise.all(
    names.sort().map(async (name) => ({
      name,
      script: await readFile(join(folder, name, 'migration.sql'), 'utf8'),
    })),
  );
}

async function refuseOldServer(connection: PoolClient): Promise<void> {
  const { version } = await oneRow<{ version: number }>(
    connection,
    `SELECT current_setting('server_version_num')::integer / 10000 AS version`,
  );
  if (version < OLDEST_POSTGRESQL) {
    throw new StartError(
      `The database runs on PostgreSQL ${version}; PostgreSQL ${OLDEST_POSTGRESQL} or newer is needed.`,
    );
  }
}

/** Waits for as long as another server migrates. */
async function takeLock(connection: PoolClient, logger: Logger): Promise<void> {
  // The pool's limits are meant for requests; a migration, or the wait for one, may take its time.
  await connection.query('SET statement_timeout = 0; SET lock_timeout = 0');
  const { taken } = await oneRow<{ taken: boolean }>(
    connection,
    `SELECT pg_try_advisory_lock(${MIGRATION_LOCK}) AS taken`,
  );
  if (taken) return;
  logger.info('waiting for the migrations of another server');
  await connection.query(`SELECT pg_advisory_lock(${MIGRATION_LOCK})`);
}

/** What is on record, in a table made as Prisma's engine makes it where there is none. */
async function readHistory(connection: PoolClient): Promise<HistoryRow[]> {
  // Not CREATE … IF NOT EXISTS: that needs the right to create even where the table exists.
  const { exists } = await oneRow<{ exists: boolean }>(
    connection,
    `SELECT to_regclass('_prisma_migrations') IS NOT NULL AS exists`,
  );
  if (!exists) {
    await connection.query(`
      CREATE TABLE _prisma_migrations (
        id                  varchar(36)  PRIMARY KEY NOT NULL,
        checksum            varchar(64)  NOT NULL,
        finished_at         timestamptz,
        migration_name      varchar(255) NOT NULL,
        logs                text,
        rolled_back_at      timestamptz,
        started_at          timestamptz  NOT NULL DEFAULT now(),
        applied_steps_count integer      NOT NULL DEFAULT 0
      )
    `);
  }
  const history = await connection.query<HistoryRow>(`
    SELECT migration_name AS name, checksum, finished_at IS NOT NULL AS finished
    FROM _prisma_migrations
    WHERE rolled_back_at IS NULL
    ORDER BY started_at
  `);
  return history.rows;
}

/**
 * The migrations that the history lacks, in order.
 *
 * @throws StartError where the history is not one that these migrations made.
 */
function pendingMigrations(migrations: readonly Migration[], history: readonly HistoryRow[]): Migration[] {
  const known = new Map(migrations.map((migration) => [migration.name, migration]));
  for (const { name, checksum, finished } of history) {
    const migration = known.get(name);
    if (!finished) {
      throw new StartError(
        `The migration ${name} was begun by Prisma and has failed or is unfinished: repair the database, ` +
          `then tell it by "prisma migrate resolve --rolled-back ${name}" (or --applied).`,
      );
    }
    if (!migration) {
      throw new StartError(
        `The database has the migration ${name}, which this server does not know: ` +
          'the database is newer, upgrade this server (or the database belongs to another program).',
      );
    }
    if (!checksums(migration.script).includes(checksum)) {
      throw new StartError(
        `The migration ${name} was applied to the database with other content than this server's file has: ` +
          'a migration must not be edited once it is applied.',
      );
    }
  }
  const applied = new Set(history.map(({ name }) => name));
  return migrations.filter(({ name }) => !applied.has(name));
}

/** The file's sha256, then what it would be with other line ends: Git may change them, as Prisma knows. */
function checksums(script: string): [string, ...string[]] {
  return [sha256(script), sha256(script.replaceAll('\r\n', '\n')), sha256(script.replaceAll('\n', '\r\n'))];
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

async function apply(connection: PoolClient, { name, script }: Migration): Promise<void> {
  try {
    await connection.query('BEGIN');
    // Without parameters, so by the simple protocol: the only one that takes several statements at once.
    await connection.query(script);
    // Inside a transaction now() is the time at which it began.
    await connection.query(
      `INSERT INTO _prisma_migrations (id, checksum, migration_name, started_at, finished_at, applied_steps_count)
       VALUES ($1, $2, $3, now(), clock_timestamp(), 1)`,
      [randomUUID(), checksums(script)[0], name],
    );
    await connection.query('COMMIT');
  } catch (error) {
    throw new StartError(`The migration ${name} failed: ${messageOf(error)}`, { cause: error });
  }
}

async function oneRow<Row extends QueryResultRow>(connection: PoolClient, sql: string): Promise<Row> {
  const { rows } = await connection.query<Row>(sql);
  return rows[0] as Row; // a SELECT without FROM answers one row
}
