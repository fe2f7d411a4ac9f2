/**
 * What the fan-out benchmark sends, to whom, and the texts by which it is recorded and watched. The load,
 * the peers and the report all hold to this file, so that every contender has the same events, the same
 * frames and the same subscribers concerned.
 *
 * Each event carries its number at the very end of its frame (`correlationId`, the last field selected):
 * a subscriber can tell which event a frame is without parsing it.
 */
import { attributesOf, sampleEvent } from '../support/sample.ts';

export interface Traffic {
  /** Whom an event concerns: all; one team in a hundred; those who watch its host, ten in a thousand. */
  readonly by: 'all' | 'team' | 'host';
  /** Sets the traffic of one case apart from that of the others: names its resource and its group. */
  readonly audience: string;
  readonly subscribers: number;
}

export const TEAMS = 100;
/** As many hosts as subscribers: each watches ten, no two the same ten, and each event is for ten. */
export const HOSTS = 1_000;
const WATCHED_HOSTS = 10;
const ATTRIBUTES = 6;
const SESSION = '019a9f3c-7d2e-7c41-9d0a-52f6c1b8e7ab';
/** Number of an event of middling length. */
const TYPICAL = 555;
/** Of a mark: the number of an event, or the name of a probe. */
export const MARK_CHARS = 9;

export const RECORD =
  'mutation ($input: [RecordEventInput!]!) { recordEvents(input: $input) { events { id } } }';

const SELECTION = `id cursor journal type { name } category severity message occurredAt recordedAt actor activeClaim
    sessionId resource { ref } attributes`;

export const WATCH = `subscription ($filter: EventFilter) {
  eventRecorded(filter: $filter) {
    ${SELECTION} correlationId
  }
}`;

/** With a field whose value depends on who asks, so that each message is put into words for each set of claims. */
export const WATCH_AS_ONESELF = `subscription ($filter: EventFilter) {
  eventRecorded(filter: $filter) {
    ${SELECTION} parentHidden correlationId
  }
}`;

export function markOf(number: number): string {
  return String(number).padStart(MARK_CHARS, '0');
}

/** The resource that the event is about, by which rights are judged. */
function resourceOf({ by, audience }: Traffic, number: number): string {
  return `repository/${by === 'team' ? `team-${number % TEAMS}` : audience}`;
}

/** @param mark in place of the number's own. */
export function eventOf(traffic: Traffic, number: number, mark = markOf(number)) {
  return {
    ...sampleEvent(number, ATTRIBUTES),
    resource: resourceOf(traffic, number),
    sessionId: SESSION,
    correlationId: mark,
  };
}

/** By which a ready frame finds its subscribers. */
export function keyOf({ by }: Traffic, number: number): string {
  if (by === 'all') return 'all';
  return by === 'team' ? `team-${number % TEAMS}` : hostOf(number);
}

/** What a subscriber has asked for, as keys of ready frames. */
export function keysOf({ by }: Traffic, subscriber: number): string[] {
  if (by === 'all') return ['all'];
  if (by === 'team') return [`team-${subscriber % TEAMS}`];
  return Array.from({ length: WATCHED_HOSTS }, (_, nth) => hostOf(subscriber + nth));
}

/** The group that gives a subscriber the right to see what concerns it. */
export function groupOf({ by, audience }: Traffic, subscriber: number): string {
  return by === 'team' ? `team-${subscriber % TEAMS}` : audience;
}

/** A filter as each subscriber of its own hosts has; none where rights alone decide. */
export function filterOf(traffic: Traffic, subscriber: number): object | undefined {
  if (traffic.by !== 'host') return undefined;
  return { attributes: [{ name: 'host', in: keysOf(traffic, subscriber) }] };
}

/** The same for a server that knows no rights: what its subscriber may see is a filter as well. */
export function filterWithoutRights(traffic: Traffic, subscriber: number): object {
  return filterOf(traffic, subscriber) ?? { resource: { eq: resourceOf(traffic, subscriber) } };
}

/** Who must get the event: the truth that deliveries are checked against. */
export function concerned({ by, subscribers }: Traffic, number: number): number[] {
  if (by === 'all') return Array.from({ length: subscribers }, (_, subscriber) => subscriber);
  if (by === 'team') {
    return Array.from({ length: subscribers / TEAMS }, (_, nth) => (number % TEAMS) + nth * TEAMS);
  }
  return Array.from({ length: WATCHED_HOSTS }, (_, nth) => (number + HOSTS - nth) % HOSTS);
}

/** Numbers of events that together concern each subscriber exactly once. */
export function once({ by }: Traffic): number[] {
  if (by === 'all') return [0];
  if (by === 'team') return Array.from({ length: TEAMS }, (_, team) => team);
  return Array.from({ length: HOSTS / WATCHED_HOSTS }, (_, nth) => nth * WATCHED_HOSTS);
}

/** A frame as Eventree sends it, of the same length: what the limit sends ready-made. */
export function readyFrame(): string {
  const { type, actor, message } = sampleEvent(TYPICAL, ATTRIBUTES);
  const id = '019a9f3c-7d2e-7c41-9d0a-52f6c1b8e7aa';
  const at = '2026-11-20T23:18:04.123Z';
  const eventRecorded = {
    id,
    cursor: 'pK3xV0bqT8uZ1mWc5nYdRg',
    journal: 'main',
    type: { name: type },
    category: 'ACTION',
    severity: 'MEDIUM',
    message,
    occurredAt: at,
    recordedAt: at,
    actor,
    activeClaim: null,
    sessionId: SESSION,
    resource: { ref: `repository/team-${TYPICAL % TEAMS}` },
    attributes: attributesOf(TYPICAL),
    correlationId: markOf(TYPICAL),
  };
  return JSON.stringify({ id, type: 'next', payload: { data: { eventRecorded } } });
}

function hostOf(number: number): string {
  return `host-${number % HOSTS}`;
}
