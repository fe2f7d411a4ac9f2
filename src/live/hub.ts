/**
 * A node's live end of one journal: takes news as it comes, puts it into the order of positions, reads
 * what is missing from the journal, and routes each event to the readers who see it.
 *
 *     news ──▶ in order? ──no──▶ wait a moment ──still missing──▶ read the hole
 *                  │yes               │came                            │
 *                  ▼                  ▼                                ▼
 *            routes → readers ──▶ reader.offer(event)
 *
 * Cost follows who may see an event and wants it: readers are looked up (routes.ts), never gone through
 * one by one. Readers joined at position p are offered every event after p that they may see, once, in
 * order. What lies further behind than `LARGEST_HOLE` is not passed through here; readers are told
 * (`behind`) and read on by themselves.
 */
import { type Acl, holders, NOTHING } from '../access/acl.ts';
import type { Claim } from '../access/claim.ts';
import type { Principal } from '../access/principal.ts';
import type { ResourceRef } from '../access/resource-ref.ts';
import { isRevoked, type Revocations } from '../access/revocation.ts';
import { pause, persist } from '../base/retry.ts';
import type { StopSignal } from '../base/stop.ts';
import { ACL_CHANGE, TOKEN_REVOCATION } from '../events/builtin.ts';
import type { Event, Position, SeenEvent } from '../events/event.ts';
import { type Journal, unwritten } from '../events/journal.ts';
import type { Reader, UnjudgedEvent } from '../events/read.ts';
import { revocationOf } from '../events/token-revocation.ts';
import { isSeenAsActor, levelByAcl } from '../events/visibility.ts';
import type { Broker, News } from './broker.ts';
import { createRoutes, type Routed } from './routes.ts';
import { aclsOf, sightOf } from './sight.ts';

/** Who has joined the live end. Every call is synchronous; one that throws sends the reader to the journal. */
export interface LiveReader extends Routed {
  readonly principal: Principal;
  /**
   * An event that the reader may see, by its claims, and may want; whether it does is up to its filter.
   *
   * @returns whether the reader waits to be settled from now on, and did not before.
   */
  offer(seen: SeenEvent): boolean;
  /** At this position the reader lost the right to see the events of a resource. @returns the same. */
  hide(resource: ResourceRef, position: Position): boolean;
  /** That was all up to this position: called after offers and hidings of which one was answered by true. */
  settle(upTo: Position): void;
  /** At this position the reader's token was revoked: nothing after it is offered, and the reader has left. */
  revoke(position: Position): void;
  /** Some events were not offered: read the journal from where you stand. */
  behind(): void;
}

export interface Hub {
  /** Resolves when the hub knows where the journal's live end is; to be awaited before joining. */
  readonly ready: Promise<void>;
  /** From `position()` on, the reader is offered everything. Answers how to leave. */
  join(reader: LiveReader): () => void;
  journal(): Journal;
  /** All up to here has been offered. */
  position(): Position;
  /** Resolves when all up to there has been offered, or the signal fires. */
  reached(position: Position, signal: StopSignal): Promise<void>;
  /** Events that are known to be in the journal and have not been offered. */
  behind(): number;
  /** The journal's head as someone has just read it. */
  headIs(journal: Journal, head: number): void;
  stop(): void;
}

export interface HubOptions {
  readonly name: string;
  readonly broker: Broker;
  readonly reader: Reader;
  /** Finds the journal's head now; null where nothing has been recorded yet. */
  readonly findHead: () => Promise<{ journal: Journal; head: number } | null>;
  readonly onError: (error: unknown) => void;
}

const LARGEST_HOLE = 2_000;
/** Batches of several writers overtake each other by this much at most; then something was lost. */
const OVERTAKING_MS = 20;
/** News that wait; more are forgotten, and read from the journal. */
const MAX_WAITING = 1_000;
const BACKOFF = { firstMs: 50, mostMs: 1_000 };

export function createHub({ name, broker, reader, findHead, onError }: HubOptions): Hub {
  const routes = createRoutes<LiveReader>();
  const awaited = new Set<() => void>();
  const stopping = new AbortController();
  let journal: Journal | null = null;
  let position = 0;
  /** The highest position that anybody has told of. */
  let head = 0;
  /** In order of their first positions. */
  let waiting: News[] = [];
  let working = false;
  /** Known here to be in force, or an older one. */
  let registryVersion = 0;

  const unsubscribe = broker.subscribe(name, (news) => {
    if (news === null) void look();
    else take(news);
  });
  const ready = persist(findHead, { isPassing: () => true, backoff: BACKOFF, signal: stopping.signal }).then(
    (found) => {
      journal = found?.journal ?? null;
      position = found?.head ?? 0;
      void work();
    },
  );
  // Whoever joins waits for it; nobody need be there when the last reader leaves before it is known.
  ready.catch(() => {});

  async function look(): Promise<void> {
    try {
      const found = await findHead();
      if (found !== null) take(found);
    } catch (error) {
      onError(error);
    }
  }

  function take(news: News): void {
    head = Math.max(head, headOf(news));
    if (headOf(news) <= position) return;
    if (waiting.length >= MAX_WAITING) waiting = [{ journal: news.journal, head: headOf(news) }];
    const place = waiting.findLastIndex((other) => firstOf(other) <= firstOf(news)) + 1;
    waiting.splice(place, 0, news);
    void work();
  }

  /** Passes on what waits, in order. */
  async function work(): Promise<void> {
    if (working || stopping.signal.aborted) return;
    working = true;
    try {
      await ready;
      while (waiting.length > 0 && !stopping.signal.aborted) {
        if (firstOf(waiting[0] as News) > position + 1) await pause(OVERTAKING_MS, stopping.signal);
        const news = waiting.shift() as News;
        journal ??= await begin(news.journal);
        if (headOf(news) <= position) continue;
        if (firstOf(news) > position + 1) await pass(journal, firstOf(news) - 1);
        if ('events' in news && news.registryVersion > registryVersion) {
          // Reading the state brings the registry up to date: what another node declared private is known.
          await reader.state(journal);
          registryVersion = news.registryVersion;
        }
        if ('events' in news) route(news.events.slice(position + 1 - news.firstPosition), headOf(news));
      }
    } catch (error) {
      onError(error);
    } finally {
      working = false;
    }
  }

  /** A journal of which nothing was known: tokens that were revoked before there was one are not named in it. */
  async function begin(created: Journal): Promise<Journal> {
    await reader.state(created);
    tellRevoked(routes.all(), reader.revocations(), 0 as Position);
    return created;
  }

  /** Brings the readers up to a position by way of the journal. */
  async function pass(from: Journal, to: number): Promise<void> {
    if (to - position > LARGEST_HOLE) {
      for (const each of [...routes.all()]) each.behind();
      return moveTo(to);
    }
    route(await reader.unjudged(from, position + 1, to), to);
  }

  function route(events: readonly UnjudgedEvent[], upTo: number): void {
    const settle = (each: LiveReader) => safely(each, () => each.settle(upTo as Position));
    const [first] = events;
    if (first !== undefined && events.length === 1 && first.event.type !== ACL_CHANGE) {
      // Nothing else makes one message with it: who is offered it is settled while at hand, not looked for again.
      offer(first, settle);
      moveTo(upTo);
      return;
    }
    const unsettled: LiveReader[] = [];
    try {
      for (const each of events) offer(each, (waiting) => unsettled.push(waiting));
    } catch (error) {
      // The events will be read again from the journal, by them too.
      for (const each of unsettled) each.behind();
      throw error;
    }
    moveTo(upTo);
    for (const each of unsettled) settle(each);
  }

  /** @param wait called with each that waits to be settled from now on. */
  function offer({ event, acl }: UnjudgedEvent, wait: (each: LiveReader) => void): void {
    if (event.type === TOKEN_REVOCATION) {
      const { subject, issuedBefore } = revocationOf(event);
      tellRevoked(routes.holding([subject]), new Map([[subject, issuedBefore]]), event.position);
    }
    const seen: SeenEvent[] = [];
    // Few events are seen by anyone but whom the ACL names.
    const showsActor = event.visibleToActor && event.resource !== null;
    routes.visit(event, acl, (each, level) => {
      const asActorAlone = showsActor && isSeenAsActorAlone(event, acl, each.claims);
      // One for all who see it alike: they recognise what they share by it.
      const place = asActorAlone ? NOTHING : level;
      const shared =
        seen[place] ?? (asActorAlone ? { event, level, resourceHidden: true } : { event, level });
      seen[place] = shared;
      if (safely(each, () => each.offer(shared))) wait(each);
    });
    // Behind the event itself, with which it makes one message for who sees both: where the journal is read, who has
    // been given the right back by now sees the change by which it was lost.
    if (event.type === ACL_CHANGE) tellHidden(event, wait);
  }

  /** One that fails must not keep the others from what is theirs. @returns what was answered; null where it failed. */
  function safely<T>(each: LiveReader, tell: () => T): T | null {
    try {
      return tell();
    } catch (error) {
      onError(error);
      each.behind();
      return null;
    }
  }

  function moveTo(to: number): void {
    position = to;
    for (const look of awaited) look();
  }

  function tellHidden(change: Event, wait: (each: LiveReader) => void): void {
    for (const each of routes.holding(holders(aclsOf(change).old_acl, 'viewMeta'))) {
      const sight = sightOf(change, each);
      if (sight !== null && sight.before > NOTHING && sight.after === NOTHING) {
        if (safely(each, () => each.hide(sight.resource, change.position))) wait(each);
      }
    }
  }

  function tellRevoked(readers: Iterable<LiveReader>, revocations: Revocations, at: Position): void {
    for (const each of [...readers])
      if (isRevoked(each.principal, revocations)) safely(each, () => each.revoke(at));
  }

  return {
    ready,
    journal: () => journal ?? unwritten(name),
    position: () => position as Position,
    behind: () => Math.max(0, head - position),
    headIs(of, now) {
      if (now > position) take({ journal: of, head: now });
    },
    async reached(wanted, signal) {
      if (position >= wanted || signal.aborted) return;
      await new Promise<void>((resolve) => {
        const look = () => {
          if (position < wanted && !signal.aborted) return;
          awaited.delete(look);
          signal.removeEventListener('abort', look);
          resolve();
        };
        awaited.add(look);
        signal.addEventListener('abort', look);
      });
    },
    join(each) {
      routes.add(each);
      return () => routes.remove(each);
    },
    stop() {
      stopping.abort();
      unsubscribe();
    },
  };
}

/** Whether who is told of an event that its actor sees may not see its resource. */
function isSeenAsActorAlone(event: Event, acl: Acl | null, claims: ReadonlySet<Claim>): boolean {
  return isSeenAsActor(event, claims) && levelByAcl(event, acl, claims) === NOTHING;
}

/** News that only says how far the journal goes begins behind all that it does not tell. */
function firstOf(news: News): number {
  return 'events' in news ? news.firstPosition : news.head + 1;
}

function headOf(news: News): number {
  return 'events' in news ? news.firstPosition + news.events.length - 1 : news.head;
}
