/**
 * Sends together what comes together: what is given within one turn of the event loop, and while what was given
 * before is being sent. Each learns what became of itself.
 */

/** Sends items. @returns why some of them were refused; the others were taken. @throws where none was. */
export type SendAll<T> = (items: readonly T[]) => Promise<ReadonlyMap<T, unknown>>;

interface Waiting<T> {
  readonly item: T;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** @returns what takes one item; it resolves when that has been sent. */
export function gather<T>(sendAll: SendAll<T>, most: number): (item: T) => Promise<void> {
  let waiting: Waiting<T>[] = [];
  let isSending = false;

  async function send(): Promise<void> {
    while (waiting.length > 0) {
      const batch = waiting.slice(0, most);
      waiting = waiting.slice(most);
      try {
        const refused = await sendAll(batch.map(({ item }) => item));
        for (const { item, resolve, reject } of batch) {
          if (refused.has(item)) reject(refused.get(item));
          else resolve();
        }
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    isSending = false;
  }

  return (item) =>
    new Promise((resolve, reject) => {
      waiting.push({ item, resolve, reject });
      if (isSending) return;
      isSending = true;
      setImmediate(() => void send());
    });
}

export const NONE_REFUSED: ReadonlyMap<never, unknown> = new Map<never, unknown>();
