/**
 * The shape of every background job: work until there is nothing left, then wait for a nudge or the
 * interval, whichever comes first, until stopped.
 *
 *     idle ──nudge or interval──▶ working ──nothing left──▶ idle
 *                                    └────fails────▶ waits, longer each time ──▶ working
 *
 * A nudge during the work is not lost: the work runs once more. `stop` waits for the work under way.
 */
import { type Backoff, nextDelay, pause } from './retry.ts';

export interface Loop {
  /** There may be work: do not wait for the interval. */
  nudge(): void;
  /** Ends the loop after the work under way. May be called more than once. */
  stop(): Promise<void>;
}

export interface LoopOptions {
  readonly intervalMs: number;
  /** One round of work; it is called again at once while it answers true. The signal fires on stop. */
  readonly work: (signal: AbortSignal) => Promise<boolean>;
  readonly onError: (error: unknown) => void;
  readonly backoff?: Backoff;
}

export function startLoop({ intervalMs, work, onError, backoff }: LoopOptions): Loop {
  const stopping = new AbortController();
  let nudged = false;
  let wake = new AbortController();

  const running = (async () => {
    let failures = 0;
    while (!stopping.signal.aborted) {
      nudged = false;
      let waitMs = intervalMs;
      try {
        if (await work(stopping.signal)) continue;
        failures = 0;
      } catch (error) {
        if (stopping.signal.aborted) break;
        onError(error);
        waitMs = nextDelay(failures++, backoff ?? { firstMs: 100, mostMs: 5_000 });
      }
      if (nudged && failures === 0) continue;
      wake = new AbortController();
      await pause(waitMs, AbortSignal.any([wake.signal, stopping.signal]));
    }
  })();

  return {
    nudge() {
      nudged = true;
      wake.abort();
    },
    async stop() {
      stopping.abort();
      await running;
    },
  };
}
