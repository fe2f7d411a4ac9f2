/**
 * Keeps PostgreSQL running until it is asked to stop: a server that stays up without its database is of
 * no use to anybody.
 *
 *     starting ──answers──▶ running ──ends by itself──▶ waiting ──delay──▶ starting
 *                              │                           └──too many ends in a minute──▶ failed
 *                              └──stop──▶ stopped  (from every other state as well)
 *
 * The first start is not repeated: whoever starts the server is there to read why it failed.
 */
import { messageOf, StartError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import { nextDelay, pause } from '../../base/retry.ts';
import type { Postmaster } from './postmaster.ts';

export type EmbeddedEnd =
  | { readonly reason: 'stopped' }
  /** It ended again and again and is not started any more. */
  | { readonly reason: 'failed'; readonly error: Error };

export interface Supervised {
  readonly ended: Promise<EmbeddedEnd>;
  stop(): Promise<void>;
}

export interface SuperviseOptions {
  /** Makes way for a start; what it throws counts as an end. */
  readonly prepare: () => Promise<void>;
  readonly start: () => Postmaster;
  /** Resolves when it answers or is gone. */
  readonly untilReady: (postmaster: Postmaster) => Promise<void>;
  readonly stopWithinMs: number;
  readonly logger: Logger;
}

const MOST_ENDS_PER_MINUTE = 5;
/** Before the starts that follow the ends: below 200, 400, 800, 1600, 3200 ms. */
const BACKOFF = { firstMs: 200, mostMs: 5_000 };

/** @throws StartError where the first start failed. */
export async function supervise(options: SuperviseOptions): Promise<Supervised> {
  const { prepare, start, untilReady, stopWithinMs, logger } = options;
  const stopping = new AbortController();
  let postmaster: Postmaster | undefined;

  async function bringUp(): Promise<Postmaster> {
    await prepare();
    // From here to the assignment nothing is awaited: `stop` finds this postmaster, or it is never started.
    if (stopping.signal.aborted) throw new Error('It was stopped before it was started.');
    const begun = start();
    postmaster = begun;
    try {
      await untilReady(begun);
    } catch (error) {
      await begun.stop(stopWithinMs);
      throw error;
    }
    if (begun.gone.aborted) throw new Error(await begun.ended);
    return begun;
  }

  async function keepUp(first: Postmaster): Promise<EmbeddedEnd> {
    let ends: readonly number[] = [];
    let why = await first.ended;
    while (!stopping.signal.aborted) {
      const now = Date.now();
      ends = [...ends.filter((at) => at > now - 60_000), now];
      if (ends.length > MOST_ENDS_PER_MINUTE) return { reason: 'failed', error: tooManyEnds(why) };
      logger.error({ why }, 'PostgreSQL ended without having been asked to; starting it again');
      await pause(nextDelay(ends.length - 1, BACKOFF), stopping.signal);
      why = await bringUp().then((next) => next.ended, messageOf);
    }
    return { reason: 'stopped' };
  }

  const ended = keepUp(await bringUp().catch(failFirst));
  return {
    ended,
    async stop() {
      stopping.abort();
      await postmaster?.stop(stopWithinMs);
      await ended;
    },
  };
}

function failFirst(error: unknown): never {
  if (error instanceof StartError) throw error;
  throw new StartError(`The embedded database does not start. ${messageOf(error)}`, { cause: error });
}

function tooManyEnds(why: string): Error {
  return new Error(
    `The embedded database ended ${MOST_ENDS_PER_MINUTE + 1} times within a minute and is not started again. ${why}`,
  );
}
