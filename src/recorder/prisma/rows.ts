/**
 * Reads rows as they stand, and locks them where they are about to change: what was read before an update is only
 * the old value while nobody else can write in between. Prisma itself has no locks, so these are statements of
 * SQL; values come back in the types that Prisma's own queries answer.
 */
import type { Run } from '../../outbox/statement.ts';
import { RecorderError } from '../errors.ts';
import type { Field, Model, Relation, Row } from './models.ts';

/** A way to run statements, and in which forms values come back by it: Prisma's own, or those of its driver. */
export interface Statements {
  readonly run: Run;
  readonly forms: 'prisma' | 'driver';
}

/**
 * `shared`: nobody else changes it. `whole`: nor does anybody begin to refer to it, so that what refers to it is
 * all there is.
 */
export type Lock = 'none' | 'shared' | 'whole';

const CLAUSES: Readonly<Record<Lock, string>> = {
  none: '',
  shared: ' for no key update of t',
  whole: ' for update of t',
};

export interface Reading {
  readonly statements: Statements;
  readonly model: Model;
  /** Which fields to read. */
  readonly fields: Iterable<string>;
  readonly lock: Lock;
  /** More rows than that are refused. */
  readonly most: number;
}

/** Rows in which the fields have the values of one of `tuples`, in the order of their keys. */
export async function rowsWith(
  reading: Reading,
  names: readonly string[],
  tuples: readonly Row[],
): Promise<Row[]> {
  const { model } = reading;
  const fields = names.map((name) => fieldOf(model, name));
  const full = tuples.filter((tuple) => fields.every(({ name }) => tuple[name] != null));
  if (full.length === 0) return [];
  if (full.length === 1) {
    const conditions = fields.map(({ column }, i) => `t.${column} = $${i + 1}`);
    const isOne = model.uniques.some((unique) => unique.every((name) => names.includes(name)));
    return read(reading, `where ${conditions.join(' and ')}`, tupleOf(fields, full[0] as Row), isOne);
  }
  // The table's own row type knows what the columns are, whatever Prisma calls them.
  const columns = fields.map(({ column }) => `t.${column} = k.${column}`);
  const distinct = new Set(full.map((tuple) => JSON.stringify(columnsOf(fields, tuple))));
  return read(
    reading,
    `join jsonb_populate_recordset(null::${model.table}, $1::jsonb) k on ${columns.join(' and ')}`,
    [`[${[...distinct].join(',')}]`],
  );
}

/** Rows that a relation of `from` leads to. */
export async function rowsRelated(
  reading: Reading,
  from: Model,
  relation: Relation,
  rows: readonly Row[],
): Promise<Row[]> {
  const { through, own, others } = relation;
  if (typeof through === 'string') {
    return rowsWith(
      reading,
      others,
      rows.map((row) => Object.fromEntries(others.map((other, i) => [other, row[own[i] as string]]))),
    );
  }
  if (rows.length === 0) return [];
  const [ours, theirs] = [keyField(from), keyField(reading.model)];
  return read(
    reading,
    `where t.${theirs.column} in (
       select j.${through.other} from ${through.table} j
       join jsonb_populate_recordset(null::${from.table}, $1::jsonb) k on k.${ours.column} = j.${through.own}
     )`,
    [JSON.stringify(rows.map((row) => columnsOf([ours], row)))],
  );
}

/** All rows of the table. */
export function allRows(reading: Reading): Promise<Row[]> {
  return read(reading, '', []);
}

/** Whether a row was locked since it was written: an insert that found it there has done so. */
export async function bearsLock(run: Run, model: Model, row: Row): Promise<boolean> {
  const fields = model.key.map((name) => fieldOf(model, name));
  const conditions = fields.map(({ column }, i) => `t.${column} = $${i + 1}`);
  const [found] = await run<{ locked: boolean }>(
    `select t.xmax::text <> '0' as locked from ${model.table} t where ${conditions.join(' and ')}`,
    tupleOf(fields, row),
  );
  return found?.locked ?? false;
}

async function read(
  reading: Reading,
  which: string,
  values: readonly string[],
  isOne = false,
): Promise<Row[]> {
  const { statements, model, lock, most } = reading;
  const fields = [...reading.fields].map((name) => fieldOf(model, name));
  // In the order of their keys, so that two who lock several do not wait for each other.
  const order = model.key.map((name) => `t.${fieldOf(model, name).column}`);
  const some = isOne ? '' : ` order by ${order.join(', ')} limit ${most + 1}`;
  const found = await statements.run<Record<string, unknown>>(
    `select ${fields.map(selected).join(', ')} from ${model.table} t ${which}${some}${CLAUSES[lock]}`,
    values,
  );
  if (found.length > most) throw tooMany(model, most);
  return found.map((row) =>
    Object.fromEntries(
      fields.map((field) => [field.name, decoded(field, row[field.name], statements.forms)]),
    ),
  );
}

export function tooMany(model: Model, most: number): RecorderError {
  return new RecorderError(
    'BAD_INPUT',
    `More than ${most} rows of ${model.name} are concerned, each of which would be an event: do it in parts, or set maxRows.`,
  );
}

// Lists of an enum are a type that adapters do not know.
function selected({ name, column, labels, list }: Field): string {
  const cast = labels === null ? '' : list ? '::text[]' : '::text';
  return `t.${column}${cast} as "${name}"`;
}

/** As Prisma's own queries answer it. */
function decoded(field: Field, value: unknown, forms: Statements['forms']): unknown {
  const one = (item: unknown) => decodedOne(field, item, forms);
  if (!field.list) return one(value);
  // To Prisma, a list is empty and never null.
  return Array.isArray(value) ? value.map(one) : [];
}

function decodedOne({ type, labels }: Field, value: unknown, forms: Statements['forms']): unknown {
  if (value === null || value === undefined) return null;
  if (labels !== null) return [...labels].find(([, label]) => label === value)?.[0] ?? value;
  if (type === 'Int') return Number(value);
  return forms === 'driver' ? fromDriver(type, value) : value;
}

/** As Prisma does it with what its driver answers, but for decimals, of which it has a class of its own. */
function fromDriver(type: string, value: unknown): unknown {
  switch (type) {
    case 'BigInt':
      return BigInt(value as string);
    case 'Decimal':
      return new Numeric(String(value));
    case 'DateTime':
      return new Date(TIME.test(String(value)) ? `1970-01-01T${value}Z` : String(value));
    case 'Json':
      return JSON.parse(String(value));
    case 'Bytes':
      return new Uint8Array(value as Uint8Array);
    default:
      return value;
  }
}

const TIME = /^\d\d:/;

/** A decimal number of any length, written as Prisma writes its own. */
export class Numeric {
  private readonly text: string;

  constructor(text: string) {
    // `10.50` is `10.5`, and `3.00` is `3`.
    this.text = text.includes('.') ? text.replace(/\.?0+$/, '') : text;
  }

  toFixed(): string {
    return this.text;
  }

  toString(): string {
    return this.text;
  }
}

function columnsOf(fields: readonly Field[], row: Row): Record<string, unknown> {
  const texts = tupleOf(fields, row);
  return Object.fromEntries(fields.map(({ columnName }, i) => [columnName, texts[i]]));
}

/** In PostgreSQL's own texts, of which it knows the type by the column. */
function tupleOf(fields: readonly Field[], row: Row): string[] {
  return fields.map(({ labels, name }) => textOf(row[name], labels));
}

function textOf(value: unknown, labels: Field['labels']): string {
  if (value instanceof Date) return value.toISOString();
  if (ArrayBuffer.isView(value)) {
    return `\\x${Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('hex')}`;
  }
  return labels?.get(String(value)) ?? String(value);
}

function keyField(model: Model): Field {
  return fieldOf(model, model.key[0] as string);
}

function fieldOf(model: Model, name: string): Field {
  return model.fields.get(name) as Field;
}

const UUID = /^[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}$/i;
const WHOLE = /^-?\d{1,18}$/;

/**
 * The values by which a `where` names one row, or null where it takes Prisma to find it. Conditions beside them
 * are left out: there is no other row with these values.
 */
export function uniqueIn(model: Model, where: unknown): Row | null {
  if (!isRecord(where)) return null;
  const values: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(where)) {
    const field = model.fields.get(name);
    if (field !== undefined) {
      if (isPlain(field, value)) values[name] = value;
    } else if (isRecord(value) && !model.relations.has(name)) {
      // Several fields together, under a name of their own: `row_place: { row: 1, place: 2 }`.
      for (const [part, inner] of Object.entries(value)) {
        const partField = model.fields.get(part);
        if (partField !== undefined && isPlain(partField, inner)) values[part] = inner;
      }
    }
  }
  const unique = model.uniques.find((names) => names.every((name) => name in values));
  return unique === undefined ? null : Object.fromEntries(unique.map((name) => [name, values[name]]));
}

/** Whether PostgreSQL is sure to take the value's text for the column's type: a statement that fails ends a transaction. */
function isPlain({ type, native, list, labels }: Field, value: unknown): boolean {
  if (list || value == null) return false;
  if (labels !== null) return labels.has(String(value));
  switch (type) {
    case 'String':
      if (typeof value !== 'string' || value.includes('\0')) return false;
      return native === 'Uuid'
        ? UUID.test(value)
        : native === null || native === 'Text' || native === 'VarChar';
    case 'Int':
      return native === null && Number.isInteger(value) && Math.abs(value as number) < 2 ** 31;
    case 'BigInt':
      return (typeof value === 'bigint' || Number.isSafeInteger(value)) && WHOLE.test(String(value));
    case 'DateTime':
      return native !== 'Time' && native !== 'Timetz' && value instanceof Date && isUsual(value);
    default:
      return false;
  }
}

function isUsual(date: Date): boolean {
  const year = date.getUTCFullYear();
  return year > 0 && year < 10_000;
}

export function isRecord(given: unknown): given is Record<string, unknown> {
  if (typeof given !== 'object' || given === null) return false;
  const prototype: unknown = Object.getPrototypeOf(given);
  return prototype === Object.prototype || prototype === null;
}
