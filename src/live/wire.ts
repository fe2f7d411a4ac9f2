/**
 * The last stretch of a stream, as live/ sees it: what takes messages that are ready as they are. A wire
 * belongs to one subscription; a socket with several carries as many.
 */

import type { StopSignal } from '../base/stop.ts';

export interface Wire {
  /**
   * Takes a message, a JSON text in UTF-8; the bytes may be shared with other wires. Messages leave in the
   * order in which they were taken, after all that the subscription was sent before.
   *
   * @returns false where so much waits for the network already that this one was not taken.
   */
  push(payload: Buffer): boolean;
  /**
   * Asks to hold so many bytes for later; all subscriptions of a connection share what it may hold.
   *
   * @returns false where that would be too much.
   */
  reserve(bytes: number): boolean;
  /** What was reserved is held no more. */
  free(bytes: number): void;
  /**
   * Calls back once, when little or nothing waits for the network; never, if that has gone.
   *
   * @returns how to be called no more.
   */
  whenDrained(callback: () => void): () => void;
}

/** As a promise, which resolves early when the signal fires. */
export function drained(wire: Wire, signal: StopSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = () => {
      forget();
      signal.removeEventListener('abort', done);
      resolve();
    };
    const forget = wire.whenDrained(done);
    signal.addEventListener('abort', done, { once: true });
  });
}
