/** Looks up what a plan has beside terms: ranges of terms, times, positions. */
import type pg from 'pg';
import { sqlTime } from '../filter/filter-sql.ts';
import { addBit, type Bits, chunkOf, decodeBits, noBits, ordinalOf, unite } from './bits.ts';
import type { SetExpression } from './plan.ts';
import type { Resolved, TimeSet } from './sets.ts';
import type { Term } from './term.ts';

/** A range of terms with more rows than this, and more different terms too, is not looked at. */
export interface RangeLimits {
  readonly rows: number;
  readonly terms: number;
}

export const RANGE_LIMITS: RangeLimits = { rows: 10_000, terms: 64 };

/** Where to look: chunks of a journal, the first and the last within. */
export interface Stretch {
  readonly journalId: number;
  readonly first: number;
  readonly last: number;
}

export async function resolve(
  pool: pg.Pool,
  stretch: Stretch,
  expression: SetExpression,
  limits: RangeLimits,
): Promise<Resolved> {
  switch (expression.set) {
    case 'and':
    case 'or': {
      const of = expression.of.map((part) => resolve(pool, stretch, part, limits));
      return { set: expression.set, of: await Promise.all(of) };
    }
    case 'not':
      return { set: 'not', of: await resolve(pool, stretch, expression.of, limits) };
    case 'range':
      return resolveRange(pool, stretch, expression, limits);
    case 'time':
      return { set: 'time', time: await resolveTime(pool, stretch, expression) };
    case 'position': {
      const bits = noBits();
      addBit(bits, ordinalOf(expression.position));
      return { set: 'chunks', chunks: new Map([[chunkOf(expression.position), bits]]) };
    }
    default:
      return expression;
  }
}

/** A range of terms as the rows it has, if they are few; as a union of terms, if those are few. */
async function resolveRange(
  pool: pg.Pool,
  { journalId, first, last }: Stretch,
  { from, before }: Extract<SetExpression, { set: 'range' }>,
  limits: RangeLimits,
): Promise<Resolved> {
  const { rows } = await pool.query<{ chunk: number; bits: Buffer }>({
    name: 'index-range',
    text: `select chunk, bits from event_index
      where journal_id = $1 and term >= $2 and term < $3 and chunk between $4 and $5 limit $6`,
    values: [journalId, from, before, first, last, limits.rows + 1],
  });
  if (rows.length <= limits.rows) {
    const chunks = new Map<number, Bits>();
    for (const { chunk, bits } of rows) {
      const known = chunks.get(chunk);
      chunks.set(chunk, known === undefined ? decodeBits(bits) : unite(known, decodeBits(bits)));
    }
    return { set: 'chunks', chunks };
  }
  const terms = await firstTerms(pool, journalId, from, before, limits.terms + 1);
  if (terms.length > limits.terms) return { set: 'unknown' };
  return { set: 'or', of: terms.map((term) => ({ set: 'term', term })) };
}

/** The different terms of a range, found by leaping from each to the next instead of reading their rows. */
async function firstTerms(
  pool: pg.Pool,
  journalId: number,
  from: Term,
  before: Term,
  limit: number,
): Promise<Term[]> {
  const { rows } = await pool.query<{ term: Term }>({
    name: 'index-terms',
    text: `with recursive leap (term, nth) as (
        (select term, 1 from event_index where journal_id = $1 and term >= $2 and term < $3 order by term limit 1)
        union all
        select next.term, leap.nth + 1 from leap cross join lateral (
          select term from event_index where journal_id = $1 and term > leap.term and term < $3 order by term limit 1
        ) next where leap.nth < $4
      ) select term from leap`,
    values: [journalId, from, before, limit],
  });
  return rows.map(({ term }) => term);
}

/**
 * The chunks that span any of the time. What they span is what all their events do, those that are not in the
 * index yet included: a chunk is taken for whole too rarely, never too often.
 */
async function resolveTime(
  pool: pg.Pool,
  { journalId, first, last }: Stretch,
  { field, from, before }: Extract<SetExpression, { set: 'time' }>,
): Promise<TimeSet> {
  const column = field === 'occurredAt' ? 'occurred_at' : 'recorded_at';
  const { rows } = await pool.query<{ chunk: number; whole: boolean }>({
    name: `index-${column}`,
    text: `select chunk, min_${column} >= $4::timestamptz and max_${column} < $5::timestamptz as whole
      from journal_chunk
      where journal_id = $1 and chunk between $2 and $3 and max_${column} >= $4::timestamptz and min_${column} < $5::timestamptz`,
    values: [journalId, first, last, sqlTime(from), sqlTime(before)],
  });
  // Without a column a chunk cannot be cut: the plan is not exact, and the events are asked.
  const isWhole = (whole: boolean) => whole || field === 'recordedAt';
  return {
    from,
    before,
    chunks: new Map(rows.map(({ chunk, whole }) => [chunk, isWhole(whole) ? 'whole' : 'part'])),
  };
}
