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
import { sqlTime } from '../filter/filter-sql.ts';
import {
  addBit,
  allBits,
  type Bits,
  bitsBetween,
  CHUNK_SIZE,
  chunkOf,
  decodeBits,
  intersect,
  invert,
  isEmpty,
  noBits,
  ordinalOf,
  unite,
} from './bits.ts';
import { decodeTimes, readColumns } from './columns.ts';
import type { Plan, SetExpression } from './plan.ts';
import type { Term } from './term.ts';

export interface Span {
  /** First and last position, both within. */
  readonly from: number;
  readonly to: number;
}

export type Direction = 'rising' | 'falling';

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

/** A plan whose ranges, times and positions have been looked up: only terms are left to be read. */
type Resolved =
  | { readonly set: 'all' | 'none' }
  /** Too many terms to look at: everything where it widens the result, nothing where it narrows it. */
  | { readonly set: 'unknown' }
  | { readonly set: 'term'; readonly term: Term }
  | { readonly set: 'chunks'; readonly chunks: ReadonlyMap<number, Bits> }
  | { readonly set: 'time'; readonly time: TimeSet }
  | { readonly set: 'and' | 'or'; readonly of: readonly Resolved[] }
  | { readonly set: 'not'; readonly of: Resolved };

interface TimeSet {
  readonly from: number;
  readonly before: number;
  /** The chunks with members, and whether all in it are. */
  readonly chunks: ReadonlyMap<number, 'whole' | 'part'>;
}

/** Every member of the plan has one of these terms, or stands in one of these chunks. */
interface Guide {
  readonly terms: readonly Term[];
  readonly chunks: readonly ReadonlyMap<number, unknown>[];
}

/** Chunks whose columns are read at once: 4,096 times are 28 kB. */
const CUT_TOGETHER = 32;
const FIRST_ROUND = 16;
const GROWTH = 8;
const LARGEST_ROUND = 1_024;
/** A range of terms with more rows than this, and more different terms too, is not looked at. */
export interface RangeLimits {
  readonly rows: number;
  readonly terms: number;
}
const RANGE_LIMITS: RangeLimits = { rows: 10_000, terms: 64 };

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
  let exact = plan.exact;

  const resolve = async (expression: SetExpression): Promise<Resolved> => {
    switch (expression.set) {
      case 'and':
      case 'or':
        return { set: expression.set, of: await Promise.all(expression.of.map(resolve)) };
      case 'not':
        return { set: 'not', of: await resolve(expression.of) };
      case 'range': {
        const found = await resolveRange(pool, journalId, expression, first, last, rangeLimits);
        if (found.set === 'unknown') exact = false;
        return found;
      }
      case 'time':
        return { set: 'time', time: await resolveTime(pool, journalId, expression, first, last) };
      case 'position': {
        const bits = noBits();
        addBit(bits, ordinalOf(expression.position));
        return { set: 'chunks', chunks: new Map([[chunkOf(expression.position), bits]]) };
      }
      default:
        return expression;
    }
  };

  const resolved = await resolve(plan.set);
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

  return { exact, rounds };
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

/** Ways to bound the set; none where it may hold anything. */
function guidesOf(expression: Resolved): Guide[] {
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

function termsIn(expression: Resolved): Term[] {
  switch (expression.set) {
    case 'term':
      return [expression.term];
    case 'and':
    case 'or':
      return expression.of.flatMap(termsIn);
    case 'not':
      return termsIn(expression.of);
    default:
      return [];
  }
}

function timesIn(expression: Resolved): TimeSet[] {
  switch (expression.set) {
    case 'time':
      return [expression.time];
    case 'and':
    case 'or':
      return expression.of.flatMap(timesIn);
    case 'not':
      return timesIn(expression.of);
    default:
      return [];
  }
}

/**
 * @param bitsOf undefined where the term has no row: of the many claims of a viewer most are found nowhere.
 * @param occurredAt undefined where nobody has asked for it yet.
 * @param widens whether more members here mean more in the result; `not` turns it around.
 */
function evaluate(
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

/** Rows of the index read so far, and for each term how far from the start of the walk it is known. */
class TermRows {
  readonly #pool: pg.Pool;
  readonly #journalId: number;
  readonly #direction: Direction;
  readonly #start: number;
  readonly #end: number;
  readonly #known = new Map<Term, { rows: Map<number, Buffer>; covered: number }>();

  constructor(pool: pg.Pool, journalId: number, direction: Direction, start: number, end: number) {
    this.#pool = pool;
    this.#journalId = journalId;
    this.#direction = direction;
    this.#start = start;
    this.#end = end;
  }

  bits(term: Term, chunk: number): Bits | undefined {
    const stored = this.#of(term).rows.get(chunk);
    return stored && decodeBits(stored);
  }

  chunks(term: Term): number[] {
    return [...this.#of(term).rows.keys()];
  }

  /** How many chunks from the start of the walk all these terms are known for. */
  covered(terms: readonly Term[]): number {
    return Math.min(Infinity, ...terms.map((term) => this.#of(term).covered));
  }

  /** Reads the next rows of each term, in the direction of the walk. */
  async readOn(terms: readonly Term[], limit: number): Promise<void> {
    const unfinished = terms.filter((term) => this.#of(term).covered !== Infinity);
    if (unfinished.length === 0) return;
    const falling = this.#direction === 'falling';
    const starts = unfinished.map((term) => this.#start + (falling ? -1 : 1) * this.#of(term).covered);
    const result = await this.#pool.query<{ nth: number; chunk: number; bits: Buffer }>({
      name: falling ? 'index-falling' : 'index-rising',
      text: `select t.nth::int4, i.chunk, i.bits
        from unnest($2::text[], $3::int4[]) with ordinality as t (term, start, nth)
        cross join lateral (
          select chunk, bits from event_index
          where journal_id = $1 and term = t.term
            and chunk ${falling ? '<=' : '>='} t.start and chunk ${falling ? '>=' : '<='} $4
          order by chunk ${falling ? 'desc' : 'asc'} limit $5
        ) i`,
      values: [this.#journalId, unfinished, starts, this.#end, limit],
    });
    const counts = unfinished.map(() => 0);
    const reached = unfinished.map(() => 0);
    for (const { nth, chunk, bits } of result.rows) {
      this.#of(unfinished[nth - 1] as Term).rows.set(chunk, bits);
      counts[nth - 1] = (counts[nth - 1] as number) + 1;
      reached[nth - 1] = Math.max(reached[nth - 1] as number, Math.abs(this.#start - chunk) + 1);
    }
    unfinished.forEach((term, i) => {
      this.#of(term).covered = (counts[i] as number) < limit ? Infinity : (reached[i] as number);
    });
  }

  /** Makes sure that all these terms are known in all these chunks. */
  async lookUp(terms: readonly Term[], chunks: readonly number[]): Promise<void> {
    const missing = (term: Term) =>
      chunks.filter((chunk) => Math.abs(this.#start - chunk) >= this.#of(term).covered);
    const lacking = terms.map((term) => ({ term, at: missing(term) })).filter(({ at }) => at.length > 0);
    if (lacking.length === 0) return;
    const result = await this.#pool.query<{ nth: number; chunk: number; bits: Buffer }>({
      name: 'index-look-up',
      text: `select t.nth::int4, i.chunk, i.bits
        from unnest($2::text[]) with ordinality as t (term, nth)
        join event_index i on i.journal_id = $1 and i.term = t.term and i.chunk = any($3::int4[])`,
      values: [
        this.#journalId,
        lacking.map(({ term }) => term),
        [...new Set(lacking.flatMap(({ at }) => at))],
      ],
    });
    for (const { nth, chunk, bits } of result.rows) {
      this.#of((lacking[nth - 1] as { term: Term }).term).rows.set(chunk, bits);
    }
  }

  #of(term: Term) {
    let known = this.#known.get(term);
    if (known === undefined) {
      known = { rows: new Map(), covered: 0 };
      this.#known.set(term, known);
    }
    return known;
  }
}

/** A range of terms as the rows it has, if they are few; as a union of terms, if those are few. */
async function resolveRange(
  pool: pg.Pool,
  journalId: number,
  { from, before }: Extract<SetExpression, { set: 'range' }>,
  first: number,
  last: number,
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
  journalId: number,
  { field, from, before }: Extract<SetExpression, { set: 'time' }>,
  first: number,
  last: number,
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
