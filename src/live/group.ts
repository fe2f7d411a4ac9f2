/**
 * The subscribers that get the same messages: same filter, same wording, same claims by tokens of one moment,
 * which are revoked together. A group is one reader of the hub; what it is offered is filtered once, put into words once, and goes to every member as it is.
 * Groups whose words are the same, as of viewers with different claims, share them (wording.ts).
 *
 *     hub ──offer──▶ filter ──settle──▶ words, in order ──▶ members ──▶ wires
 */
import { nameOfPrincipal, type Principal } from '../access/principal.ts';
import type { ResourceRef } from '../access/resource-ref.ts';
import type { Position, SeenEvent } from '../events/event.ts';
import { type Condition, namedEvents } from '../events/filter/filter.ts';
import { compileMatch } from '../events/filter/filter-match.ts';
import { needOf } from '../events/filter/filter-need.ts';
import type { Hub, LiveReader } from './hub.ts';
import { Member, type Message } from './member.ts';
import type { Wire } from './wire.ts';
import { audienceOf, createSpeaker, type Speaker, type Wording } from './wording.ts';

export interface GroupRequest {
  /** As it was asked for, in writing: names the filter. */
  readonly filterText: string;
  readonly filter: Condition;
  readonly wording: Wording;
  /** Most events in one message. */
  readonly maxBatch: number;
  readonly principal: Principal;
}

export interface Groups {
  /** What comes after the hub's position of this moment is held for the member until it is released. */
  join(request: GroupRequest, wire: Wire): Member;
  /** Where a group has been silent for long it says how far the journal has been read. */
  checkpoint(): void;
}

interface Group {
  readonly reader: LiveReader;
  join(wire: Wire): Member;
  checkpoint(): void;
}

type Letter = SeenEvent | { readonly hidden: ResourceRef; readonly position: Position };

/** A message's place among the others, and the message once it has been put into words. */
interface Unspoken {
  message: Message | null;
}

/** More are not waited for but read from the journal. */
const MAX_UNSPOKEN = 1_000;

/** @param silenceMs after which a group says where it stands, if its wording has words for that. */
export function createGroups(hub: Hub, silenceMs: number): Groups {
  const groups = new Map<string, Group>();
  const speakers = new Map<string, { readonly speaker: Speaker; groups: number }>();

  function open(name: string, request: GroupRequest): Group {
    const { wording, principal } = request;
    const voice = `${wording.key}\n${audienceOf(wording, principal)}`;
    const shared = speakers.get(voice) ?? {
      speaker: createSpeaker(wording, principal, hub.journal),
      groups: 0,
    };
    speakers.set(voice, shared);
    shared.groups++;
    const group = createGroup({ ...request, hub, silenceMs, speaker: shared.speaker }, () => {
      leave();
      groups.delete(name);
      if (--shared.groups === 0) speakers.delete(voice);
    });
    const leave = hub.join(group.reader);
    groups.set(name, group);
    return group;
  }

  return {
    join(request, wire) {
      const name = nameOf(request);
      return (groups.get(name) ?? open(name, request)).join(wire);
    },
    checkpoint() {
      for (const group of groups.values()) group.checkpoint();
    },
  };
}

interface GroupOptions extends GroupRequest {
  readonly hub: Hub;
  readonly speaker: Speaker;
  readonly silenceMs: number;
}

/** @param onClose called once, when the last member has left or none may join, after which it is not used again. */
function createGroup(
  { hub, speaker, silenceMs, filter, wording, maxBatch, principal }: GroupOptions,
  onClose: () => void,
): Group {
  const match = compileMatch(filter);
  // Whether a viewer sees an event that the filter names is for the journal to say.
  const asksJournal = namedEvents(filter).length > 0;
  const members = new Set<Member>();
  let letters: Letter[] = [];
  let unspoken: Unspoken[] = [];
  let spokeAt = Date.now();
  let isClosed = false;
  let isRevoked = false;

  function close(): void {
    if (!isClosed) onClose();
    isClosed = true;
  }

  function say(said: Message | Promise<Message>): void {
    if (!(said instanceof Promise) && unspoken.length === 0) {
      tell(said);
      return;
    }
    if (unspoken.length >= MAX_UNSPOKEN) {
      behind();
      return;
    }
    const place: Unspoken = { message: null };
    unspoken.push(place);
    Promise.resolve(said).then((message) => {
      place.message = message;
      tellSpoken();
    }, behind);
  }

  /** In the order of the journal, whichever is ready first. */
  function tellSpoken(): void {
    for (let next = unspoken[0]?.message; next != null; next = unspoken[0]?.message) {
      unspoken.shift();
      tell(next);
    }
    if (isRevoked && unspoken.length === 0) behind();
  }

  function tell(message: Message): void {
    spokeAt = Date.now();
    for (const member of members) member.take(message);
  }

  function behind(): void {
    letters = [];
    unspoken = [];
    for (const member of members) member.leave();
  }

  function sayEach(due: readonly Letter[]): void {
    for (const letter of due) if ('event' in letter) say(speaker.sayEvent(letter));
  }

  function sayTogether(due: readonly Letter[], upTo: Position): void {
    const batches = batchesOf(due, maxBatch);
    batches.forEach((batch, nth) => {
      const position = nth === batches.length - 1 ? upTo : positionOf(batch.at(-1) as Letter);
      const events = batch.filter((letter) => 'event' in letter);
      const hidden = batch.flatMap((letter) => ('hidden' in letter ? [letter.hidden] : []));
      say(speaker.say({ events, hidden, position }));
    });
  }

  function forget(member: Member): void {
    members.delete(member);
    if (members.size === 0) close();
  }

  const reader: LiveReader = {
    principal,
    claims: principal.claims,
    need: needOf(filter),
    offer(seen) {
      // With all named events in sight a filter lets through the most.
      if (match(seen.event, seen.level, () => true) !== true) return;
      if (asksJournal) behind();
      else letters.push(seen);
    },
    hide: (resource, position) => void letters.push({ hidden: resource, position }),
    behind,
    revoke(position) {
      reader.settle(position);
      isRevoked = true;
      close();
      // What comes before it and is still being put into words is told first.
      if (unspoken.length === 0) behind();
    },
    settle(upTo) {
      const due = letters;
      letters = [];
      if (wording.unit === 'event') sayEach(due);
      else sayTogether(due, upTo);
    },
  };

  return {
    reader,
    join(wire) {
      const member = new Member(wire, forget);
      members.add(member);
      return member;
    },
    checkpoint() {
      const isSilent = unspoken.length === 0 && Date.now() - spokeAt >= silenceMs;
      if (wording.unit === 'event' || !isSilent) return;
      say(speaker.say({ events: [], hidden: [], position: hub.position() }));
    },
  };
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

function nameOf({ filterText, wording, maxBatch, principal }: GroupRequest): string {
  return [wording.key, filterText, maxBatch, nameOfPrincipal(principal)].join('\n');
}
