/**
 * The cluster: the folder that initdb creates once and PostgreSQL then lives in, and the settings it is
 * given at each start.
 *
 * Settings travel on the command line and not in postgresql.conf: a newer Eventree brings its own, and
 * nothing that is written in the folder turns durability off.
 */
import { createHash } from 'node:crypto';
import { chown, mkdtemp, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { StartError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { Binaries } from './binaries.ts';
import { type Account, run } from './command.ts';

export const ROLE = 'eventree';
export const DATABASE = 'eventree';
export const PORT = 5432;
/** What PostgreSQL calls its socket; beside it lies its lock, with `.lock` behind the name. */
export const SOCKET = `.s.PGSQL.${PORT}`;

export type Settings = Readonly<Record<string, string>>;

export interface Cluster {
  readonly folder: string;
  /** The title of each of its processes begins with it, which is how a leftover is recognised. */
  readonly name: string;
}

/** @param dataFolder absolute and without symbolic links, so that the name is always the same. */
export function clusterIn(dataFolder: string): Cluster {
  const folder = join(dataFolder, 'postgres');
  return { folder, name: `eventree-${createHash('sha256').update(folder).digest('hex').slice(0, 12)}` };
}

const TUNING: Settings = {
  shared_buffers: '256MB',
  max_connections: '60',
  // Queries here take milliseconds: compiling them takes longer than running them.
  jit: 'off',
  random_page_cost: '1.1',
  max_wal_size: '2GB',
  checkpoint_completion_target: '0.9',
  timezone: 'UTC',
  // What is logged goes to the server's log: no statements, which hold what clients recorded.
  log_min_error_statement: 'panic',
  log_checkpoints: 'off',
  log_line_prefix: '[%p] ',
};

const DURABLE: Settings = { fsync: 'on', synchronous_commit: 'on', full_page_writes: 'on' };

/** The arguments of postgres. What durability and our finding it again rest on cannot be overridden. */
export function postgresArguments(cluster: Cluster, socketFolder: string, settings: Settings): string[] {
  const fixed = {
    cluster_name: cluster.name,
    listen_addresses: '',
    port: String(PORT),
    unix_socket_directories: socketFolder,
    unix_socket_permissions: '0700',
    logging_collector: 'off',
    log_destination: 'stderr',
  };
  const all = { ...TUNING, ...settings, ...DURABLE, ...fixed };
  return [
    '-D',
    cluster.folder,
    ...Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
  ];
}

/**
 * Creates the cluster where there is none. initdb works in a folder beside it that is renamed when all of
 * it is on the disk: a cluster is whole or not there.
 *
 * @throws StartError where it cannot be created, or where another major version of PostgreSQL wrote it.
 */
export async function prepareCluster(
  dataFolder: string,
  cluster: Cluster,
  binaries: Binaries,
  account: Account,
  logger: Logger,
): Promise<void> {
  for (const name of await readdir(dataFolder)) {
    // Left by an initdb that was killed: we hold the lock, so nobody works there.
    if (name.startsWith('postgres.init-')) await remove(join(dataFolder, name));
  }
  const version = await readFile(join(cluster.folder, 'PG_VERSION'), 'utf8').catch(() => undefined);
  if (version === undefined) return await createCluster(dataFolder, cluster, binaries, account, logger);
  if (version.trim() === binaries.major) return;
  throw new StartError(
    `The database in ${cluster.folder} was written by PostgreSQL ${version.trim()}, and this Eventree comes with PostgreSQL ${binaries.major}. ` +
      `Start the Eventree it was written with and copy the data with pg_dump, or run pg_upgrade on it, or set EVENTREE_DATA_DIR to an empty folder.`,
  );
}

async function createCluster(
  dataFolder: string,
  cluster: Cluster,
  binaries: Binaries,
  account: Account,
  logger: Logger,
): Promise<void> {
  const found = await readdir(cluster.folder).catch(() => []);
  if (found.length > 0) {
    throw new StartError(
      `The folder ${cluster.folder} holds files but no database. Move it away, or set EVENTREE_DATA_DIR to another folder.`,
    );
  }
  logger.info({ folder: cluster.folder }, 'creating the database');
  const draft = await mkdtemp(join(dataFolder, 'postgres.init-'));
  try {
    if (account.stepDown) await chown(draft, account.stepDown.uid, account.stepDown.gid);
    const { code, output } = await run(account, binaries.initdb, [
      ...['--pgdata', draft, '--username', ROLE, '--encoding', 'UTF8', '--no-locale'],
      // Whoever reaches the socket is let in; its folder lets in its owner only. See socket.ts.
      ...['--auth-local', 'trust', '--auth-host', 'reject', '--no-instructions'],
    ]);
    if (code !== 0) {
      throw new StartError(`The database in ${dataFolder} cannot be created. initdb says: ${output.trim()}`);
    }
    await rename(draft, cluster.folder);
    await syncFolder(dataFolder);
  } catch (error) {
    await remove(draft);
    throw error;
  }
}

/** Without it the rename may be lost with the power, though all that was renamed is on the disk. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** An initdb that is just dying may still write into it: hence more than one attempt. */
async function remove(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
}
