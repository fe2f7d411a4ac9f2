/**
 * What PostgreSQL tells beside an error's message: in `detail` all values of a row that a constraint refuses, in
 * `where` the text that was read when it failed. Whose they are it does not say, and it says it in the language of the
 * server (`lc_messages`), so that neither names nor forms tell what is secret: what is not known to be harmless is taken
 * out as a whole. Pure.
 */
import type { Json, JsonObject } from '../base/json.ts';
import { REDACTED } from './secret-texts.ts';

/** As `23514`. All of PostgreSQL's have a digit, which `EPIPE` has not. */
const SQL_STATE = /^(?=.*\d)[\dA-Z]{5}$/;
/** Told of connections, locks, conflicts, objects and the limits of the server, and never of rows. */
const WITHOUT_VALUES = /^(?:08|25|40|42|53|55|57)|^2BP01$/;
/** What is said of a key, whose secrets are known by the names beside them; and how long it may be for that. */
const OF_KEY =
  / (?:already exists|conflicts with existing key|is not present in|is still referenced from|is referenced in)\b/;
const MOST_KEY_CHARS = 4_000;
/** Of each line. */
const HARMLESS_PLACE = /^(?:PL\/pgSQL function .* line \d+ at [\w ]+|SQL function "\w+" .*\d)$/;

/** Shorter ones are quoted nowhere, or are words of every day. */
const LEAST_QUOTED_CHARS = REDACTED.length;

export interface Detailless {
  readonly value: Json;
  /** The same of a text that may quote what was taken out. */
  withoutQuotes(text: string): string;
}

/** @param value of an error, without secrets already. */
export function withoutDetails(value: Json): Detailless {
  const taken = new Set<string>();
  const parted = mapped(value, (object) => partedFrom(object, taken));
  const quoted = [...taken].filter(({ length }) => length >= LEAST_QUOTED_CHARS);
  const withoutQuotes = (text: string) =>
    quoted.reduce((rest, detail) => rest.replaceAll(detail, REDACTED), text);
  return { value: quoted.length === 0 ? parted : textsIn(parted, withoutQuotes), withoutQuotes };
}

function partedFrom(object: JsonObject, taken: Set<string>): JsonObject {
  const { code, originalCode, detail, where } = object;
  const state = [code, originalCode].find((given) => typeof given === 'string' && SQL_STATE.test(given));
  if (typeof state !== 'string' || WITHOUT_VALUES.test(state)) return object;
  const parted: Record<string, Json> = {};
  if (typeof detail === 'string' && !isHarmless(detail)) {
    taken.add(detail);
    parted.detail = REDACTED;
  }
  if (typeof where === 'string' && !where.split('\n').every((line) => HARMLESS_PLACE.test(line))) {
    taken.add(where);
    parted.where = REDACTED;
  }
  return { ...object, ...parted };
}

function isHarmless(detail: string): boolean {
  if (detail === `Failing row contains ${REDACTED}`) return true;
  const isOfKey = detail.startsWith('Key (') && detail.includes(')=') && OF_KEY.test(detail);
  return isOfKey && detail.length <= MOST_KEY_CHARS && !/[\r\n]/.test(detail);
}

/** With other objects in their places, from the innermost out. */
function mapped(value: Json, change: (object: JsonObject) => JsonObject): Json {
  if (typeof value !== 'object' || value === null) return value;
  if (isList(value)) return value.map((item) => mapped(item, change));
  return change(
    Object.fromEntries(Object.entries(value).map(([name, member]) => [name, mapped(member, change)])),
  );
}

function textsIn(value: Json, change: (text: string) => string): Json {
  if (typeof value === 'string') return change(value);
  if (typeof value !== 'object' || value === null) return value;
  if (isList(value)) return value.map((item) => textsIn(item, change));
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, textsIn(member, change)]));
}

/** What `Array.isArray` does not tell of lists that are read only. */
function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}
