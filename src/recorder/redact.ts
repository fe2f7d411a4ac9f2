/**
 * What an application hands over, made fit to be recorded: JSON of anything, without what is named like a secret,
 * and never longer than a limit. Pure, and never throws: what an application's own objects do when they are looked
 * at must not reach the function that is being recorded.
 *
 * A name is a secret's by its words: `accessToken`, `x-api-key` and `DB_PASSWORD` are, `tokenizer`, `pinned` and
 * `monkey` are not.
 */
import type { Json } from '../base/json.ts';

export const REDACTED = '[redacted]';
export const PRIVATE = '[private]';
export const CIRCULAR = '[circular]';
export const DEEP = '[deep]';
export const UNREADABLE = '[unreadable]';

export interface RedactOptions {
  /** Further names of secrets: `iban`, `dateOfBirth`. */
  readonly secrets?: readonly string[];
  /** How long the JSON of a value may be, in characters; 16,384. What is longer is cut to a marked stub. */
  readonly maxValueChars?: number;
}

export interface Redactor {
  /** Whether values of this name are secrets. */
  isSecret(name: string): boolean;
  /** JSON of the value; undefined for what has none, as a function. */
  json(value: unknown): Json | undefined;
  /** The same with the values of these names, at any depth, apart: by their path, `card.number`. */
  split(value: unknown, names: ReadonlySet<string>): Split;
}

export interface Split {
  readonly open: Json | undefined;
  /** Null where there are none. */
  readonly apart: Readonly<Record<string, Json>> | null;
}

export const MAX_VALUE_CHARS = 16_384;
const MAX_DEPTH = 12;
/** What of a text is left where it is cut. */
const STUB_CHARS = 200;
/** How much of a value is looked at, in its limits: what was cut has been looked at too. */
const MOST_WORK = 4;
const MOST_REMEMBERED_NAMES = 10_000;

const SECRET_WORDS = [
  'password',
  'passwords',
  'passwd',
  'passphrase',
  'passcode',
  'pwd',
  'secret',
  'secrets',
  'token',
  'tokens',
  'authorization',
  'api key',
  'api keys',
  'access key',
  'private key',
  'signing key',
  'encryption key',
  'credential',
  'credentials',
  'cookie',
  'cookies',
  'jwt',
  'otp',
  'cvv',
  'cvc',
  'pin',
  'pass',
  'auth',
  'bearer',
  'session key',
  'master key',
  'hmac key',
  'ssh key',
  'secret key',
  'totp',
  'mfa code',
  'recovery code',
];
/** Long enough to be one at the end of a word that is written together: `authtoken`, `userpassword`. */
const SECRET_ENDINGS =
  /(?:password|passwd|passphrase|pwd|secret|secretkey|token|apikeys?|accesskey|privatekey|credentials?|cookies?)$/;

export function createRedactor({
  secrets = [],
  maxValueChars = MAX_VALUE_CHARS,
}: RedactOptions = {}): Redactor {
  const isSecret = secretNames(secrets);
  return {
    isSecret,
    json: (value) => new Walk(isSecret, maxValueChars, NO_NAMES).start(value),
    split(value, names) {
      const walk = new Walk(isSecret, maxValueChars, names);
      const open = walk.start(value);
      return { open, apart: walk.apart };
    },
  };
}

const NO_NAMES: ReadonlySet<string> = new Set();

/** Text that PostgreSQL and JSON can hold. */
export function cleanText(text: string): string {
  const whole = text.isWellFormed() ? text : text.toWellFormed();
  return whole.includes('\0') ? whole.replaceAll('\0', '\uFFFD') : whole;
}

/** `[cut: 70000 characters]`, behind what the text begins with. */
export function cutText(text: string, mostChars: number): string {
  if (text.length <= mostChars) return text;
  return `${text.slice(0, Math.min(STUB_CHARS, mostChars)).toWellFormed()}… [cut: ${text.length} characters]`;
}

function secretNames(further: readonly string[]): (name: string) => boolean {
  const sequences = [...SECRET_WORDS, ...further.map(wordsOf).filter((words) => words !== '')];
  const known = new Map<string, boolean>();
  return (name) => {
    const before = known.get(name);
    if (before !== undefined) return before;
    const words = ` ${wordsOf(name)} `;
    const is =
      sequences.some((sequence) => words.includes(` ${sequence} `)) ||
      // `passWord` and `pass_word` are one word too.
      [...words.split(' '), words.replaceAll(' ', '')].some((word) => SECRET_ENDINGS.test(word));
    if (known.size < MOST_REMEMBERED_NAMES) known.set(name, is);
    return is;
  };
}

/** `x-apiKey` → `x api key`, `DBPassword` → `db password` */
function wordsOf(name: string): string {
  return name
    .slice(0, STUB_CHARS)
    .replace(/(\p{Ll}|\p{N})(?=\p{Lu})/gu, '$1 ')
    .replace(/(\p{Lu})(?=\p{Lu}\p{Ll})/gu, '$1 ')
    .replace(/[^\p{L}]+/gu, ' ')
    .trim()
    .toLowerCase();
}

/** Too long: whoever can puts a stub in its place. */
const OVER = Symbol('over');
type Walked = Json | undefined | typeof OVER;

/** One value on its way to JSON. */
class Walk {
  apart: Record<string, Json> | null = null;
  private readonly isSecret: (name: string) => boolean;
  private readonly most: number;
  private readonly names: ReadonlySet<string>;
  private left: number;
  private work: number;
  private readonly above: object[] = [];

  constructor(isSecret: (name: string) => boolean, most: number, names: ReadonlySet<string>) {
    this.isSecret = isSecret;
    this.most = most;
    this.names = names;
    this.left = most;
    this.work = most * MOST_WORK;
  }

  start(value: unknown): Json | undefined {
    const walked = this.guarded(value, '');
    return walked === OVER ? this.stub(value) : walked;
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
        return this.spend(value.length + 2) ? cleanText(value) : OVER;
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
    return this.record(Object.keys(value), value, path);
  }

  private list(items: readonly unknown[], path: string): Walked {
    if (!this.spend(2)) return OVER;
    const list: Json[] = [];
    for (let i = 0; i < items.length; i++) {
      const walked = this.spend(1) ? this.guarded(items[i], this.below(path, String(i))) : OVER;
      if (walked === OVER) return OVER;
      list.push(walked ?? null);
    }
    return list;
  }

  /** @param values in the order of the names, or an object that has them. */
  private record(names: readonly string[], values: object, path: string): Walked {
    if (!this.spend(2)) return OVER;
    const record: Record<string, Json> = {};
    for (let i = 0; i < names.length; i++) {
      const name = names[i] as string;
      const value = readFrom(values, Array.isArray(values) ? String(i) : name);
      if (value === undefined) continue;
      const walked = this.spend(name.length + 4) ? this.member(name, value, this.below(path, name)) : OVER;
      if (walked === OVER) return OVER;
      if (walked === undefined) continue;
      const key = cleanText(name);
      if (key === '__proto__') define(record, key, walked);
      else record[key] = walked;
    }
    return record;
  }

  private member(name: string, value: unknown, path: string): Walked {
    if (value !== null && this.isSecret(name)) return this.text(REDACTED);
    if (this.names.has(name)) {
      const apart = this.withStub(value, path);
      if (apart === OVER) return OVER;
      if (apart !== undefined) {
        this.apart ??= {};
        define(this.apart, cleanText(path), apart);
      }
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
    return this.work > 0 ? this.text(this.stub(value)) : OVER;
  }

  private stub(value: unknown): string {
    if (typeof value === 'string') return cleanText(cutText(value, Math.min(this.most, STUB_CHARS)));
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
