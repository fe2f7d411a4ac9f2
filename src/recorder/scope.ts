/** What is open while a function runs, and what can be added to it. */
import type { NewEvent } from '../client/event.ts';
import type { ResourcePut } from '../outbox/parcel.ts';
import type { Queryable } from '../outbox/statement.ts';

/** An event to be added to a scope, which gives it its parent and journal. May bring children of its own. */
export type AddedEvent = Omit<NewEvent, 'parentId' | 'journal'> & {
  /** Kept also if the call fails. Not in a transaction, which decides by itself whether the event is kept. */
  readonly always?: boolean;
};

/** A call, or a group within one: an event that is open, below which others are added. */
export interface Scope {
  /** Of its event. */
  readonly id: string;
  readonly call: Call;
  /**
   * Adds an event, which is written with the tree when the call has ended.
   *
   * @returns its id.
   * @throws RecorderError ENDED when the scope has ended; ORPHAN for an `always` event below one that is kept on
   *   success only.
   */
  record(event: AddedEvent): string;
  /**
   * Writes events within a transaction of the application: they are recorded if and only if that is committed,
   * whatever becomes of the call.
   *
   * @returns their ids.
   * @throws RecorderError ENDED; NO_OUTBOX where the recorder has the API only; BAD_INPUT for an `always` event.
   */
  recordIn(
    transaction: Queryable,
    events: readonly AddedEvent[],
    resources?: readonly ResourcePut[],
  ): Promise<string[]>;
  /** Adds an event and runs the function, below whose event all is added that the function adds. @throws as `record`, and what the function throws. */
  group<T>(event: AddedEvent, fn: (group: Scope) => T | Promise<T>): Promise<T>;
}

export interface Call extends Scope {
  readonly function: string;
  /** Left out: the recorder's own subject. */
  readonly actor: string | null;
  readonly sessionId: string | null;
  readonly correlationId: string | null;
  /**
   * Says what was not known when the call began, as its route and status; what is left out stays, and the
   * payload's names are added to those that are there. The marker is not written anew.
   *
   * @throws RecorderError ENDED
   */
  amend(more: CallAmendment): void;
}

export interface CallAmendment {
  readonly function?: string;
  readonly payload?: Readonly<Record<string, unknown>>;
}
