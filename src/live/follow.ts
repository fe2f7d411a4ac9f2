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
import { Stop, type StopSignal } from '../base/stop.ts';
import { isAway } from '../db/trouble.ts';
import { ACL_CHANGE } from '../events/builtin.ts';
import type { Position, SeenEvent } from '../events/event.ts';
import type { Condition } from '../events/filter/filter.ts';
import type { Journal } from '../events/journal.ts';
import type { Reader } from '../events/read.ts';
import type { Delivery } from './delivery.ts';
import type { GroupRequest } from './group.ts';
import type { Live, LiveEnd } from './live.ts';
import type { Member } from './member.ts';
import { levelUnder, sightOf } from './sight.ts';
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
 * @throws UNAUTHENTICATED when the principal's token expires or is revoked, LIMIT_EXCEEDED where the filter
 *   leaves too much of the journal to look through.
 */
export function follow(
  options: FollowOptions,
  request: FollowRequest,
  signal: StopSignal,
): AsyncGenerator<Delivery, void> {
  return new Following(options, request, signal).deliveries();
}

/** A class, because there are thousands of them: its functions stand once. */
class Following {
  private readonly options: FollowOptions;
  private readonly request: FollowRequest;
  private readonly signal: StopSignal;
  /** Opened when the first delivery is asked for: who leaves before that has nothing to close. */
  private end!: LiveEnd;
  private member: Member | null = null;
  private lastSaid = Date.now();
  private saidLive = false;

  constructor(options: FollowOptions, request: FollowRequest, signal: StopSignal) {
    this.options = options;
    this.request = request;
    this.signal = signal;
    signal.addEventListener('abort', () => this.member?.leave());
  }

  async *deliveries(): AsyncGenerator<Delivery, void> {
    const { request, signal } = this;
    const { live, reader } = this.options;
    this.end = live.open(request.journal);
    const { hub, groups, close } = this.end;
    try {
      await this.inTime(hub.ready);
      const { head, oldest } = await this.patiently(() => reader.state(hub.journal()));
      const first = (oldest - 1) as Position;
      let at = request.after === 'now' ? head : request.after === 'beginning' ? first : request.after;
      if (at < first) {
        at = first;
        yield this.delivery({ position: at, gap: { oldest: oldest as Position } });
      }

      // The cursor may come from a node that is ahead of this one.
      hub.headIs(hub.journal(), head);
      await this.inTime(hub.reached(Math.min(at, head) as Position, signal));
      while (!signal.aborted) {
        const member = groups.join(request, request.wire);
        this.member = member;
        at = yield* this.catchUp(at, hub.position());
        // One that fell behind and found nothing is where it was: that it looked tells of what it may not see.
        if (!this.saidLive) yield this.delivery({ position: at, live: true });
        // Whoever takes the deliveries may have taken their time.
        this.holdToken();
        member.release(at);
        // Its group sees to it that it leaves when the token expires or is revoked.
        await member.left;
        this.holdToken();
        at = Math.max(at, member.at()) as Position;
        await drained(request.wire, signal);
      }
    } finally {
      this.member?.leave();
      close();
    }
  }

  /** @returns how far the journal has been read: to where the reader has joined the live end, or beyond. */
  private async *catchUp(from: Position, joinedAt: Position): AsyncGenerator<Delivery, Position> {
    const { reader, checkpointIntervalMs } = this.options;
    let at = from;
    while (at < joinedAt && !this.signal.aborted) {
      const page = await this.patiently(() =>
        readOn(reader, this.end.hub.journal(), this.request, at, joinedAt),
      );
      at = page.position;
      const isDue = Date.now() - this.lastSaid >= checkpointIntervalMs;
      if (page.events.length > 0 || page.hidden.length > 0 || isDue) yield this.delivery(page);
    }
    return at;
  }

  private delivery(said: Partial<Delivery> & { position: Position }): Delivery {
    this.holdToken();
    this.lastSaid = Date.now();
    this.saidLive = said.live ?? false;
    const journal = this.end.hub.journal();
    return { journal, events: [], live: false, gap: null, hidden: [], ...said };
  }

  private holdToken(): void {
    const { principal } = this.request;
    checkExpiry(principal);
    checkToken(principal, this.options.reader.revocations());
  }

  private async patiently<T>(work: () => Promise<T>): Promise<T> {
    const giveUp = new Stop();
    try {
      return await this.inTime(persist(work, { isPassing: isAway, backoff: BACKOFF, signal: giveUp }));
    } finally {
      giveUp.fire();
    }
  }

  /** Waits no longer than the token holds and the reader stays. */
  private async inTime<T>(awaited: Promise<T>): Promise<T> {
    await until(awaited, this.request.principal.expiresAt, this.signal);
    this.holdToken();
    if (this.signal.aborted) throw new Error('The reader has left.');
    return awaited;
  }
}

/** Resolves when the promise is settled, at a time in ms since 1970, or when the signal fires. */
function until(promise: Promise<unknown>, time: number | null, signal: StopSignal): Promise<void> {
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
  /** Each with the place of the change by which it was lost. */
  const hidden = new Map<ResourceRef, Position>();
  const limit = 500;
  for (let at = above; at < upTo; ) {
    const bounds = { journal, filter, direction: 'rising', above: at, below: upTo + 1, limit } as const;
    const { events } = await reader.page(bounds, SYSTEM);
    for (const { event } of events) {
      const change = sightOf(event, principal);
      if (change === null) continue;
      if (change.after > NOTHING) hidden.delete(change.resource);
      else if (change.before > NOTHING) hidden.set(change.resource, event.position);
    }
    at = events.length === limit ? (events.at(-1) as SeenEvent).event.position : upTo;
  }
  for (const [resource, position] of hidden) {
    // With the ACL as it stands now: what the viewer sees as an actor says nothing of all the others.
    const [change] = await reader.unjudged(journal, position, position);
    if (change?.acl != null && levelUnder(change.acl, principal.claims) > NOTHING) hidden.delete(resource);
  }
  return [...hidden.keys()];
}

function checkExpiry({ expiresAt }: Principal): void {
  if (expiresAt === null || Date.now() < expiresAt) return;
  throw new EventreeError(
    'UNAUTHENTICATED',
    'The token has expired: fetch a new one and subscribe again after the last cursor.',
  );
}
