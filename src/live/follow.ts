/**
 * One reader of a journal: what came after its cursor, then what happens, without a gap or a repeat
 * between the two.
 *
 *     reading the journal ──reaches where it joined──▶ live: its group writes to its wire
 *              ▲                                        │
 *              └── its wire takes too little, the hub ──┘
 *                  was too far behind, or cannot tell
 *
 * The reader joins its group *before* it reads the journal, so whatever is recorded meanwhile is held for it.
 * One that is too slow for that reads the journal at its own pace and joins again: it is never buffered
 * for, and never loses anything.
 */
import { NOTHING } from '../access/acl.ts';
import { ADMIN } from '../access/claim.ts';
import { isAdmin, type Principal } from '../access/principal.ts';
import type { ResourceRef } from '../access/resource-ref.ts';
import { checkToken } from '../access/revocation.ts';
import { EventreeError } from '../base/errors.ts';
import { persist } from '../base/retry.ts';
import { isAway } from '../db/trouble.ts';
import { ACL_CHANGE } from '../events/builtin.ts';
import type { Position, SeenEvent } from '../events/event.ts';
import type { Condition } from '../events/filter/filter.ts';
import type { Journal } from '../events/journal.ts';
import type { Reader } from '../events/read.ts';
import type { Delivery } from './delivery.ts';
import type { GroupRequest } from './group.ts';
import type { Live } from './live.ts';
import type { Member } from './member.ts';
import { sightOf } from './sight.ts';
import { drained, type Wire } from './wire.ts';

export interface FollowRequest extends GroupRequest {
  readonly journal: string;
  /** A position that the reader has read up to, or where to begin without one. */
  readonly after: Position | 'beginning' | 'now';
  /** Takes what is said live, in the request's wording. */
  readonly wire: Wire;
}

export interface FollowOptions {
  readonly live: Live;
  readonly reader: Reader;
  /** A delivery comes at least this often. */
  readonly checkpointIntervalMs: number;
}

const SYSTEM: Principal = { subject: ADMIN, claims: new Set([ADMIN]), expiresAt: null, issuedAt: null };
const BACKOFF = { firstMs: 50, mostMs: 2_000 };
/** What setTimeout takes; longer is taken to be nothing. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;

/**
 * Yields what is read from the journal; what is live goes to the wire, between one delivery and the next.
 * Ends when the signal fires. Waits where the database is away.
 *
 * @throws UNAUTHENTICATED when the principal's token expires or is revoked, LIMIT_EXCEEDED where the filter leaves too
 *   much of the journal to look through.
 */
export async function* follow(
  { live, reader, checkpointIntervalMs }: FollowOptions,
  request: FollowRequest,
  signal: AbortSignal,
): AsyncGenerator<Delivery, void> {
  const { principal, wire } = request;
  const { hub, groups, close } = live.open(request.journal);
  let member: Member | null = null;
  const holdToken = () => {
    checkExpiry(principal);
    checkToken(principal, reader.revocations());
  };
  /** Waits no longer than the token holds. */
  const inTime = async <T>(awaited: Promise<T>) => {
    await until(awaited, principal.expiresAt, signal);
    holdToken();
    return awaited;
  };
  const patiently = async <T>(work: () => Promise<T>) => {
    const giveUp = new AbortController();
    const patience = { isPassing: isAway, backoff: BACKOFF, signal: giveUp.signal };
    try {
      return await inTime(persist(work, patience));
    } finally {
      giveUp.abort();
    }
  };
  let lastSaid = Date.now();
  let saidLive = false;
  const delivery = (said: Partial<Delivery> & { position: Position }): Delivery => {
    holdToken();
    lastSaid = Date.now();
    saidLive = said.live ?? false;
    return { journal: hub.journal(), events: [], live: false, gap: null, hidden: [], ...said };
  };

  try {
    await inTime(hub.ready);
    const { head, oldest } = await patiently(() => reader.state(hub.journal()));
    const first = (oldest - 1) as Position;
    let at = request.after === 'now' ? head : request.after === 'beginning' ? first : request.after;
    if (at < first) {
      at = first;
      yield delivery({ position: at, gap: { oldest: oldest as Position } });
    }

    // The cursor may come from a node that is ahead of this one.
    hub.headIs(hub.journal(), head);
    await inTime(hub.reached(Math.min(at, head) as Position, signal));
    while (!signal.aborted) {
      member = groups.join(request, wire);
      const joinedAt = hub.position();
      while (at < joinedAt && !signal.aborted) {
        const page = await patiently(() => readOn(reader, hub.journal(), request, at, joinedAt));
        at = page.position;
        const isDue = Date.now() - lastSaid >= checkpointIntervalMs;
        if (page.events.length > 0 || page.hidden.length > 0 || isDue) yield delivery(page);
      }
      // One that fell behind and found nothing is where it was: that it looked tells of what it may not see.
      if (!saidLive) yield delivery({ position: at, live: true });
      // Where the hub has passed its revocation before the reader joined, it is known here by now.
      holdToken();
      member.release(at);
      await until(member.left, principal.expiresAt, signal);
      member.leave();
      holdToken();
      at = Math.max(at, member.at()) as Position;
      await drained(wire, signal);
    }
  } finally {
    member?.leave();
    close();
  }
}

/** Resolves when the promise is settled, at a time in ms since 1970, or when the signal fires. */
function until(promise: Promise<unknown>, time: number | null, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    // A timer may fire a fraction of a millisecond before its time.
    const timer =
      time === null ? undefined : setTimeout(done, Math.min(time - Date.now() + 1, LONGEST_TIMEOUT_MS));
    signal.addEventListener('abort', done, { once: true });
    promise.then(done, done);
  });
}

/** The next page of the journal, up to where the reader has joined the live end. */
async function readOn(
  reader: Reader,
  journal: Journal,
  request: FollowRequest,
  after: Position,
  until: Position,
) {
  const { filter, principal, maxBatch: limit } = request;
  const bounds = { journal, direction: 'rising', above: after, below: until + 1 } as const;
  const { events } = await reader.page({ ...bounds, filter, limit }, principal);
  const last = events.at(-1);
  const position = events.length === limit && last !== undefined ? last.event.position : until;
  const hidden = isAdmin(principal) ? [] : await hiddenWithin(reader, journal, principal, after, position);
  return { events, position, hidden };
}

/**
 * Resources that the principal lost sight of between two positions and has not gained back, by now: the
 * page was judged by present rights, and what it shows must not be dropped again.
 */
async function hiddenWithin(
  reader: Reader,
  journal: Journal,
  principal: Principal,
  above: number,
  upTo: number,
) {
  const filter: Condition = { on: 'text', field: 'type', test: { is: 'in', values: [ACL_CHANGE] } };
  const hidden = new Set<ResourceRef>();
  const limit = 500;
  for (let at = above; at < upTo; ) {
    const bounds = { journal, filter, direction: 'rising', above: at, below: upTo + 1, limit } as const;
    const { events } = await reader.page(bounds, SYSTEM);
    for (const { event } of events) {
      const change = sightOf(event, principal);
      if (change === null) continue;
      if (change.after > NOTHING) hidden.delete(change.resource);
      else if (change.before > NOTHING) hidden.add(change.resource);
    }
    at = events.length === limit ? (events.at(-1) as SeenEvent).event.position : upTo;
  }
  for (const resource of hidden) {
    if (await seesAnyOf(resource, reader, journal, principal)) hidden.delete(resource);
  }
  return [...hidden];
}

async function seesAnyOf(resource: ResourceRef, reader: Reader, journal: Journal, principal: Principal) {
  const filter: Condition = { on: 'text', field: 'resource', test: { is: 'in', values: [resource] } };
  const anywhere = { direction: 'falling', above: 0, below: Number.POSITIVE_INFINITY, limit: 1 } as const;
  return (await reader.page({ journal, filter, ...anywhere }, principal)).events.length > 0;
}

function checkExpiry({ expiresAt }: Principal): void {
  if (expiresAt === null || Date.now() < expiresAt) return;
  throw new EventreeError(
    'UNAUTHENTICATED',
    'The token has expired: fetch a new one and subscribe again after the last cursor.',
  );
}
