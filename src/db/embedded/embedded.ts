/**
 * The server's own PostgreSQL, for where no DATABASE_URL is given: a real one, durable, in a data folder
 * that one server has at a time, on a socket that nobody else can reach.
 *
 *     lock the data folder ─▶ programs ─▶ account ─▶ cluster ─▶ socket folder ─▶ run and keep running
 *
 * Whatever was killed before, and when, the next start recovers by itself: it takes over a stale lock,
 * removes half a cluster, stops what is left running, and PostgreSQL replays its log. What was
 * acknowledged is there.
 */
import { StartError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import { checkReach, chooseAccount } from './account.ts';
import { findBinaries } from './binaries.ts';
import { clusterIn, DATABASE, postgresArguments, prepareCluster, type Settings } from './cluster.ts';
import { type DataFolder, openDataFolder } from './data-folder.ts';
import { stopLeftovers } from './leftovers.ts';
import { removeStalePidFiles } from './pid-files.ts';
import { startPostmaster } from './postmaster.ts';
import { untilReady } from './ready.ts';
import { connectionUrl, openSocketFolder, removeSocketFolder } from './socket.ts';
import { type EmbeddedEnd, type Supervised, supervise } from './supervisor.ts';

export interface EmbeddedOptions {
  /** Created where it is not there. */
  readonly dataDir: string;
  readonly logger: Logger;
  /** Further settings of PostgreSQL, e.g. `{ shared_buffers: '1GB' }`. Durability stays on whatever they say. */
  readonly settings?: Settings;
  /** How long a shutdown may take before it is cut short and left to the next start's recovery; 20 s. */
  readonly stopWithinMs?: number;
}

export interface EmbeddedPostgres {
  /** For pg, for Prisma and for child processes; it stays the same when PostgreSQL is started again. */
  readonly url: string;
  /** Resolves when it runs no more: stopped, or given up after too many unasked ends. Never rejects. */
  readonly ended: Promise<EmbeddedEnd>;
  /** Shuts down and gives the data folder free. May be called more than once. */
  stop(): Promise<void>;
}

/**
 * Starts PostgreSQL and resolves when the database `eventree` answers. To be called on the main thread:
 * PostgreSQL ends with the thread that started it.
 *
 * @throws StartError where the data folder is in use, or where this system or its state does not allow it.
 */
export async function startEmbedded(options: EmbeddedOptions): Promise<EmbeddedPostgres> {
  refuseOtherSystems(process.platform);
  const dataFolder = await openDataFolder(options.dataDir);
  try {
    return await startIn(dataFolder, options);
  } catch (error) {
    await dataFolder.release();
    throw error;
  }
}

/** @throws StartError where there are neither sockets with permissions nor signals. */
export function refuseOtherSystems(platform: NodeJS.Platform): void {
  if (platform === 'linux' || platform === 'darwin') return;
  throw new StartError(
    `The embedded database runs on Linux and macOS only, and this is ${platform}. Set DATABASE_URL to a PostgreSQL server.`,
  );
}

async function startIn(dataFolder: DataFolder, options: EmbeddedOptions): Promise<EmbeddedPostgres> {
  const { logger, settings = {}, stopWithinMs = 20_000 } = options;
  const cluster = clusterIn(dataFolder.path);
  const binaries = await findBinaries();
  const account = await chooseAccount(dataFolder.path, cluster.folder);
  await checkReach(account, binaries.postgres);
  await checkReach(account, dataFolder.path);
  await prepareCluster(dataFolder.path, cluster, binaries, account, logger);
  const socketFolder = await openSocketFolder(cluster.name, account);
  const args = postgresArguments(cluster, socketFolder, settings);

  const supervised = await supervise({
    async prepare() {
      await stopLeftovers(cluster, logger);
      await removeStalePidFiles(cluster, socketFolder);
    },
    start: () => startPostmaster(account, binaries.postgres, args, logger),
    untilReady: (postmaster) => untilReady(socketFolder, postmaster.gone, logger),
    stopWithinMs,
    logger,
  }).catch(async (error) => {
    await removeSocketFolder(socketFolder);
    throw error;
  });
  logger.info({ folder: cluster.folder }, 'the embedded database is running');
  let stopped: Promise<void> | undefined;
  return {
    url: connectionUrl(socketFolder, DATABASE),
    ended: supervised.ended,
    stop() {
      stopped ??= stopAll(supervised, socketFolder, dataFolder);
      return stopped;
    },
  };
}

/** The lock last: until then nobody else may touch the data. */
async function stopAll(supervised: Supervised, socketFolder: string, dataFolder: DataFolder): Promise<void> {
  await supervised.stop();
  await removeSocketFolder(socketFolder);
  await dataFolder.release();
}
