/**
 * What an application hands over, made fit to be recorded: JSON of anything, without what is named like a secret or
 * looks like one, and never longer than a limit. What is named private is taken apart. Pure, and never throws: what an
 * application's own objects do when they are looked at must not reach the function that is being recorded.
 */
import type { Json } from '../base/json.ts';
import { secretNames } from './secret-names.ts';
import { cleanText, PRIVATE, REDACTED, safeText } from './secret-texts.ts';
import { isStub, type Limits, NO_NAMES, stubsFor, Walk } from './walk.ts';

export { cleanText, isStub, PRIVATE, REDACTED };

export interface RedactOptions {
  /** Further names of secrets: `iban`, `dateOfBirth`. */
  readonly secrets?: readonly string[];
  /** Names of what only owners see. */
  readonly private?: readonly string[];
  /** How long the JSON of a value may be, in characters; 16,384. What is longer is cut to a marked stub. */
  readonly maxValueChars?: number;
}

export interface Redactor {
  /** Whether values of this name are secrets. */
  isSecret(name: string): boolean;
  /** Whether values of this name are for owners only. */
  isPrivate(name: string): boolean;
  /** Text without secrets, and without what it gives a private name. What is longer than this many characters is cut to a marked stub. */
  text(text: string, mostChars?: number): string;
  /** JSON of the value, without secrets; undefined for what has none, as a function. */
  json(value: unknown): Json | undefined;
  /** The same with what is private, at any depth, apart: by its path, `card.number`. A text that holds some is apart as a whole. */
  split(value: unknown): Split;
  /** Whether the JSON of the value is whole: nothing of it is cut for its length. */
  fits(value: unknown): boolean;
  /** A redactor to which values of these names are private too. */
  withPrivate(names: readonly string[]): Redactor;
}

export interface Split {
  readonly open: Json | undefined;
  /** Null where there are none. */
  readonly apart: Readonly<Record<string, Json>> | null;
}

export const MAX_VALUE_CHARS = 16_384;

export function createRedactor({
  secrets = [],
  private: names = [],
  maxValueChars = MAX_VALUE_CHARS,
}: RedactOptions = {}): Redactor {
  return redactorOf({ isSecret: secretNames(secrets), most: maxValueChars }, new Set(names));
}

function redactorOf(limits: Limits, names: ReadonlySet<string>): Redactor {
  const { isSecret } = limits;
  const stubFor = stubsFor(isSecret, names);
  return {
    isSecret,
    isPrivate: (name) => names.has(name),
    text: (text, mostChars = Number.POSITIVE_INFINITY) => safeText(text, mostChars, stubFor),
    json: (value) => new Walk(limits, NO_NAMES).start(value),
    split(value) {
      const walk = new Walk(limits, names);
      const open = walk.start(value);
      return { open, apart: walk.apart };
    },
    fits: (value) => new Walk(limits, names).fits(value),
    withPrivate: (more) => redactorOf(limits, new Set([...names, ...more])),
  };
}
