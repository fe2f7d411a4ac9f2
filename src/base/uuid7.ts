/**
 * UUIDs of version 7 (RFC 9562, 5.7) that follow from what they stand for, where a random one would make
 * a second event of the same thing.
 */
import { createHash } from 'node:crypto';
import { v7, validate, version } from 'uuid';

/** The id that belongs to a time, in ms since 1970, and a name: always the same. */
export function derivedUuid7(timeMs: number, name: string): string {
  const random = createHash('sha256').update(name).digest();
  return v7({ msecs: timeMs, random: random.subarray(0, 16), seq: random.readUInt32BE(16) });
}

export function isUuid7(text: string): boolean {
  return validate(text) && version(text) === 7;
}

/** The time in it, in ms since 1970. */
export function timeOfUuid7(id: string): number {
  return Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
}
