/**
 * Through an outbox in a database: what is written stands there when the write has resolved, within a transaction of
 * the application if it is given one. A relay moves it into the journal: Eventree's servers where it is their own
 * database, this process where it is the application's.
 *
 * What cannot be written at the moment, and belongs to no transaction, waits in a bounded buffer and is tried again.
 */
import { nextDelay, pause, persist } from '../base/retry.ts';
import { isSettled } from '../outbox/claim.ts';
import { installOutbox } from '../outbox/install.ts';
import {
  leftAmong,
  markedAmong,
  openMarkers,
  releaseLease,
  renewLease,
  wakeRelays,
  writeParcels,
} from '../outbox/outbox.ts';
import type { Author, Marker, Parcel, PlacedEvent } from '../outbox/parcel.ts';
import type { Relay } from '../outbox/relay.ts';
import { type Queryable, runOn } from '../outbox/statement.ts';
import { RecorderError } from './errors.ts';
import { gather, NONE_REFUSED, within } from './gather.ts';
import { Outage } from './outage.ts';
import { Room } from './room.ts';
import type { Report, Sink, Writing } from './sink.ts';

export interface OutboxSinkOptions {
  readonly database: Queryable;
  /** UUID of this recorder, on whose lease its markers hang. */
  readonly recorder: string;
  /** As whom Eventree's servers record what is written; null where the token of this process's relay says so. */
  readonly author: Author | null;
  /** Make the tables where they are not there yet. */
  readonly install: boolean;
  /** Starts the relay of this process; null where Eventree's servers are the relays. */
  readonly startRelay: (() => Relay) | null;
  readonly leaseMs: number;
  readonly markerTimeoutMs: number;
  readonly maxBufferedEvents: number;
  readonly fullTimeoutMs: number;
  readonly closeTimeoutMs: number;
  readonly report: Report;
}

const MOST_MARKERS = 200;
const BACKOFF = { firstMs: 100, mostMs: 5_000 };
/** Several writes wake relays once; and a transaction that was written in has been committed by then, mostly. */
const WAKE_AFTER_MS = 10;
const LOOK_AGAIN_MS = 50;
const AWAY_MS = 1_000;

export function createOutboxSink(options: OutboxSinkOptions): Sink {
  const { database, recorder, author, leaseMs, markerTimeoutMs, closeTimeoutMs, report } = options;
  const run = runOn(database);
  const writer = { recorder, author };
  const lease = { id: recorder, leaseMs };
  const room = new Room(options.maxBufferedEvents, options.fullTimeoutMs);
  const outage = new Outage(report);
  const wakeOutage = new Outage(report);
  const stopping = new AbortController();
  let unwritten: Writing[] = [];
  let retrying: Promise<void> | null = null;
  let ready: Promise<void> | null = null;
  let relay: Relay | null = null;
  let hasLease = false;
  let wakeTimer: NodeJS.Timeout | null = null;
  let away: { readonly until: number; readonly error: unknown } | null = null;
  let refusedEvents = 0;
  let isClosed = false;

  /** Resolves when the outbox is there; tried again by whoever comes next where it could not be made. */
  function prepared(): Promise<void> {
    ready ??= prepare().catch((error) => {
      ready = null;
      throw error;
    });
    return ready;
  }

  async function prepare(): Promise<void> {
    if (options.install) await installOutbox(database);
    relay ??= isClosed ? null : (options.startRelay?.() ?? null);
  }

  function wakeSoon(): void {
    if (isClosed) return;
    wakeTimer ??= setTimeout(() => {
      wakeTimer = null;
      void wake();
    }, WAKE_AFTER_MS).unref();
  }

  async function wake(): Promise<void> {
    if (relay !== null) return relay.nudge();
    try {
      await wakeRelays(run);
      wakeOutage.over();
    } catch (error) {
      // They look by themselves, only later.
      wakeOutage.failed(error);
    }
  }

  /** Without one, what a transaction marks would be taken for lost as soon as it is committed. */
  async function takeLease(): Promise<void> {
    try {
      await within(renewLease(run, lease), markerTimeoutMs, 'The database has not taken the lease in time.');
      hasLease = true;
    } catch (error) {
      outage.failed(error);
    }
  }

  const openGathered = gather<Marker>(async (markers) => {
    if (away !== null && performance.now() < away.until) throw away.error;
    try {
      const opened = prepared().then(() => openMarkers(run, lease, markers, author));
      await within(
        opened,
        markerTimeoutMs,
        `The database has not taken a marker within ${markerTimeoutMs} ms.`,
      );
      hasLease = true;
      away = null;
    } catch (error) {
      away = { until: performance.now() + AWAY_MS, error };
      throw error;
    }
    return NONE_REFUSED;
  }, MOST_MARKERS);

  async function writeNow(writing: Writing): Promise<readonly string[]> {
    await prepared();
    const { swept } = await writeParcels(run, writing, writer);
    wakeSoon();
    return swept;
  }

  function writeLater(writing: Writing): void {
    unwritten.push(writing);
    room.take(countOf(writing));
    retrying ??= retry().finally(() => {
      retrying = null;
    });
  }

  /** Written twice, as where a commit was not answered, it adds nothing: events are recorded under their ids. */
  async function retry(): Promise<void> {
    for (let failures = 0; unwritten.length > 0 && !stopping.signal.aborted; ) {
      const [writing] = unwritten as [Writing];
      try {
        await writeNow(writing);
        unwritten.shift();
        room.give(countOf(writing));
        outage.over();
        failures = 0;
      } catch (error) {
        if (isOfContent(error)) {
          unwritten.shift();
          refuse(writing, error);
          continue;
        }
        outage.failed(error);
        await pause(nextDelay(failures++, BACKOFF), stopping.signal);
      }
    }
  }

  function refuse(writing: Writing, error: unknown): void {
    room.give(countOf(writing));
    refusedEvents += countOf(writing);
    report(error, eventsOf(writing.parcels));
  }

  /** Resolves when all that stands in the outbox was moved, but for what was refused or waits for an open scope. */
  async function moved(): Promise<void> {
    await prepared();
    if (relay !== null) return relay.settled();
    await wake();
    while (!stopping.signal.aborted && !(await isSettled(run))) await pause(LOOK_AGAIN_MS, stopping.signal);
  }

  // What an earlier process left behind is moved also by one that records nothing itself.
  if (options.startRelay !== null) {
    const prepareLoudly = () =>
      prepared().catch((error: unknown) => {
        outage.failed(error);
        throw error;
      });
    persist(prepareLoudly, { isPassing: () => true, backoff: BACKOFF, signal: stopping.signal }).catch(
      () => {},
    );
  }

  return {
    transactional: true,
    room: () => room.wait(),
    open: (marker) => openGathered(marker),

    async write(writing, transaction) {
      if (isClosed) throw closed();
      if (transaction !== undefined) {
        await prepared();
        if (writing.marks.length > 0 && !hasLease) await takeLease();
        const { swept } = await writeParcels(runOn(transaction), writing, writer);
        wakeSoon();
        return swept;
      }
      if (retrying !== null) {
        writeLater(writing);
        return [];
      }
      try {
        return await writeNow(writing);
      } catch (error) {
        outage.failed(error);
        writeLater(writing);
        return [];
      }
    },

    async acknowledge(parcel, withinMs) {
      if (isClosed) throw closed();
      const writing = { parcels: [parcel], ends: [], marks: [] };
      await within(
        writeNow(writing),
        withinMs,
        `The database has not taken the event within ${withinMs} ms.`,
      );
      return null;
    },

    marked: (ids, transaction) => markedAmong(transaction === undefined ? run : runOn(transaction), ids),
    left: (ids) => leftAmong(run, ids),
    async renew() {
      if (hasLease) await renewLease(run, lease);
    },
    stats: () => ({ buffered: room.used, refused: refusedEvents }),

    async flush() {
      await retrying;
      await moved();
    },

    async close() {
      isClosed = true;
      if (wakeTimer !== null) clearTimeout(wakeTimer);
      const work = async () => {
        await retrying;
        // What stands in the outbox is safe: servers, or whatever relay comes next, move it.
        if (relay !== null) await relay.settled();
        else if (hasLease) await wake();
      };
      await within(work(), closeTimeoutMs, '').catch(() => {});
      stopping.abort();
      await relay?.stop();
      for (const writing of unwritten) {
        refusedEvents += countOf(writing);
        report(closed(), eventsOf(writing.parcels));
      }
      unwritten = [];
      if (hasLease) await within(releaseLease(run, recorder), closeTimeoutMs, '').catch(() => {});
    },
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

function countOf({ parcels }: Writing): number {
  return parcels.reduce((sum, { events }) => sum + events.length, 0);
}

function eventsOf(parcels: readonly Parcel[]): PlacedEvent[] {
  return parcels.flatMap(({ events }) => events);
}

function closed(): RecorderError {
  return new RecorderError('CLOSED', 'The recorder was closed before the events could be written.');
}
