/**
 * Walks a plan's set through the index, newest or oldest first: yields, round by round, the chunks that
 * hold members and which positions they are.
 *
 * The walk follows the rarest part of the plan (the *guide*: terms of which every member must have one)
 * and looks the others up only in the chunks the guide names. A value that twenty events hold thus costs
 * twenty look-ups, however many millions the journal has; where all parts are common, the first few
 * chunks fill a page.
 *
 * Rounds grow eightfold: a page that is found at once reads little, a long walk makes few round trips.
 *
 * A time is known by what each chunk spans. Chunks that lie across one of its ends are cut by their column
 * (columns.ts), read in the round in which they come up and only where the rest of the plan leaves something.
 */
import type pg from 'pg';
import { type Bits, bitsBetween, CHUNK_SIZE, chunkOf, intersect, isEmpty, ordinalOf } from './bits.ts';
import { decodeTimes, readColumns } from './columns.ts';
import type { Plan } from './plan.ts';
import { RANGE_LIMITS, resolve } from './resolve.ts';
import { evaluate, guidesOf, hasUnknown, type Resolved, termsIn, timesIn } from './sets.ts';
import { type Direction, TermRows } from './term-rows.ts';

export interface Span {
  /** First and last position, both within. */
  readonly from: number;
  readonly to: number;
}

export interface ChunkHits {
  readonly chunk: number;
  readonly bits: Bits;
}

export interface Search {
  /** Whether every hit meets the filter; otherwise the events must be asked. */
  readonly exact: boolean;
  /** Each chunk with hits once, in the direction of the walk; the last rounds may be empty. */
  rounds(): AsyncGenerator<ChunkHits[]>;
}

/** Chunks whose columns are read at once: 4,096 times are 28 kB. */
const CUT_TOGETHER = 32;
const FIRST_ROUND = 16;
const GROWTH = 8;
const LARGEST_ROUND = 1_024;

export async function openSearch(
  pool: pg.Pool,
  journalId: number,
  plan: Plan,
  span: Span,
  direction: Direction,
  rangeLimits = RANGE_LIMITS,
): Promise<Search> {
  const first = chunkOf(span.from);
  const last = chunkOf(span.to);
  const resolved = await resolve(pool, { journalId, first, last }, plan.set, rangeLimits);
  const terms = [...new Set(termsIn(resolved))];
  const rows = new TermRows(
    pool,
    journalId,
    direction,
    direction === 'falling' ? last : first,
    direction === 'falling' ? first : last,
  );

  const times = timesIn(resolved);
  const straddles = (chunk: number) => times.some(({ chunks }) => chunks.get(chunk) === 'part');

  /** @param occurredAt of the chunk's events, where it is known: else those at the ends of a time count as unknown. */
  const hitsIn = (chunk: number, occurredAt?: Float64Array): ChunkHits => {
    const bits = evaluate(resolved, chunk, (term) => rows.bits(term, chunk), occurredAt, true);
    if (chunk === first || chunk === last) {
      const from = chunk === first ? ordinalOf(span.from) : 0;
      const to = chunk === last ? ordinalOf(span.to) : CHUNK_SIZE - 1;
      intersect(bits, bitsBetween(from, to));
    }
    return { chunk, bits };
  };
  const hasHits = ({ bits }: ChunkHits) => !isEmpty(bits);

  async function* rounds(): AsyncGenerator<ChunkHits[]> {
    if (span.from > span.to) return;
    for await (const chunks of guidedChunks(resolved, rows, direction, first, last)) {
      await rows.lookUp(terms, chunks);
      const hits = chunks.map((chunk) => hitsIn(chunk)).filter(hasHits);
      if (!hits.some(({ chunk }) => straddles(chunk))) yield hits;
      else yield* cut(hits);
    }
  }

  async function* cut(hits: readonly ChunkHits[]): AsyncGenerator<ChunkHits[]> {
    for (let at = 0; at < hits.length; at += CUT_TOGETHER) {
      const together = hits.slice(at, at + CUT_TOGETHER);
      const open = together.map(({ chunk }) => chunk).filter(straddles);
      const columns = await readColumns(pool, journalId, ['occurredAt'], open, span.to);
      yield together
        .map((known) => {
          const column = columns.get(known.chunk)?.get('occurredAt');
          return column === undefined ? known : hitsIn(known.chunk, decodeTimes(column));
        })
        .filter(hasHits);
    }
  }

  return { exact: plan.exact && !hasUnknown(resolved), rounds };
}

/** Chunks that may hold members, in the direction of the walk. */
async function* guidedChunks(
  expression: Resolved,
  rows: TermRows,
  direction: Direction,
  first: number,
  last: number,
): AsyncGenerator<number[]> {
  const inOrder = (chunks: Iterable<number>) =>
    [...new Set(chunks)]
      .filter((chunk) => chunk >= first && chunk <= last)
      .sort(direction === 'falling' ? (a, b) => b - a : (a, b) => a - b);
  const guides = guidesOf(expression);

  if (guides.length === 0) {
    const size = last - first + 1;
    for (let done = 0, round = 1; done < size; done += round, round = Math.min(round * 4, 64)) {
      const length = Math.min(round, size - done);
      const from = direction === 'falling' ? last - done - length + 1 : first + done;
      yield inOrder(Array.from({ length }, (_, i) => from + i));
    }
    return;
  }

  await rows.readOn([...new Set(guides.flatMap(({ terms }) => terms))], FIRST_ROUND);
  const [guide] = guides.sort((a, b) => rows.covered(b.terms) - rows.covered(a.terms));
  if (guide === undefined) return;
  let done = 0;
  for (let round = FIRST_ROUND * GROWTH; ; round = Math.min(round * GROWTH, LARGEST_ROUND)) {
    const covered = rows.covered(guide.terms);
    const known = inOrder([
      ...guide.terms.flatMap((term) => rows.chunks(term)),
      ...guide.chunks.flatMap((map) => [...map.keys()]),
    ]);
    const distance = (chunk: number) => (direction === 'falling' ? last - chunk : chunk - first);
    const fresh = known.filter((chunk) => distance(chunk) >= done && distance(chunk) < covered);
    for (let at = 0; at < fresh.length; at += round) yield fresh.slice(at, at + round);
    if (covered === Infinity) return;
    done = covered;
    await rows.readOn(guide.terms, round);
  }
}
