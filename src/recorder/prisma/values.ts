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

/** In PostgreSQL's own text, of which it knows the type by the column. */
export function textOf(value: unknown, labels: Field['labels']): string {
  if (value instanceof Date) return value.toISOString();
  if (ArrayBuffer.isView(value)) {
    return `\\x${Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('hex')}`;
  }
  return labels?.get(String(value)) ?? String(value);
}
