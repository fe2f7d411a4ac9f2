/**
 * The data folder of a server that keeps its own database, and the lock that makes it the only one there.
 *
 * The lock is the file `server.lock`: who holds it, by process id and start. It is held as long as that
 * process lives, so a server that was killed leaves a stale lock, which the next one takes over.
 *
 *     no lock ──link──▶ held ──release──▶ no lock
 *                         └──owner dies──▶ stale ──seat behind it, rename──▶ held
 *
 * Removing a stale lock and creating a new one would be two steps, and between them a second starter could
 * remove the first one's new lock. Here who takes over first takes the *seat behind* the dead owner, a
 * file named after him: it can be created once. Then he moves it over the stale lock, which is never absent.
 *
 * Does not see beyond the machine, nor beyond a container: a folder on shared storage has one server only
 * if whoever runs it sees to that.
 */
import { randomUUID } from 'node:crypto';
import { link, mkdir, readdir, readFile, realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { messageOf, StartError } from '../../base/errors.ts';
import { startOf } from './processes.ts';

export interface DataFolder {
  /** Absolute, with symbolic links resolved: the same folder has the same path. */
  readonly path: string;
  /** Gives the folder free. May be called more than once. */
  release(): Promise<void>;
}

const Owner = z.object({ pid: z.int(), started: z.string(), token: z.string() });
type Owner = z.infer<typeof Owner>;

/**
 * Locks appear whole, so that one which cannot be read comes from before a power failure, which leaves
 * empty files behind: it belongs to no process.
 */
const UNREADABLE: Owner = { pid: 0, started: 'never', token: 'unreadable' };

/**
 * Creates the folder where there is none (mode 0700) and takes its lock.
 *
 * @throws StartError where another server has it, or where it cannot be written.
 */
export async function openDataFolder(folder: string): Promise<DataFolder> {
  const path = await createFolder(folder);
  const lock = join(path, 'server.lock');
  const started = await startOf(process.pid);
  if (started === undefined) throw new StartError('The process table cannot be read: is /proc mounted?');
  const self: Owner = { pid: process.pid, started, token: randomUUID() };
  await takeLock(lock, self, path);
  return {
    path,
    async release() {
      if ((await readOwner(lock))?.token === self.token) await rm(lock, { force: true });
    },
  };
}

async function createFolder(folder: string): Promise<string> {
  try {
    await makeFolder(folder);
    return await realpath(folder);
  } catch (error) {
    throw new StartError(
      `The data folder ${folder} cannot be created: ${messageOf(error)}. Set EVENTREE_DATA_DIR to a folder that this user can write.`,
    );
  }
}

/** With those above it. Node's own way to do so never ends where a folder cannot be made, as below /proc. */
async function makeFolder(folder: string): Promise<void> {
  const make = () =>
    mkdir(folder, { mode: 0o700 }).catch(async (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST' || !(await stat(folder)).isDirectory()) throw error;
    });
  await make().catch(async (error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT' || dirname(folder) === folder) throw error;
    await makeFolder(dirname(folder));
    await make();
  });
}

async function takeLock(lock: string, self: Owner, folder: string): Promise<void> {
  // Written whole and then linked into place, so that nobody ever reads half a lock.
  const mine = `${lock}.${self.token}`;
  try {
    await writeFile(mine, JSON.stringify(self));
    while (!(await tryLock(lock, mine, folder)));
  } catch (error) {
    if (error instanceof StartError) throw error;
    throw new StartError(`The data folder ${folder} cannot be locked: ${messageOf(error)}.`);
  } finally {
    await rm(mine, { force: true });
  }
}

/** One attempt; false: something moved meanwhile, look again. */
async function tryLock(lock: string, mine: string, folder: string): Promise<boolean> {
  const stale = await readOwner(lock);
  if (stale === undefined) return await tryLink(mine, lock);

  let seat = lock;
  for (let owner: Owner | undefined = stale; ; owner = await readOwner(seat)) {
    if (owner === undefined) return false;
    if (await isAlive(owner)) throw inUse(folder, owner);
    seat = seatBehind(lock, owner);
    // Taken already, by one who may have died over it in turn: look behind that one.
    if (await tryLink(mine, seat)) break;
  }
  // Somebody was faster from beginning to end, and the seat belongs to a lock that is gone.
  if ((await readOwner(lock))?.token !== stale.token) {
    await rm(seat, { force: true });
    return false;
  }
  await rename(seat, lock);
  await removeAbandoned(lock);
  return true;
}

/** Seats and drafts of starters that were killed over them. */
async function removeAbandoned(lock: string): Promise<void> {
  const folder = dirname(lock);
  for (const name of await readdir(folder)) {
    if (!name.startsWith('server.lock.')) continue;
    const owner = await readOwner(join(folder, name));
    // A draft that cannot be read may be one that its writer is just writing.
    if (owner === undefined || owner === UNREADABLE || (await isAlive(owner))) continue;
    await rm(join(folder, name), { force: true });
  }
}

function seatBehind(lock: string, owner: Owner): string {
  return `${lock}.behind-${owner.token}`;
}

async function isAlive(owner: Owner): Promise<boolean> {
  return (await startOf(owner.pid)) === owner.started;
}

/** Undefined: there is no such file. */
async function readOwner(file: string): Promise<Owner | undefined> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (text === undefined) return undefined;
  try {
    return Owner.parse(JSON.parse(text));
  } catch {
    return UNREADABLE;
  }
}

async function tryLink(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

function inUse(folder: string, owner: Owner): StartError {
  return new StartError(
    `The data folder ${folder} is in use by another Eventree server (process ${owner.pid}). ` +
      'Stop it, or set EVENTREE_DATA_DIR to another folder.',
  );
}
