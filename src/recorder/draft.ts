/**
 * From what an application says of an event to the event as it is recorded: with its id, its place and what it takes
 * over from its call, without secrets, and with what is private in its private payload.
 */
import { parseDateTime } from '../base/date-time.ts';
import type { Json } from '../base/json.ts';
import { isUuid7 } from '../base/uuid7.ts';
import type { NewEvent } from '../client/event.ts';
import type { PlacedEvent } from '../outbox/parcel.ts';
import { RecorderError } from './errors.ts';
import { newId } from './id.ts';
import { isNamed, isNaming, namesGiven } from './pairs.ts';
import { isStub, PRIVATE, REDACTED, type Redactor } from './redact.ts';
import type { AddedEvent } from './scope.ts';
import { addChild, type Node, type NodeKind, newNode } from './tree.ts';

/** What events take over from their call where they do not say otherwise. */
export interface Inherited {
  readonly journal?: string;
  readonly actor?: string | null;
  readonly activeClaim?: string | null;
  readonly sessionId?: string | null;
  readonly correlationId?: string | null;
  readonly visibleToActor?: boolean;
}

type Writable = { -readonly [Name in keyof PlacedEvent]: PlacedEvent[Name] } & Record<string, unknown>;

/** An event and its ready-made children, which are kept as it is. */
export function draftNode(
  kind: NodeKind,
  event: AddedEvent,
  parentId: string | null,
  always: boolean,
  inherited: Inherited,
  redactor: Redactor,
): Node {
  const node = newNode(kind, draftEvent(event, parentId, inherited, redactor), always);
  for (const child of event.children ?? []) {
    addChild(node, draftNode('leaf', child, node.event.id, always, inherited, redactor));
  }
  return node;
}

function draftEvent(
  event: AddedEvent | NewEvent,
  parentId: string | null,
  inherited: Inherited,
  redactor: Redactor,
): PlacedEvent {
  const said = event as Readonly<Record<string, unknown>>;
  // What is said last stands; its place and what is not the event's own come after it.
  const placed: Writable = { ...inherited, id: '', type: event.type };
  for (const name in said) if (said[name] !== undefined && !OWN.has(name)) placed[name] = said[name];
  if (event.id == null) {
    // By the id, it occurred now.
    placed.id = newId();
  } else {
    if (!isUuid7(event.id)) {
      const given = JSON.stringify(event.id);
      throw new RecorderError(
        'BAD_INPUT',
        `An event's id is a UUID of version 7, and not ${given}: leave it out.`,
      );
    }
    placed.id = event.id;
    placed.occurredAt ??= new Date().toISOString();
  }
  if (parentId !== null) placed.parentId = parentId;
  if (typeof placed.message === 'string') placed.message = redactor.text(placed.message);
  return Object.assign(placed, safeContents(event, redactor));
}

/** Not taken over as they are: the recorder's own, or given by the place. */
const OWN: ReadonlySet<string> = new Set(['always', 'children', 'parentId', 'journal', 'id']);

/** What an event tells beside its envelope. */
export interface Contents {
  readonly attributes?: Readonly<Record<string, unknown>> | null | undefined;
  readonly payload?: unknown;
  readonly privatePayload?: unknown;
}

export interface SafeContents {
  attributes?: Record<string, Json>;
  payload?: Json;
  privatePayload?: Json;
}

/**
 * The same without secrets. What is private stands in the private payload, by where it was: `{ params: { iban: … },
 * payload: { 'card.number': … } }`.
 */
export function safeContents(
  { attributes, payload, privatePayload }: Contents,
  redactor: Redactor,
): SafeContents {
  const safe: SafeContents = {};
  const apart: Record<string, Json> = {};
  if (attributes != null) safe.attributes = safeAttributes(attributes, redactor, apart);
  if (payload != null) {
    const split = redactor.split(payload);
    safe.payload = split.open ?? null;
    if (split.apart !== null) apart.payload = split.apart;
  }
  if (privatePayload != null) safe.privatePayload = redactor.json(privatePayload) ?? null;
  const isParted = Object.keys(apart).length > 0;
  if (isParted) safe.privatePayload = joined(safe.privatePayload, apart);
  return safe;
}

/**
 * A private payload with more in it; what both have is as the later says. One that has no names of its own, or has a
 * value where the other has some, stands below `given`.
 */
export function joined(before: unknown, more: Readonly<Record<string, Json>>): Json {
  if (before === undefined || before === null) return more;
  const both = isRecord(before) ? Object.keys(more).filter((name) => Object.hasOwn(before, name)) : [];
  const fits = isRecord(before) && both.every((name) => isRecord(before[name]) && isRecord(more[name]));
  if (!fits) return { given: before as Json, ...more };
  const merged = both.map((name) => [name, { ...(before[name] as object), ...(more[name] as object) }]);
  return { ...before, ...more, ...Object.fromEntries(merged) };
}

function isRecord(value: unknown): value is Readonly<Record<string, Json>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Of what another attribute names. They are JSON, and may be a stub; of what kind a `value` is nobody knows here. */
const STUBBED: ReadonlySet<string> = new Set(['old', 'new']);

/** Built-in attributes that are named like secrets and are none. */
const NO_SECRETS: ReadonlySet<string> = new Set(['token_subject', 'token_issued_before']);
const REFERENCE = /^[A-Za-z][\w.-]{0,63}\/\S/;

/**
 * One that is private by its own name is left out, as one that is declared so is for who may not see it: a stub might
 * not be of its kind. One that is named like a secret is a stub where its value shows that it may be a text, and left
 * out elsewhere. What stands in all others may hold some.
 */
function safeAttributes(
  given: Readonly<Record<string, unknown>>,
  redactor: Redactor,
  apart: Record<string, Json>,
): Record<string, Json> {
  const attributes: Record<string, Json> = {};
  const names = Object.keys(given);
  const about = names
    .filter(isNaming)
    .flatMap((name) => namesGiven(name, given[name]))
    .find((name) => isHidden(name, redactor));
  for (const name of names) {
    const value = given[name];
    const isStubbed = STUBBED.has(name);
    if (about !== undefined && value != null && isNamed(name)) {
      const { open, apart: hidden } = hiddenBy(about, value, redactor);
      if (isStubbed) attributes[name] = open;
      if (hidden !== null) apart[name] = hidden;
    } else if (value != null && redactor.isSecret(name) && !NO_SECRETS.has(name)) {
      if (takesStub(value)) attributes[name] = REDACTED;
    } else if (redactor.isPrivate(name)) {
      const hidden = isStub(value) ? null : redactor.json(value);
      if (hidden != null) apart[name] = hidden;
    } else {
      const { open, apart: hidden } = redactor.split(value);
      if (open !== undefined) attributes[name] = open;
      if (hidden !== null) apart[name] = hidden;
    }
  }
  return attributes;
}

/** Whether the attribute is of a kind that holds texts, for all that is known here. */
function takesStub(value: unknown): boolean {
  return typeof value === 'string' && parseDateTime(value) === null && !REFERENCE.test(value);
}

function isHidden(name: string, redactor: Redactor): boolean {
  return redactor.isSecret(name) || redactor.isPrivate(name);
}

function hiddenBy(name: string, value: unknown, redactor: Redactor): { open: string; apart: Json | null } {
  if (redactor.isSecret(name)) return { open: REDACTED, apart: null };
  if (isStub(value)) return { open: value, apart: null };
  return { open: PRIVATE, apart: redactor.json({ [name]: value }) ?? null };
}
