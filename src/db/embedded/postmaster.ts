/**
 * One life of PostgreSQL: from its start to its end, with what it said.
 *
 * Its log goes to ours at `debug`; the last lines are kept, because they say why it ended.
 */
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Logger } from '../../base/logger.ts';
import { pause } from '../../base/retry.ts';
import { type Account, spawnAs } from './command.ts';

export interface Postmaster {
  /** How it ended, in words, with its last lines. Never rejects. */
  readonly ended: Promise<string>;
  /** Fires with it. */
  readonly gone: AbortSignal;
  /**
   * Disconnects all clients and shuts down; after `withinMs` cuts that short, and the next start recovers.
   * Resolves when it has ended. May be called more than once.
   */
  stop(withinMs: number): Promise<void>;
}

const KEPT_LINES = 10;
const MAX_LINE_LENGTH = 1_000;
/** How long PostgreSQL itself takes to kill what does not follow an immediate shutdown, and some more. */
const IMMEDIATE_MS = 10_000;

export function startPostmaster(
  account: Account,
  program: string,
  args: readonly string[],
  logger: Logger,
): Postmaster {
  const child = spawnAs(account, program, args);
  const gone = new AbortController();
  const lastLines: string[] = [];
  child.stdout.resume();
  createInterface({ input: child.stderr }).on('line', (whole) => {
    const line = whole.slice(0, MAX_LINE_LENGTH);
    logger.debug({ line }, 'PostgreSQL says');
    lastLines.push(line);
    if (lastLines.length > KEPT_LINES) lastLines.shift();
  });

  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const ended = (async () => {
    const how = await untilEnd(child);
    // Its last words may still be under way. A child of its own that outlives it keeps the stream open.
    await Promise.race([closed, pause(200)]);
    gone.abort();
    return [how, ...lastLines].join('\n');
  })();

  return {
    ended,
    gone: gone.signal,
    async stop(withinMs) {
      const steps = [
        { signal: 'SIGINT', waitMs: withinMs },
        { signal: 'SIGQUIT', waitMs: IMMEDIATE_MS },
      ] as const;
      for (const { signal, waitMs } of steps) {
        if (gone.signal.aborted) return;
        child.kill(signal);
        await pause(waitMs, gone.signal);
        if (!gone.signal.aborted) logger.warn({ signal, waitMs }, 'PostgreSQL does not stop in time');
      }
      child.kill('SIGKILL');
      await ended;
    },
  };
}

function untilEnd(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once('error', (error) => resolve(`PostgreSQL could not be run: ${error.message}`));
    child.once('exit', (code, signal) =>
      resolve(signal === null ? `PostgreSQL ended with code ${code}` : `PostgreSQL was ended by ${signal}`),
    );
  });
}
