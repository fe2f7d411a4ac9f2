/**
 * Sends trees to the API, several in one request, until each is recorded, refused or set aside.
 *
 *     send ──▶ recorded
 *       ├───▶ passing ──jittered wait──▶ send, under the same ids, for as long as it takes
 *       ├───▶ the server is upset: as passing, a few times; then, as it may be the fault of what was sent,
 *       │     halves ──▶ send; one that upsets it alone is set aside
 *       ├───▶ too large for what stands before the server ──▶ halves ──▶ send; one alone is set aside
 *       ├───▶ refused for one tree ──▶ that one is refused; the others: send
 *       │     (or its call stands there as lost: it takes another id, below that, and is sent again)
 *       └───▶ refused, nobody knows for which ──▶ halves ──▶ send
 *
 * Refused for good is only what the server says is wrong with what was sent. All else may pass.
 */
import { nextDelay, pause } from '../base/retry.ts';
import { type ClientErrorCode, delayBefore, EventreeClientError, isPassing } from '../client/errors.ts';
import { ask, type Endpoint } from '../client/request.ts';
import { belowItself, lateAmong } from '../outbox/deliver.ts';
import type { Marker, ResourcePut } from '../outbox/parcel.ts';
import { eventsOf, type Sending } from './api-sending.ts';

/** What trees are sent by, and who is told what became of them. */
export interface Sender {
  readonly endpoint: Endpoint;
  /** Ends the sending: what was sent may have been recorded. */
  readonly signal: AbortSignal;
  /** @throws what may pass, and with it the marker's tree waits. */
  mark(marker: Marker): Promise<void>;
  /** Puts the resources that it has still to put. @throws what the API throws. */
  putAll(sending: Sending): Promise<void>;
  /** @param kept whether all that was sent with it is in the journal; events of disabled types are not. */
  recorded(sending: Sending, kept: boolean): void;
  refused(sending: Sending, error: unknown): void;
  /** It may be its own fault that it was not recorded, and may pass all the same: it is to be sent again later. */
  setAside(sending: Sending, error: unknown): void;
  /** It will be tried again. */
  failed(error: unknown): void;
}

export const RECORD = `mutation Record($input: [RecordEventInput!]!) { recordEvents(input: $input) { events { kept } } }`;
const RECORD_START = `{"query":${JSON.stringify(RECORD)},"variables":{"input":[`;
const PUT = `mutation PutResource($input: PutResourceInput!) { putResource(input: $input) { ref } }`;

export const ATTEMPT_MS = 20_000;
const BACKOFF = { firstMs: 200, mostMs: 5_000 };
const MOST_UPSETS = 5;
/** What a proxy says to a body that is too large for it; the server itself says LIMIT_EXCEEDED. */
const TOO_LARGE = 413;

/** Codes that say that what was sent is wrong, or not allowed to who sent it: it would be refused again. */
const REFUSALS: readonly ClientErrorCode[] = [
  'UNAUTHENTICATED',
  'FORBIDDEN',
  'NOT_FOUND',
  'BAD_USER_INPUT',
  'UNKNOWN_EVENT_TYPE',
  'UNKNOWN_ATTRIBUTE',
  'ATTRIBUTE_KIND_MISMATCH',
  'ATTRIBUTE_REQUIRED',
  'ID_CONFLICT',
  'LIMIT_EXCEEDED',
  'GRAPHQL_PARSE_FAILED',
  'GRAPHQL_VALIDATION_FAILED',
];

/** Why something was not done: see above. */
export type Trouble = 'passing' | 'upset' | 'too large' | 'refused';

export function troubleOf(error: unknown): Trouble {
  if (!(error instanceof EventreeClientError)) return 'upset';
  const { code, facts } = error;
  // Who is told when to come again is not refused for good.
  if (isPassing(error) || facts.retryAfterMs !== undefined) return 'passing';
  // Something else has answered: a proxy whose server is away.
  if (code === 'BAD_RESPONSE') return facts.status === TOO_LARGE ? 'too large' : 'passing';
  return REFUSALS.includes(code) ? 'refused' : 'upset';
}

/** Whether what is refused is the request as a whole, and would be with anything in it. */
export function isOfAll(error: unknown): boolean {
  return error instanceof EventreeClientError && error.code === 'UNAUTHENTICATED';
}

/**
 * Resolves when each has been recorded, refused or set aside, or the signal fires.
 *
 * @param sendings of one journal.
 */
export async function sendAll(sender: Sender, sendings: readonly Sending[]): Promise<void> {
  const { signal } = sender;
  // One that was set aside has had its tries.
  const mostUpsets = sendings.some(({ asides }) => asides > 0) ? 1 : MOST_UPSETS;
  let left = sendings;
  let upsets = 0;
  for (let failures = 0; left.length > 0 && !signal.aborted; failures++) {
    try {
      const kept = await sendOnce(sender, left);
      for (const sending of left) sender.recorded(sending, kept);
      return;
    } catch (error) {
      if (signal.aborted) return;
      const trouble = troubleOf(error);
      if (trouble === 'passing' || (trouble === 'upset' && ++upsets < mostUpsets)) {
        sender.failed(error);
        await pause(waitBefore(failures, error), signal);
        continue;
      }
      const { found, again, apart } = isolate(left, error);
      for (const sending of found) {
        if (trouble === 'refused') sender.refused(sending, error);
        else sender.setAside(sending, error);
      }
      for (const half of apart) await sendAll(sender, half);
      left = again;
    }
  }
}

/** @returns whether all is kept. */
async function sendOnce(sender: Sender, sendings: readonly Sending[]): Promise<boolean> {
  const { endpoint, signal } = sender;
  for (const sending of sendings) {
    const { whole } = sending;
    if (whole !== null && !whole.isMarked) {
      await sender.mark(whole.marker);
      whole.isMarked = true;
    }
    await sender.putAll(sending);
  }
  const body = `${RECORD_START}${sendings.map(({ text }) => text).join(',')}]}}`;
  const { recordEvents } = await ask<{ recordEvents?: { events: readonly { kept: boolean }[] } }>(
    endpoint,
    { body },
    { signal, timeoutMs: ATTEMPT_MS },
  );
  if (recordEvents == null) {
    throw new EventreeClientError(
      'BAD_RESPONSE',
      `${endpoint.url} answers something else than it was asked.`,
    );
  }
  return recordEvents.events.every(({ kept }) => kept);
}

export async function putResource(
  endpoint: Endpoint,
  input: ResourcePut,
  signal?: AbortSignal,
): Promise<void> {
  await ask(endpoint, { query: PUT, variables: { input } }, { signal, timeoutMs: ATTEMPT_MS });
}

function waitBefore(attempt: number, error: unknown): number {
  return error instanceof EventreeClientError
    ? delayBefore(attempt, BACKOFF, error)
    : nextDelay(attempt, BACKOFF);
}

interface Isolated {
  /** Those that it is about. */
  readonly found: readonly Sending[];
  /** To be sent again together. */
  readonly again: readonly Sending[];
  /** To be sent one group after the other. */
  readonly apart: readonly (readonly Sending[])[];
}

/** Which of them an error is about, as far as that is known. */
function isolate(sendings: readonly Sending[], error: unknown): Isolated {
  const isOne = sendings.length === 1;
  const found = isOne ? (sendings[0] as Sending) : namedBy(sendings, error);
  if (found !== null) {
    if (moveLate(found, offsetOf(sendings, found), error)) return { found: [], again: sendings, apart: [] };
    return { found: [found], again: sendings.filter((sending) => sending !== found), apart: [] };
  }
  if (isOfAll(error)) return { found: sendings, again: [], apart: [] };
  const middle = Math.ceil(sendings.length / 2);
  return { found: [], again: [], apart: [sendings.slice(0, middle), sendings.slice(middle)] };
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
