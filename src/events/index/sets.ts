/**
 * A plan's set once its ranges, times and positions have been looked up: what it is made of, by what it can be
 * walked, and which positions of a chunk it holds.
 */
import { addBit, allBits, type Bits, intersect, invert, isEmpty, noBits, unite } from './bits.ts';
import type { Term } from './term.ts';

/** Only terms are left to be read. */
export type Resolved =
  | { readonly set: 'all' | 'none' }
  /** Too many terms to look at: everything where it widens the result, nothing where it narrows it. */
  | { readonly set: 'unknown' }
  | { readonly set: 'term'; readonly term: Term }
  | { readonly set: 'chunks'; readonly chunks: ReadonlyMap<number, Bits> }
  | { readonly set: 'time'; readonly time: TimeSet }
  | { readonly set: 'and' | 'or'; readonly of: readonly Resolved[] }
  | { readonly set: 'not'; readonly of: Resolved };

export interface TimeSet {
  readonly from: number;
  readonly before: number;
  /** The chunks with members, and whether all in it are. */
  readonly chunks: ReadonlyMap<number, 'whole' | 'part'>;
}

/** Every member of the plan has one of these terms, or stands in one of these chunks. */
export interface Guide {
  readonly terms: readonly Term[];
  readonly chunks: readonly ReadonlyMap<number, unknown>[];
}

/** Ways to bound the set; none where it may hold anything. */
export function guidesOf(expression: Resolved): Guide[] {
  switch (expression.set) {
    case 'none':
      return [{ terms: [], chunks: [] }];
    case 'term':
      return [{ terms: [expression.term], chunks: [] }];
    case 'chunks':
      return [{ terms: [], chunks: [expression.chunks] }];
    case 'time':
      return [{ terms: [], chunks: [expression.time.chunks] }];
    case 'and':
      return expression.of.flatMap(guidesOf);
    case 'or': {
      const each = expression.of.map((part) => guidesOf(part)[0]);
      if (each.includes(undefined)) return [];
      const known = each as Guide[];
      return [{ terms: known.flatMap(({ terms }) => terms), chunks: known.flatMap(({ chunks }) => chunks) }];
    }
    default:
      return [];
  }
}

export function termsIn(expression: Resolved): Term[] {
  return leavesOf(expression).flatMap((leaf) => (leaf.set === 'term' ? [leaf.term] : []));
}

export function timesIn(expression: Resolved): TimeSet[] {
  return leavesOf(expression).flatMap((leaf) => (leaf.set === 'time' ? [leaf.time] : []));
}

/** Whether some of it was not looked at, so that what it holds must be asked of the events. */
export function hasUnknown(expression: Resolved): boolean {
  return leavesOf(expression).some(({ set }) => set === 'unknown');
}

/** What it is made of, wherever it stands. */
function leavesOf(expression: Resolved): Resolved[] {
  switch (expression.set) {
    case 'and':
    case 'or':
      return expression.of.flatMap(leavesOf);
    case 'not':
      return leavesOf(expression.of);
    default:
      return [expression];
  }
}

/**
 * The members in a chunk.
 *
 * @param bitsOf undefined where the term has no row: of the many claims of a viewer most are found nowhere.
 * @param occurredAt undefined where nobody has asked for it yet.
 * @param widens whether more members here mean more in the result; `not` turns it around.
 */
export function evaluate(
  expression: Resolved,
  chunk: number,
  bitsOf: (term: Term) => Bits | undefined,
  occurredAt: Float64Array | undefined,
  widens: boolean,
): Bits {
  switch (expression.set) {
    case 'all':
      return allBits();
    case 'none':
      return noBits();
    case 'unknown':
      return widens ? allBits() : noBits();
    case 'term':
      return bitsOf(expression.term) ?? noBits();
    case 'chunks': {
      const bits = expression.chunks.get(chunk);
      return bits === undefined ? noBits() : bits.slice();
    }
    case 'time': {
      const { chunks, from, before } = expression.time;
      const members = chunks.get(chunk);
      if (members === undefined) return noBits();
      if (members === 'whole') return allBits();
      if (occurredAt === undefined) return widens ? allBits() : noBits();
      const bits = noBits();
      occurredAt.forEach((time, ordinal) => {
        if (time >= from && time < before) addBit(bits, ordinal);
      });
      return bits;
    }
    case 'and': {
      const bits = allBits();
      for (const part of expression.of) {
        intersect(bits, evaluate(part, chunk, bitsOf, occurredAt, widens));
        if (isEmpty(bits)) break;
      }
      return bits;
    }
    case 'or': {
      const bits = noBits();
      for (const part of expression.of) {
        const more =
          part.set === 'term' ? bitsOf(part.term) : evaluate(part, chunk, bitsOf, occurredAt, widens);
        if (more !== undefined) unite(bits, more);
      }
      return bits;
    }
    case 'not':
      return invert(evaluate(expression.of, chunk, bitsOf, occurredAt, !widens));
  }
}
