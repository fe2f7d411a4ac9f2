/**
 * Trying again while a server restarts, for work that may be repeated: reading, and recording under ids
 * that are given. A server that was never reached is no server: that fails at once.
 */
import { nextDelay, pause } from '../base/retry.ts';
import { EventreeClientError, isPassing } from '../client/errors.ts';
import { colorsFor, plainText } from './terminal.ts';

export type Patience = <T>(work: () => Promise<T>) => Promise<T>;

const BACKOFF = { firstMs: 200, mostMs: 5_000 };
const RETRY_FOR_MS = 60_000;

/**
 * @param say gets a sentence when the waiting begins.
 * @throws (from it) the last failure, when it has lasted for a minute.
 */
export function createPatience(say: (sentence: string) => void): Patience {
  let wasReached = false;
  return async (work) => {
    const deadline = Date.now() + RETRY_FOR_MS;
    for (let failures = 0; ; failures++) {
      try {
        const result = await work();
        wasReached = true;
        return result;
      } catch (error) {
        if (!(error instanceof EventreeClientError)) throw error;
        wasReached ||= error.code !== 'UNREACHABLE';
        if (!isPassing(error) || !wasReached || Date.now() >= deadline) throw error;
        const { dim } = colorsFor(process.stderr);
        if (failures === 0) say(dim(plainText(`${error.message} Trying again …`)));
        await pause(nextDelay(failures, BACKOFF));
      }
    }
  };
}
