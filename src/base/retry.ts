/**
 * When to try again. Delays grow by doubling and are drawn at random below the bound ("full jitter"), so
 * that what failed together does not come back together. See AWS Architecture Blog, "Exponential Backoff
 * And Jitter", 2015.
 */
import type { StopSignal } from './stop.ts';

export interface Backoff {
  readonly firstMs: number;
  readonly mostMs: number;
}

/**
 * The wait before attempt `attempt` (0 for the first retry), in milliseconds.
 *
 * With `{ firstMs: 100, mostMs: 5_000 }` it lies below 100, 200, 400, 800, 1600, 3200, 5000, 5000, …
 */
export function nextDelay(attempt: number, { firstMs, mostMs }: Backoff, random = Math.random): number {
  return random() * Math.min(mostMs, firstMs * 2 ** Math.min(attempt, 30));
}

/** Resolves after `ms`, or at once when the signal fires; never rejects. */
export function pause(ms: number, signal?: StopSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener('abort', done, { once: true });
  });
}

/**
 * Tries until it succeeds, the failure is of another kind, or the signal fires.
 *
 * @throws the last failure.
 */
export async function persist<T>(
  work: () => Promise<T>,
  {
    isPassing,
    backoff,
    signal,
  }: { isPassing: (error: unknown) => boolean; backoff: Backoff; signal: StopSignal },
): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (!isPassing(error)) throw error;
      await pause(nextDelay(attempt, backoff), signal);
      if (signal.aborted) throw error;
    }
  }
}
