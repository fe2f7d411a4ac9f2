/**
 * Where in a tree an event hangs. The one above it may be recorded, or that may not be known: it waits in an outbox,
 * was not acknowledged, or its type is disabled where it arrives. Pure.
 */
import type { NewEvent } from '../../client/event.ts';

/** Null: at the root. */
export type Place = null | Recorded | Unsure;

/** The event above is there. */
export interface Recorded {
  readonly id: string;
}

/** The event above may not be there: it is said again with what stands below it. */
export interface Unsure {
  readonly event: NewEvent;
  readonly place: Place;
}

/**
 * The event as it is recorded to stand there. An event that is recorded again under its id adds nothing, and what
 * stands below one of a disabled type moves up to the next.
 */
export function placed(event: NewEvent, place: Place): NewEvent {
  if (place === null) return event;
  if ('id' in place) return { ...event, parentId: place.id };
  return placed({ ...place.event, children: [event] }, place.place);
}

/**
 * Below an event.
 *
 * @param kept as its recording was answered: false where it is not there, null where that is not known.
 */
export function below(event: NewEvent & Recorded, place: Place, kept: boolean | null): Place {
  if (kept === null) return { event, place };
  return kept ? { id: event.id } : place;
}
