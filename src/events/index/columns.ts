/**
 * Columns beside the bit maps: what events are counted by. For each chunk of 4,096 positions and each field one row,
 * with an entry for every position from the chunk's first one on, as far as the chunk is indexed:
 *
 *     occurredAt   7 bytes, big-endian: milliseconds since 0001-01-01, and one; 0 where there is no event
 *     the others   2 bytes, big-endian: place in the row's dictionary, from 1; 0 where there is no value
 *
 * Seven bytes hold every time that the API takes (years 1 to 9999 are more than 2^48 ms), and a chunk has at most
 * 4,096 different values. Values stand in the dictionary in the order in which they first occur, so a chunk that is
 * indexed in several steps reads as one that was indexed at once, and as the migration that made the first ones.
 *
 * A row that is missing or too short was left so by a server of before there were columns, which indexed while this
 * one was running already: then the events are asked.
 */
import type pg from 'pg';
import { EARLIEST_TIME } from '../../base/date-time.ts';
import { textArray } from '../../db/binary-array.ts';
import type { Event } from '../event.ts';
import { EVENT_TYPES, type EventRow } from '../row.ts';
import { CHUNK_SIZE, chunkOf, ordinalOf, positionOf } from './bits.ts';

export const COLUMN_FIELDS = ['occurredAt', 'type', 'category', 'severity', 'resource', 'actor'] as const;
export type ColumnField = (typeof COLUMN_FIELDS)[number];
export type CodedField = Exclude<ColumnField, 'occurredAt'>;

/** What of an event stands in columns. */
export type ColumnEvent = Pick<Event, ColumnField>;
type PlacedEvent = ColumnEvent & Pick<Event, 'position'>;

export interface Column {
  readonly dictionary: readonly string[];
  readonly codes: Buffer;
}

/** Of one chunk, those that were asked for. */
export type Columns = ReadonlyMap<ColumnField, Column>;

const TIME_BYTES = 7;
const CODE_BYTES = 2;
const NO_EVENT = 0;
/** Of the year 1, so that no event has NO_EVENT. */
const TIME_ZERO = EARLIEST_TIME - 1;

const widthOf = (field: ColumnField) => (field === 'occurredAt' ? TIME_BYTES : CODE_BYTES);

/**
 * @param places how many the column has.
 * @param before what it held up to now, in its first places.
 * @param placeOf of an event, from 0.
 */
export function encodeColumn<T extends Partial<ColumnEvent>>(
  field: ColumnField,
  events: readonly T[],
  placeOf: (event: T, nth: number) => number,
  places: number,
  before: Column = NOTHING,
): Column {
  const codes = Buffer.alloc(places * widthOf(field), NO_EVENT);
  before.codes.copy(codes);
  if (field === 'occurredAt') {
    events.forEach((event, nth) => {
      writeTime(codes, placeOf(event, nth) * TIME_BYTES, (event.occurredAt as number) - TIME_ZERO);
    });
    return { dictionary: [], codes };
  }
  const known = new Map(before.dictionary.map((value, i) => [value, i + 1]));
  events.forEach((event, nth) => {
    const value = event[field] ?? null;
    if (value === null) return;
    let code = known.get(value);
    if (code === undefined) {
      code = known.size + 1;
      known.set(value, code);
    }
    codes.writeUInt16BE(code, placeOf(event, nth) * CODE_BYTES);
  });
  return { dictionary: [...known.keys()], codes };
}
const NOTHING: Column = { dictionary: [], codes: Buffer.alloc(0) };

const HIGH = 2 ** 32;

function writeTime(codes: Buffer, at: number, time: number): void {
  codes.writeUIntBE(Math.floor(time / HIGH), at, TIME_BYTES - 4);
  codes.writeUInt32BE(time % HIGH, at + TIME_BYTES - 4);
}

/** Milliseconds since 1970; NaN where there is no event. */
export function decodeTimes({ codes }: Column): Float64Array {
  const times = new Float64Array(codes.length / TIME_BYTES);
  for (let i = 0, at = 0; i < times.length; i++, at += TIME_BYTES) {
    const high = ((codes[at] as number) << 16) | ((codes[at + 1] as number) << 8) | (codes[at + 2] as number);
    const low =
      ((codes[at + 3] as number) << 24) |
      ((codes[at + 4] as number) << 16) |
      ((codes[at + 5] as number) << 8) |
      (codes[at + 6] as number);
    const time = high * HIGH + (low >>> 0);
    times[i] = time === NO_EVENT ? Number.NaN : time + TIME_ZERO;
  }
  return times;
}

/** Places in the dictionary, from 1; 0 for none. */
export function decodeCodes({ codes }: Column): Uint16Array {
  const places = new Uint16Array(codes.length / CODE_BYTES);
  for (let i = 0; i < places.length; i++) {
    places[i] = ((codes[i * CODE_BYTES] as number) << 8) | (codes[i * CODE_BYTES + 1] as number);
  }
  return places;
}

/** Adds events of one chunk to its columns. @param from the first position that is indexed now, `to` the last. */
export async function writeColumns(
  client: pg.PoolClient,
  journalId: number,
  events: readonly PlacedEvent[],
  from: number,
  to: number,
): Promise<void> {
  const chunk = chunkOf(from);
  const places = ordinalOf(to) + 1;
  const known = ordinalOf(from);
  const stored = known === 0 ? undefined : await readStored(client, journalId, COLUMN_FIELDS, [chunk]);
  const before = stored?.get(chunk);
  const isWhole = known === 0 || (before !== undefined && reaches(before, COLUMN_FIELDS, known));
  const added = isWhole ? events : await readEvents(client, journalId, positionOf(chunk, 0), to);

  const columns = COLUMN_FIELDS.map((field) => {
    const column = isWhole ? before?.get(field) : undefined;
    return encodeColumn(
      field,
      added,
      ({ position }) => ordinalOf(position),
      places,
      column && { ...column, codes: column.codes.subarray(0, known * widthOf(field)) },
    );
  });
  const row = (nth: number) => `($1, $${nth * 3 + 3}, $2, $${nth * 3 + 4}, $${nth * 3 + 5})`;
  await client.query({
    name: 'columns-write',
    text: `insert into event_column (journal_id, field, chunk, dictionary, codes)
      values ${COLUMN_FIELDS.map((_, nth) => row(nth)).join(', ')}
      on conflict (journal_id, field, chunk)
        do update set dictionary = excluded.dictionary, codes = excluded.codes`,
    values: [
      journalId,
      chunk,
      ...columns.flatMap(({ dictionary, codes }, nth) => [
        COLUMN_FIELDS[nth],
        textArray(dictionary, (value) => value),
        codes,
      ]),
    ],
  });
}

/**
 * The columns of each of the chunks.
 *
 * @param last position up to which they are needed, which is indexed.
 */
export async function readColumns(
  pool: pg.Pool,
  journalId: number,
  fields: readonly ColumnField[],
  chunks: readonly number[],
  last: number,
): Promise<Map<number, Columns>> {
  if (fields.length === 0) return new Map(chunks.map((chunk) => [chunk, new Map()]));
  const found = new Map<number, Columns>(await readStored(pool, journalId, fields, chunks));
  for (const chunk of chunks) {
    const places = Math.min(CHUNK_SIZE, last - chunk * CHUNK_SIZE);
    const stored = found.get(chunk);
    if (stored !== undefined && reaches(stored, fields, places)) continue;
    const first = positionOf(chunk, 0);
    const events = await readEvents(pool, journalId, first, first + places - 1);
    const placeOf = ({ position }: PlacedEvent) => ordinalOf(position);
    found.set(chunk, new Map(fields.map((field) => [field, encodeColumn(field, events, placeOf, places)])));
  }
  return found;
}

async function readStored(
  pool: pg.Pool | pg.PoolClient,
  journalId: number,
  fields: readonly ColumnField[],
  chunks: readonly number[],
): Promise<Map<number, Map<ColumnField, Column>>> {
  // JSON is parsed many times faster than an array's own text.
  const { rows } = await pool.query<Column & { field: ColumnField; chunk: number }>({
    name: 'columns-read',
    text: `select chunk, field, to_json(dictionary) as dictionary, codes from event_column
      where journal_id = $1 and field = any($2) and chunk = any($3::int4[])`,
    values: [journalId, fields, chunks],
  });
  const found = new Map<number, Map<ColumnField, Column>>();
  for (const { chunk, field, dictionary, codes } of rows) {
    const columns = found.get(chunk) ?? new Map<ColumnField, Column>();
    columns.set(field, { dictionary, codes });
    found.set(chunk, columns);
  }
  return found;
}

function reaches(columns: Columns, fields: readonly ColumnField[], places: number): boolean {
  return fields.every((field) => (columns.get(field)?.codes.length ?? -1) >= places * widthOf(field));
}

/** From one position to another, of one chunk. */
async function readEvents(
  pool: pg.Pool | pg.PoolClient,
  journalId: number,
  from: number,
  to: number,
): Promise<PlacedEvent[]> {
  const { rows } = await pool.query<EventRow>({
    name: 'columns-events',
    text: `select e.position, e.occurred_at, e.type, e.category, e.severity, e.resource, e.actor from event e
      where e.journal_id = $1 and e.position between $2 and $3
        and e.id >= (select min_id from journal_chunk where journal_id = $1 and chunk = $4)
        and e.id <= (select max_id from journal_chunk where journal_id = $1 and chunk = $4)
      order by e.position`,
    values: [journalId, from, to, chunkOf(from)],
    types: EVENT_TYPES,
  });
  return rows.map(({ occurred_at, ...row }) => ({ ...row, occurredAt: occurred_at }));
}
