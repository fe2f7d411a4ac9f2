/**
 * A program that keeps one PostgreSQL for all tests that run on a machine, whichever processes they run in:
 *
 *     no keeper ──first test──▶ starting ──template──▶ open ──last test gone──▶ lingering ──▶ no keeper
 *                                                       ▲──────another test─────────┘
 *
 * Who wants databases connects to its socket, is told how to make some, and has them as long as the connection
 * lasts: the kernel closes it, however its process ends. One that is killed itself is followed by the next, which
 * takes over its lock and its cluster.
 *
 *     keeper.ts <folder> <milliseconds to linger>
 */
import { rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import pg from 'pg';
import { messageOf } from '../base/errors.ts';
import { createLogger, type Logger } from '../base/logger.ts';
import { openDatabase } from '../db/database.ts';
import { openDataFolder } from '../db/embedded/data-folder.ts';
import { type EmbeddedPostgres, startEmbedded } from '../db/embedded/embedded.ts';
import { migrate } from '../db/migrate.ts';
import { openRegistry } from '../events/registry-store.ts';
import { LOG, SOCKET, TAKEN, type Welcome } from './meeting.ts';

const START_TIMEOUT_MS = 60_000;
/** How long who started it may take to come. */
const FIRST_MS = 10_000;
const TEMPLATE = 'testing_template';
const PREFIX = 'testing_of_';
/** Many servers at once, each with a pool. */
const SETTINGS = { max_connections: '300', shared_buffers: '128MB' };

async function keep(folder: string, lingerMs: number): Promise<void> {
  // The socket is for its owner, and for nobody else.
  process.umask(0o077);
  const logger = createLogger('warn');
  const lock = await openDataFolder(folder).catch((error: unknown) => fail(error, TAKEN));
  const [socket, dataDir] = [join(folder, SOCKET), join(folder, 'data')];
  await rm(socket, { force: true });
  const embedded = await startIn(dataDir, logger);
  const { run, end } = connectTo(embedded.url);
  await makeTemplate(embedded.url, run, logger);

  let stopped: Promise<void> | undefined;
  const stop = () => {
    stopped ??= stopAll();
    return stopped;
  };
  /** The lock last: until then nobody else may touch the data. */
  async function stopAll(): Promise<void> {
    await end();
    await embedded.stop();
    for (const path of [socket, dataDir, join(folder, LOG)]) await rm(path, { recursive: true, force: true });
    await lock.release();
    process.exit();
  }
  open(socket, lingerMs, {
    welcome: (prefix) => ({ url: embedded.url, template: TEMPLATE, prefix, pid: process.pid }),
    left: (prefix) => dropDatabases(run, `datname like '${prefix}%'`),
    done: stop,
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, stop);
  await embedded.ended;
  await stop();
}

/** What is left then is taken over by the next. */
function fail(error: unknown, code: number): never {
  process.stderr.write(`${messageOf(error)}\n`);
  process.exit(code);
}

/** A cluster that an earlier keeper left and that cannot be started is of no value. */
async function startIn(dataDir: string, logger: Logger): Promise<EmbeddedPostgres> {
  const start = () => startEmbedded({ dataDir, logger, settings: SETTINGS });
  return start().catch(async () => {
    await rm(dataDir, { recursive: true, force: true });
    return start();
  });
}

type RunSql = (sql: string) => Promise<readonly Record<string, unknown>[]>;

function connectTo(url: string) {
  const pool = new pg.Pool({ connectionString: url, max: 2 });
  pool.on('error', () => {});
  const run: RunSql = async (sql) => (await pool.query(sql)).rows;
  return { run, end: () => pool.end() };
}

/** Made anew by each keeper: one that was left may be of another version. It has what a server's first start brings. */
async function makeTemplate(url: string, run: RunSql, logger: Logger): Promise<void> {
  await dropDatabases(run, `datname = '${TEMPLATE}' or datname like '${PREFIX}%'`);
  await run(`create database ${TEMPLATE}`);
  const template = new URL(url);
  template.pathname = TEMPLATE;
  const database = openDatabase({
    url: template.href,
    poolSize: 2,
    statementTimeoutMs: START_TIMEOUT_MS,
    onIdleError: (error) => logger.warn({ error: error.message }, 'database connection lost'),
  });
  await migrate(database.pool, logger);
  await openRegistry(database);
  await database.close();
}

async function dropDatabases(run: RunSql, which: string): Promise<void> {
  for (const { datname } of await run(`select datname from pg_database where ${which}`))
    await run(`drop database if exists ${datname} with (force)`);
}

interface Keeping {
  readonly welcome: (prefix: string) => Welcome;
  readonly left: (prefix: string) => Promise<void>;
  readonly done: () => void;
}

/** Listens until nobody has been there for a while. */
function open(path: string, lingerMs: number, { welcome, left, done }: Keeping): void {
  const present = new Set<Socket>();
  let count = 0;
  let timer: NodeJS.Timeout | undefined;
  const linger = (ms: number) => {
    timer = setTimeout(() => server.close(done), ms);
  };
  const server = createServer((socket) => {
    clearTimeout(timer);
    const prefix = `${PREFIX}${count++}_`;
    present.add(socket);
    socket.on('error', () => {});
    socket.resume().once('close', async () => {
      await left(prefix).catch((error: unknown) => process.stderr.write(`${messageOf(error)}\n`));
      present.delete(socket);
      if (present.size === 0) linger(lingerMs);
    });
    socket.write(`${JSON.stringify(welcome(prefix))}\n`);
  });
  server.listen(path);
  linger(FIRST_MS + lingerMs);
}

const [folder, lingerMs] = process.argv.slice(-2) as [string, string];
await keep(folder, Number(lingerMs)).catch((error: unknown) => fail(error, 1));
