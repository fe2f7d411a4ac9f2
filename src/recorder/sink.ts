/** Where what a recorder has gathered goes: the API, or an outbox in a database. */
import type { Marker, Parcel, PlacedEvent, Writing } from '../outbox/parcel.ts';
import type { Queryable } from '../outbox/statement.ts';
import type { GiveUp } from './room.ts';

export type { Writing };

export interface Sink {
  /** Whether something can be written within a transaction of the application. */
  readonly transactional: boolean;
  /**
   * Null where there is room for what a call may bring; else resolves when there is, with what to call when it has
   * brought it.
   *
   * @throws (rejects) RecorderError BUFFER_FULL when there was none in time.
   */
  room(): Promise<GiveUp> | null;
  /** Resolves when the marker is committed. */
  open(marker: Marker): Promise<void>;
  /**
   * Without a transaction: resolves when it is committed, or when it is in the buffer, from where it is sent until it
   * is recorded or refused. Within one: when it stands there.
   *
   * @returns those of `ends` that are known not to have been marked; no promise where there is nothing to wait for.
   */
  write(writing: Writing, transaction?: Queryable): Promise<readonly string[]> | readonly string[];
  /**
   * Resolves when the events are recorded; with an outbox, when they are committed there. Nothing of it is buffered.
   *
   * @returns whether the first of them is kept, which it is not where its type is disabled; null where that is not
   *   known yet.
   */
  acknowledge(parcel: Parcel, withinMs: number): Promise<boolean | null>;
  /** Those that are marked: a transaction that marked them has been committed, or is the one given. */
  marked(ids: readonly string[], transaction?: Queryable): Promise<readonly string[]>;
  /** Those whose marker no open transaction is removing: one that was to remove it has been rolled back. */
  left(ids: readonly string[]): Promise<readonly string[]>;
  /** Says that the process is alive. Called again and again, well within the lease. */
  renew(): Promise<void>;
  stats(): SinkStats;
  /** Resolves when all that was written so far is in the journal, or was refused or set aside, and reported. */
  flush(): Promise<void>;
  /** Flushes, as far as that goes, and stops, all of it within the limit. Nothing of it goes on behind that. */
  close(withinMs: number): Promise<void>;
}

export interface SinkStats {
  /** Events that wait to be sent, or were sent and not answered yet. */
  readonly buffered: number;
  /** Events that were refused, or given up when the recorder was closed; each was reported. */
  readonly refused: number;
}

/** Tells the application's operator what was not recorded. Never throws. */
export type Report = (error: unknown, unrecorded?: readonly PlacedEvent[]) => void;

/** @throws never: what cannot be written is reported. */
export async function writeOrReport(sink: Sink, report: Report, writing: Writing): Promise<void> {
  try {
    await sink.write(writing);
  } catch (error) {
    report(
      error,
      writing.parcels.flatMap(({ events }) => events),
    );
  }
}
