/** Values of rows: from what a database answers to what Prisma has for it, and back to the database's own texts. */
import type { Field } from './models.ts';

/** As Prisma's raw queries answer them, or as its driver does. */
export type Forms = 'prisma' | 'driver';

/** As Prisma's own queries answer it. */
export function decoded(field: Field, value: unknown, forms: Forms): unknown {
  const one = (item: unknown) => decodedOne(field, item, forms);
  if (!field.list) return one(value);
  // To Prisma, a list is empty and never null.
  return Array.isArray(value) ? value.map(one) : [];
}

function decodedOne({ type, labels }: Field, value: unknown, forms: Forms): unknown {
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
      return timeOf(String(value));
    case 'Json':
      return JSON.parse(String(value));
    case 'Bytes':
      return new Uint8Array(value as Uint8Array);
    default:
      return value;
  }
}

const TIME = /^\d\d:/;
/** `12026-01-02`, `12026-01-02T03:04:05+00:00`, `0044-03-15T12:00:00 BC+00:00`. */
const MOMENT = /^(\d{4,6})(-\d\d-\d\d)(?:T([\d:.]+))?/;

/** As Prisma has it, and where it has none, in its own text or as the date that there is for it. */
function timeOf(text: string): unknown {
  if (TIME.test(text)) return new Date(`1970-01-01T${text}Z`);
  const [, year = '', day, time = '00:00:00'] = MOMENT.exec(text) ?? [];
  const isBefore = text.includes('BC');
  if (year.length === 4 && !isBefore) return new Date(text);
  // There was no year 0: 1 BC is that to a computer.
  const signed = isBefore ? `-${String(Number(year) - 1).padStart(6, '0')}` : `+${year.padStart(6, '0')}`;
  const date = new Date(`${signed}${day}T${time}Z`);
  return isOdd(date) ? text.replace(/[+-]\d\d:\d\d$/, '') : date;
}

/** A time that Prisma has no value for, as infinity, and times BC or of a year beyond 9999. */
export function isOdd(value: unknown): boolean {
  return Array.isArray(value) ? value.some(isOdd) : value instanceof Date && Number.isNaN(value.getTime());
}

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

/** In PostgreSQL's own text, of which it knows the type by the column. */
export function textOf(value: unknown, labels: Field['labels']): string {
  if (value instanceof Date) return value.toISOString();
  if (ArrayBuffer.isView(value)) {
    return `\\x${Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('hex')}`;
  }
  return labels?.get(String(value)) ?? String(value);
}
