/**
 * Events as CloudEvents 1.0 in its JSON format (cloudevents.io), both ways.
 *
 *     CloudEvent                       ours, there and back      another's, on its way in
 *     id                               id                        id, derived from time, source and id;
 *                                                                without a time, from these two
 *     source                           /eventree/<journal>       privatePayload.cloudEvent.source
 *     type                             type                      type
 *     subject                          resource                  resource if it is written type/id;
 *                                                                else payload { subject, data }
 *     time                             occurredAt                occurredAt
 *     data                             { message, attributes,    payload
 *                                        payload, privatePayload }
 *     category, severity, actor,       as they are named         correlationid: correlationId;
 *     activeclaim, sessionid,                                    all others: privatePayload.cloudEvent
 *     correlationid, parentid,
 *     visibletoactor
 *
 * What has no place of its own in an event is kept under `privatePayload.cloudEvent`, the original id too:
 * nothing of another system's event is lost. An attribute that is null is one that is left out, and text that
 * no attribute may hold, with control characters, goes into `data` under our own name for it.
 */
import { parseResourceRef } from '../access/resource-ref.ts';
import { EventreeError } from '../base/errors.ts';
import type { Json, JsonObject } from '../base/json.ts';
import type { PlainEvent } from '../client/event.ts';

/** An event as a line says it: not checked yet, and perhaps without an id. */
export interface SaidEvent {
  readonly event: JsonObject;
  /** What the id follows from, with the time, where there is none: the same in every import. */
  readonly name: string | null;
}

const SOURCE = '/eventree/';
const MAX_CORRELATION_CHARS = 255;

/** Names of extension attributes are lower-case letters and digits. */
const EXTENSIONS = {
  category: 'category',
  severity: 'severity',
  actor: 'actor',
  activeclaim: 'activeClaim',
  sessionid: 'sessionId',
  correlationid: 'correlationId',
  parentid: 'parentId',
  visibletoactor: 'visibleToActor',
} as const;

const OWN_DATA = ['message', 'attributes', 'payload', 'privatePayload'] as const;
const FROM_DATA: readonly string[] = [...OWN_DATA, ...Object.values(EXTENSIONS)];

/** CloudEvents 1.0, 3.1 "Type system", String. */
const NOT_IN_ATTRIBUTES = /[\p{Cc}\p{Noncharacter_Code_Point}]/u;

export function toCloudEvent(event: PlainEvent): Readonly<Record<string, unknown>> {
  const { id, journal, type, resource: subject, occurredAt: time } = event;
  const context = { specversion: '1.0', id, source: SOURCE + journal, type, subject, time };
  const extensions: Record<string, string | true | undefined> = {};
  const data: Record<string, unknown> = Object.fromEntries(OWN_DATA.map((name) => [name, event[name]]));
  for (const [name, field] of Object.entries(EXTENSIONS)) {
    const value = event[field];
    if (typeof value === 'string' && NOT_IN_ATTRIBUTES.test(value)) data[field] = value;
    else extensions[name] = value;
  }
  // JSON leaves out what is undefined.
  return { ...context, datacontenttype: 'application/json', ...extensions, data };
}

/** @throws BAD_USER_INPUT */
export function fromCloudEvent(said: JsonObject): SaidEvent {
  const line = Object.fromEntries(
    Object.entries(said).filter(([name, value]) => value !== null || name === 'data'),
  );
  const { specversion, source, id, type } = line;
  if (specversion !== '1.0') throw bad('It is no CloudEvent of version 1.0: its `specversion` is another.');
  for (const [name, value] of Object.entries({ id, source, type })) {
    if (typeof value !== 'string' || value === '')
      throw bad(`A CloudEvent has a \`${name}\`, which is text.`);
  }
  return String(source).startsWith(SOURCE) ? fromOwn(line) : fromAnother(line);
}

/** The same event that `toCloudEvent` was given. */
function fromOwn(line: JsonObject): SaidEvent {
  const { specversion: _, datacontenttype: __, id, source, type, subject, time, data, ...rest } = line;
  const event: Record<string, Json> = { id: id as Json, type: type as Json };
  event.journal = String(source).slice(SOURCE.length);
  if (subject !== undefined) event.resource = subject;
  if (time !== undefined) event.occurredAt = time;
  for (const [name, value] of Object.entries(rest)) {
    const field = Object.hasOwn(EXTENSIONS, name) ? EXTENSIONS[name as keyof typeof EXTENSIONS] : null;
    if (field === null) throw bad(`A CloudEvent of Eventree has no attribute ${JSON.stringify(name)}.`);
    event[field] = value;
  }
  if (typeof data !== 'object' || data === null || Array.isArray(data)) {
    throw bad('The `data` of a CloudEvent of Eventree is an object.');
  }
  for (const [name, value] of Object.entries(data)) {
    if (!FROM_DATA.includes(name)) {
      throw bad(`The \`data\` of a CloudEvent of Eventree has no ${JSON.stringify(name)}.`);
    }
    event[name] = value;
  }
  return { event, name: null };
}

function fromAnother(line: JsonObject): SaidEvent {
  const { specversion: _, type, subject, time, data, correlationid, ...rest } = line;
  const { source, id, data_base64 } = rest;
  const left: Record<string, Json> = { ...rest };
  delete left.data_base64;
  if (left.datacontenttype === 'application/json') delete left.datacontenttype;

  const event: Record<string, Json> = { type: type as Json };
  if (time !== undefined) event.occurredAt = time;
  if (typeof correlationid === 'string' && correlationid.length <= MAX_CORRELATION_CHARS) {
    event.correlationId = correlationid;
  } else if (correlationid !== undefined) {
    left.correlationid = correlationid;
  }
  const content = data_base64 === undefined ? (data ?? null) : { data_base64 };
  if (isResource(subject)) event.resource = subject;
  const isHomeless = subject !== undefined && !isResource(subject);
  event.payload = isHomeless ? { subject, data: content } : content;
  event.privatePayload = { cloudEvent: left };
  // A source holds no blank (it is a URI): no two pairs make the same name.
  return { event, name: `${String(source)} ${String(id)}` };
}

function isResource(subject: Json | undefined): subject is string {
  try {
    parseResourceRef(subject);
    return true;
  } catch {
    return false;
  }
}

function bad(sentence: string): EventreeError {
  return new EventreeError('BAD_USER_INPUT', sentence);
}
