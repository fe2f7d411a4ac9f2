/** The thread that indexes. Told by thread.ts that there may be work, or to stop. */
import { parentPort, workerData } from 'node:worker_threads';
import { createLogger } from '../../base/logger.ts';
import type { Loop } from '../../base/loop.ts';
import { persist } from '../../base/retry.ts';
import { openDatabase } from '../../db/database.ts';
import { isAway, reportTo } from '../../db/trouble.ts';
import { openRegistry } from '../registry-store.ts';
import { startIndexing } from './indexer.ts';
import type { IndexThreadOptions, ToWorker } from './thread.ts';

const BACKOFF = { firstMs: 50, mostMs: 2_000 };

const { url, logLevel, statementTimeoutMs } = workerData as IndexThreadOptions;
const logger = createLogger(logLevel);
const report = reportTo(logger);
const database = openDatabase({ url, poolSize: 2, statementTimeoutMs, onIdleError: report });
const stopping = new AbortController();
const indexing = open();

parentPort?.on('message', async (message: ToWorker) => {
  if (message === 'work') {
    (await indexing)?.nudge();
    return;
  }
  stopping.abort();
  await (await indexing)?.stop();
  await database.close();
  parentPort?.close();
});

/** Null where it is stopped before the database has been there. */
async function open(): Promise<Loop | null> {
  const options = { isPassing: isAway, backoff: BACKOFF, signal: stopping.signal };
  const registry = await persist(() => openRegistry(database), options).catch((error: unknown) => {
    if (stopping.signal.aborted) return null;
    throw error;
  });
  return registry === null ? null : startIndexing(database, registry, report);
}
