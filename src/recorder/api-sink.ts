/**
 * Over the API: what is written waits in a bounded buffer and is sent in the order in which it came, several trees
 * in one request, one request at a time: what ended first stands first in the journal, and nothing overtakes what it
 * hangs below.
 *
 *     write ──▶ buffer ──5 ms, or enough for a request──▶ under way ──▶ recorded, or refused and reported
 *                  ▲                                           │
 *                  └──2 s, 4 s, … 5 minutes── set aside ◀──────┘
 *
 * Where one request follows the other they are 50 ms apart, unless one is full: each costs as much as a dozen events.
 *
 * What is set aside takes up room, and holds up nothing but what hangs below it.
 */
import { nextDelay } from '../base/retry.ts';
import { record } from '../client/record.ts';
import type { TokenSource } from '../client/token.ts';
import { codeOf } from '../outbox/deliver.ts';
import type { PlacedEvent } from '../outbox/parcel.ts';
import { createApiMarkers } from './api-markers.ts';
import { Pending } from './api-pending.ts';
import { PutOrder } from './api-puts.ts';
import { SendQueue } from './api-queue.ts';
import { putResource, type Sender, sendAll, troubleOf } from './api-send.ts';
import { eventsOf, MOST_EVENTS, type Sending, sendingsOf } from './api-sending.ts';
import { noOutbox } from './call.ts';
import { openEndpoint } from './endpoint.ts';
import { RecorderError } from './errors.ts';
import { Outage } from './outage.ts';
import { Room } from './room.ts';
import type { Report, Sink } from './sink.ts';
import { createStopping, within } from './within.ts';

export interface ApiSinkOptions {
  readonly url: string;
  readonly token: string | null | TokenSource;
  /** UUID of this recorder, by which its markers are known. */
  readonly recorder: string;
  readonly leaseMs: number;
  readonly markerTimeoutMs: number;
  readonly maxBufferedEvents: number;
  readonly fullTimeoutMs: number;
  readonly report: Report;
}

const NO_IDS: readonly string[] = Object.freeze([]);
/** So that calls which end one after the other go together. */
const GATHER_MS = 5;
/** From the beginning of one request to that of the next. */
const APART_MS = 50;
/** The wait before what was set aside is sent again lies below 2, 4, 8, … s, and 5 minutes at most. */
const ASIDE = { firstMs: 2_000, mostMs: 300_000 };

export function createApiSink(options: ApiSinkOptions): Sink {
  const { report, recorder, leaseMs, markerTimeoutMs } = options;
  const endpoint = openEndpoint(options.url, options.token);
  const stopping = createStopping();
  const { signal } = stopping;
  const markers = createApiMarkers({
    endpoint,
    recorder,
    leaseMs,
    timeoutMs: markerTimeoutMs,
    signal,
    report,
  });
  const room = new Room(options.maxBufferedEvents, options.fullTimeoutMs);
  const outage = new Outage(report);
  const pending = new Pending();
  const puts = new PutOrder((resource) => putResource(endpoint, resource, signal));
  /** What of it is to be sent again later. */
  const aside = new Map<Sending, NodeJS.Timeout>();
  const buffer = new SendQueue();
  let timer: NodeJS.Timeout | null = null;
  let sentAt = Number.NEGATIVE_INFINITY;
  let refusedEvents = 0;
  let isSending = false;
  let isClosed = false;

  function put(sendings: readonly Sending[]): void {
    for (const sending of sendings) {
      buffer.put(sending);
      room.take(sending.count);
      pending.add(sending);
      puts.add(sending);
    }
    sendSoon();
  }

  function sendSoon(): void {
    if (buffer.isEmpty) return;
    // By a timer that keeps the process: what was written is sent before it ends by itself.
    timer ??= setTimeout(sendNow, Math.max(GATHER_MS, sentAt + APART_MS - performance.now()));
    if (buffer.events >= MOST_EVENTS) sendNow();
  }

  function sendNow(): void {
    if (timer !== null) clearTimeout(timer);
    timer = null;
    if (isSending || buffer.isEmpty || signal.aborted) return;
    isSending = true;
    sentAt = performance.now();
    void sendAll(sender, buffer.take()).then(() => {
      isSending = false;
      sendSoon();
    });
  }

  function settle(sending: Sending): void {
    pending.remove(sending);
    puts.drop(sending);
    room.give(sending.count);
  }

  /** @param isKept it has removed the markers that end with it. */
  function endMarkers({ ends, whole }: Sending, isKept: boolean): void {
    if (isKept) markers.recorded(ends);
    else markers.close(ends);
    if (whole !== null && --whole.left === 0) markers.close([whole.marker.id]);
  }

  function setAside(sending: Sending): void {
    const delayMs = nextDelay(sending.asides++, ASIDE);
    sending.isAlone = true;
    aside.set(
      sending,
      setTimeout(() => sendAgain(sending), delayMs),
    );
    pending.release(sending);
  }

  function sendAgain(sending: Sending): void {
    clearTimeout(aside.get(sending));
    aside.delete(sending);
    buffer.put(sending);
    sendNow();
  }

  const sender: Sender = {
    endpoint,
    signal,
    async mark(marker) {
      try {
        await markers.open(marker);
      } catch (error) {
        if (troubleOf(error) === 'passing') throw error;
        // Without it the tree is recorded all the same.
        report(error);
      }
    },
    putAll: (sending) => puts.putAll(sending),
    recorded(sending, kept) {
      outage.over();
      endMarkers(sending, kept);
      settle(sending);
    },
    refused(sending, error) {
      if (codeOf(error) === 'NOT_FOUND' && pending.waitForOthers(sending)) return setAside(sending);
      refusedEvents += sending.count;
      endMarkers(sending, false);
      report(error, eventsOf(sending));
      settle(sending);
    },
    setAside(sending, error) {
      if (sending.asides === 0) report(error);
      setAside(sending);
    },
    failed: (error) => outage.failed(error),
  };

  /** Resolves when all that waits or is under way now is recorded, refused or set aside. */
  async function settled(): Promise<void> {
    sendNow();
    const underWay = pending.all().filter((sending) => !aside.has(sending));
    await Promise.all(underWay.map((sending) => pending.settled(sending)));
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
      if (parentId != null && pending.has(parentId)) {
        await within(settled(), withinMs, 'The event above it has not been recorded in time.', signal);
      }
      for (const resource of resources) await putResource(endpoint, resource, signal);
      const leftMs = Math.max(0, withinMs - (performance.now() - startedAt));
      const [recorded] = await record(endpoint, events, { fields: '', withinMs: leftMs, signal });
      return recorded?.kept ?? null;
    },

    marked: async () => [],
    left: async () => [],
    renew: () => markers.renew(),
    stats: () => ({ buffered: room.used, refused: refusedEvents }),
    flush,

    async close(withinMs) {
      isClosed = true;
      for (const sending of [...aside.keys()]) sendAgain(sending);
      await within(flush(), withinMs, '').catch(() => {});
      stopping.abort(closed());
      endpoint.close();
      room.close(closed());
      if (timer !== null) clearTimeout(timer);
      for (const again of aside.values()) clearTimeout(again);
      // Their markers stay: they are recorded as lost, which as far as anybody knows they are.
      for (const sending of pending.all()) {
        refusedEvents += sending.count;
        report(closed(), eventsOf(sending));
        settle(sending);
      }
    },
  };
}

function closed(): RecorderError {
  return new RecorderError(
    'CLOSED',
    'The recorder was closed before the events were recorded; those under way may have been.',
  );
}
