/**
 * Recording so that it is known to have happened. An event that is sent under its id is recorded once
 * however often it is sent, so what got no answer is sent again as it was, until it is answered or there
 * is no time left.
 *
 *     send ──▶ recorded
 *       ├───▶ passing: no answer, UNAVAILABLE, RATE_LIMITED, INTERNAL_SERVER_ERROR
 *       │              ──jittered wait──▶ send, under the same ids
 *       └───▶ refused ──▶ throws
 */
import { v7 } from 'uuid';
import { pause } from '../base/retry.ts';
import { type ClientErrorCode, delayBefore, EventreeClientError, mayPass } from './errors.ts';
import { EVENT_FIELDS, type Identified, type NewEvent } from './event.ts';
import { ask, type Endpoint } from './request.ts';

export interface RecordOptions {
  /** What to select of each event; EVENT_FIELDS where it is left out. */
  readonly fields?: string;
  /** How long to go on trying; 60 s where it is left out. 0 tries once. */
  readonly withinMs?: number;
  /** Ends the trying. What was sent may have been recorded. */
  readonly signal?: AbortSignal;
}

/** An event as it was recorded. */
export type Recorded<Node> = Node &
  Identified & {
    /** False for an event of a disabled type: it was accepted, and is nowhere but in this answer. */
    readonly kept: boolean;
  };

/** The wait before a new attempt lies below 0.2, 0.4, 0.8, 1.6, 3.2, 5, 5, … seconds. */
const BACKOFF = { firstMs: 200, mostMs: 5_000 };
const WITHIN_MS = 60_000;
/** A connection that has died without a word shall leave time for another attempt. */
const ATTEMPT_MS = 20_000;
/** By these nobody knows whether the events were recorded before something went wrong. */
const DOUBTFUL: readonly ClientErrorCode[] = [
  'UNREACHABLE',
  'UNAVAILABLE',
  'INTERNAL_SERVER_ERROR',
  'BAD_RESPONSE',
];

/**
 * A new id: a UUID of version 7 (RFC 9562, 5.7), whose first 48 bits are the time by this machine's clock. A
 * server refuses ids that lie more than EVENTREE_MAX_CLOCK_SKEW_MS (10 s) ahead of its own clock.
 */
export function newEventId(): string {
  // Without a time of its own, uuid goes on from the latest it has seen, also when the clock was put back.
  return v7({ msecs: Date.now() });
}

/**
 * Records events and all their children, all or none, in this order. Up to 1,000, by the server's setting.
 *
 * @throws EventreeClientError with the server's code where it refuses, e.g. UNKNOWN_EVENT_TYPE, FORBIDDEN,
 *   ID_CONFLICT, with `facts.index` for which of the events; the last passing failure when time is over.
 *   `facts.ids` is there where it is not known whether the events were recorded: sent again under these ids
 *   they are not recorded twice. The signal's reason when it fires.
 */
export async function record<Node>(
  endpoint: Endpoint,
  events: readonly NewEvent[],
  { fields = EVENT_FIELDS, withinMs = WITHIN_MS, signal }: RecordOptions,
): Promise<Recorded<Node>[]> {
  // Children without an id get one from the server that follows from their parent's.
  const input = events.map((event) => ({ ...event, id: event.id ?? newEventId() }));
  const operation = { query: recordMutation(fields), variables: { input } };
  const deadline = performance.now() + withinMs;
  let isInDoubt = false;
  for (let failures = 0; ; failures++) {
    try {
      const leftMs = deadline - performance.now();
      const timeoutMs = leftMs > 0 ? Math.min(leftMs, ATTEMPT_MS) : ATTEMPT_MS;
      const answer = await ask<RecordAnswer<Node>>(endpoint, operation, { signal, timeoutMs });
      return answer.recordEvents.events;
    } catch (error) {
      if (!(error instanceof EventreeClientError)) throw error;
      isInDoubt ||= DOUBTFUL.includes(error.code);
      const delayMs = delayBefore(failures, BACKOFF, error);
      if (!mayPass(error) || performance.now() + delayMs >= deadline) {
        throw isInDoubt ? error.with({ ids: input.map(({ id }) => id) }) : error;
      }
      await pause(delayMs, signal);
      signal?.throwIfAborted();
    }
  }
}

interface RecordAnswer<Node> {
  readonly recordEvents: { readonly events: Recorded<Node>[] };
}

function recordMutation(fields: string): string {
  return `mutation ($input: [RecordEventInput!]!) {
    recordEvents(input: $input) { events { id cursor kept ${fields} } }
  }`;
}
