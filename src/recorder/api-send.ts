/**
 * Sends trees to the API, several in one request, until each is recorded or refused.
 *
 *     send ──▶ recorded
 *       ├───▶ passing ──jittered wait──▶ send, under the same ids
 *       ├───▶ refused for one tree ──▶ that one is refused; the others: send
 *       │     (or its call stands there as lost: it takes another id, below that, and is sent again)
 *       └───▶ refused, nobody knows for which ──▶ halves ──▶ send
 */
import { pause } from '../base/retry.ts';
import { type ClientErrorCode, delayBefore, EventreeClientError, isPassing } from '../client/errors.ts';
import { ask, type Endpoint } from '../client/request.ts';
import { belowItself, lateAmong } from '../outbox/deliver.ts';
import type { PlacedEvent, ResourcePut } from '../outbox/parcel.ts';

/** A tree that waits to be sent, or a part of one, as JSON: so it takes little room, and is put into words once. */
export interface Sending {
  /** A list without its brackets. Another one where its call has to take another id. */
  text: string;
  readonly count: number;
  readonly journal: string;
  resources: readonly ResourcePut[];
  /** Markers that end with it. */
  readonly ends: readonly string[];
  /** Sent with nothing beside it. */
  readonly isAlone: boolean;
}

export interface Outcome {
  /** @param kept whether all that was sent with it is in the journal; events of disabled types are not. */
  recorded(sending: Sending, kept: boolean): void;
  refused(sending: Sending, error: unknown): void;
  /** It will be tried again. */
  failed(error: unknown): void;
}

export const RECORD = `mutation Record($input: [RecordEventInput!]!) { recordEvents(input: $input) { events { kept } } }`;
const RECORD_START = `{"query":${JSON.stringify(RECORD)},"variables":{"input":[`;
const PUT = `mutation PutResource($input: PutResourceInput!) { putResource(input: $input) { ref } }`;

export const ATTEMPT_MS = 20_000;
export const MOST_EVENTS = 500;
/** Of JSON: at three bytes each still less than a request may have. */
export const MOST_CHARS = 4_000_000;
const BACKOFF = { firstMs: 200, mostMs: 5_000 };
/** What is answered so, time and again, may be the fault of what was sent: the others must not wait for ever. */
const UPSETS: readonly ClientErrorCode[] = ['INTERNAL_SERVER_ERROR', 'BAD_RESPONSE'];
const MOST_UPSETS = 5;

/** Whether what is refused is the request as a whole, and would be with anything in it. */
export function isOfAll({ code }: EventreeClientError): boolean {
  return code === 'UNAUTHENTICATED';
}

/** Puts a tree into words, in parts where it is too long for one request. @param ends go with its first part. */
export function sendingsOf(
  events: readonly PlacedEvent[],
  resources: readonly ResourcePut[],
  ends: readonly string[],
  isPart = false,
): Sending[] {
  const text = JSON.stringify(events).slice(1, -1);
  const [first] = events as readonly [PlacedEvent];
  if (events.length > 1 && (events.length > MOST_EVENTS || text.length > MOST_CHARS)) {
    const middle = Math.ceil(events.length / 2);
    return [
      ...sendingsOf(events.slice(0, middle), resources, ends, true),
      ...sendingsOf(events.slice(middle), [], [], true),
    ];
  }
  const { journal = 'main' } = first;
  const isAlone = isPart || resources.length > 0;
  return [{ text, count: events.length, journal, resources, ends, isAlone }];
}

export function eventsOf({ text }: Sending): PlacedEvent[] {
  return JSON.parse(`[${text}]`) as PlacedEvent[];
}

/**
 * Resolves when each has been recorded or refused, or the signal fires.
 *
 * @param sendings of one journal.
 */
export async function sendAll(
  endpoint: Endpoint,
  sendings: readonly Sending[],
  outcome: Outcome,
  signal: AbortSignal,
): Promise<void> {
  let left = sendings;
  let upsets = 0;
  for (let failures = 0; left.length > 0 && !signal.aborted; failures++) {
    try {
      const kept = await sendOnce(endpoint, left, signal);
      for (const sending of left) outcome.recorded(sending, kept);
      return;
    } catch (error) {
      if (signal.aborted) return;
      if (mayHelpAgain(error) && (!isUpset(error) || ++upsets < MOST_UPSETS)) {
        outcome.failed(error);
        await pause(delayBefore(failures, BACKOFF, error), signal);
        continue;
      }
      const { refused, again, apart } = isolate(left, error);
      for (const sending of refused) outcome.refused(sending, error);
      for (const half of apart) await sendAll(endpoint, half, outcome, signal);
      left = again;
    }
  }
}

/** @returns whether all is kept. */
async function sendOnce(
  endpoint: Endpoint,
  sendings: readonly Sending[],
  signal: AbortSignal,
): Promise<boolean> {
  for (const sending of sendings) {
    for (const resource of sending.resources) await putResource(endpoint, resource, signal);
    // Put again with events that are sent again, it would undo what has been said of it since.
    sending.resources = [];
  }
  const body = `${RECORD_START}${sendings.map(({ text }) => text).join(',')}]}}`;
  const { recordEvents } = await ask<{ recordEvents: { events: readonly { kept: boolean }[] } }>(
    endpoint,
    { body },
    { signal, timeoutMs: ATTEMPT_MS },
  );
  return recordEvents.events.every(({ kept }) => kept);
}

export async function putResource(
  endpoint: Endpoint,
  input: ResourcePut,
  signal?: AbortSignal,
): Promise<void> {
  await ask(endpoint, { query: PUT, variables: { input } }, { signal, timeoutMs: ATTEMPT_MS });
}

function mayHelpAgain(error: unknown): error is EventreeClientError {
  return error instanceof EventreeClientError && (isPassing(error) || isUpset(error));
}

function isUpset(error: EventreeClientError): boolean {
  return UPSETS.includes(error.code);
}

interface Isolated {
  readonly refused: readonly Sending[];
  /** To be sent again together. */
  readonly again: readonly Sending[];
  /** To be sent one group after the other. */
  readonly apart: readonly (readonly Sending[])[];
}

/** Which of them were refused, as far as that is known. */
function isolate(sendings: readonly Sending[], error: unknown): Isolated {
  const isOne = sendings.length === 1;
  const found = isOne ? (sendings[0] as Sending) : namedBy(sendings, error);
  if (found !== null) {
    if (moveLate(found, offsetOf(sendings, found), error)) return { refused: [], again: sendings, apart: [] };
    return { refused: [found], again: sendings.filter((sending) => sending !== found), apart: [] };
  }
  if (error instanceof EventreeClientError && !isOfAll(error)) {
    const middle = Math.ceil(sendings.length / 2);
    return { refused: [], again: [], apart: [sendings.slice(0, middle), sendings.slice(middle)] };
  }
  return { refused: sendings, again: [], apart: [] };
}

/** The tree with the event that the API names. */
function namedBy(sendings: readonly Sending[], error: unknown): Sending | null {
  const { index } = error instanceof EventreeClientError ? error.facts : {};
  if (typeof index !== 'number') return null;
  return sendings.find((sending) => index < offsetOf(sendings, sending) + sending.count) ?? null;
}

/** How many events stand before it. */
function offsetOf(sendings: readonly Sending[], sending: Sending): number {
  return sendings.slice(0, sendings.indexOf(sending)).reduce((sum, { count }) => sum + count, 0);
}

/** Gives the call another id, where that is all that is wrong. @returns whether it is. */
function moveLate(sending: Sending, offset: number, error: unknown): boolean {
  if (!(error instanceof EventreeClientError) || typeof error.facts.index !== 'number') return false;
  const events = eventsOf(sending);
  const late = lateAmong(events, error.with({ index: error.facts.index - offset }));
  if (late === null) return false;
  const moved = events.map((event) => (event === late ? belowItself(event) : event));
  sending.text = JSON.stringify(moved).slice(1, -1);
  return true;
}
