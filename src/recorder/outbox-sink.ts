/**
 * Through an outbox in a database: what is written stands there when the write has resolved, within a transaction of
 * the application if it is given one. A relay moves it into the journal: Eventree's servers where it is their own
 * database, this process where it is the application's.
 *
 * What cannot be written at the moment, or is not answered in time, and belongs to no transaction, waits in a bounded
 * buffer and is tried again.
 */
import { pause, persist } from '../base/retry.ts';
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
import type { Author, Marker } from '../outbox/parcel.ts';
import type { Relay } from '../outbox/relay.ts';
import { type Queryable, runOn } from '../outbox/statement.ts';
import { createBacklog, type Unwritten } from './backlog.ts';
import { RecorderError } from './errors.ts';
import { gather, NONE_REFUSED } from './gather.ts';
import { Outage } from './outage.ts';
import { Room } from './room.ts';
import type { Report, Sink, Writing } from './sink.ts';
import { createStopping, within } from './within.ts';

export interface OutboxSinkOptions {
  readonly database: Queryable;
  /** UUID of this recorder, on whose lease its markers hang. */
  readonly recorder: string;
  /** As whom Eventree's servers record what is written; null where the token of this process's relay says so. */
  readonly author: Author | null;
  /** Make the tables where they are not there yet. */
  readonly install: boolean;
  /** Starts the relay of this process; null where Eventree's servers are the relays. The signal ends its requests. */
  readonly startRelay: ((signal: AbortSignal) => Relay) | null;
  readonly leaseMs: number;
  readonly markerTimeoutMs: number;
  readonly writeTimeoutMs: number;
  readonly maxBufferedEvents: number;
  readonly fullTimeoutMs: number;
  readonly report: Report;
}

const MOST_MARKERS = 200;
const BACKOFF = { firstMs: 100, mostMs: 5_000 };
/** Several writes wake relays once; and a transaction that was written in has been committed by then, mostly. */
const WAKE_AFTER_MS = 10;
/** From one time to the next: each is a statement. */
const WAKE_APART_MS = 50;
const LOOK_AGAIN_MS = 50;
const AWAY_MS = 1_000;
/** Statements that were given up, and that the database may still answer: each holds what it was given. */
const MOST_UNANSWERED = 20;
/** Of the time for closing, what is left for leaving in order: for claims, and for the lease. */
const LEAVING = 1 / 5;

export function createOutboxSink(options: OutboxSinkOptions): Sink {
  const { database, recorder, author, leaseMs, markerTimeoutMs, writeTimeoutMs, report } = options;
  const run = runOn(database);
  const writer = { recorder, author };
  const lease = { id: recorder, leaseMs };
  const room = new Room(options.maxBufferedEvents, options.fullTimeoutMs);
  const outage = new Outage(report);
  const wakeOutage = new Outage(report);
  const cutOutage = new Outage(report);
  const stopping = createStopping();
  const { signal } = stopping;
  const backlog = createBacklog({ attempt, room, outage, signal, report });
  let ready: Promise<void> | null = null;
  let relay: Relay | null = null;
  let hasLease = false;
  let wakeTimer: NodeJS.Timeout | null = null;
  let wokenAt = Number.NEGATIVE_INFINITY;
  let away: { readonly until: number; readonly error: unknown } | null = null;
  let unanswered = 0;
  let isClosed = false;

  /** Of all that is in no transaction of the application: a database that answers nothing holds nobody up for longer. */
  async function answered<T>(ask: () => Promise<T>, ms = writeTimeoutMs): Promise<T> {
    if (unanswered >= MOST_UNANSWERED) throw new Error('The database has not answered for a while.');
    let isAnswered = false;
    const asked = ask().finally(() => {
      isAnswered = true;
    });
    try {
      const answer = await within(asked, ms, `The database has not answered within ${ms} ms.`, signal);
      cutOutage.over();
      return answer;
    } catch (error) {
      if (!isAnswered) {
        const forget = () => void unanswered--;
        unanswered++;
        asked.then(forget, forget);
      }
      throw error;
    }
  }

  /** Resolves when the outbox is there; tried again by whoever comes next where it could not be made. */
  function prepared(): Promise<void> {
    ready ??= answered(prepare).catch((error) => {
      ready = null;
      throw error;
    });
    return ready;
  }

  async function prepare(): Promise<void> {
    if (options.install) await installOutbox(database);
    relay ??= isClosed ? null : (options.startRelay?.(signal) ?? null);
  }

  function wakeSoon(): void {
    if (isClosed || wakeTimer !== null) return;
    const wait = Math.max(WAKE_AFTER_MS, wokenAt + WAKE_APART_MS - performance.now());
    wakeTimer = setTimeout(() => {
      wakeTimer = null;
      wokenAt = performance.now();
      void wake();
    }, wait).unref();
  }

  async function wake(): Promise<void> {
    if (relay !== null) return relay.nudge();
    try {
      await answered(() => wakeRelays(run));
      wakeOutage.over();
    } catch (error) {
      // They look by themselves, only later.
      if (!signal.aborted) wakeOutage.failed(error);
    }
  }

  /** Without one, what a transaction marks would be taken for lost as soon as it is committed. */
  async function takeLease(): Promise<void> {
    try {
      await answered(() => renewLease(run, lease), markerTimeoutMs);
      hasLease = true;
    } catch (error) {
      outage.failed(error);
    }
  }

  const openGathered = gather<Marker>(async (markers) => {
    if (away !== null && performance.now() < away.until) throw away.error;
    try {
      await answered(async () => {
        await prepared();
        await openMarkers(run, lease, markers, author);
      }, markerTimeoutMs);
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

  /** @throws where it is not known to be written. */
  function attempt(what: Unwritten): Promise<readonly string[]> {
    return answered(async () => {
      const swept = await writeNow(what.writing);
      what.isWritten = true;
      return swept;
    });
  }

  /** Resolves when all that stands in the outbox was moved, but for what was refused or waits for an open scope. */
  async function moved(): Promise<void> {
    await prepared();
    if (relay !== null) return relay.settled();
    await wake();
    while (!signal.aborted && !(await answered(() => isSettled(run)))) await pause(LOOK_AGAIN_MS, signal);
  }

  // A pool tells of idle connections that were cut, as by a server that starts anew, and opens others when they are
  // needed. An emitter's errors that nobody listens to would end the process.
  const cut = ({ message, code }: NodeJS.ErrnoException) => {
    // Theirs brings the whole client along.
    const said = new Error(`An idle connection to the database was lost: ${message}`);
    cutOutage.failed(Object.assign(said, { code }));
  };
  const emitter = isErrorEmitter(database) ? database : null;
  emitter?.on('error', cut);

  // What an earlier process left behind is moved also by one that records nothing itself.
  if (options.startRelay !== null) {
    const prepareLoudly = () =>
      prepared().catch((error: unknown) => {
        if (!signal.aborted) outage.failed(error);
        throw error;
      });
    persist(prepareLoudly, { isPassing: () => true, backoff: BACKOFF, signal }).catch(() => {});
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
      return backlog.write(writing);
    },

    async acknowledge(parcel, withinMs) {
      if (isClosed) throw closed();
      const writing = { parcels: [parcel], ends: [], marks: [] };
      await answered(() => writeNow(writing), withinMs);
      return null;
    },

    marked: (ids, transaction) =>
      transaction === undefined
        ? answered(() => markedAmong(run, ids))
        : markedAmong(runOn(transaction), ids),
    left: (ids) => answered(() => leftAmong(run, ids)),
    async renew() {
      // Given up in time to be tried again, by another connection perhaps, before the lease has ended.
      if (hasLease) await answered(() => renewLease(run, lease), leaseMs / 3);
    },
    stats: () => ({ buffered: room.used, refused: backlog.refused() }),

    async flush() {
      await backlog.done();
      await moved();
    },

    async close(withinMs) {
      isClosed = true;
      const deadline = performance.now() + withinMs;
      if (wakeTimer !== null) clearTimeout(wakeTimer);
      const work = async () => {
        await backlog.done();
        // What stands in the outbox is safe: servers, or whatever relay comes next, move it.
        if (relay !== null) await relay.settled();
        else if (hasLease) await wake();
      };
      await within(work(), withinMs * (1 - LEAVING), '').catch(() => {});
      stopping.abort(closed());
      room.close(closed());
      backlog.giveUp(closed());
      const leaving = Promise.all([relay?.stop(), hasLease ? releaseLease(run, recorder) : null]);
      await within(leaving, Math.max(0, deadline - performance.now()), '').catch(() => {});
      emitter?.off('error', cut);
    },
  };
}

type ErrorEmitter = Readonly<
  Record<'on' | 'off', (event: 'error', listen: (error: NodeJS.ErrnoException) => void) => unknown>
>;

/** Whether it is a pool or client of pg; Prisma's tells of no errors. */
function isErrorEmitter(database: object): database is ErrorEmitter {
  const has = (name: 'on' | 'off') => typeof Reflect.get(database, name) === 'function';
  return has('on') && has('off');
}

function closed(): RecorderError {
  return new RecorderError('CLOSED', 'The recorder was closed before the events could be written.');
}
