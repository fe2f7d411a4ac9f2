/**
 * Databases for tests, on a PostgreSQL that all tests of a machine share. It is started by the first who wants one,
 * kept between test files and between runs that follow each other, and is gone soon after the last; see keeper.ts.
 *
 * A database is a copy of a template, which is migrated already: made in a fraction of a second. It is removed when
 * it is closed, or with the process.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmod, lstat, mkdir, open, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { StartError } from '../base/errors.ts';
import { pause } from '../base/retry.ts';
import { LOG, SOCKET, TAKEN, type Welcome } from './meeting.ts';

export interface TestDatabase {
  readonly url: string;
  /** Cuts off whoever is still connected. May be called more than once. */
  drop(): Promise<void>;
}

export interface Databases {
  /** Process id of who keeps PostgreSQL: for tests of these tests. */
  readonly keeper: number;
  /** One that is migrated for Eventree, or an empty one. */
  create(kind: 'eventree' | 'empty'): Promise<TestDatabase>;
  /** Leaves, which removes what was made. Not needed where the process ends. */
  leave(): Promise<void>;
}

export interface DatabasesOptions {
  /** Where those meet who share a PostgreSQL. Left out: in the folder for temporary files, one for each user and copy of Eventree. */
  readonly folder?: string;
  /** How long PostgreSQL stays when nobody is left. */
  readonly lingerMs?: number;
}

const LINGER_MS = 10_000;
/** An initdb on a slow disk, or a recovery. */
const START_WITHIN_MS = 120_000;
const RETRY_MS = 50;

let shared: Promise<Databases> | undefined;

/** Those of this process. */
export function sharedDatabases(): Promise<Databases> {
  shared ??= openDatabases({
    onLost() {
      shared = undefined;
    },
  }).catch((error) => {
    shared = undefined;
    throw error;
  });
  return shared;
}

/** @throws StartError where PostgreSQL cannot be started. */
export async function openDatabases({
  folder = usualFolder(),
  lingerMs = LINGER_MS,
  onLost = () => {},
}: DatabasesOptions & { readonly onLost?: () => void }): Promise<Databases> {
  await prepareFolder(folder);
  const { socket, welcome } = await meet(folder, lingerMs);
  // It is what keeps the databases, and no reason to go on.
  socket.unref();
  socket.once('close', onLost);
  const admin = new pg.Pool({ connectionString: welcome.url, max: 2, allowExitOnIdle: true });
  admin.on('error', () => {});

  return {
    keeper: welcome.pid,

    async create(kind) {
      const name = `${welcome.prefix}${randomBytes(6).toString('hex')}`;
      await admin.query(
        `create database ${name} ${kind === 'eventree' ? `template ${welcome.template}` : ''}`,
      );
      const url = new URL(welcome.url);
      url.pathname = name;
      return { url: url.href, drop: () => dropDatabase(admin, name) };
    },

    async leave() {
      await admin.end();
      const closed = once(socket, 'close');
      socket.destroy();
      await closed;
    },
  };
}

const OBJECT_IN_USE = '55006';

async function dropDatabase(admin: pg.Pool, name: string): Promise<void> {
  try {
    // Waits up to 5 s for connections that are just being closed: cut off, they would report an error.
    await admin.query(`drop database if exists ${name}`);
  } catch (error) {
    if ((error as { code?: string }).code !== OBJECT_IN_USE) throw error;
    await admin.query(`drop database if exists ${name} with (force)`);
  }
}

function usualFolder(): string {
  const copy = createHash('sha256')
    .update(import.meta.url)
    .digest('hex')
    .slice(0, 8);
  return join(tmpdir(), `eventree-testing-${process.getuid?.()}-${copy}`);
}

/**
 * Others may pass through, as PostgreSQL has to where it runs as somebody else, and may not write: they could lay a
 * socket of their own there.
 *
 * @throws StartError where somebody else was there before, or others may write.
 */
async function prepareFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o711 });
  const found = await lstat(folder);
  if (!found.isDirectory() || found.uid !== process.getuid?.()) {
    throw new StartError(`${folder} belongs to somebody else. Remove it: Eventree's tests meet there.`);
  }
  if ((found.mode & OTHERS_WRITE) !== 0) {
    throw new StartError(`Others may write to ${folder}. Remove it: Eventree's tests meet there.`);
  }
  await chmod(folder, (found.mode & 0o777) | OTHERS_PASS);
}

const OTHERS_WRITE = 0o022;
const OTHERS_PASS = 0o011;

interface Met {
  readonly socket: Socket;
  readonly welcome: Welcome;
}

/** Finds the keeper, or starts one. Of several that are started at once, one stays. */
async function meet(folder: string, lingerMs: number): Promise<Met> {
  const deadline = Date.now() + START_WITHIN_MS;
  let started: ChildProcess | undefined;
  for (;;) {
    const met = await knock(folder);
    if (met !== null) return met;
    if (started?.exitCode != null && started.exitCode !== TAKEN) throw await notStarted(folder);
    if (Date.now() > deadline) throw await notStarted(folder);
    if (started === undefined || started.exitCode !== null) started = await startKeeper(folder, lingerMs);
    await pause(RETRY_MS);
  }
}

/** Null: nobody is there, or nobody any more. */
function knock(folder: string): Promise<Met | null> {
  return new Promise((resolve) => {
    const socket = connect(join(folder, SOCKET)).setEncoding('utf8');
    let line = '';
    const hear = (text: string) => {
      line += text;
      if (!line.endsWith('\n')) return;
      socket.off('data', hear).resume();
      // From the program beside this one.
      resolve({ socket, welcome: JSON.parse(line) as Welcome });
    };
    socket.on('data', hear);
    socket.on('error', () => {});
    socket.once('close', () => resolve(null));
  });
}

/** It outlives this process: others may be using it by then. */
async function startKeeper(folder: string, lingerMs: number): Promise<ChildProcess> {
  const log = await open(join(folder, LOG), 'a', 0o600);
  const child = spawn(process.execPath, [...programOf(), folder, String(lingerMs)], {
    cwd: '/',
    detached: true,
    stdio: ['ignore', 'ignore', log.fd],
  });
  child.on('error', () => {});
  child.unref();
  await log.close();
  return child;
}

function programOf(): string[] {
  if (!import.meta.url.endsWith('.ts')) return [fileURLToPath(new URL('keeper.js', import.meta.url))];
  // Run from its sources, as the index thread is.
  const jiti = createRequire(import.meta.url).resolve('jiti');
  const source = JSON.stringify(fileURLToPath(new URL('keeper.ts', import.meta.url)));
  return ['-e', `require(${JSON.stringify(jiti)}).createJiti(${source}).import(${source});`];
}

async function notStarted(folder: string): Promise<StartError> {
  const said = await readFile(join(folder, LOG), 'utf8').catch(() => '');
  return new StartError(
    `PostgreSQL for tests cannot be started in ${folder}: ${said.slice(-2_000).trim() || 'it says nothing'}`,
  );
}
