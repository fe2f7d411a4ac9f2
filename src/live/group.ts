/**
 * The subscribers that get the same messages: same filter, same wording, same claims by tokens of the same
 * moments, which expire and are revoked together. A group is one reader of the hub; what it is offered is
 * filtered once, put into words once, and goes to every member as it is. Groups whose words are the same, as
 * of viewers with different claims, share them (wording.ts).
 *
 *     hub ──offer──▶ filter ──settle──▶ words, in order ──▶ members ──▶ wires
 */
import type { Claim } from '../access/claim.ts';
import type { Principal } from '../access/principal.ts';
import type { ResourceRef } from '../access/resource-ref.ts';
import type { Position, SeenEvent } from '../events/event.ts';
import { type Condition, namedEvents } from '../events/filter/filter.ts';
import { compileMatch, type Match } from '../events/filter/filter-match.ts';
import { type Need, needOf } from '../events/filter/filter-need.ts';
import type { Hub, LiveReader } from './hub.ts';
import { Member, type Message } from './member.ts';
import type { Wire } from './wire.ts';
import type { Speaker, Wording } from './wording.ts';

export interface GroupRequest {
  /** As it was asked for, in writing: names the filter. */
  readonly filterText: string;
  readonly filter: Condition;
  readonly wording: Wording;
  /** Most events in one message. */
  readonly maxBatch: number;
  readonly principal: Principal;
}

type Letter = SeenEvent | { readonly hidden: ResourceRef; readonly position: Position };

/** A message's place among the others, and the message once it has been put into words. */
interface Unspoken {
  message: Message | null;
}

export interface GroupEvents {
  /** Nobody may join any more: the last member has left, or the token was revoked. Called once, before `onEmpty`. */
  onClose(): void;
  /** The last member has left: nothing is said any more. Called once. */
  onEmpty(): void;
}

/** With all named events in sight a filter lets through the most. */
const ALL_IN_SIGHT = () => true;
/** More are not waited for but read from the journal. */
const MAX_UNSPOKEN = 1_000;

/** A class, because there may be one for each subscriber: its functions stand once. */
export class Group implements LiveReader {
  readonly principal: Principal;
  private readonly sieve: Sieve;
  private readonly unit: Wording['unit'];
  private readonly maxBatch: number;
  private readonly hub: Hub;
  private readonly speaker: Speaker;
  private readonly events: GroupEvents;
  private isClosed = false;
  /** Replaced when one leaves, so that it can be gone through meanwhile. */
  private members: Member[] = [];
  private letters: Letter[] = [];
  private unspoken: Unspoken[] = [];
  private spokeAt = Date.now();
  private isRevoked = false;

  constructor(
    { principal, filter, wording, maxBatch }: GroupRequest,
    hub: Hub,
    speaker: Speaker,
    events: GroupEvents,
  ) {
    this.principal = principal;
    this.sieve = sieveOf(filter);
    this.unit = wording.unit;
    this.maxBatch = maxBatch;
    this.hub = hub;
    this.speaker = speaker;
    this.events = events;
  }

  get claims(): ReadonlySet<Claim> {
    return this.principal.claims;
  }

  get need(): Need | null {
    return this.sieve.need;
  }

  join(wire: Wire): Member {
    const member = new Member(wire, this);
    this.members.push(member);
    return member;
  }

  /** A member has left. */
  forget(member: Member): void {
    this.members = this.members.filter((other) => other !== member);
    if (this.members.length > 0) return;
    this.close();
    this.events.onEmpty();
  }

  offer(seen: SeenEvent): boolean {
    if (this.sieve.match(seen.event, seen.level, ALL_IN_SIGHT) !== true) return false;
    if (!this.sieve.asksJournal) return this.put(seen);
    this.behind();
    return false;
  }

  hide(hidden: ResourceRef, position: Position): boolean {
    return this.put({ hidden, position });
  }

  settle(upTo: Position): void {
    const { letters } = this;
    if (letters.length === 0) return;
    this.letters = [];
    if (this.unit === 'event') this.sayEach(letters);
    else this.sayTogether(letters, upTo);
  }

  revoke(position: Position): void {
    this.settle(position);
    this.isRevoked = true;
    this.close();
    // What comes before it and is still being put into words is told first.
    if (this.unspoken.length === 0) this.behind();
  }

  behind(): void {
    this.letters = [];
    this.unspoken = [];
    for (const member of this.members) member.leave();
  }

  look(now: number, silenceMs: number): void {
    const { expiresAt } = this.principal;
    if (expiresAt !== null && expiresAt <= now) {
      this.behind();
      return;
    }
    const isSilent = this.unspoken.length === 0 && now - this.spokeAt >= silenceMs;
    if (this.unit === 'event' || !isSilent) return;
    this.say(this.speaker.say({ events: [], hidden: [], position: this.hub.position() }));
  }

  /** @returns whether it is the first: the hub settles who said so, once. */
  private put(letter: Letter): boolean {
    if (this.letters.length > 0) {
      this.letters.push(letter);
      return false;
    }
    // Made with its first item, a list has room for one; most get no more.
    this.letters = [letter];
    return true;
  }

  private close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.events.onClose();
  }

  private sayEach(letters: readonly Letter[]): void {
    for (const letter of letters) {
      if (this.members.length === 0) return;
      if ('event' in letter) this.say(this.speaker.sayEvent(letter));
    }
  }

  private sayTogether(letters: readonly Letter[], upTo: Position): void {
    const batches = batchesOf(letters, this.maxBatch);
    batches.forEach((batch, nth) => {
      if (this.members.length === 0) return;
      const position = nth === batches.length - 1 ? upTo : positionOf(batch.at(-1) as Letter);
      const events = batch.filter((letter) => 'event' in letter);
      const hidden = batch.flatMap((letter) => ('hidden' in letter ? [letter.hidden] : []));
      this.say(this.speaker.say({ events, hidden, position }));
    });
  }

  private say(said: Message | Promise<Message>): void {
    if (!(said instanceof Promise) && this.unspoken.length === 0) {
      this.tell(said);
      return;
    }
    if (this.unspoken.length >= MAX_UNSPOKEN) {
      this.behind();
      return;
    }
    const place: Unspoken = { message: null };
    this.unspoken.push(place);
    Promise.resolve(said).then(
      (message) => {
        place.message = message;
        this.tellSpoken();
      },
      () => this.behind(),
    );
  }

  /** In the order of the journal, whichever is ready first. */
  private tellSpoken(): void {
    for (let next = this.unspoken[0]?.message; next != null; next = this.unspoken[0]?.message) {
      this.unspoken.shift();
      this.tell(next);
    }
    if (this.isRevoked && this.unspoken.length === 0) this.behind();
  }

  private tell(message: Message): void {
    // Silence is looked for in these alone.
    if (this.unit === 'delivery') this.spokeAt = Date.now();
    for (const member of this.members) member.take(message);
  }
}

/** A filter made ready. */
interface Sieve {
  readonly match: Match;
  readonly need: Need | null;
  /** Whether a viewer sees an event that the filter names is for the journal to say. */
  readonly asksJournal: boolean;
}

const sieves = new WeakMap<Condition, Sieve>();

function sieveOf(filter: Condition): Sieve {
  const known = sieves.get(filter) ?? {
    match: compileMatch(filter),
    need: needOf(filter),
    asksJournal: namedEvents(filter).length > 0,
  };
  sieves.set(filter, known);
  return known;
}

/** What is hidden ends a batch: events that follow it may be of a right that was given back. */
function batchesOf(letters: readonly Letter[], most: number): Letter[][] {
  const batches: Letter[][] = [];
  let batch: Letter[] = [];
  for (const letter of letters) {
    batch.push(letter);
    if ('event' in letter && batch.length < most) continue;
    batches.push(batch);
    batch = [];
  }
  return batch.length === 0 ? batches : [...batches, batch];
}

function positionOf(letter: Letter): Position {
  return 'event' in letter ? letter.event.position : letter.position;
}
