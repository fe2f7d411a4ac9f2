/**
 * JSON at the door: what the rest of the program may rely on about a value that came from outside.
 *
 * PostgreSQL's text and jsonb refuse U+0000 and lone surrogates; JSON.stringify overflows the stack at
 * about 20,000 levels; JSON.parse has rounded an integer beyond 2^53 before anyone sees it. Each is
 * refused here with a sentence, because storing something other than what was sent is worse.
 */
import { EventreeError } from './errors.ts';

export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export type JsonObject = { readonly [name: string]: Json };

const MAX_JSON_DEPTH = 64;

/**
 * Checks a parsed JSON value and returns it.
 *
 * @param where names the value in the sentence, e.g. `payload`.
 * @throws BAD_USER_INPUT where something in it cannot be stored as it is.
 */
export function checkJson(value: unknown, where: string, depth = 0): Json {
  switch (typeof value) {
    case 'string':
      return checkText(value, where);
    case 'boolean':
      return value;
    case 'number':
      if (!Number.isFinite(value)) throw bad(`${where} holds a number that JSON has no form for.`);
      // Beyond 1e21 JavaScript itself writes an exponent: nobody meant such a number as an exact integer.
      if (Number.isInteger(value) && !Number.isSafeInteger(value) && Math.abs(value) < 1e21) {
        throw bad(`${where} holds an integer beyond 2^53 - 1, which would be rounded: send it as a string.`);
      }
      return value;
    case 'object':
      break;
    default:
      throw bad(`${where} holds a value that is not JSON.`);
  }
  if (value === null) return null;
  if (depth >= MAX_JSON_DEPTH) {
    throw new EventreeError('LIMIT_EXCEEDED', `${where} is nested deeper than ${MAX_JSON_DEPTH} levels.`);
  }
  if (Array.isArray(value)) {
    for (const item of value) checkJson(item, where, depth + 1);
    return value;
  }
  const object = value as JsonObject;
  // By names: pairs would be a list for each, of which a batch has thousands.
  for (const name of Object.keys(object)) {
    checkText(name, where);
    checkJson(object[name], where, depth + 1);
  }
  return object;
}

/** Whether lists and objects lie within each other more than so many levels deep. */
export function isDeeperThan(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (levels === 0) return true;
  if (Array.isArray(value)) return value.some((item) => isDeeperThan(item, levels - 1));
  for (const name of Object.keys(value)) {
    if (isDeeperThan((value as Record<string, unknown>)[name], levels - 1)) return true;
  }
  return false;
}

/** @throws BAD_USER_INPUT for text with U+0000 or half a surrogate pair. */
export function checkText(text: string, where: string): string {
  if (text.includes('\0')) throw bad(`${where} holds the character U+0000, which cannot be stored.`);
  if (!text.isWellFormed()) throw bad(`${where} holds half a surrogate pair, which is not text.`);
  return text;
}

/** An object's own value under a name: `constructor` and its like are no values. */
export function ownValue(object: JsonObject, name: string): Json | undefined {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}

/** Whether two JSON values say the same: the order of an object's names does not count. */
export function jsonEquals(a: Json, b: Json): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false;
    return a.every((item, i) => jsonEquals(item, b[i] as Json));
  }
  const left = a as JsonObject;
  const right = b as JsonObject;
  const names = Object.keys(left);
  if (names.length !== Object.keys(right).length) return false;
  return names.every(
    (name) => Object.hasOwn(right, name) && jsonEquals(left[name] as Json, right[name] as Json),
  );
}

function bad(sentence: string): EventreeError {
  return new EventreeError('BAD_USER_INPUT', sentence);
}
