/**
 * The folder of PostgreSQL's socket. Whoever can enter it is a superuser of the database, so that nobody
 * but its owner may: the folder for temporary files is open to all, and anybody may have laid a folder or
 * a link there under our name before us.
 *
 * It lies there and not with the data, because a socket's path is limited to about a hundred bytes. Its
 * name comes from the cluster, so that a server that is killed leaves one folder, not one for each time.
 */
import { chown, lstat, mkdir, mkdtemp, rmdir, unlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { messageOf, StartError } from '../../base/errors.ts';
import { PORT, ROLE, SOCKET } from './cluster.ts';
import type { Account } from './command.ts';

/** What macOS allows; Linux allows 107. See sun_path in unix(7) and unix(4). */
const MAX_SOCKET_PATH_BYTES = 103;

/** @throws StartError where no such folder can be created. */
export async function openSocketFolder(clusterName: string, account: Account): Promise<string> {
  const uid = account.stepDown?.uid ?? process.getuid?.();
  const name = `${clusterName}-${uid}`;
  const base = chooseBase(account.stepDown === undefined ? [tmpdir(), '/tmp'] : ['/tmp'], name);
  try {
    const wanted = join(base, name);
    if (await isClosedToOthers(wanted, uid)) return wanted;
    const folder = (await tryCreate(wanted)) ? wanted : await mkdtemp(join(base, 'eventree-'));
    if (account.stepDown) await chown(folder, account.stepDown.uid, account.stepDown.gid);
    return folder;
  } catch (error) {
    throw new StartError(
      `No folder for the database's socket can be created in ${base}: ${messageOf(error)}`,
    );
  }
}

/** Removes the folder with what a PostgreSQL that was killed has left in it. Never rejects. */
export async function removeSocketFolder(folder: string): Promise<void> {
  for (const file of [SOCKET, `${SOCKET}.lock`]) await unlink(join(folder, file)).catch(() => {});
  // Whatever stops us, it is one small folder, and no reason to keep the data locked.
  await rmdir(folder).catch(() => {});
}

/**
 * For pg, Prisma and libpq. `host` overrides the name in the authority, which is there because a URL
 * without one is none to `new URL`. All is said, so that neither PGPORT nor PGSSLMODE leads elsewhere.
 */
export function connectionUrl(socketFolder: string, database: string): string {
  const host = encodeURIComponent(socketFolder);
  return `postgresql://${ROLE}@localhost/${database}?host=${host}&port=${PORT}&sslmode=disable`;
}

/** The first in which the socket's path is short enough; the last, if none is. */
export function chooseBase(bases: readonly string[], name: string): string {
  const fits = (base: string) => Buffer.byteLength(join(base, name, SOCKET)) <= MAX_SOCKET_PATH_BYTES;
  return bases.find(fits) ?? '/tmp';
}

/** The link itself is looked at, not what it leads to; and in a sticky folder nobody moves what is ours. */
async function isClosedToOthers(path: string, uid: number | undefined): Promise<boolean> {
  const found = await lstat(path).catch(() => undefined);
  return found?.isDirectory() === true && found.uid === uid && (found.mode & 0o077) === 0;
}

async function tryCreate(path: string): Promise<boolean> {
  try {
    await mkdir(path, { mode: 0o700 });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}
