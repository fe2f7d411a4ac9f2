/** Finds in a `where` of Prisma the values that name one row. */
import type { Field, Model, Row } from './models.ts';

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
