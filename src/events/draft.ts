/**
 * An event on its way into the journal: what a recorder sent, checked against its type and brought into
 * the form in which it will be stored. Pure: the registry, the principal and the limits come in, drafts
 * or a refusal come out.
 */
import type { Claim } from '../access/claim.ts';
import type { Principal } from '../access/principal.ts';
import type { ResourceRef } from '../access/resource-ref.ts';
import { EventreeError } from '../base/errors.ts';
import { checkJson, checkText, type Json, type JsonObject, jsonEquals } from '../base/json.ts';
import { parseAttributeValue } from './attribute.ts';
import type { Category, Event, EventId, Severity } from './event.ts';
import { derivedEventId, newEventId, parseNewEventId, timeOf, toEventId } from './id.ts';
import { plainMessage, renderMessage } from './message.ts';
import type { EventType, Registry } from './registry.ts';
import { storedWords } from './words.ts';

type Maybe<T> = T | null | undefined;

export interface RecordEventInput {
  readonly id?: Maybe<string>;
  readonly journal: string;
  readonly type: string;
  readonly resource?: Maybe<ResourceRef>;
  readonly category?: Maybe<Category>;
  readonly severity?: Maybe<Severity>;
  readonly message?: Maybe<string>;
  /** Milliseconds since 1970. */
  readonly occurredAt?: Maybe<number>;
  readonly actor?: Maybe<Claim>;
  readonly activeClaim?: Maybe<Claim>;
  readonly sessionId?: Maybe<string>;
  readonly correlationId?: Maybe<string>;
  readonly parentId?: Maybe<string>;
  readonly attributes?: Maybe<JsonObject>;
  readonly payload?: Maybe<Json>;
  readonly privatePayload?: Maybe<Json>;
  readonly children?: Maybe<readonly RecordEventInput[]>;
}

/** An event without its place: the journal gives position and `recordedAt`, the parent the path. */
export interface Draft extends Omit<Event, 'position' | 'recordedAt' | 'path' | 'kept'> {
  readonly attributesText: string;
  /** The nearest ancestor that is kept; null for a root. */
  readonly parentId: EventId | null;
  /** Which of a batch it was, e.g. `input[3].children[0]`, for errors. */
  readonly at: string;
  /** Place of its tree in the batch. */
  readonly index: number;
  /** False for an event of a disabled type. */
  readonly kept: boolean;
  /** What was left to defaults, and is therefore not compared when the id is recorded again. */
  readonly defaulted: readonly (typeof DEFAULTABLE)[number][];
}

export interface DraftLimits {
  readonly maxBatchEvents: number;
  readonly maxTreeEvents: number;
  readonly maxTreeDepth: number;
  readonly maxEventBytes: number;
  readonly maxMessageChars: number;
  readonly maxClockSkewMs: number;
}

export const MAX_REFERENCE_CHARS = 255;

/** What the whole batch is judged by. */
interface Judge {
  readonly principal: Principal;
  readonly registry: Registry;
  readonly limits: DraftLimits;
  readonly nowMs: number;
}

/** Where in the batch an event stands. */
interface Place {
  readonly at: string;
  readonly index: number;
  readonly above: Draft | null;
  /** Among its siblings. */
  readonly nth: number;
}

/**
 * Checks a batch and its children and puts them into the order of the journal: each event before its
 * children, trees in the order in which they came.
 *
 * @throws with `index` and `at` of the event that is not accepted.
 */
export function draftEvents(inputs: readonly RecordEventInput[], judge: Judge): Draft[] {
  const { limits } = judge;
  if (inputs.length > limits.maxBatchEvents) {
    throw tooMany(
      `A batch holds at most ${limits.maxBatchEvents} events, children not counted: send several.`,
    );
  }
  const journal = inputs[0]?.journal ?? 'main';
  const drafts: Draft[] = [];

  const add = (input: RecordEventInput, place: Place, depth: number): void => {
    const draft = explained(place, () => {
      if (depth > limits.maxTreeDepth) throw tooMany(`A tree has at most ${limits.maxTreeDepth} levels.`);
      if (drafts.length >= limits.maxTreeEvents) {
        throw tooMany(
          `A mutation records at most ${limits.maxTreeEvents} events, children counted: send several.`,
        );
      }
      checkJournal(input, journal, depth);
      return draftEvent(input, journal, place, judge);
    });
    drafts.push(draft);
    input.children?.forEach((child, nth) => {
      add(child, { at: `${place.at}.children[${nth}]`, index: place.index, above: draft, nth }, depth + 1);
    });
  };

  inputs.forEach((input, index) => {
    add(input, { at: `input[${index}]`, index, above: null, nth: index }, 1);
  });
  return drafts;
}

function draftEvent(input: RecordEventInput, journal: string, place: Place, judge: Judge): Draft {
  const { principal, registry, limits } = judge;
  const type = registry.type(input.type);
  const id = draftId(input, place, judge.nowMs + limits.maxClockSkewMs);
  const attributes = draftAttributes(input.attributes ?? {}, type);
  const attributesText = JSON.stringify(attributes);
  const payload = draftPayload(input.payload, 'payload');
  const privatePayload = draftPayload(input.privatePayload, 'privatePayload');
  checkSize([attributesText, payload, privatePayload], limits);
  const envelope = {
    type: type.name,
    resource: input.resource ?? null,
    actor: input.actor ?? principal.subject,
    activeClaim: input.activeClaim ?? null,
    sessionId: reference(input.sessionId, 'sessionId'),
    correlationId: reference(input.correlationId, 'correlationId'),
  };
  const { message, maskedMessage } =
    input.message != null
      ? { message: checkText(input.message, 'The message'), maskedMessage: null }
      : type.messageTemplate === null
        ? plainMessage(envelope)
        : renderMessage(type.messageTemplate, envelope, attributes, (name) => registry.isPrivate(name));
  if (message.length > limits.maxMessageChars) {
    throw tooMany(
      `The message is longer than ${limits.maxMessageChars} characters: long text belongs into the payload.`,
    );
  }
  return {
    ...envelope,
    id,
    journal,
    category: input.category ?? type.category,
    severity: input.severity ?? type.severity,
    message,
    maskedMessage,
    words: storedWords(message, maskedMessage),
    occurredAt: input.occurredAt ?? timeOf(id),
    attributes,
    attributesText,
    payload,
    privatePayload,
    recordedBy: principal.subject,
    parentId: draftParent(input, place.above),
    at: place.at,
    index: place.index,
    kept: type.enabled,
    defaulted: DEFAULTABLE.filter((name) => input[name] == null),
  };
}

const DEFAULTABLE = ['category', 'severity', 'message', 'occurredAt', 'actor'] as const;

function checkJournal(input: RecordEventInput, journal: string, depth: number): void {
  // A child that names no journal carries the argument's default, `main`: it goes where its parent goes.
  if (input.journal === journal || (depth > 1 && input.journal === 'main')) return;
  throw new EventreeError(
    'BAD_USER_INPUT',
    `All events of one mutation belong to one journal, here ${journal}: send those of ${input.journal} by themselves.`,
  );
}

/**
 * A child without an id gets one that follows from its parent's and its place: recording the tree again
 * under the parent's id then adds nothing.
 */
function draftId(input: RecordEventInput, { above, nth }: Place, latestMs: number): EventId {
  if (input.id != null) return parseNewEventId(input.id, latestMs);
  return above === null ? newEventId() : derivedEventId(timeOf(above.id), `${above.id} ${nth}`);
}

function draftParent(input: RecordEventInput, above: Draft | null): EventId | null {
  const given = input.parentId == null ? null : toEventId(input.parentId);
  if (input.parentId != null && given === null) {
    throw new EventreeError(
      'NOT_FOUND',
      `There is no event ${JSON.stringify(input.parentId)} to record this one under.`,
    );
  }
  if (above === null) return given;
  if (given !== null && given !== above.id) {
    throw new EventreeError(
      'BAD_USER_INPUT',
      'A child belongs to the event it stands in: leave its parentId out.',
    );
  }
  return above.kept ? above.id : above.parentId;
}

function draftAttributes(given: JsonObject, type: EventType): JsonObject {
  const attributes: Record<string, Json> = {};
  for (const [name, value] of Object.entries(given)) {
    if (value === null) continue;
    const listed = type.attributes.find(({ attribute }) => attribute.name === name);
    if (listed === undefined) {
      throw new EventreeError(
        'UNKNOWN_ATTRIBUTE',
        `The event type ${type.name} has no attribute ${JSON.stringify(name)}: add it to the type, or put it into the payload.`,
        { attribute: name, type: type.name },
      );
    }
    attributes[name] = parseAttributeValue(listed.attribute, value);
  }
  for (const { attribute, required } of type.attributes) {
    if (!required || Object.hasOwn(attributes, attribute.name)) continue;
    throw new EventreeError(
      'ATTRIBUTE_REQUIRED',
      `An event of type ${type.name} needs the attribute ${attribute.name}.`,
      {
        attribute: attribute.name,
        type: type.name,
      },
    );
  }
  return attributes;
}

function draftPayload(value: Maybe<Json>, name: string): string | null {
  return value == null ? null : JSON.stringify(checkJson(value, `The ${name}`));
}

function reference(value: Maybe<string>, name: string): string | null {
  if (value == null) return null;
  if (value.length > MAX_REFERENCE_CHARS)
    throw tooMany(`The ${name} is longer than ${MAX_REFERENCE_CHARS} characters.`);
  return checkText(value, `The ${name}`);
}

/** Whether recording the draft would say the same as the event that has its id. */
export function saysTheSame(draft: Draft, event: Omit<Event, 'position' | 'recordedAt' | 'kept'>): boolean {
  return (
    COMPARED.every((name) => draft[name] === event[name]) &&
    DEFAULTABLE.every((name) => draft.defaulted.includes(name) || draft[name] === event[name]) &&
    draft.parentId === (event.path.at(-1) ?? null) &&
    jsonEquals(draft.attributes, event.attributes) &&
    sameJson(draft.payload, event.payload) &&
    sameJson(draft.privatePayload, event.privatePayload)
  );
}

const COMPARED = ['journal', 'type', 'resource', 'activeClaim', 'sessionId', 'correlationId'] as const;

function sameJson(a: string | null, b: string | null): boolean {
  return a === b || (a !== null && b !== null && jsonEquals(JSON.parse(a), JSON.parse(b)));
}

function checkSize(parts: readonly (string | null)[], { maxEventBytes }: DraftLimits): void {
  const bytes = parts.reduce((sum, text) => sum + (text === null ? 0 : Buffer.byteLength(text)), 0);
  if (bytes <= maxEventBytes) return;
  throw tooMany(
    `The event’s attributes and payloads are ${bytes} bytes of JSON, more than ${maxEventBytes}: keep large content elsewhere and refer to it.`,
  );
}

/** Adds to an error where in the batch it arose. */
function explained<T>({ at, index }: Place, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw error instanceof EventreeError ? error.with({ at, index }) : error;
  }
}

function tooMany(sentence: string): EventreeError {
  return new EventreeError('LIMIT_EXCEEDED', sentence);
}
