/**
 * Indexing in a thread of its own, which is started when a journal first has enough to index: most
 * programs that start a server for a moment never do.
 */
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import type pg from 'pg';
import type { LogLevel } from '../../base/logger.ts';
import { CHUNK_SIZE } from './bits.ts';
import { findGrown, INDEX_BEHIND } from './indexer.ts';

export interface IndexThreadOptions {
  /** Of the database. */
  readonly url: string;
  readonly logLevel: LogLevel;
  readonly statementTimeoutMs: number;
}

export type ToWorker = 'work' | 'stop';

export interface IndexThread {
  /** So many events have been recorded. */
  grown(events: number): void;
  stop(): Promise<void>;
}

const YOUNG_GENERATION_MB = 64;

/** @param pool to see whether an earlier server left something to index. */
export async function startIndexThread(
  pool: pg.Pool,
  options: IndexThreadOptions,
  onError: (error: unknown) => void,
): Promise<IndexThread> {
  let worker: Worker | undefined;
  let grown = 0;
  let stopping = false;

  const start = (): Worker => {
    const started = createWorker(options);
    started.on('error', onError);
    // What a thread that failed has left undone is done by the next one.
    started.once('exit', () => {
      worker = undefined;
    });
    return started;
  };
  const nudge = () => {
    if (stopping) return;
    worker ??= start();
    worker.postMessage('work' satisfies ToWorker);
  };
  if ((await findGrown(pool)).length > 0) nudge();

  return {
    grown(events) {
      grown += events;
      // A chunk at once is written once; what a slow journal leaves is found by the thread's interval.
      if (grown < (worker === undefined ? INDEX_BEHIND : CHUNK_SIZE)) return;
      grown = 0;
      nudge();
    },

    async stop() {
      stopping = true;
      if (worker === undefined) return;
      const exited = once(worker, 'exit');
      worker.postMessage('stop' satisfies ToWorker);
      await exited;
    },
  };
}

function createWorker(workerData: IndexThreadOptions): Worker {
  const settings = { workerData, resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB } };
  if (!import.meta.url.endsWith('.ts')) return new Worker(new URL('worker.js', import.meta.url), settings);
  // Run from its sources: a thread does not inherit the loader of whoever starts it.
  const jiti = createRequire(import.meta.url).resolve('jiti');
  const source = JSON.stringify(fileURLToPath(new URL('worker.ts', import.meta.url)));
  const script = `require(${JSON.stringify(jiti)}).createJiti(${source}).import(${source});`;
  return new Worker(script, { ...settings, eval: true });
}
