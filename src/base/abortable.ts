/**
 * An async generator that can be left while it waits. A bare one cannot: `return()` is queued behind the
 * pending `next()`, so what a reader who has gone was waiting for is held for ever.
 */

/** @param start gets the signal that fires when the reader leaves; it must end its waits by it. */
export function abortable<T>(
  start: (signal: AbortSignal) => AsyncGenerator<T, void>,
): AsyncGenerator<T, void> {
  const leaving = new AbortController();
  const inner = start(leaving.signal);
  return {
    next: () => inner.next(),
    return(value) {
      leaving.abort();
      return inner.return(value as undefined);
    },
    throw(error) {
      leaving.abort();
      return inner.throw(error);
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
