/** Rows of the index as a walk reads them: on from the start for terms that guide it, in given chunks for the others. */
import type pg from 'pg';
import { type Bits, decodeBits } from './bits.ts';
import type { Term } from './term.ts';

export type Direction = 'rising' | 'falling';

/** Rows of the index read so far, and for each term how far from the start of the walk it is known. */
export class TermRows {
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
