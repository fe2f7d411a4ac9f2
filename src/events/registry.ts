/**
 * The registry: which attributes and event types are declared, and which tokens are revoked: all that every
 * read and every append is judged by. A `Registry` is one version of it, whole and unchanging;
 * `registry-store.ts` keeps the version in force.
 *
 * Attributes are global, so `parent_group` and `child_group` are two attributes and each has one kind for
 * good: the index and stored events hold values written by it.
 */
import type { Revocations } from '../access/revocation.ts';
import { EventreeError } from '../base/errors.ts';
import type { Attribute } from './attribute.ts';
import type { Category, Severity } from './event.ts';

export interface EventType {
  readonly name: string;
  readonly description: string | null;
  readonly category: Category;
  readonly severity: Severity;
  readonly messageTemplate: string | null;
  readonly attributes: readonly EventTypeAttribute[];
  /** Events of a disabled type are accepted and not kept. */
  readonly enabled: boolean;
}

export interface EventTypeAttribute {
  readonly attribute: Attribute;
  readonly required: boolean;
}

const TYPE_FORM = /^[A-Za-z][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*$/;
const ATTRIBUTE_FORM = /^[A-Za-z][A-Za-z0-9_.-]*$/;
const MAX_TYPE_CHARS = 128;
const MAX_ATTRIBUTE_CHARS = 64;

export class Registry {
  readonly version: number;
  readonly attributes: ReadonlyMap<string, Attribute>;
  readonly types: ReadonlyMap<string, EventType>;
  readonly revocations: Revocations;

  constructor(
    version: number,
    attributes: readonly Attribute[],
    types: readonly EventType[],
    revocations: Revocations,
  ) {
    this.version = version;
    this.revocations = revocations;
    this.attributes = new Map(attributes.map((attribute) => [attribute.name, attribute]));
    this.types = new Map(types.map((type) => [type.name, type]));
  }

  /** An attribute that is no longer known is treated as private: fail closed. */
  isPrivate(name: string): boolean {
    return this.attributes.get(name)?.private ?? true;
  }

  /** @throws UNKNOWN_EVENT_TYPE */
  type(name: string): EventType {
    const type = this.types.get(name);
    if (type !== undefined) return type;
    throw new EventreeError(
      'UNKNOWN_EVENT_TYPE',
      `There is no event type ${quoted(name)}: declare it with defineEventType or in the declaration file.`,
      { type: name },
    );
  }

  /** @throws UNKNOWN_ATTRIBUTE */
  attribute(name: string): Attribute {
    const attribute = this.attributes.get(name);
    if (attribute !== undefined) return attribute;
    throw new EventreeError(
      'UNKNOWN_ATTRIBUTE',
      `There is no attribute ${quoted(name)}: declare it with defineAttribute or in the declaration file.`,
      { attribute: name },
    );
  }
}

/** @throws BAD_USER_INPUT */
export function checkTypeName(name: string): void {
  if (name.length <= MAX_TYPE_CHARS && TYPE_FORM.test(name)) return;
  throw new EventreeError(
    'BAD_USER_INPUT',
    `${quoted(name)} cannot name an event type: use words of letters, digits, _ and - joined by dots, as in deployment.start, at most ${MAX_TYPE_CHARS} characters.`,
  );
}

/** @throws BAD_USER_INPUT */
export function checkAttributeName(name: string): void {
  if (name.length <= MAX_ATTRIBUTE_CHARS && ATTRIBUTE_FORM.test(name)) return;
  throw new EventreeError(
    'BAD_USER_INPUT',
    `${quoted(name)} cannot name an attribute: begin with a letter and go on with letters, digits, _, - and dots, at most ${MAX_ATTRIBUTE_CHARS} characters.`,
  );
}

function quoted(name: string): string {
  return JSON.stringify(name.length > 80 ? `${name.slice(0, 80).toWellFormed()}…` : name);
}
