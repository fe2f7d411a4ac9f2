/** The thread that indexes. Told by thread.ts that there may be work, or to stop. */
import { parentPort, workerData } from 'node:worker_threads';
import { createLogger } from '../../base/logger.ts';
import { openDatabase } from '../../db/database.ts';
import { reportTo } from '../../db/trouble.ts';
import { openRegistry } from '../registry-store.ts';
import { startIndexing } from './indexer.ts';
import type { IndexThreadOptions, ToWorker } from './thread.ts';

const { url, logLevel, statementTimeoutMs } = workerData as IndexThreadOptions;
const logger = createLogger(logLevel);
const report = reportTo(logger);
const database = openDatabase({ url, poolSize: 2, statementTimeoutMs, onIdleError: report });
const indexing = startIndexing(database, await openRegistry(database), report);

parentPort?.on('message', async (message: ToWorker) => {
  if (message === 'work') {
    indexing.nudge();
    return;
  }
  await indexing.stop();
  await database.close();
  parentPort?.close();
});
