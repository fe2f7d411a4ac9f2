/**
 * How long a result is as JSON, as `JSON.stringify` would write it, without writing it: a result may be as large as it
 * likes, and the call that has it shall not wait. Looks at each value once and in the same order, so that what an
 * application's getters, `toJSON` and proxies do is done no more often than that would.
 */
import { types } from 'node:util';

/** Beyond these it is not told. To get there takes a few milliseconds. */
export const MOST_VALUES = 20_000;
export const MOST_CHARS = 1_000_000;
const MOST_DEPTH = 100;

/**
 * Characters of JSON; of bytes their number. Null for what has no JSON, as undefined, a function, a BigInt or what
 * comes back to itself, and for what has more than 20,000 values, 1,000,000 characters or 100 levels. Never throws.
 */
export function lengthOf(result: unknown): number | null {
  if (ArrayBuffer.isView(result)) return result.byteLength;
  try {
    return new Measure().length('', result);
  } catch {
    return null;
  }
}

/** Ends the walk: there is no length, or none that is told. */
class Unmeasured extends Error {}

/** One result on its way to a length. */
class Measure {
  private values = MOST_VALUES;
  private chars = MOST_CHARS;
  private readonly above: object[] = [];

  /** Null for what JSON leaves out. */
  length(key: string | number, given: unknown): number | null {
    if (--this.values < 0) throw new Unmeasured();
    const value = unboxed(this.translated(key, given));
    switch (typeof value) {
      case 'string':
        return this.text(value);
      case 'number':
        return this.take(Number.isFinite(value) ? String(value).length : 4);
      case 'boolean':
        return this.take(value ? 4 : 5);
      case 'object':
        return value === null ? this.take(4) : this.object(value);
      case 'bigint':
        throw new Unmeasured();
      default:
        return null;
    }
  }

  /** Says it itself, by `toJSON`. Of a Buffer that would be a list of all of its bytes. */
  private translated(key: string | number, value: unknown): unknown {
    if ((typeof value !== 'object' || value === null) && typeof value !== 'bigint') return value;
    const { toJSON } = value as { readonly toJSON?: unknown };
    if (typeof toJSON !== 'function') return value;
    if (toJSON === Buffer.prototype.toJSON && ArrayBuffer.isView(value)) this.checkRoom(value.byteLength);
    return toJSON.call(value, String(key));
  }

  private object(value: object): number {
    const { above } = this;
    if (above.length >= MOST_DEPTH || above.includes(value)) throw new Unmeasured();
    above.push(value);
    const length = Array.isArray(value) ? this.list(value) : this.record(value);
    above.pop();
    return length;
  }

  private list(items: readonly unknown[]): number {
    const count = items.length;
    let length = this.take(2 + Math.max(0, count - 1));
    for (let i = 0; i < count; i++) length += this.length(i, items[i]) ?? this.take(4);
    return length;
  }

  private record(value: object): number {
    // The names alone of all that it holds would take as long.
    if (types.isTypedArray(value)) this.checkRoom(value.length);
    const names = Object.keys(value);
    let length = this.take(2);
    let isFirst = true;
    for (const name of names) {
      const member = this.length(name, (value as Record<string, unknown>)[name]);
      if (member === null) continue;
      length += member + this.text(name) + this.take(isFirst ? 1 : 2);
      isFirst = false;
    }
    return length;
  }

  private text(text: string): number {
    if (text.length > this.chars) throw new Unmeasured();
    return this.take(ESCAPED.test(text) ? JSON.stringify(text).length : text.length + 2);
  }

  private checkRoom(values: number): void {
    if (values > this.values) throw new Unmeasured();
  }

  private take(chars: number): number {
    this.chars -= chars;
    if (this.chars < 0) throw new Unmeasured();
    return chars;
  }
}

/** What JSON may not write as it is: control characters, of which it takes some, and halves of surrogate pairs. */
const ESCAPED = /["\\\p{Cc}\p{Cs}]/u;

/** JSON takes `new Number(1)` for 1. */
function unboxed(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !types.isBoxedPrimitive(value)) return value;
  if (types.isNumberObject(value)) return Number(value);
  if (types.isStringObject(value)) return String(value);
  return types.isSymbolObject(value) ? value : value.valueOf();
}
