/**
 * What an application does to follow a journal by a client that cannot resume: it keeps the cursor of each
 * message and, when the subscription has ended for whatever reason, starts another one after it.
 */
import { onTestFinished } from 'vitest';
import { pause } from '../../../src/base/retry.ts';

export const STREAM = `subscription Stream($journal: String!, $after: String) {
  eventStream(journal: $journal, after: $after, from: BEGINNING) { events { id } cursor live }
}`;

export interface StreamData {
  readonly eventStream: {
    readonly events: readonly { readonly id: string }[];
    readonly cursor: string;
    readonly live: boolean;
  };
}

/** `lost` may be called more than once. */
export interface Sink {
  next(data: StreamData): void;
  lost(): void;
}

/** @param subscribe starts a subscription to STREAM; returns how to end it. */
export function startResuming(subscribe: (after: string | null, sink: Sink) => () => void): {
  readonly seen: readonly string[];
  /** Subscriptions so far. */
  starts(): number;
} {
  const seen: string[] = [];
  let cursor: string | null = null;
  let starts = 0;
  let isOver = false;
  let leave = () => {};

  function start(): void {
    starts++;
    let isLost = false;
    leave = subscribe(cursor, {
      next({ eventStream }) {
        if (isLost || isOver) return;
        seen.push(...eventStream.events.map(({ id }) => id));
        cursor = eventStream.cursor;
      },
      async lost() {
        if (isLost || isOver) return;
        isLost = true;
        await pause(50);
        if (!isOver) start();
      },
    });
  }

  start();
  onTestFinished(() => {
    isOver = true;
    leave();
  });
  return { seen, starts: () => starts };
}
