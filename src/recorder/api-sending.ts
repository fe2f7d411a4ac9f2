/** From a tree to what is sent of it: JSON, in parts where it is too long for one request. */
import { derivedUuid7, timeOfUuid7 } from '../base/uuid7.ts';
import type { Marker, PlacedEvent, ResourcePut } from '../outbox/parcel.ts';

/** A tree that waits to be sent, or a part of one, as JSON: so it takes little room, and is put into words once. */
export interface Sending {
  /** A list without its brackets. Another one where its call has to take another id. */
  text: string;
  readonly count: number;
  /** Of its events, as they were written. */
  readonly ids: readonly string[];
  readonly journal: string;
  resources: readonly ResourcePut[];
  /** Markers that end with it. */
  readonly ends: readonly string[];
  /** Sent with nothing beside it. */
  isAlone: boolean;
  /** Null where it is all of its tree, or a part of one that nothing marks. */
  whole: Whole | null;
  /** How often it was set aside. */
  asides: number;
}

/**
 * A marked tree in parts. The first one removes the call's marker with its commit: another marker, opened before it
 * is sent, stands for what is missing until the last one is recorded.
 */
export interface Whole {
  readonly marker: Marker;
  isMarked: boolean;
  /** Parts that are neither recorded nor refused yet. */
  left: number;
}

export const MOST_EVENTS = 500;
/** Of JSON: at three bytes each still less than a request may have. */
export const MOST_CHARS = 4_000_000;

/**
 * @param events the top of the tree first.
 * @param ends go with its first part.
 */
export function sendingsOf(
  events: readonly PlacedEvent[],
  resources: readonly ResourcePut[],
  ends: readonly string[],
): Sending[] {
  const parts = partsOf(events, resources, ends);
  if (parts.length === 1) return parts;
  const [top] = events as readonly [PlacedEvent];
  const whole =
    ends.length === 0 ? null : { marker: markerOf(top, parts), isMarked: false, left: parts.length };
  for (const part of parts) {
    part.isAlone = true;
    part.whole = whole;
  }
  return parts;
}

export function eventsOf({ text }: Sending): PlacedEvent[] {
  return JSON.parse(`[${text}]`) as PlacedEvent[];
}

function partsOf(
  events: readonly PlacedEvent[],
  resources: readonly ResourcePut[],
  ends: readonly string[],
): Sending[] {
  const text = JSON.stringify(events).slice(1, -1);
  if (events.length > 1 && (events.length > MOST_EVENTS || text.length > MOST_CHARS)) {
    const middle = Math.ceil(events.length / 2);
    return [...partsOf(events.slice(0, middle), resources, ends), ...partsOf(events.slice(middle), [], [])];
  }
  const { journal = 'main' } = events[0] as PlacedEvent;
  const isAlone = resources.length > 0;
  const ids = events.map(({ id }) => id);
  return [{ text, count: events.length, ids, journal, resources, ends, isAlone, whole: null, asides: 0 }];
}

/**
 * What is left of the tree where the process ends between two parts. How many of them were recorded then, nobody
 * knows here: it says how many events there were, and holds also where none or all of them are.
 */
function markerOf(call: PlacedEvent, parts: readonly Sending[]): Marker {
  const { payload: _, privatePayload: __, attributes, ...event } = call;
  const counts = parts.map(({ count }) => count);
  const total = counts.reduce((sum, count) => sum + count, 0);
  const id = derivedUuid7(timeOfUuid7(call.id), `parts of ${call.id}`);
  const name = attributes?.function;
  const lost: PlacedEvent = {
    ...event,
    id,
    type: 'call_lost',
    parentId: call.id,
    message: `The call of ${name} was recorded in part: of its ${total} events, which were sent in ${counts.length} parts, those that are not here were lost`,
    attributes: { function: name },
    payload: { events: total, parts: counts },
  };
  return { id, event: lost, waitsFor: call.id, depth: 1 };
}
