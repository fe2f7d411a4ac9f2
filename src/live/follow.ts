/**
 * One reader of a journal: what came after its cursor, then what happens, without a gap or a repeat
 * between the two.
 *
 *     reading the journal ──reaches where it joined──▶ live
 *              ▲                                        │
 *              └──── its inbox overflows, the hub was ──┘
 *                    too far behind, or cannot tell
 *
 * The reader joins the hub *before* it reads the journal, so whatever is recorded meanwhile waits in its
 * inbox. A reader that is too slow for the inbox reads the journal at its own pace and joins again: it is
 * never buffered for, and never loses anything.
 */
import { NOTHING } from '../access/acl.ts';
import { ADMIN } from '../access/claim.ts';
import { isAdmin, type Principal } from '../access/principal.ts';
import type { ResourceRef } from '../access/resource-ref.ts';
import { EventreeError } from '../base/errors.ts';
import { persist } from '../base/retry.ts';
import { isAway } from '../db/trouble.ts';
import { ACL_CHANGE } from '../events/builtin.ts';
import type { Position, SeenEvent } from '../events/event.ts';
import type { Condition } from '../events/filter/filter.ts';
import { type Journal, unwritten } from '../events/journal.ts';
import type { Reader } from '../events/read.ts';
import { createInbox } from './inbox.ts';
import type { Live } from './live.ts';
import { sightOf } from './sight.ts';

export interface FollowRequest {
  readonly journal: string;
  readonly filter: Condition;
  readonly principal: Principal;
  /** A position that the reader has read up to, or where to begin without one. */
  readonly after: Position | 'beginning' | 'now';
  /** Most events in one delivery. */
  readonly maxBatch: number;
}

export interface Delivery {
  readonly journal: Journal;
  readonly events: readonly SeenEvent[];
  /** The reader has everything up to here. */
  readonly position: Position;
  /** False while catching up with what was recorded before. */
  readonly live: boolean;
  /** Set where what followed the asked-for position no longer exists. */
  readonly gap: { readonly oldest: Position } | null;
  /** Resources whose events the reader could see until here and no longer may. */
  readonly hidden: readonly ResourceRef[];
}

export interface FollowOptions {
  readonly live: Live;
  readonly reader: Reader;
  /** A delivery comes at least this often. */
  readonly checkpointIntervalMs: number;
}

const SYSTEM: Principal = { subject: ADMIN, claims: new Set([ADMIN]), expiresAt: null };
const BACKOFF = { firstMs: 50, mostMs: 2_000 };

/**
 * Ends when the signal fires. Waits where the database is away.
 *
 * @throws UNAUTHENTICATED when the principal's token expires, LIMIT_EXCEEDED where the filter leaves too
 *   much of the journal to look through.
 */
export async function* follow(
  { live, reader, checkpointIntervalMs }: FollowOptions,
  request: FollowRequest,
  signal: AbortSignal,
): AsyncGenerator<Delivery, void> {
  const { principal, filter, maxBatch } = request;
  const { hub, close } = live.open(request.journal);
  const inbox = createInbox(hub, principal.claims, filter);
  const patiently = <T>(work: () => Promise<T>) =>
    persist(work, { isPassing: isAway, backoff: BACKOFF, signal });
  const journal = () => hub.journal() ?? unwritten(request.journal);
  const delivery = (said: Partial<Delivery> & { position: Position }): Delivery => {
    lastSaid = Date.now();
    saidLive = said.live ?? false;
    return { journal: journal(), events: [], live: false, gap: null, hidden: [], ...said };
  };
  let lastSaid = Date.now();
  let saidLive = false;

  try {
    await hub.ready;
    inbox.join();
    const { head, oldest } = await patiently(() => reader.state(journal()));
    const first = (oldest - 1) as Position;
    let at = request.after === 'now' ? head : request.after === 'beginning' ? first : request.after;
    let isLive = false;
    if (at < first) {
      at = first;
      yield delivery({ position: at, gap: { oldest: oldest as Position } });
    }

    while (!signal.aborted) {
      checkToken(principal);
      if (at < inbox.joinedAt()) {
        isLive = false;
        const page = await patiently(() => readOn(reader, journal(), request, at, inbox.joinedAt()));
        at = page.position;
        const isDue = Date.now() - lastSaid >= checkpointIntervalMs;
        if (page.events.length > 0 || page.hidden.length > 0 || isDue) yield delivery(page);
      } else if (!isLive) {
        isLive = true;
        // One that fell behind and found nothing is where it was: that it looked tells of what it may not see.
        if (!saidLive) yield delivery({ position: at, live: true });
      } else {
        const dueIn = lastSaid + checkpointIntervalMs - Date.now();
        await inbox.wait(Math.min(dueIn, (principal.expiresAt ?? Infinity) - Date.now()), signal);
        if (signal.aborted) return;
        checkToken(principal);
        const taken = inbox.take(at, maxBatch);
        if (taken === 'behind') {
          inbox.join();
          continue;
        }
        at = taken.position;
        const isDue = Date.now() - lastSaid >= checkpointIntervalMs;
        if (taken.events.length > 0 || taken.hidden.length > 0 || isDue)
          yield delivery({ ...taken, live: true });
      }
    }
  } finally {
    inbox.leave();
    close();
  }
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

function checkToken({ expiresAt }: Principal): void {
  if (expiresAt === null || Date.now() < expiresAt) return;
  throw new EventreeError(
    'UNAUTHENTICATED',
    'The token has expired: fetch a new one and subscribe again after the last cursor.',
  );
}
