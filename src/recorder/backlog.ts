/**
 * What a database could not take at once: it waits in its order, and is tried again until it is written.
 *
 *     write ──▶ written
 *       └──fails, or is not answered in time──▶ waits ──jittered pauses──▶ written
 *                                                 └──for what it is──▶ refused and reported: the others go on
 *
 * Of calls that were not kept nothing is written but that they have ended. They take up no room, and nobody waits for
 * it because of them: their ids are gathered, up to a limit, and written together behind all that has events.
 */
import { nextDelay, pause } from '../base/retry.ts';
import type { Outage } from './outage.ts';
import type { Room } from './room.ts';
import type { Report, Writing } from './sink.ts';

export interface Unwritten {
  readonly writing: Writing;
  /** Perhaps by an attempt that was given up before its answer came. */
  isWritten: boolean;
}

export interface BacklogOptions {
  /**
   * Written twice, as where a commit was not answered, it adds nothing: events are recorded under their ids.
   *
   * @throws where it is not known to be written.
   */
  readonly attempt: (what: Unwritten) => Promise<readonly string[]>;
  readonly room: Room;
  readonly outage: Outage;
  /** Ends the trying. */
  readonly signal: AbortSignal;
  readonly report: Report;
}

export interface Backlog {
  /** Resolves when it is written, or waits. @returns as a sink's `write`. @throws when the signal has fired. */
  write(writing: Writing): Promise<readonly string[]>;
  /** Resolves when nothing waits. */
  done(): Promise<void>;
  /** Reports all that waits. */
  giveUp(error: unknown): void;
  /** Events that were refused or given up. */
  refused(): number;
}

const BACKOFF = { firstMs: 100, mostMs: 5_000 };
/** Calls that were not kept. Markers of those beyond are left, and told of as lost when this process has ended. */
const MOST_ENDING = 100_000;
/** Of them, in one statement. */
const MOST_AT_ONCE = 5_000;

export function createBacklog({ attempt, room, outage, signal, report }: BacklogOptions): Backlog {
  let waiting: Unwritten[] = [];
  const ending = new Set<string>();
  let retrying: Promise<void> | null = null;
  let refused = 0;

  function startRetrying(): void {
    retrying ??= retry().finally(() => {
      retrying = null;
      // Something may have come since the last look.
      if (isWaiting() && !signal.aborted) startRetrying();
    });
  }

  function isWaiting(): boolean {
    return waiting.length > 0 || ending.size > 0;
  }

  function wait(what: Unwritten): void {
    const { parcels, ends, marks } = what.writing;
    if (parcels.length > 0 || marks.length > 0) {
      waiting.push(what);
      room.take(countOf(what));
      return;
    }
    for (const id of ends) if (ending.size < MOST_ENDING) ending.add(id);
  }

  /** From here on nothing joins them: an attempt that was given up may still write them. */
  function takeEnding(): Unwritten {
    const ends = [...ending].slice(0, MOST_AT_ONCE);
    for (const id of ends) ending.delete(id);
    return { writing: { parcels: [], ends, marks: [] }, isWritten: false };
  }

  async function retry(): Promise<void> {
    for (let failures = 0; isWaiting() && !signal.aborted; ) {
      if (waiting.length === 0) waiting.push(takeEnding());
      const [what] = waiting as [Unwritten];
      try {
        if (!what.isWritten) await attempt(what);
      } catch (error) {
        if (signal.aborted) return;
        if (isOfContent(error)) {
          waiting.shift();
          refuse(what, error);
          continue;
        }
        outage.failed(error);
      }
      if (!what.isWritten) {
        await pause(nextDelay(failures++, BACKOFF), signal);
        continue;
      }
      waiting.shift();
      room.give(countOf(what));
      outage.over();
      failures = 0;
    }
  }

  function refuse(what: Unwritten, error: unknown): void {
    room.give(countOf(what));
    refused += countOf(what);
    report(
      error,
      what.writing.parcels.flatMap(({ events }) => events),
    );
  }

  return {
    async write(writing) {
      const what = { writing, isWritten: false };
      try {
        if (retrying === null) return await attempt(what);
      } catch (error) {
        if (signal.aborted) throw error;
        outage.failed(error);
      }
      wait(what);
      startRetrying();
      return [];
    },
    async done() {
      while (retrying !== null) await retrying;
    },
    giveUp(error) {
      if (ending.size > 0) waiting.push(takeEnding());
      for (const what of waiting) {
        if (what.isWritten) room.give(countOf(what));
        else refuse(what, error);
      }
      waiting = [];
      ending.clear();
    },
    refused: () => refused,
  };
}

/**
 * Whether it is for what was to be written, and not for how the database is, that it cannot be: data exceptions (class
 * 22) and program limits (class 54) of PostgreSQL, and what has no JSON. It would hold up all others for ever.
 */
function isOfContent(error: unknown): boolean {
  if (error instanceof TypeError || error instanceof RangeError) return true;
  const { code, meta } = (error ?? {}) as {
    readonly code?: unknown;
    readonly meta?: { readonly code?: unknown };
  };
  return [code, meta?.code].some((state) => typeof state === 'string' && /^(22|54)[0-9A-Z]{3}$/.test(state));
}

function countOf({ writing }: Unwritten): number {
  return writing.parcels.reduce((sum, { events }) => sum + events.length, 0);
}
