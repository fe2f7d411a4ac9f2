/**
 * Sets of positions within one chunk: 4,096 consecutive positions of a journal, as 128 words of 32 bits.
 *
 * Stored as bytes in one of two forms, told apart by length: fewer than 256 members as two bytes each,
 * in rising order; more as the plain bit map of 512 bytes. Rare values therefore cost little more than
 * their key, and common ones a bit per event.
 */
import type { Position } from '../event.ts';

export const CHUNK_SIZE = 4_096;
const WORDS = CHUNK_SIZE / 32;
const MAP_BYTES = CHUNK_SIZE / 8;

export type Bits = Uint32Array;

export function chunkOf(position: number): number {
  return Math.floor((position - 1) / CHUNK_SIZE);
}

export function ordinalOf(position: number): number {
  return (position - 1) % CHUNK_SIZE;
}

export function positionOf(chunk: number, ordinal: number): Position {
  return (chunk * CHUNK_SIZE + ordinal + 1) as Position;
}

export function noBits(): Bits {
  return new Uint32Array(WORDS);
}

export function allBits(): Bits {
  return noBits().fill(0xffff_ffff);
}

/** Ordinals from `from` up to and with `to`. */
export function bitsBetween(from: number, to: number): Bits {
  const bits = noBits();
  for (let ordinal = from; ordinal <= to; ordinal++) addBit(bits, ordinal);
  return bits;
}

export function addBit(bits: Bits, ordinal: number): void {
  bits[ordinal >>> 5] = ((bits[ordinal >>> 5] as number) | (1 << (ordinal & 31))) >>> 0;
}

/** Each of these changes `into` and returns it. */
export function intersect(into: Bits, other: Bits): Bits {
  for (let i = 0; i < WORDS; i++) into[i] = (into[i] as number) & (other[i] as number);
  return into;
}

export function unite(into: Bits, other: Bits): Bits {
  for (let i = 0; i < WORDS; i++) into[i] = (into[i] as number) | (other[i] as number);
  return into;
}

export function subtract(into: Bits, other: Bits): Bits {
  for (let i = 0; i < WORDS; i++) into[i] = (into[i] as number) & ~(other[i] as number);
  return into;
}

export function invert(into: Bits): Bits {
  for (let i = 0; i < WORDS; i++) into[i] = ~(into[i] as number);
  return into;
}

export function isEmpty(bits: Bits): boolean {
  for (let i = 0; i < WORDS; i++) if (bits[i] !== 0) return false;
  return true;
}

export function countBits(bits: Bits): number {
  let count = 0;
  for (let word of bits) {
    word -= (word >>> 1) & 0x5555_5555;
    word = (word & 0x3333_3333) + ((word >>> 2) & 0x3333_3333);
    count += (((word + (word >>> 4)) & 0x0f0f_0f0f) * 0x0101_0101) >>> 24;
  }
  return count;
}

/** The ordinals in the set, in rising order. */
export function ordinalsOf(bits: Bits): number[] {
  const ordinals: number[] = [];
  for (let i = 0; i < WORDS; i++) {
    let word = bits[i] as number;
    while (word !== 0) {
      const lowest = word & -word;
      ordinals.push(i * 32 + (31 - Math.clz32(lowest)));
      word ^= lowest;
    }
  }
  return ordinals;
}

export function encodeBits(bits: Bits): Buffer {
  const count = countBits(bits);
  if (count * 2 >= MAP_BYTES) {
    const map = Buffer.allocUnsafe(MAP_BYTES);
    for (let i = 0; i < WORDS; i++) map.writeUInt32LE(bits[i] as number, i * 4);
    return map;
  }
  const list = Buffer.allocUnsafe(count * 2);
  ordinalsOf(bits).forEach((ordinal, i) => void list.writeUInt16LE(ordinal, i * 2));
  return list;
}

export function decodeBits(stored: Buffer): Bits {
  const bits = noBits();
  if (stored.length === MAP_BYTES) {
    for (let i = 0; i < WORDS; i++) bits[i] = stored.readUInt32LE(i * 4);
  } else {
    for (let at = 0; at < stored.length; at += 2) addBit(bits, stored.readUInt16LE(at));
  }
  return bits;
}
