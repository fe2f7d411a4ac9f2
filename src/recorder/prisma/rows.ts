/**
 * Reads rows as they stand, and locks them where they are about to change: what was read before an update is only
 * the old value while nobody else can write in between. Prisma itself has no locks, so these are statements of
 * SQL; values come back in the types that Prisma's own queries answer.
 */
import type { Run } from '../../outbox/statement.ts';
import { RecorderError } from '../errors.ts';
import type { Field, Model, Relation, Row } from './models.ts';
import type { OldRow } from './old-row.ts';
import { decoded, type Forms, textOf } from './values.ts';

/** A way to run statements, and in which forms values come back by it. */
export interface Statements {
  readonly run: Run;
  readonly forms: Forms;
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

/**
 * A row as it was before a statement that changes it; null where only Prisma can make of it what is needed.
 *
 * @param read by a statement of its own.
 */
export function oldRowOf(reading: Reading, read: () => Promise<Row | null>): OldRow<Row> | null {
  const { model, statements } = reading;
  if (statements.forms === 'prisma') return null;
  const fields = [...reading.fields].map((name) => fieldOf(model, name));
  return {
    table: model.table,
    columns: (old) => fields.map((field) => expressionOf(field, old)),
    toRow: (values) =>
      Object.fromEntries(fields.map((field, i) => [field.name, decoded(field, values[i], 'driver')])),
    read,
  };
}

export function tooMany(model: Model, most: number): RecorderError {
  return new RecorderError(
    'BAD_INPUT',
    `More than ${most} rows of ${model.name} are concerned, each of which would be an event: do it in parts, or set maxRows.`,
  );
}

function selected(field: Field): string {
  return `${expressionOf(field, 't')} as "${field.name}"`;
}

// Lists of an enum are a type that adapters do not know, and of money they take the first character for its sign.
function expressionOf({ column, labels, native, list }: Field, table: string): string {
  const type = labels !== null ? 'text' : native === 'Money' ? 'numeric' : null;
  const cast = type === null ? '' : list ? `::${type}[]` : `::${type}`;
  return `${table}.${column}${cast}`;
}

function columnsOf(fields: readonly Field[], row: Row): Record<string, unknown> {
  const texts = tupleOf(fields, row);
  return Object.fromEntries(fields.map(({ columnName }, i) => [columnName, texts[i]]));
}

/** In PostgreSQL's own texts, of which it knows the type by the column. */
function tupleOf(fields: readonly Field[], row: Row): string[] {
  return fields.map(({ labels, name }) => textOf(row[name], labels));
}

function keyField(model: Model): Field {
  return fieldOf(model, model.key[0] as string);
}

function fieldOf(model: Model, name: string): Field {
  return model.fields.get(name) as Field;
}
