/**
 * The library side of Eventree: an application opens a call for each request or job, and all that happens as part
 * of it is written as one tree when it has ended.
 */
import type { NewEvent } from '../client/event.ts';
import type { ResourcePut } from '../outbox/parcel.ts';
import type { Queryable } from '../outbox/statement.ts';
import type { KeepPolicy } from './policy.ts';
import type { AddedEvent, Call, Scope } from './scope.ts';
import type { Session, SessionOptions } from './session.ts';

export interface CallOptions {
  /** What the function is called with. Secrets are replaced; see RecorderOptions. */
  readonly params?: unknown;
  /** Names of what only owners see, in the call and in all that is part of it, beside those of the recorder. */
  readonly private?: readonly string[];
  /** Left out: the one of the call around it, of the session, or of the recorder. */
  readonly actor?: string | null;
  readonly activeClaim?: string | null;
  /** In which it is called, or its id. Left out: the one of the call around it. */
  readonly session?: Session | string | null;
  readonly correlationId?: string | null;
  readonly resource?: string | null;
  readonly message?: string;
  readonly payload?: unknown;
  /** Further ones, which the type `call` has been given. */
  readonly attributes?: Readonly<Record<string, unknown>>;
  /** Its actor sees the call, whatever its resource's ACL says. */
  readonly visibleToActor?: boolean;
  /** Of the event that it is part of, which is recorded already. Not for a call within a call. */
  readonly parentId?: string;
  /** Left out: the recorder's. Not for a call within a call. */
  readonly journal?: string;
  /** Instead of the recorder's policy. A call within a call is kept as that is. */
  readonly keep?: KeepPolicy;
  /** False: nothing is left if the process ends within the call. */
  readonly marker?: boolean;
  /** The call is written within it, so that it is recorded if and only if this is committed. */
  readonly transaction?: Queryable;
}

export interface RecordInOptions {
  readonly transaction?: Queryable;
  readonly resources?: readonly ResourcePut[];
}

/** An event that is no part of a scope. */
export interface RecordAloneOptions {
  /** Resolve only when it is recorded: in the journal or, with an outbox, committed there. Nothing is buffered. */
  readonly acknowledged?: boolean;
  /** How long to try where it is to be acknowledged; 10 s. */
  readonly withinMs?: number;
}

export interface RecordedAlone {
  readonly id: string;
  /** False: its type is disabled, nothing can stand below it. Null: that is not known yet. */
  readonly kept: boolean | null;
}

export interface RecorderStats {
  /** Calls under way that no other call encloses, and actions on resources under way. */
  readonly calls: number;
  /** Events that wait to be sent, or were sent and not answered yet. With an outbox: that it could not take yet. */
  readonly buffered: number;
  /** Events that were refused, or given up on closing; each was reported. */
  readonly refused: number;
}

/** Each of its methods rejects with RecorderError CLOSED once it has been closed, but for `flush` and `close`. */
export interface Recorder {
  /** Opens a call, runs the function and writes the tree. @returns what the function does. @throws what the function throws. */
  call<T>(name: string, fn: (call: Call) => T | Promise<T>): Promise<T>;
  call<T>(name: string, options: CallOptions, fn: (call: Call) => T | Promise<T>): Promise<T>;
  /** Adds to the scope that runs, or records the event by itself where none does. Resolves with its id. */
  record(event: AddedEvent, options?: RecordInOptions): Promise<string>;
  /**
   * Records an event with its children by itself, whatever scope runs: as a root, or below an event that is
   * recorded already. Its values are redacted as all others are.
   *
   * @throws RecorderError UNRECORDED where it was to be acknowledged and was not; the cause says why.
   */
  recordAlone(event: NewEvent, options?: RecordAloneOptions): Promise<RecordedAlone>;
  /** The innermost scope that runs; null outside of calls. */
  current(): Scope | null;
  /** Records the creation of a session, in which calls can then be made. */
  session(options?: SessionOptions): Promise<Session>;
  stats(): RecorderStats;
  /** Resolves when all that was written so far is in the journal, or was refused or set aside, and reported. */
  flush(): Promise<void>;
  /**
   * Waits for calls and actions under way and for what they bring, and stops, all within `closeTimeoutMs`; what is not recorded
   * then, and stands in no outbox, is reported. May be called more than once.
   */
  close(): Promise<void>;
}
