/** Markers over the API: those that come together are opened and closed together, and the lease is renewed. */
import { pause } from '../base/retry.ts';
import { EventreeClientError } from '../client/errors.ts';
import { ask, type Endpoint } from '../client/request.ts';
import type { Marker } from '../outbox/parcel.ts';
import { isOfAll, troubleOf } from './api-send.ts';
import { gather } from './gather.ts';
import { Outage } from './outage.ts';
import type { Report } from './sink.ts';

export interface ApiMarkersOptions {
  readonly endpoint: Endpoint;
  readonly recorder: string;
  readonly leaseMs: number;
  readonly timeoutMs: number;
  /** Ends requests under way, and all waiting. */
  readonly signal: AbortSignal;
  readonly report: Report;
}

export interface ApiMarkers {
  /** Resolves when it is committed. @throws why it is not, or why it is not known to be */
  open(marker: Marker): Promise<void>;
  /** What was recorded under these ids, as far as there is such a marker, has removed it. */
  recorded(ids: readonly string[]): void;
  /** Nothing is recorded under these ids: their markers are removed, sooner or later. */
  close(ids: readonly string[]): void;
  /** Says that the process is alive, where anything is open, and closes what could not be closed before. */
  renew(): Promise<void>;
  /** Resolves when what is to be closed is closed, or could not be. */
  settled(): Promise<void>;
}

const MOST_AT_ONCE = 500;
/** After a failure, calls go on without a marker for so long before the server is asked again. */
const AWAY_MS = 1_000;
/** Of calls that were not kept: those beyond are left to the server, which tells of them as lost. */
const MOST_CLOSING = 100_000;
/** So that calls which end one after the other are closed together. */
const CLOSE_AFTER_MS = 50;

const OPEN = `mutation OpenMarkers($input: OpenMarkersInput!) { openMarkers(input: $input) { open } }`;
const RENEW = `mutation RenewMarkers($recorder: ID!, $leaseMs: Int!) {
  renewMarkers(recorder: $recorder, leaseMs: $leaseMs) { open }
}`;
const CLOSE = `mutation CloseMarkers($recorder: ID!, $ids: [ID!]!) {
  closeMarkers(recorder: $recorder, ids: $ids) { open }
}`;

export function createApiMarkers(options: ApiMarkersOptions): ApiMarkers {
  const { endpoint, recorder, leaseMs, timeoutMs, signal, report } = options;
  const outage = new Outage(report);
  const open = new Set<string>();
  const closing = new Set<string>();
  let away: { readonly until: number; readonly error: unknown } | null = null;
  let closed: Promise<void> | null = null;

  function send(query: string, variables: Readonly<Record<string, unknown>>): Promise<unknown> {
    return ask(endpoint, { query, variables }, { signal, timeoutMs });
  }

  const openGathered = gather<Marker>(async (markers) => {
    if (away !== null && performance.now() < away.until) throw away.error;
    const refused = new Map<Marker, unknown>();
    try {
      await openAll(markers, refused);
    } catch (error) {
      away = { until: performance.now() + AWAY_MS, error };
      throw error;
    }
    away = null;
    for (const marker of markers) if (!refused.has(marker)) open.add(marker.id);
    return refused;
  }, MOST_AT_ONCE);

  /** One that is refused takes the others with it: they are sent again without it. @throws what concerns all of them. */
  async function openAll(markers: readonly Marker[], refused: Map<Marker, unknown>): Promise<void> {
    let left = markers;
    while (left.length > 0) {
      // Most wait for nothing, which need not be said.
      const input = left.map(({ event, waitsFor, depth }) =>
        waitsFor === null ? { event, depth } : { event, waitsFor, depth },
      );
      try {
        await send(OPEN, { input: { recorder, leaseMs, markers: input } });
        return;
      } catch (error) {
        if (!(error instanceof EventreeClientError) || !isOfSome(error)) throw error;
        const one = left.length === 1 ? left[0] : left[Number(error.facts.index ?? -1)];
        if (one === undefined) {
          const middle = Math.ceil(left.length / 2);
          await openAll(left.slice(0, middle), refused);
          left = left.slice(middle);
          continue;
        }
        refused.set(one, error);
        left = left.filter((marker) => marker !== one);
      }
    }
  }

  async function closeAll(): Promise<void> {
    await pause(CLOSE_AFTER_MS, signal);
    while (closing.size > 0 && !signal.aborted) {
      const ids = [...closing].slice(0, MOST_AT_ONCE);
      try {
        await send(CLOSE, { recorder, ids });
        outage.over();
      } catch (error) {
        if (!signal.aborted) outage.failed(error);
        return;
      }
      for (const id of ids) closing.delete(id);
    }
  }

  function startClosing(): Promise<void> {
    closed ??= closeAll().finally(() => {
      closed = null;
    });
    return closed;
  }

  return {
    open: (marker) => openGathered(marker),
    recorded(ids) {
      for (const id of ids) open.delete(id);
    },
    close(ids) {
      for (const id of ids) {
        open.delete(id);
        if (closing.size < MOST_CLOSING) closing.add(id);
      }
      if (closing.size > 0) void startClosing();
    },
    async renew() {
      if (closing.size > 0) void startClosing();
      if (open.size === 0) return;
      await send(RENEW, { recorder, leaseMs });
    },
    async settled() {
      if (closing.size > 0 || closed !== null) await startClosing();
    },
  };
}

/** Whether others might be opened without those that it is about. */
function isOfSome(error: EventreeClientError): boolean {
  const trouble = troubleOf(error);
  return (trouble === 'refused' || trouble === 'too large') && !isOfAll(error) && !isFull(error);
}

/** No more markers may be open: it says nothing of any of them. */
function isFull({ code, facts }: EventreeClientError): boolean {
  return code === 'LIMIT_EXCEEDED' && facts.index === undefined;
}
