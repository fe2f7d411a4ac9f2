/**
 * Over the API: what is written waits in a bounded buffer and is sent in the order in which it came, several trees
 * in one request, one request at a time: what ended first stands first in the journal, and nothing overtakes what it
 * hangs below.
 *
 *     write ──▶ buffer ──5 ms, or enough for a request──▶ under way ──▶ recorded, or refused and reported
 */
import { createClient } from '../client/client.ts';
import { record } from '../client/record.ts';
import type { Endpoint } from '../client/request.ts';
import { createTokens, type TokenSource } from '../client/token.ts';
import type { PlacedEvent } from '../outbox/parcel.ts';
import { createApiMarkers } from './api-markers.ts';
import {
  eventsOf,
  MOST_CHARS,
  MOST_EVENTS,
  putResource,
  type Sending,
  sendAll,
  sendingsOf,
} from './api-send.ts';
import { noOutbox } from './call.ts';
import { RecorderError } from './errors.ts';
import { within } from './gather.ts';
import { Outage } from './outage.ts';
import { Room } from './room.ts';
import type { Report, Sink } from './sink.ts';

export interface ApiSinkOptions {
  readonly url: string;
  readonly token: string | null | TokenSource;
  /** UUID of this recorder, by which its markers are known. */
  readonly recorder: string;
  readonly leaseMs: number;
  readonly markerTimeoutMs: number;
  readonly maxBufferedEvents: number;
  readonly fullTimeoutMs: number;
  readonly closeTimeoutMs: number;
  readonly report: Report;
}

const NO_IDS: readonly string[] = Object.freeze([]);
/** So that calls which end one after the other go together. */
const GATHER_MS = 5;

export function createApiSink(options: ApiSinkOptions): Sink {
  const { report, recorder, leaseMs, markerTimeoutMs, closeTimeoutMs } = options;
  const endpoint = endpointOf(options);
  const markers = createApiMarkers({ endpoint, recorder, leaseMs, timeoutMs: markerTimeoutMs, report });
  const room = new Room(options.maxBufferedEvents, options.fullTimeoutMs);
  const outage = new Outage(report);
  const stopping = new AbortController();
  /** Neither recorded nor refused yet, with who waits for that. */
  const pending = new Map<Sending, (() => void)[]>();
  let buffer: Sending[] = [];
  /** Those before it have been taken out. */
  let first = 0;
  let bufferedEvents = 0;
  let timer: NodeJS.Timeout | null = null;
  let refusedEvents = 0;
  let isSending = false;
  let isClosed = false;

  function put(sendings: readonly Sending[]): void {
    for (const sending of sendings) {
      buffer.push(sending);
      bufferedEvents += sending.count;
      room.take(sending.count);
      pending.set(sending, []);
    }
    // By a timer that keeps the process: what was written is sent before it ends by itself.
    timer ??= setTimeout(sendNow, GATHER_MS);
    if (bufferedEvents >= MOST_EVENTS) sendNow();
  }

  function sendNow(): void {
    if (timer !== null) clearTimeout(timer);
    timer = null;
    if (isSending || first === buffer.length || stopping.signal.aborted) return;
    isSending = true;
    void sendAll(endpoint, takeBatch(), outcome, stopping.signal).then(() => {
      isSending = false;
      sendNow();
    });
  }

  function takeBatch(): Sending[] {
    const batch: Sending[] = [];
    let events = 0;
    let chars = 0;
    for (let next = buffer[first]; next !== undefined; next = buffer[first]) {
      events += next.count;
      chars += next.text.length;
      const [leader] = batch;
      const fits =
        leader === undefined ||
        (events <= MOST_EVENTS &&
          chars <= MOST_CHARS &&
          next.journal === leader.journal &&
          !next.isAlone &&
          !leader.isAlone);
      if (!fits) break;
      batch.push(next);
      bufferedEvents -= next.count;
      first++;
    }
    // Taken out of the list itself now and then: each time would move all that waits.
    if (first > buffer.length / 2) {
      buffer = buffer.slice(first);
      first = 0;
    }
    return batch;
  }

  function settle(sending: Sending): void {
    const waiting = pending.get(sending) ?? [];
    pending.delete(sending);
    room.give(sending.count);
    for (const done of waiting) done();
  }

  const outcome = {
    recorded(sending: Sending, kept: boolean) {
      outage.over();
      // What is not kept has not removed its marker.
      if (kept) markers.recorded(sending.ends);
      else markers.close(sending.ends);
      settle(sending);
    },
    refused(sending: Sending, error: unknown) {
      refusedEvents += sending.count;
      markers.close(sending.ends);
      report(error, eventsOf(sending));
      settle(sending);
    },
    failed: (error: unknown) => outage.failed(error),
  };

  /** Resolves when all that waits or is under way now is recorded or refused. */
  async function settled(): Promise<void> {
    sendNow();
    await Promise.all(
      [...pending.values()].map((waiting) => new Promise<void>((done) => waiting.push(done))),
    );
  }

  async function flush(): Promise<void> {
    await settled();
    await markers.settled();
  }

  return {
    transactional: false,
    room: () => room.wait(),
    open: (marker) => markers.open(marker),

    write({ parcels, ends }, transaction) {
      if (transaction !== undefined) throw noOutbox();
      if (isClosed) throw closed();
      // What a parcel records removes its own marker.
      let left = ends;
      for (const { events, resources } of parcels) {
        const own = left.filter((id) => events.some((event) => event.id === id));
        if (own.length > 0) left = left.filter((id) => !own.includes(id));
        put(sendingsOf(events, resources, own));
      }
      if (left.length > 0) markers.close(left);
      return NO_IDS;
    },

    async acknowledge({ events, resources }, withinMs) {
      if (isClosed) throw closed();
      const [top] = events as readonly [PlacedEvent];
      const startedAt = performance.now();
      const { parentId } = top;
      if (parentId != null && [...pending.keys()].some(({ text }) => text.includes(parentId))) {
        await within(settled(), withinMs, 'The event above it has not been recorded in time.');
      }
      for (const resource of resources) await putResource(endpoint, resource);
      const leftMs = withinMs - (performance.now() - startedAt);
      const [recorded] = await record(endpoint, events, { fields: '', withinMs: Math.max(0, leftMs) });
      return recorded?.kept ?? null;
    },

    marked: async () => [],
    left: async () => [],
    renew: () => markers.renew(),
    stats: () => ({ buffered: room.used, refused: refusedEvents }),
    flush,

    async close() {
      isClosed = true;
      await within(flush(), closeTimeoutMs, '').catch(() => {});
      stopping.abort();
      if (timer !== null) clearTimeout(timer);
      // Their markers stay: they are recorded as lost, which as far as anybody knows they are.
      for (const sending of pending.keys()) {
        refusedEvents += sending.count;
        report(closed(), eventsOf(sending));
        settle(sending);
      }
    },
  };
}

function endpointOf({ url, token }: ApiSinkOptions): Endpoint {
  return { url: createClient({ url }).url, tokens: createTokens(token) };
}

function closed(): RecorderError {
  return new RecorderError(
    'CLOSED',
    'The recorder was closed before the events were recorded; those under way may have been.',
  );
}
