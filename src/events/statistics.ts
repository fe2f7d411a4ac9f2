/**
 * Counts of what a viewer sees and a filter lets through, by facet and over time. All that is wanted is added up in
 * one walk (walk.ts): of what the index answers for, the columns are read (index/columns.ts), of all else the events,
 * and no more of them than is counted by.
 *
 * Whoever sees an event at all sees what it is counted by: type, category, severity, resource, actor and time stand
 * in its envelope.
 */
import type pg from 'pg';
import { resourceType } from '../access/resource-ref.ts';
import { EventreeError } from '../base/errors.ts';
import { CATEGORIES, SEVERITIES } from './event.ts';
import { ordinalsOf } from './index/bits.ts';
import {
  COLUMN_FIELDS,
  type CodedField,
  type ColumnField,
  type Columns,
  decodeCodes,
  decodeTimes,
  encodeColumn,
  readColumns,
} from './index/columns.ts';
import type { RangeLimits } from './index/resolve.ts';
import type { ChunkHits } from './index/search.ts';
import type { Selection } from './select.ts';
import { checkTime, LARGEST_LOOK, type Task, walk, windows } from './walk.ts';

export type Facet = CodedField | 'resourceType';

/** Equal intervals between two times, in ms since 1970: `from` within, `before` not. */
export interface Timeline {
  readonly from: number;
  readonly before: number;
  readonly intervals: number;
  readonly by: TimelineFacet | null;
}
export type TimelineFacet = 'category' | 'severity';

export interface Wanted {
  readonly facets: readonly Facet[];
  readonly timelines: readonly Timeline[];
  /** Whether to tell when the first and the last of them happened. */
  readonly times: boolean;
}

export interface Statistics {
  readonly total: number;
  /** Null where there are none, and where it was not asked. */
  readonly firstOccurredAt: number | null;
  readonly lastOccurredAt: number | null;
  readonly facets: ReadonlyMap<Facet, FacetCounts>;
  /** In the order asked for. */
  readonly timelines: readonly (readonly Interval[])[];
}

export interface FacetCounts {
  readonly values: ReadonlyMap<string, number>;
  /** Of how many events it is nothing. */
  readonly missing: number;
}

export interface Interval {
  readonly from: number;
  readonly before: number;
  readonly count: number;
  /** Of the values that occur. */
  readonly by: ReadonlyMap<string, number>;
}

/** Chunks whose columns are read at once: 17 bytes an event for all six, twice that on the way. */
const READ_TOGETHER = 64;
/** Different values of all facets together. A resource's reference may take a kilobyte. */
const MAX_VALUES = 500_000;

export interface StatisticsOptions {
  readonly pool: pg.Pool;
  readonly selection: Selection;
  readonly rangeLimits?: RangeLimits | undefined;
  /** @see MAX_VALUES */
  readonly maxValues?: number | undefined;
}

/** @throws LIMIT_EXCEEDED where it takes too long, or facets have too many values to be kept. */
export async function readStatistics(
  { pool, selection, rangeLimits, maxValues = MAX_VALUES }: StatisticsOptions,
  task: Task,
  wanted: Wanted,
): Promise<Statistics> {
  const fields = fieldsOf(wanted);
  const tally = createTally(wanted, maxValues);
  const addEvents = (events: Awaited<ReturnType<Selection['fieldsAt']>>) => {
    const places = (_: unknown, nth: number) => nth;
    const columns = fields.map(
      (field) => [field, encodeColumn(field, events, places, events.length)] as const,
    );
    tally.add(
      new Map(columns),
      events.map((_, nth) => nth),
    );
  };

  const visitor = {
    async between(first: number, last: number) {
      for (const [from, to] of windows(first, last, 'falling', LARGEST_LOOK)) {
        addEvents(await selection.fieldsBetween(task, from, to, fields));
        checkTime(task);
      }
    },
    async hits(round: readonly ChunkHits[]) {
      for (let at = 0; at < round.length; at += READ_TOGETHER) {
        const together = round.slice(at, at + READ_TOGETHER);
        const chunks = together.map(({ chunk }) => chunk);
        const columns = await readColumns(pool, task.journal.id, fields, chunks, task.indexed);
        for (const { chunk, bits } of together) tally.add(columns.get(chunk) as Columns, ordinalsOf(bits));
        checkTime(task);
      }
    },
    async at(positions: readonly number[]) {
      addEvents(await selection.fieldsAt(task, positions, fields));
    },
  };
  await walk(pool, task, visitor, rangeLimits);
  return tally.result();
}

function fieldsOf({ facets, timelines, times }: Wanted): ColumnField[] {
  const needed = new Set<ColumnField>(facets.map((facet) => (facet === 'resourceType' ? 'resource' : facet)));
  if (times || timelines.length > 0) needed.add('occurredAt');
  for (const { by } of timelines) if (by !== null) needed.add(by);
  return COLUMN_FIELDS.filter((field) => needed.has(field));
}

interface Tally {
  /** @param ordinals of the entries that count. */
  add(columns: Columns, ordinals: readonly number[]): void;
  result(): Statistics;
}

function createTally({ facets, timelines, times }: Wanted, maxValues: number): Tally {
  const counters = new Map(facets.map((facet) => [facet, createCounter(facet)]));
  const lines = timelines.map(createLine);
  let total = 0;
  let first = Number.POSITIVE_INFINITY;
  let last = Number.NEGATIVE_INFINITY;

  return {
    add(columns, ordinals) {
      total += ordinals.length;
      const decoded = new Map<ColumnField, Uint16Array>();
      const codesOf = (field: CodedField) => {
        const column = columns.get(field);
        // What fieldsOf asks for.
        if (column === undefined) throw new Error(`The column ${field} was not read.`);
        const codes = decoded.get(field) ?? decodeCodes(column);
        decoded.set(field, codes);
        return { codes, dictionary: column.dictionary };
      };
      let values = 0;
      for (const [facet, counter] of counters) {
        counter.add(codesOf(facet === 'resourceType' ? 'resource' : facet), ordinals);
        values += counter.values.size;
      }
      if (values > maxValues) {
        throw new EventreeError(
          'LIMIT_EXCEEDED',
          `The facets have more than ${maxValues} different values: narrow the filter, or ask for fewer facets.`,
        );
      }
      const column = columns.get('occurredAt');
      if (column === undefined) return;
      const occurredAt = decodeTimes(column);
      if (times) {
        for (const ordinal of ordinals) {
          const time = occurredAt[ordinal] as number;
          if (time < first) first = time;
          if (time > last) last = time;
        }
      }
      for (const line of lines) line.add(occurredAt, line.by && codesOf(line.by), ordinals);
    },

    result: () => ({
      total,
      firstOccurredAt: first === Number.POSITIVE_INFINITY ? null : first,
      lastOccurredAt: last === Number.NEGATIVE_INFINITY ? null : last,
      facets: new Map(
        [...counters].map(([facet, { values, missing }]) => [facet, { values, missing: missing() }]),
      ),
      timelines: lines.map((line) => line.result()),
    }),
  };
}

/** A column, decoded. */
interface Coded {
  readonly codes: Uint16Array;
  readonly dictionary: readonly string[];
}

function createCounter(facet: Facet) {
  const toValue = facet === 'resourceType' ? resourceTypeOf : (text: string) => text;
  const values = new Map<string, number>();
  let missing = 0;
  return {
    values,
    missing: () => missing,
    add({ codes, dictionary }: Coded, ordinals: readonly number[]) {
      const counts = new Uint32Array(dictionary.length + 1);
      for (const ordinal of ordinals) {
        const code = codes[ordinal] as number;
        counts[code] = (counts[code] as number) + 1;
      }
      missing += counts[0] as number;
      for (let i = 0; i < dictionary.length; i++) {
        const count = counts[i + 1] as number;
        if (count === 0) continue;
        const value = toValue(dictionary[i] as string);
        values.set(value, (values.get(value) ?? 0) + count);
      }
    },
  };
}

function resourceTypeOf(ref: string): string {
  // What stands in a column was checked when it was recorded.
  return resourceType(ref as Parameters<typeof resourceType>[0]);
}

const VALUES: Readonly<Record<TimelineFacet, readonly string[]>> = {
  category: CATEGORIES,
  severity: SEVERITIES,
};

function createLine({ from, before, intervals, by }: Timeline) {
  const span = before - from;
  const starts = Float64Array.from({ length: intervals + 1 }, (_, i) => startOf(i));
  const values = by === null ? [] : VALUES[by];
  const width = values.length + 1;
  // For each interval how many there are, then how many of each value.
  const counts = new Float64Array(intervals * width);

  function startOf(i: number): number {
    // i * span / intervals, whose product may be too large to be exact.
    return from + i * Math.floor(span / intervals) + Math.floor((i * (span % intervals)) / intervals);
  }

  return {
    by,

    add(occurredAt: Float64Array, coded: Coded | null, ordinals: readonly number[]) {
      const slots = coded && Uint8Array.from(['', ...coded.dictionary], (value) => values.indexOf(value) + 1);
      for (const ordinal of ordinals) {
        const time = occurredAt[ordinal] as number;
        if (!(time >= from && time < before)) continue;
        // Intervals begin at whole milliseconds: of 10 ms the second third begins at 3, not at 3.33.
        let interval = Math.floor(((time - from) / span) * intervals);
        if (time >= (starts[interval + 1] as number)) interval++;
        const at = interval * width;
        counts[at] = (counts[at] as number) + 1;
        if (slots === null) continue;
        const slot = at + (slots[(coded as Coded).codes[ordinal] as number] as number);
        counts[slot] = (counts[slot] as number) + 1;
      }
    },

    result(): Interval[] {
      return Array.from({ length: intervals }, (_, i) => {
        const of = values.map((value, nth) => [value, counts[i * width + nth + 1] as number] as const);
        return {
          from: starts[i] as number,
          before: starts[i + 1] as number,
          count: counts[i * width] as number,
          by: new Map(of.filter(([, count]) => count > 0)),
        };
      });
    },
  };
}
