/**
 * Event ids: UUID version 7 (RFC 9562, 5.7). The first 48 bits are the time in ms, so ids sort by time
 * and a look-up by id meets one partition.
 */
import { randomBytes } from 'node:crypto';
import { v7, validate } from 'uuid';
import { EventreeError } from '../base/errors.ts';
import { derivedUuid7, isUuid7, timeOfUuid7 } from '../base/uuid7.ts';
import type { EventId } from './event.ts';

const RANDOM_BYTES = 16;
let random = Buffer.alloc(0);

export function newEventId(): EventId {
  // The system is asked for randomness once for many ids: at 10,000 a second it is what an id costs.
  if (random.length < RANDOM_BYTES) random = randomBytes(RANDOM_BYTES * 1_024);
  const own = random.subarray(0, RANDOM_BYTES);
  random = random.subarray(RANDOM_BYTES);
  return v7({ random: own }) as EventId;
}

/** An id as it may stand in a query: any UUID. Null for what is none, which no event can have. */
export function toEventId(text: string): EventId | null {
  return validate(text) ? (text.toLowerCase() as EventId) : null;
}

/**
 * An id that a client gives to a new event.
 *
 * @param latestMs the latest time it may carry, in ms since 1970.
 * @throws BAD_USER_INPUT
 */
export function parseNewEventId(text: string, latestMs: number): EventId {
  if (!isUuid7(text)) {
    throw new EventreeError('BAD_USER_INPUT', `The id ${text} is not a UUID of version 7.`);
  }
  const id = text.toLowerCase() as EventId;
  if (timeOf(id) > latestMs) {
    throw new EventreeError(
      'BAD_USER_INPUT',
      `The time in the id ${id} lies in the future (${new Date(timeOf(id)).toISOString()}): check the clock.`,
    );
  }
  return id;
}

/** Milliseconds since 1970. */
export function timeOf(id: EventId): number {
  return timeOfUuid7(id);
}

/**
 * The id that belongs to a time and a name, always the same: recording it again adds nothing. For an
 * import (the source's time and id) and for children of an event whose id the client gave.
 */
export function derivedEventId(timeMs: number, name: string): EventId {
  return derivedUuid7(timeMs, name) as EventId;
}
