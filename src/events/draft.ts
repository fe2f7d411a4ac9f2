/**
 * An event on its way into the journal: what a recorder sent, checked against its type and brought into
 * the form in which it will be stored. Pure: the registry, the principal and the limits come in, drafts
 * or a refusal come out.
 */
import { createHmac } from 'node:crypto';
import type { Claim } from '../access/claim.ts';
import type { Principal } from '../access/principal.ts';
import type { ResourceRef } from '../access/resource-ref.ts';
import { EventreeError } from '../base/errors.ts';
import { checkText, type Json, type JsonObject, jsonEquals } from '../base/json.ts';
import { parseAttributeValue } from './attribute.ts';
import type { Category, Event, EventId, Position, Severity } from './event.ts';
import { derivedEventId, newEventId, parseNewEventId, timeOf, toEventId } from './id.ts';
import { type EnvelopeValues, type Message, plainMessage, renderMessage } from './message.ts';
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
  /** This and the next: checked at the door (`checkJson`), as all that is `Json`. */
  readonly payload?: Maybe<Json>;
  readonly privatePayload?: Maybe<Json>;
  readonly visibleToActor?: Maybe<boolean>;
  readonly children?: Maybe<readonly RecordEventInput[]>;
}

/** An event on its way. */
export interface Draft {
  /** Complete but for its place: `path`, `position` and `recordedAt` are given by `place`. */
  readonly event: Event;
  readonly attributesText: string;
  /** The nearest ancestor that is kept; null for a root. */
  readonly parentId: EventId | null;
  /** Where in the batch it stands. */
  readonly place: Place;
  /** As it came: what was left to defaults is not compared when the id is recorded again. */
  readonly input: RecordEventInput;
}

/** Where in a batch an event stands. */
interface Place {
  /** Of its tree among the batch's trees. */
  readonly index: number;
  /** Among its siblings. */
  readonly nth: number;
  readonly above: Draft | null;
}

export interface DraftLimits {
  readonly maxBatchEvents: number;
  readonly maxTreeEvents: number;
  readonly maxTreeDepth: number;
  readonly maxEventBytes: number;
  readonly maxMessageChars: number;
  readonly maxClockSkewMs: number;
}

const MAX_REFERENCE_CHARS = 255;

/** What the whole batch is judged by. */
interface Judge {
  readonly principal: Principal;
  readonly registry: Registry;
  readonly limits: DraftLimits;
  /** Of the installation: ids that are made from others follow from it too. */
  readonly idKey: Uint8Array;
  readonly nowMs: number;
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
  /** Events that are not kept, each with the one below which it would have stood. */
  const unkept = new Map<EventId, EventId | null>();

  const add = (input: RecordEventInput, place: Place, depth: number): void => {
    const draft = explained(place, () => {
      if (depth > limits.maxTreeDepth) throw tooMany(`A tree has at most ${limits.maxTreeDepth} levels.`);
      if (drafts.length >= limits.maxTreeEvents) {
        throw tooMany(
          `A mutation records at most ${limits.maxTreeEvents} events, children counted: send several.`,
        );
      }
      checkJournal(input, journal, depth);
      return draftEvent(input, journal, place, judge, unkept);
    });
    drafts.push(draft);
    if (!draft.event.kept) unkept.set(draft.event.id, draft.parentId);
    input.children?.forEach((child, nth) => {
      add(child, { index: place.index, nth, above: draft }, depth + 1);
    });
  };

  inputs.forEach((input, index) => {
    add(input, { index, nth: index, above: null }, 1);
  });
  return drafts;
}

function draftEvent(
  input: RecordEventInput,
  journal: string,
  place: Place,
  judge: Judge,
  unkept: ReadonlyMap<EventId, EventId | null>,
): Draft {
  const { principal, registry, limits } = judge;
  const type = registry.type(input.type);
  const id = draftId(input, place, judge);
  const attributes = draftAttributes(input.attributes ?? {}, type);
  const attributesText = JSON.stringify(attributes);
  const payload = draftPayload(input.payload);
  const privatePayload = draftPayload(input.privatePayload);
  checkSize(attributesText, payload, privatePayload, limits);
  const envelope: EnvelopeValues = {
    type: type.name,
    resource: input.resource ?? null,
    actor: input.actor ?? principal.subject,
    activeClaim: input.activeClaim ?? null,
    sessionId: reference(input.sessionId, 'sessionId'),
    correlationId: reference(input.correlationId, 'correlationId'),
  };
  const { message, maskedMessage } = draftMessage(input, type, envelope, attributes, judge);
  const event: Event = {
    id,
    journal,
    position: UNPLACED,
    type: type.name,
    category: input.category ?? type.category,
    severity: input.severity ?? type.severity,
    message,
    maskedMessage,
    words: storedWords(message, maskedMessage),
    occurredAt: input.occurredAt ?? timeOf(id),
    recordedAt: 0,
    resource: input.resource ?? null,
    actor: input.actor ?? principal.subject,
    activeClaim: input.activeClaim ?? null,
    sessionId: envelope.sessionId,
    correlationId: envelope.correlationId,
    path: NO_ANCESTORS,
    attributes,
    payload,
    privatePayload,
    recordedBy: principal.subject,
    visibleToActor: input.visibleToActor ?? false,
    kept: type.enabled,
  };
  return { event, attributesText, parentId: draftParent(input, place.above, unkept), place, input };
}

const UNPLACED = 0 as Position;
const NO_ANCESTORS: readonly EventId[] = Object.freeze([]);

/** Gives an event its place, once it has one. */
export function place(
  { event }: Draft,
  path: readonly EventId[],
  position: Position,
  recordedAt: number,
): Event {
  return Object.assign(event, { path, position, recordedAt });
}

/** For people: `input[3].children[0]`. */
function placeName({ index, nth, above }: Place): string {
  return above === null ? `input[${index}]` : `${placeName(above.place)}.children[${nth}]`;
}

function draftMessage(
  input: RecordEventInput,
  { messageTemplate }: EventType,
  envelope: EnvelopeValues,
  attributes: JsonObject,
  { registry, limits }: Judge,
): Message {
  const rendered =
    messageTemplate === null
      ? null
      : renderMessage(messageTemplate, envelope, attributes, (name) => registry.isPrivate(name));
  const drafted =
    input.message == null || input.message === rendered?.message
      ? // An event that was exported brings its message along: it hides what it hid.
        (rendered ?? plainMessage(envelope))
      : { message: checkText(input.message, 'The message'), maskedMessage: null };
  if (drafted.message.length <= limits.maxMessageChars) return drafted;
  throw tooMany(
    `The message is longer than ${limits.maxMessageChars} characters: long text belongs into the payload.`,
  );
}

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
function draftId(input: RecordEventInput, { above, nth }: Place, judge: Judge): EventId {
  if (input.id != null) return parseNewEventId(input.id, judge.nowMs + judge.limits.maxClockSkewMs);
  if (above === null) return newEventId();
  // Keyed: who sees the parent must not be able to ask for a child by an id that they worked out.
  const name = createHmac('sha256', judge.idKey).update(`${above.event.id} ${nth}`).digest('hex');
  return derivedEventId(timeOf(above.event.id), name);
}

/** @param unkept of the same batch: a tree may be sent flat, each event with its parentId. */
function draftParent(
  input: RecordEventInput,
  above: Draft | null,
  unkept: ReadonlyMap<EventId, EventId | null>,
): EventId | null {
  const given = input.parentId == null ? null : toEventId(input.parentId);
  if (input.parentId != null && given === null) {
    throw new EventreeError(
      'NOT_FOUND',
      `There is no event ${JSON.stringify(input.parentId)} to record this one under.`,
    );
  }
  if (above === null) {
    const higher = given === null ? undefined : unkept.get(given);
    return higher === undefined ? given : higher;
  }
  if (given !== null && given !== above.event.id) {
    throw new EventreeError(
      'BAD_USER_INPUT',
      'A child belongs to the event it stands in: leave its parentId out.',
    );
  }
  return above.event.kept ? above.event.id : above.parentId;
}

function draftAttributes(given: JsonObject, type: EventType): JsonObject {
  const attributes: Record<string, Json> = {};
  for (const name of Object.keys(given)) {
    const value = given[name] as Json;
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

function draftPayload(value: Maybe<Json>): string | null {
  return value == null ? null : JSON.stringify(value);
}

function reference(value: Maybe<string>, name: string): string | null {
  if (value == null) return null;
  if (value.length > MAX_REFERENCE_CHARS)
    throw tooMany(`The ${name} is longer than ${MAX_REFERENCE_CHARS} characters.`);
  return checkText(value, `The ${name}`);
}

/** Whether recording the draft would say the same as the event that has its id, below these ancestors. */
export function saysTheSame(
  { event: draft, input, parentId }: Draft,
  event: Event,
  path: readonly EventId[],
): boolean {
  return (
    COMPARED.every((name) => draft[name] === event[name]) &&
    DEFAULTABLE.every((name) => input[name] == null || draft[name] === event[name]) &&
    parentId === (path.at(-1) ?? null) &&
    jsonEquals(draft.attributes, event.attributes) &&
    sameJson(draft.payload, event.payload) &&
    sameJson(draft.privatePayload, event.privatePayload)
  );
}

const COMPARED = [
  'journal',
  'type',
  'resource',
  'activeClaim',
  'sessionId',
  'correlationId',
  'visibleToActor',
] as const;
const DEFAULTABLE = ['category', 'severity', 'message', 'occurredAt', 'actor'] as const;

function sameJson(a: string | null, b: string | null): boolean {
  return a === b || (a !== null && b !== null && jsonEquals(JSON.parse(a), JSON.parse(b)));
}

function checkSize(
  attributes: string,
  payload: string | null,
  privatePayload: string | null,
  limits: DraftLimits,
): void {
  const { maxEventBytes } = limits;
  const chars = attributes.length + (payload?.length ?? 0) + (privatePayload?.length ?? 0);
  // A character takes at most three bytes of UTF-8: most events need not be counted out.
  if (chars * 3 <= maxEventBytes) return;
  const bytes =
    Buffer.byteLength(attributes) +
    Buffer.byteLength(payload ?? '') +
    Buffer.byteLength(privatePayload ?? '');
  if (bytes <= maxEventBytes) return;
  throw tooMany(
    `The event’s attributes and payloads are ${bytes} bytes of JSON, more than ${maxEventBytes}: keep large content elsewhere and refer to it.`,
  );
}

/** Adds to an error where in the batch it arose. */
export function explained<T>(where: Place, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw error instanceof EventreeError ? error.with({ at: placeName(where), index: where.index }) : error;
  }
}

function tooMany(sentence: string): EventreeError {
  return new EventreeError('LIMIT_EXCEEDED', sentence);
}
