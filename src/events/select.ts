/**
 * The statements by which events are looked at for one viewer: those of a source that the viewer sees and
 * the filter lets through. Which events are worth looking at is decided in read.ts.
 */
import type pg from 'pg';
import { ADMIN } from '../access/claim.ts';
import type { Principal } from '../access/principal.ts';
import type { EventId, SeenEvent } from './event.ts';
import type { Condition } from './filter/filter.ts';
import { compileMatch } from './filter/filter-match.ts';
import { filterSql } from './filter/filter-sql.ts';
import { chunkOf } from './index/bits.ts';
import type { ColumnEvent, ColumnField } from './index/columns.ts';
import type { NamedEvent } from './index/plan.ts';
import type { Direction } from './index/term-rows.ts';
import type { Journal } from './journal.ts';
import { EVENT_COLUMNS, EVENT_TYPES, type EventRow, levelSql, toSeenEvent } from './row.ts';
import { at, between, type IdRange, ParameterList, type Source } from './source.ts';

/** What is asked, of which journal, for whom. */
export interface Question {
  readonly journal: Journal;
  readonly filter: Condition;
  readonly principal: Principal;
  /** The filter's named events that the viewer sees. */
  readonly named: ReadonlyMap<EventId, NamedEvent>;
}

export type SeenRow = EventRow & { readonly level: 1 | 2 | 3 };

/** Events come in the direction asked for. */
export interface Selection {
  /** Of the events between two positions, both within. */
  between(
    question: Question,
    span: readonly [first: number, last: number],
    direction: Direction,
    limit: number,
  ): Promise<SeenEvent[]>;
  /** Of the events at these positions. */
  at(
    question: Question,
    positions: readonly number[],
    direction: Direction,
    limit: number,
  ): Promise<SeenEvent[]>;
  /** The same where the index says that these positions are the answer. */
  found(question: Question, positions: readonly number[], direction: Direction): Promise<SeenEvent[]>;
  countBetween(question: Question, first: number, last: number): Promise<number>;
  countAt(question: Question, positions: readonly number[]): Promise<number>;
  /** Like `between` and `at`, in no order, and of each event these fields only. */
  fieldsBetween(
    question: Question,
    first: number,
    last: number,
    fields: readonly ColumnField[],
  ): Promise<Partial<ColumnEvent>[]>;
  fieldsAt(
    question: Question,
    positions: readonly number[],
    fields: readonly ColumnField[],
  ): Promise<Partial<ColumnEvent>[]>;
  /** The ids that the chunks of these positions span; null where there are no events. */
  idsBetween(journal: Journal, first: number, last: number): Promise<IdRange | null>;
}

export function createSelection(pool: pg.Pool): Selection {
  async function select(question: Question, source: Source, direction: Direction, limit: number) {
    const { text, values } = statement(
      question,
      source,
      (seen) => `
      select ${EVENT_COLUMNS}, e.level from (${seen}) e
      order by e.position ${direction === 'falling' ? 'desc' : 'asc'} limit ${limit}`,
    );
    const { rows } = await pool.query<SeenRow>({ text, values, types: EVENT_TYPES });
    return rows.map((row) => toSeenEvent(row, question.journal.name));
  }

  async function count(question: Question, source: Source): Promise<number> {
    const { text, values } = statement(question, source, (seen) => `select count(*) from (${seen}) e`);
    const { rows } = await pool.query<{ count: string }>({ text, values });
    return Number(rows[0]?.count ?? 0);
  }

  async function fieldsOf(
    question: Question,
    source: Source,
    fields: readonly ColumnField[],
  ): Promise<Partial<ColumnEvent>[]> {
    const columns = fields.map((field) =>
      field === 'occurredAt' ? 'e.occurred_at as "occurredAt"' : `e.${field}`,
    );
    const { text, values } = statement(
      question,
      source,
      (seen) => `select ${columns.join(', ')} from (${seen}) e`,
    );
    return (await pool.query<Partial<ColumnEvent>>({ text, values, types: EVENT_TYPES })).rows;
  }

  const selection: Selection = {
    async between(question, [first, last], direction, limit) {
      const { journal } = question;
      const ids = await selection.idsBetween(journal, first, last);
      return ids === null ? [] : await select(question, between(journal, first, last, ids), direction, limit);
    },

    at: (question, positions, direction, limit) =>
      select(question, at(question.journal, positions), direction, limit),

    /**
     * The statement is one and the same for every filter, so PostgreSQL plans it once. What changed since
     * the index was read is found out here.
     */
    async found({ journal, principal, filter, named }, positions, direction) {
      const parameters = new ParameterList();
      const source = at(journal, positions)(parameters);
      const level = levelSql(principal.claims, parameters);
      const { rows } = await pool.query<SeenRow>({
        name: principal.claims.has(ADMIN) ? 'events-at-for-admin' : 'events-at',
        text: `select ${EVENT_COLUMNS}, e.level from (
            select e.*, ${level} as level from ${source.from} where ${source.where}
          ) e where e.level > 0`,
        values: parameters.values,
        types: EVENT_TYPES,
      });
      const match = compileMatch(filter);
      const turn = direction === 'falling' ? -1 : 1;
      return rows
        .map((row) => toSeenEvent(row, journal.name))
        .filter(({ event, level }) => match(event, level, (id) => named.has(id)) === true)
        .sort((a, b) => turn * (a.event.position - b.event.position));
    },

    async countBetween(question, first, last) {
      const ids = await selection.idsBetween(question.journal, first, last);
      return ids === null ? 0 : await count(question, between(question.journal, first, last, ids));
    },

    countAt: (question, positions) => count(question, at(question.journal, positions)),

    async fieldsBetween(question, first, last, fields) {
      const { journal } = question;
      const ids = await selection.idsBetween(journal, first, last);
      return ids === null ? [] : fieldsOf(question, between(journal, first, last, ids), fields);
    },

    fieldsAt: (question, positions, fields) => fieldsOf(question, at(question.journal, positions), fields),

    async idsBetween(journal, first, last) {
      const { rows } = await pool.query<{ least: EventId | null; most: EventId | null }>({
        name: 'chunk-ids',
        text: `with spanned as (
            select min_id, max_id from journal_chunk where journal_id = $1 and chunk between $2 and $3
          ) select (select min_id from spanned order by min_id limit 1) as least,
            (select max_id from spanned order by max_id desc limit 1) as most`,
        values: [journal.id, chunkOf(first), chunkOf(last)],
      });
      const { least = null, most = null } = rows[0] ?? {};
      return least === null || most === null ? null : { least, most };
    },
  };
  return selection;
}

function statement(
  { filter, principal, named }: Question,
  source: Source,
  around: (seen: string) => string,
): { text: string; values: unknown[] } {
  const parameters = new ParameterList();
  const { from, where } = source(parameters);
  const level = levelSql(principal.claims, parameters);
  const condition = filterSql(filter, parameters, 'e.level', new Set(named.keys()));
  const seen = `
    select e.* from (
      select e.*, ${level} as level from ${from} where ${where}
    ) e where e.level > 0 and ${condition}`;
  return { text: around(seen), values: parameters.values };
}
