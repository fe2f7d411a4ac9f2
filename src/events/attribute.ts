/**
 * Attributes: declared names with a kind. Values are checked and brought into one written form at the
 * door, so that equal values are equal text wherever they are compared afterwards: in the index, in SQL
 * and in memory.
 *
 *     STRING    text of at most 10,000 characters
 *     INTEGER   a whole number within ±(2^53 - 1)
 *     FLOAT     a finite number
 *     BOOLEAN   true or false
 *     DATETIME  RFC 3339; kept in UTC with milliseconds, whose text sorts as the time does
 *     RESOURCE  type/id
 *     JSON      anything; never indexed, compared as a whole
 */
import { parseResourceRef } from '../access/resource-ref.ts';
import { parseDateTime } from '../base/date-time.ts';
import { EventreeError } from '../base/errors.ts';
import { checkJson, checkText, type Json } from '../base/json.ts';

export const ATTRIBUTE_KINDS = [
  'STRING',
  'INTEGER',
  'FLOAT',
  'BOOLEAN',
  'DATETIME',
  'RESOURCE',
  'JSON',
] as const;
export type AttributeKind = (typeof ATTRIBUTE_KINDS)[number];

export interface Attribute {
  readonly name: string;
  readonly kind: AttributeKind;
  readonly description: string | null;
  readonly indexed: boolean;
  /** Shown to owners only. */
  readonly private: boolean;
  /** False while events from before it was declared indexed are still being added to the index. */
  readonly indexReady: boolean;
}

const MAX_STRING_CHARS = 10_000;

/**
 * The value in its written form.
 *
 * @throws ATTRIBUTE_KIND_MISMATCH, or BAD_USER_INPUT for what no kind can hold.
 */
export function parseAttributeValue({ name, kind }: Pick<Attribute, 'name' | 'kind'>, value: unknown): Json {
  switch (kind) {
    case 'STRING':
      if (typeof value !== 'string') break;
      if (value.length > MAX_STRING_CHARS) {
        throw new EventreeError(
          'LIMIT_EXCEEDED',
          `The attribute ${name} is longer than ${MAX_STRING_CHARS} characters: long text belongs into the payload.`,
          { attribute: name },
        );
      }
      return checkText(value, `The attribute ${name}`);
    case 'INTEGER':
      if (Number.isSafeInteger(value)) return (value as number) + 0;
      break;
    case 'FLOAT':
      // Adding 0 turns -0, which JSON cannot write, into 0.
      if (typeof value === 'number' && Number.isFinite(value)) return value + 0;
      break;
    case 'BOOLEAN':
      if (typeof value === 'boolean') return value;
      break;
    case 'DATETIME': {
      const ms = parseDateTime(value);
      if (ms !== null) return new Date(ms).toISOString();
      break;
    }
    case 'RESOURCE':
      try {
        return parseResourceRef(value);
      } catch {
        break;
      }
    case 'JSON':
      return checkJson(value, `The attribute ${name}`);
  }
  throw new EventreeError('ATTRIBUTE_KIND_MISMATCH', `The attribute ${name} must be ${EXPECTED[kind]}.`, {
    attribute: name,
    kind,
  });
}

const EXPECTED: Record<AttributeKind, string> = {
  STRING: 'a string',
  INTEGER: 'a whole number within ±(2^53 - 1); send larger ones as a STRING',
  FLOAT: 'a number',
  BOOLEAN: 'true or false',
  DATETIME: 'a date and time like 2026-11-20T23:18:04.123Z',
  RESOURCE: 'a reference like deployment/847a79a2',
  JSON: 'JSON',
};

/** Whether values of the kind have an order, for `gt`, `gte`, `lt` and `lte`. */
export function isOrdered(kind: AttributeKind): boolean {
  return kind === 'STRING' || kind === 'INTEGER' || kind === 'FLOAT' || kind === 'DATETIME';
}

/** Whether values of the kind are text, for `startsWith`. */
export function isText(kind: AttributeKind): boolean {
  return kind === 'STRING' || kind === 'RESOURCE';
}
