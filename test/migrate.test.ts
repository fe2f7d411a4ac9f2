import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { pino } from 'pino';
import { describe, expect, onTestFinished, test } from 'vitest';
import { StartError } from '../src/base/errors.ts';
import { createLogger } from '../src/base/logger.ts';
import { migrate } from '../src/db/migrate.ts';
import { scratchDatabase } from './support/database.ts';
import { startSchemaEngine } from './support/schema-engine.ts';

const silent = createLogger('silent');
const shipped = await migrationNames('prisma/migrations');

describe('applies', () => {
  test('each migration once when three servers start at once', async () => {
    const { connect, query } = await database();
    const folder = await migrationsFolder(FRUIT);

    const starts = [connect(), connect(), connect()].map((pool) => migrate(pool, silent, folder));
    const applied = (await Promise.all(starts)).flatMap((start) => start.applied);

    expect(applied).toEqual(['20260101_fruit', '20260102_pear']);
    expect(await query('SELECT name FROM fruit')).toEqual([{ name: 'pear' }]);
  });

  test('what the package ships, and nothing the second time', async () => {
    const { connect } = await database();

    expect(await migrate(connect(), silent)).toEqual({ applied: shipped });
    expect(await migrate(connect(), silent)).toEqual({ applied: [] });
  });

  test('only the migrations that are new', async () => {
    const { connect } = await database();
    const folder = await migrationsFolder(FRUIT);
    await migrate(connect(), silent, folder);
    await addMigration(folder, '20260103_plum', `INSERT INTO fruit VALUES ('plum')`);

    expect(await migrate(connect(), silent, folder)).toEqual({ applied: ['20260103_plum'] });
  });

  test('nothing of a file that fails, and the whole file once it is repaired', async () => {
    const { connect, query } = await database();
    const folder = await migrationsFolder(FRUIT);
    await addMigration(folder, '20260103_plum', `INSERT INTO fruit VALUES ('plum'); SELECT 1 / 0;`);

    await expect(migrate(connect(), silent, folder)).rejects.toThrow(
      new StartError('The migration 20260103_plum failed: division by zero'),
    );
    expect(await query('SELECT name FROM fruit')).toEqual([{ name: 'pear' }]);
    expect(await query('SELECT migration_name FROM _prisma_migrations')).toHaveLength(2);

    await addMigration(folder, '20260103_plum', `INSERT INTO fruit VALUES ('plum')`);
    expect(await migrate(connect(), silent, folder)).toEqual({ applied: ['20260103_plum'] });
  });

  test('nothing of a file whose row cannot be written', async () => {
    const { connect, query } = await database();
    const hostile = 'CREATE TABLE plum (); ALTER TABLE _prisma_migrations RENAME TO gone';
    const folder = await migrationsFolder({ '20260101_hostile': hostile });

    await expect(migrate(connect(), silent, folder)).rejects.toThrow(StartError);
    expect(await query(`SELECT to_regclass('plum') AS plum`)).toEqual([{ plum: null }]);
  });

  test('a migration that takes longer than the pool lets a request take', async () => {
    const { connect } = await database();
    const folder = await migrationsFolder({ '20260101_slow': 'SELECT pg_sleep(1)' });
    const hurried = connect({ statement_timeout: 500 });

    expect(await migrate(hurried, silent, folder)).toEqual({ applied: ['20260101_slow'] });
  });

  test('nothing, and needs no right to create, where the owner has migrated before', async () => {
    const { connect, query } = await database();
    await migrate(connect(), silent);
    const role = `eventree_reader_${process.pid}`;
    await query(`CREATE ROLE ${role}`);
    onTestFinished(() => query(`DROP OWNED BY ${role}; DROP ROLE ${role}`).then(() => {}));
    await query(`GRANT SELECT ON _prisma_migrations TO ${role}`);

    expect(await migrate(connect({ options: `-c role=${role}` }), silent)).toEqual({ applied: [] });
  });
});

describe('refuses, with nothing touched,', () => {
  test('a database that is newer than the server', async () => {
    const { connect } = await database();
    await migrate(connect(), silent, await migrationsFolder(FRUIT));
    const { '20260101_fruit': fruit } = FRUIT;
    const older = await migrationsFolder({ '20260101_fruit': fruit, '20260104_fig': 'CREATE TABLE fig ()' });

    await expect(migrate(connect(), silent, older)).rejects.toThrow(
      new StartError(
        'The database has the migration 20260102_pear, which this server does not know: ' +
          'the database is newer, upgrade this server (or the database belongs to another program).',
      ),
    );
  });

  test('a migration that was edited after it was applied', async () => {
    const { connect } = await database();
    const folder = await migrationsFolder(FRUIT);
    await migrate(connect(), silent, folder);
    await addMigration(folder, '20260102_pear', `INSERT INTO fruit VALUES ('quince')`);

    await expect(migrate(connect(), silent, folder)).rejects.toThrow(
      new StartError(
        "The migration 20260102_pear was applied to the database with other content than this server's " +
          'file has: a migration must not be edited once it is applied.',
      ),
    );
  });

  test('a migration that Prisma has begun and not finished', async () => {
    const { connect, query } = await database();
    const folder = await migrationsFolder(FRUIT);
    await migrate(connect(), silent, folder);
    await query(`UPDATE _prisma_migrations SET finished_at = NULL WHERE migration_name = '20260102_pear'`);

    await expect(migrate(connect(), silent, folder)).rejects.toThrow(
      new StartError(
        'The migration 20260102_pear was begun by Prisma and has failed or is unfinished: repair the ' +
          'database, then tell it by "prisma migrate resolve --rolled-back 20260102_pear" (or --applied).',
      ),
    );
  });

  test('a PostgreSQL older than 15', async () => {
    const { connect, query } = await database();
    await query('CREATE SCHEMA old');
    await query(`CREATE FUNCTION old.current_setting(text) RETURNS text RETURN '140012'`);
    const old = connect({ options: '-c search_path=old,pg_catalog,public' });

    await expect(migrate(old, silent)).rejects.toThrow(
      new StartError('The database runs on PostgreSQL 14; PostgreSQL 15 or newer is needed.'),
    );
    expect(await query(`SELECT to_regclass('_prisma_migrations') AS "table"`)).toEqual([{ table: null }]);
  });
});

describe('takes no offence at', () => {
  test('a migration whose line ends Git has changed', async () => {
    const { connect } = await database();
    const [lf, crlf] = ['SELECT 1;\nSELECT 2;\n', 'SELECT 1;\r\nSELECT 2;\r\n'];
    const folder = await migrationsFolder({ '20260101_from_unix': lf, '20260102_from_windows': crlf });
    await migrate(connect(), silent, folder);
    await addMigration(folder, '20260101_from_unix', crlf);
    await addMigration(folder, '20260102_from_windows', lf);

    expect(await migrate(connect(), silent, folder)).toEqual({ applied: [] });
  });

  test('an unfinished migration marked as rolled back, which it applies again', async () => {
    const { connect, query } = await database();
    const folder = await migrationsFolder(FRUIT);
    await migrate(connect(), silent, folder);
    await query(`
      UPDATE _prisma_migrations SET finished_at = NULL, rolled_back_at = now()
      WHERE migration_name = '20260102_pear'
    `);

    expect(await migrate(connect(), silent, folder)).toEqual({ applied: ['20260102_pear'] });
  });
});

describe("beside Prisma's own engine", () => {
  test('leaves the same table and the same rows, and each finds nothing to do after the other', async () => {
    const ours = await database();
    await migrate(ours.connect(), silent);
    const theirs = await database();
    const engine = await theirs.startEngine();
    expect(await engine.deploy()).toEqual(shipped);
    await engine.stop();

    expect(await ours.query(TABLE_DEFINITION)).toEqual(await theirs.query(TABLE_DEFINITION));
    const rows = await ours.query(ROWS);
    expect(rows).toHaveLength(shipped.length);
    expect(rows).toEqual(await theirs.query(ROWS));

    expect(await (await ours.startEngine()).deploy()).toEqual([]);
    expect(await migrate(theirs.connect(), silent)).toEqual({ applied: [] });
  });

  test('waits until `prisma migrate deploy` has ended, then sees what that has done', async () => {
    const { connect, query, startEngine } = await database();
    const engine = await startEngine();
    await engine.deploy(); // the engine has its lock until it disconnects
    const { logger, waiting } = loggerThatWaits();

    const migrating = migrate(connect({ lock_timeout: 1 }), logger);
    await Promise.race([waiting, migrating]);
    await query(`
      INSERT INTO _prisma_migrations (id, checksum, migration_name, finished_at)
      VALUES (gen_random_uuid(), '', '99990101_later', now())
    `);
    await engine.stop();

    await expect(migrating).rejects.toThrow('The database has the migration 99990101_later');
  });

  test('fails, without ending the process, when its connection is lost while it waits', async () => {
    const { connect, startEngine } = await database();
    await (await startEngine()).deploy();
    const { logger, waiting } = loggerThatWaits();
    const socket = new Socket();

    const outcome = expect(migrate(connect({ stream: () => socket }), logger)).rejects.toThrow(
      'Connection terminated unexpectedly',
    );
    await waiting;
    socket.destroy();
    await outcome;
  });
});

const FRUIT = {
  // In the wrong order here, to be applied in the right one.
  '20260102_pear': `INSERT INTO fruit VALUES ('pear')`,
  '20260101_fruit': 'CREATE TABLE fruit (name text); CREATE TABLE basket ();',
};

const TABLE_DEFINITION = `
  SELECT ordinal_position::integer AS place, column_name, data_type, character_maximum_length, datetime_precision,
    is_nullable, column_default, ARRAY(
      SELECT conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint
      WHERE conrelid = '_prisma_migrations'::regclass ORDER BY conname
    ) AS constraints
  FROM information_schema.columns WHERE table_name = '_prisma_migrations'
  ORDER BY place
`;

/** Random ids and moments as what is true of them. */
const ROWS = `
  SELECT migration_name, checksum, logs, rolled_back_at, applied_steps_count,
    id ~ '^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$' AS random_uuid,
    started_at > now() - interval '1 minute' AND started_at < finished_at AND finished_at < now() AS moments
  FROM _prisma_migrations ORDER BY migration_name
`;

/** An empty database that is gone when the test ends, with all that was opened on it closed. */
async function database() {
  const { url, drop } = await scratchDatabase();
  onTestFinished(drop);
  const connect = (config: pg.PoolConfig = {}) => {
    const pool = new pg.Pool({ ...config, connectionString: url });
    onTestFinished(() => pool.end());
    return pool;
  };
  const own = connect();
  return {
    connect,
    query: async (sql: string): Promise<unknown[]> => (await own.query(sql)).rows,
    async startEngine() {
      const engine = await startSchemaEngine(url);
      onTestFinished(() => engine.stop());
      return engine;
    },
  };
}

async function migrationsFolder(scripts: Readonly<Record<string, string>>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'eventree-migrations-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  for (const [name, script] of Object.entries(scripts)) await addMigration(folder, name, script);
  return folder;
}

async function addMigration(folder: string, name: string, script: string): Promise<void> {
  await mkdir(join(folder, name), { recursive: true });
  await writeFile(join(folder, name, 'migration.sql'), script);
}

async function migrationNames(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const folders = entries.filter((entry) => entry.isDirectory());
  return folders.map(({ name }) => name).sort();
}

/** A logger, and the moment at which it is told that the server waits. */
function loggerThatWaits() {
  let hear = () => {};
  const waiting = new Promise<void>((resolve) => {
    hear = resolve;
  });
  const write = (line: string) => {
    if (line.includes('waiting for the migrations of another server')) hear();
  };
  return { logger: pino({}, { write }), waiting };
}
