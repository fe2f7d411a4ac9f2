/** What a recorder is created with, and whether it fits together. */
import { validate } from 'uuid';
import type { TokenSource } from '../client/token.ts';
import type { PlacedEvent } from '../outbox/parcel.ts';
import { isQueryable, type Queryable } from '../outbox/statement.ts';
import { RecorderError } from './errors.ts';
import type { IsExpected } from './failure.ts';
import type { KeepPolicy } from './policy.ts';

export interface RecorderOptions {
  /** Of Eventree's API: `http://127.0.0.1:4000/graphql`; the path may be left out. This or `database`. */
  readonly url?: string;
  /** Of who records, for `url`. */
  readonly token?: string | null | TokenSource;
  /**
   * Eventree's own database, a pool of `pg` or a Prisma client: its servers move into the journal what is written
   * there. This or `url`.
   */
  readonly database?: Queryable;
  /** Who records, for `database`: `user/bank`. */
  readonly as?: string;
  /** What who records holds, for `database`; the subject itself and `group/admin` where they are left out. */
  readonly claims?: readonly string[];
  /**
   * The application's own database, beside `url`: what is written there, also within transactions of the
   * application, is moved to the API by this process. Best a pool of its own: markers are written while the
   * application's transactions hold connections of theirs.
   */
  readonly outbox?: Queryable;
  /** False: the outbox's tables are there already, made by `installOutbox`. */
  readonly install?: boolean;

  /** For all that is recorded; `main`. */
  readonly journal?: string;
  /** Of calls that name none; left out, it is who records. */
  readonly actor?: string;
  /** Further names of secrets, beside password, token, api key and their like: `iban`, `dateOfBirth`. */
  readonly secrets?: readonly string[];
  /**
   * Names of what only owners see, at any depth of parameters, payloads, values of attributes and `error_value`, in all
   * that is recorded: it goes to the private payload of the same event, and `[private]` is left in its place.
   */
  readonly private?: readonly string[];
  /** How long the JSON of a value may be, in characters; 16,384. */
  readonly maxValueChars?: number;
  /** Which calls are worth keeping; all. A call below which something was written in a transaction is always kept. */
  readonly keep?: KeepPolicy;
  /** False: nothing is left of a call within which the process ends. */
  readonly markers?: boolean;
  /** A call that cannot be marked is refused before its function runs, instead of being reported. */
  readonly strict?: boolean;
  /** Whose stack is not kept; see isExpectedError. */
  readonly isExpected?: IsExpected;
  /** Told of what could not be recorded, and of failures that are tried again, once each time; console.error. */
  readonly onError?: (error: unknown, unrecorded: readonly PlacedEvent[]) => void;

  /** Events that may wait to be sent; 10,000. */
  readonly maxBufferedEvents?: number;
  /** Events that a call may hold until it ends; 100,000. */
  readonly maxCallEvents?: number;
  /** How long a call waits for room before it is refused with BUFFER_FULL; 30 s. */
  readonly fullTimeoutMs?: number;
  /** How long this process is taken for alive without a word of it; 15 s. From 1 s to 10 minutes. */
  readonly leaseMs?: number;
  /** How long a call waits for its marker; 5 s. */
  readonly markerTimeoutMs?: number;
  /**
   * How long a write to an outbox waits for its answer, outside of the application's transactions; 10 s. What was to be
   * written then waits to be sent, and is tried again.
   */
  readonly writeTimeoutMs?: number;
  /** How long `close` takes at most, with all that it waits for; 10 s. */
  readonly closeTimeoutMs?: number;
  /** UUID of this recorder, by which its markers are known; made here. No two that run may have the same. */
  readonly id?: string;
}

const LIMITS = {
  maxValueChars: [256, 1_000_000],
  maxBufferedEvents: [1, 10_000_000],
  maxCallEvents: [1, 10_000_000],
  fullTimeoutMs: [0, 3_600_000],
  leaseMs: [1_000, 600_000],
  markerTimeoutMs: [1, 600_000],
  writeTimeoutMs: [1, 600_000],
  closeTimeoutMs: [0, 3_600_000],
} as const;

const CLAIM = /^[a-z][a-z0-9_-]*\/\S/;

/** @throws RecorderError BAD_INPUT with a sentence for what does not fit together. */
export function checkOptions(options: RecorderOptions): void {
  const { url, token, database, as, claims, outbox, install, id } = options;
  if (url === undefined && database === undefined) {
    throw bad('Say where to record: `url` for the API, or `database` for Eventree’s own database.');
  }
  if (url !== undefined && database !== undefined) {
    throw bad('`url` and `database` are two ways to the same journal: give one of them.');
  }
  if (url !== undefined && !URL.canParse(url)) {
    throw bad(`\`url\` is no URL: ${JSON.stringify(url)}. It looks like http://127.0.0.1:4000/graphql.`);
  }
  if (database !== undefined && as === undefined) {
    throw bad('Say who records into the database: `as: "user/bank"`.');
  }
  if (database === undefined && (as !== undefined || claims !== undefined)) {
    throw bad('`as` and `claims` go with `database`; over the API the token says who records.');
  }
  if (database !== undefined && (token !== undefined || outbox !== undefined)) {
    throw bad('`token` and `outbox` go with `url`; Eventree’s own database has an outbox already.');
  }
  for (const claim of [...(as === undefined ? [] : [as]), ...(claims ?? [])]) {
    if (!CLAIM.test(claim)) {
      throw bad(`A claim is written kind/name, as in user/bank, and not ${JSON.stringify(claim)}.`);
    }
  }
  if (install !== undefined && outbox === undefined) throw bad('`install` goes with `outbox`.');
  for (const [name, given] of Object.entries({ database, outbox })) {
    if (given !== undefined && !isQueryable(given)) {
      throw bad(`\`${name}\` is a pool of pg or a Prisma client: something to run SQL by.`);
    }
  }
  if (id !== undefined && !validate(id)) throw bad('`id` is a UUID.');
  for (const [name, [least, most]] of Object.entries(LIMITS)) {
    const value = options[name as keyof typeof LIMITS];
    if (value !== undefined && !(Number.isInteger(value) && value >= least && value <= most)) {
      throw bad(`\`${name}\` is a whole number from ${least} to ${most}, and not ${value}.`);
    }
  }
}

export function bad(sentence: string): RecorderError {
  return new RecorderError('BAD_INPUT', sentence);
}
