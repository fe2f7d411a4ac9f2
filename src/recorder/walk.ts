/**
 * One value on its way to JSON: without secrets, what is private apart, and never longer than a limit. What an
 * application's own objects do when they are looked at does not come out of it.
 */
import type { Json } from '../base/json.ts';
import { isNamed, isNaming, nameBefore, namesGiven } from './pairs.ts';
import type { IsSecret } from './secret-names.ts';
import {
  cleanText,
  PRIVATE,
  REDACTED,
  STUB_CHARS,
  type StubFor,
  safeText,
  withoutSecrets,
} from './secret-texts.ts';

export const CIRCULAR = '[circular]';
export const DEEP = '[deep]';
export const UNREADABLE = '[unreadable]';

/** What stands for a value that was taken out. */
export function isStub(value: unknown): value is string {
  return value === PRIVATE || value === REDACTED;
}

export interface Limits {
  readonly isSecret: IsSecret;
  /** How long the JSON may be, in characters. */
  readonly most: number;
}

export const NO_NAMES: ReadonlySet<string> = new Set();

/** @param names of what is private. */
export function stubsFor(isSecret: IsSecret, names: ReadonlySet<string>): StubFor {
  return (name) => (isSecret(name) ? REDACTED : names.has(name) ? PRIVATE : null);
}

const MAX_DEPTH = 12;
/** How much of a value is looked at, in its limits: what was cut has been looked at too. */
const MOST_WORK = 4;

/** Too long: whoever can puts a stub in its place. */
const OVER = Symbol('over');
type Walked = Json | undefined | typeof OVER;

export class Walk {
  /** What is private, by its path; null where there is none. */
  apart: Record<string, Json> | null = null;
  private readonly isSecret: IsSecret;
  private readonly most: number;
  private readonly names: ReadonlySet<string>;
  private left: number;
  private work: number;
  private readonly above: object[];
  private readonly stubFor: StubFor;
  private readonly stubForSecret: StubFor;
  /** Walks what is private, which has a limit of its own, and is whole. */
  private inner: Walk | null = null;
  private isCut = false;

  constructor({ isSecret, most }: Limits, names: ReadonlySet<string>, above: object[] = []) {
    this.isSecret = isSecret;
    this.most = most;
    this.names = names;
    this.left = most;
    this.work = most * MOST_WORK;
    this.above = above;
    this.stubFor = stubsFor(isSecret, names);
    this.stubForSecret = stubsFor(isSecret, NO_NAMES);
  }

  start(value: unknown): Json | undefined {
    const walked = this.guarded(value, '');
    const isOver = walked === OVER;
    if ((isOver || this.isCut) && this.names.size > 0) this.gather(value);
    return isOver ? this.stub(value) : walked;
  }

  /** Whether all of it has room. */
  fits(value: unknown): boolean {
    return this.guarded(value, '') !== OVER && !this.isCut;
  }

  /** What was cut may hold what is private: it is looked for once more, with more room. */
  private gather(value: unknown): void {
    const { isSecret, names, most } = this;
    const wider = new Walk({ isSecret, most: most * MOST_WORK }, names);
    wider.inner = new Walk({ isSecret, most }, NO_NAMES, wider.above);
    wider.guarded(value, '');
    if (wider.apart !== null) this.apart = wider.apart;
  }

  private keepApart(value: unknown, path: string): void {
    const { isSecret, most, above } = this;
    this.inner ??= new Walk({ isSecret, most }, NO_NAMES, above);
    if (!this.inner.spend(path.length + 4)) return;
    const whole = this.inner.withStub(value, '');
    if (whole === OVER || whole === undefined) return;
    this.apart ??= {};
    define(this.apart, path, whole);
  }

  /** What an object does when it is looked at is its own. */
  private guarded(value: unknown, path: string): Walked {
    const depth = this.above.length;
    try {
      return this.walk(value, path);
    } catch {
      this.above.length = depth;
      return this.spend(UNREADABLE.length + 2) ? UNREADABLE : OVER;
    }
  }

  private walk(value: unknown, path: string): Walked {
    switch (typeof value) {
      case 'string':
        return this.string(value, path);
      case 'number':
        return this.number(value);
      case 'boolean':
        return this.spend(5) ? value : OVER;
      case 'bigint':
        return this.text(String(value));
      case 'object':
        return value === null ? (this.spend(4) ? null : OVER) : this.object(value, path);
      default:
        return undefined;
    }
  }

  /** Looked through where there is room for it only. */
  private string(value: string, path: string): Walked {
    if (!this.spend(value.length + 2)) return OVER;
    const safe = withoutSecrets(value, this.stubFor);
    const isParted = this.names.size > 0 && safe !== value && safe.includes(PRIVATE);
    if (isParted && safe !== withoutSecrets(value, this.stubForSecret)) {
      this.keepApart(value, path === '' ? 'text' : path);
    }
    const isLonger = safe.length > value.length;
    return isLonger && !this.spend(safe.length - value.length) ? OVER : cleanText(safe);
  }

  private number(value: number): Walked {
    if (!Number.isFinite(value)) return this.spend(4) ? null : OVER;
    // It has been rounded already where it lies beyond 2^53; as a number the API would refuse it, unless it is so
    // large that nobody meant it to be exact.
    if (Number.isInteger(value) && !Number.isSafeInteger(value) && Math.abs(value) < 1e21)
      return this.text(String(value));
    // JSON has no -0.
    return this.spend(8) ? value + 0 : OVER;
  }

  private text(text: string): Walked {
    return this.spend(text.length + 2) ? text : OVER;
  }

  private object(value: object, path: string): Walked {
    const { above } = this;
    if (above.includes(value)) return this.text(CIRCULAR);
    if (value instanceof Date) {
      return Number.isNaN(value.getTime()) ? null : this.text(value.toISOString());
    }
    if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) {
      return this.text(`<${value.byteLength} bytes>`);
    }
    if (above.length >= MAX_DEPTH) return this.text(DEEP);
    above.push(value);
    const walked = this.members(value, path);
    above.pop();
    return walked;
  }

  private members(value: object, path: string): Walked {
    if (Array.isArray(value)) return this.list(value, path);
    if (value instanceof Set) return this.list([...value], path);
    if (value instanceof Map) {
      return this.record([...value.keys()].map(String), [...value.values()], path);
    }
    if (value instanceof Error) {
      const own = Object.keys(value);
      return this.record(
        ['name', 'message', ...own],
        [value.name, value.message, ...own.map((name) => readFrom(value, name))],
        path,
      );
    }
    const { toJSON } = value as { toJSON?: unknown };
    if (typeof toJSON === 'function') return this.guarded(toJSON.call(value, ''), path);
    const names = Object.keys(value);
    if (names.length === 0 && isOfEntries(value)) {
      const lists = listed(value);
      return this.record([...lists.keys()], [...lists.values()], path);
    }
    return this.record(names, value, path);
  }

  private list(items: readonly unknown[], path: string): Walked {
    if (!this.spend(2)) return OVER;
    const list: Json[] = [];
    for (let i = 0; i < items.length; i++) {
      if (!this.spend(1)) return OVER;
      const name = this.nameInList(items, i);
      const at = this.below(path, String(i));
      const walked = name === null ? this.guarded(items[i], at) : this.member(name, items[i], at);
      if (walked === OVER) return OVER;
      list.push(walked ?? null);
    }
    return list;
  }

  /** By which the item is hidden: `[['authorization', …]]`, or the header or the option before it. */
  private nameInList(items: readonly unknown[], place: number): string | null {
    const around = this.above.at(-2);
    const isPair = items.length === 2 && (Array.isArray(around) || around instanceof Set);
    const name = isPair && place === 1 ? items[0] : nameBefore(items, place);
    return typeof name === 'string' && this.isHidden(name) ? name : null;
  }

  /** @param values in the order of the names, or an object that has them. */
  private record(names: readonly string[], values: object, path: string): Walked {
    if (!this.spend(2)) return OVER;
    const record: Record<string, Json> = {};
    const numbers = new Map<string, number>();
    for (let i = 0; i < names.length; i++) {
      const name = names[i] as string;
      const value = readFrom(values, Array.isArray(values) ? String(i) : name);
      if (value === undefined) continue;
      if (!this.spend(name.length + 4)) return OVER;
      const key = freeKey(record, cleanText(withoutSecrets(name, this.stubFor)), numbers);
      if (key.length > name.length && !this.spend(key.length - name.length)) return OVER;
      const called = (isNamed(name) ? this.nameBeside(names, values) : null) ?? name;
      const walked = this.member(called, value, this.below(path, key));
      if (walked === OVER) return OVER;
      if (walked === undefined) continue;
      if (key === '__proto__') define(record, key, walked);
      else record[key] = walked;
    }
    return record;
  }

  /** By which the values of an object are hidden: `{ name: 'authorization', value: … }`. */
  private nameBeside(names: readonly string[], values: object): string | null {
    for (let i = 0; i < names.length; i++) {
      const member = names[i] as string;
      if (!isNaming(member)) continue;
      const given = readFrom(values, Array.isArray(values) ? String(i) : member);
      const hidden = namesGiven(member, given).find((name) => this.isHidden(name));
      if (hidden !== undefined) return hidden;
    }
    return null;
  }

  private isHidden(name: string): boolean {
    return this.stubFor(name) !== null;
  }

  private member(name: string, value: unknown, path: string): Walked {
    if (value !== null && this.isSecret(name)) return this.text(REDACTED);
    if (this.names.has(name) && !isStub(value)) {
      this.keepApart(value, path);
      return this.text(PRIVATE);
    }
    return this.withStub(value, path);
  }

  /** A member that is too long is cut by itself; its neighbours stay, while there is room. */
  private withStub(value: unknown, path: string): Walked {
    const { left } = this;
    const depth = this.above.length;
    const walked = this.guarded(value, path);
    if (walked !== OVER) return walked;
    this.above.length = depth;
    this.left = left;
    this.isCut = true;
    return this.work > 0 ? this.text(this.stub(value)) : OVER;
  }

  private stub(value: unknown): string {
    if (typeof value === 'string') return safeText(value, STUB_CHARS, this.stubFor);
    return `[cut: more than ${this.most} characters of JSON]`;
  }

  private below(path: string, name: string): string {
    if (this.names.size === 0) return '';
    return path === '' ? name : `${path}.${name}`;
  }

  /** @returns whether there was as much left. */
  private spend(chars: number): boolean {
    this.work -= Math.min(chars, this.left) + 1;
    if (chars > this.left || this.work < 0) return false;
    this.left -= chars;
    return true;
  }
}

/** What has its entries behind methods: as an object it is empty. */
function isOfEntries(value: object): value is Headers | URLSearchParams | FormData {
  return value instanceof Headers || value instanceof URLSearchParams || value instanceof FormData;
}

/** A name may come more than once: `tag=a&tag=b`. */
function listed(value: Headers | URLSearchParams | FormData): Map<string, unknown> {
  const lists = new Map<string, unknown>();
  for (const [name, one] of value as Iterable<[string, unknown]>) {
    const before = lists.get(name);
    if (before === undefined) lists.set(name, one);
    else if (Array.isArray(before)) before.push(one);
    else lists.set(name, [before, one]);
  }
  return lists;
}

/** Names that differ in their secrets alone become the same: the second is `[redacted] (2)`. */
function freeKey(record: Record<string, Json>, key: string, numbers: Map<string, number>): string {
  if (!Object.hasOwn(record, key)) return key;
  let number = numbers.get(key) ?? 2;
  while (Object.hasOwn(record, `${key} (${number})`)) number++;
  numbers.set(key, number);
  return `${key} (${number})`;
}

function readFrom(holder: object, name: string): unknown {
  try {
    return (holder as Record<string, unknown>)[name];
  } catch {
    return UNREADABLE;
  }
}

/** As a value of its own also where the name is `__proto__`. */
function define(record: Record<string, Json>, name: string, value: Json): void {
  Object.defineProperty(record, name, { value, enumerable: true, writable: true, configurable: true });
}
