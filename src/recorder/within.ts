/** Waiting that comes to an end: after a while, or when the recorder is closed. */
import { setMaxListeners } from 'node:events';

/**
 * Waits no longer than so; the work goes on nevertheless.
 *
 * @throws an error with this sentence where it takes longer; the signal's reason when it fires.
 */
export async function within<T>(
  work: Promise<T>,
  ms: number,
  sentence: string,
  signal?: AbortSignal,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  let abort = () => {};
  const over = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(sentence)), ms);
    abort = () => reject(signal?.reason);
    if (signal?.aborted) abort();
    signal?.addEventListener('abort', abort, { once: true });
  });
  try {
    return await Promise.race([work, over]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', abort);
  }
}

/** Fires when a recorder is closed. */
export function createStopping(): AbortController {
  const stopping = new AbortController();
  // All that waits listens to it: Node.js would take that for a leak.
  setMaxListeners(0, stopping.signal);
  return stopping;
}
