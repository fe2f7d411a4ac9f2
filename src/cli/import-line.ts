/**
 * A line of a file as an event to record, with an id that is the same whenever the line is imported.
 *
 *     the line has an id      that one; derived from it where the event goes into another journal than the
 *                             one it names, because an id stands for one event on a server
 *     another's CloudEvent    from its time, source and id
 *     neither                 from its time and content, and how many like it came before
 *
 * A line without any time gets an id at the beginning of time, and the moment of its first import.
 */
import { createHash } from 'node:crypto';
import { parseDateTime } from '../base/date-time.ts';
import { EventreeError } from '../base/errors.ts';
import { checkJson, type Json, type JsonObject } from '../base/json.ts';
import { derivedUuid7, isUuid7, timeOfUuid7 } from '../base/uuid7.ts';
import { CATEGORIES, SEVERITIES } from '../client/event.ts';
import { fromCloudEvent, type SaidEvent } from './cloud-event.ts';

export type Format = 'auto' | 'ndjson' | 'cloudevents';

/** A RecordEventInput of the API. */
export interface EventInput {
  readonly id: string;
  readonly journal: string;
  readonly type: string;
  readonly occurredAt?: string;
  readonly children?: readonly JsonObject[];
  readonly [field: string]: unknown;
}

export interface ParsedLine {
  readonly input: EventInput;
  /** Says neither by its id nor by itself when it happened. */
  readonly isTimeless: boolean;
}

export interface ParserOptions {
  readonly format: Format;
  /** Where all events go; left out: where each line says. */
  readonly journal?: string;
  /** Leave ids as they are, also in another journal: for another server. */
  readonly keepIds?: boolean;
  /** When events happened that do not say it. */
  readonly occurredAt?: string;
}

const TEXTS = new Set(
  'id journal type resource message occurredAt actor activeClaim sessionId correlationId parentId'.split(' '),
);
/** Fields of an answer, as `tail --json` prints them, that nobody can record. */
const ANSWERED = new Set(['cursor', 'recordedAt']);
/** No line is sent that would overflow the stack; how deep values may be, the server says. */
const DEEPER_BY = 200;

/** @returns a function that throws an EventreeError for a line that is no event. */
export function createLineParser(options: ParserOptions): (text: string) => ParsedLine {
  const { format, journal: target, keepIds = false, occurredAt: otherwise } = options;
  const countOf = createCounter();

  return (text) => {
    const { event, name } = read(text, format);
    const said = checkEvent(event);
    const own = said.journal as string | undefined;
    const journal = target ?? own ?? 'main';
    const isMoved = own !== undefined && own !== journal && !keepIds;
    const placed = (id: string) => (isMoved ? inJournal(journal, id) : id);
    const moved = moveTree(said, placed, target !== undefined);
    if (said.id !== undefined) return { input: { ...moved, journal } as EventInput, isTimeless: false };

    const occurredAt = (said.occurredAt ?? otherwise) as string | undefined;
    const base = derivedUuid7(timeOf(occurredAt), name ?? `${countOf(text)} ${text}`);
    const id = journal === 'main' ? base : inJournal(journal, base);
    const input = { ...moved, id, journal, ...(occurredAt !== undefined && { occurredAt }) } as EventInput;
    return { input, isTimeless: occurredAt === undefined };
  };
}

/** The time of a timeless event, and of those of its children that are as timeless. */
export function stamped(input: EventInput, occurredAt: string): EventInput {
  const stampAll = (children: readonly JsonObject[]): JsonObject[] =>
    children.map((child) => ({
      ...(child.id === undefined && { occurredAt }),
      ...child,
      ...(Array.isArray(child.children) && { children: stampAll(child.children as JsonObject[]) }),
    }));
  const { children } = input;
  return { ...input, occurredAt, ...(children !== undefined && { children: stampAll(children) }) };
}

function read(text: string, format: Format): SaidEvent {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw bad('The line is not JSON.');
  }
  const line = checkJson(value, 'The line', -DEEPER_BY);
  if (!isObject(line)) throw bad('The line is not a JSON object.');
  const isCloudEvent = format === 'cloudevents' || (format === 'auto' && Object.hasOwn(line, 'specversion'));
  return isCloudEvent ? fromCloudEvent(line) : { event: line, name: null };
}

/** The event without nulls, if it is one that may be sent. */
function checkEvent(event: JsonObject): JsonObject {
  const said: Record<string, Json> = {};
  for (const [name, value] of Object.entries(event)) {
    if (value === null || ANSWERED.has(name)) continue;
    said[name] = checkField(name, value);
  }
  if (said.type === undefined) throw bad('An event has a `type`.');
  return said;
}

function checkField(name: string, value: Json): Json {
  if (TEXTS.has(name)) {
    if (typeof value !== 'string') throw bad(`The field \`${name}\` must be text.`);
    if (name === 'occurredAt') timeOf(value);
    return value;
  }
  switch (name) {
    case 'category':
      return checkWord(name, CATEGORIES, value);
    case 'severity':
      return checkWord(name, SEVERITIES, value);
    case 'attributes':
      if (!isObject(value)) throw bad('The field `attributes` must be a JSON object.');
      return value;
    case 'payload':
    case 'privatePayload':
      return value;
    case 'visibleToActor':
      if (typeof value !== 'boolean') throw bad('The field `visibleToActor` must be true or false.');
      return value;
    case 'children':
      if (!Array.isArray(value)) throw bad('The field `children` must be a list of events.');
      return value.map((child) => {
        if (!isObject(child)) throw bad('The field `children` must be a list of events.');
        return checkEvent(child);
      });
    default:
      throw bad(`An event has no field ${JSON.stringify(name.slice(0, 80))}.`);
  }
}

function checkWord(name: string, words: readonly string[], value: Json): Json {
  if (words.some((word) => word === value)) return value;
  throw bad(`The field \`${name}\` must be one of ${words.join(', ')}.`);
}

/** @param drop the journal that children name: they go where their parent goes. */
function moveTree(event: JsonObject, placed: (id: string) => string, drop: boolean): JsonObject {
  const { journal: _, ...rest } = event;
  const moved: Record<string, Json> = drop ? rest : { ...event };
  for (const name of ['id', 'parentId']) {
    const id = moved[name];
    if (typeof id === 'string') moved[name] = placed(id);
  }
  if (Array.isArray(moved.children)) {
    moved.children = (moved.children as JsonObject[]).map((child) => moveTree(child, placed, drop));
  }
  return moved;
}

/** The id of the same event in another journal. What is no id is left to the server to refuse. */
function inJournal(journal: string, id: string): string {
  return isUuid7(id) ? derivedUuid7(timeOfUuid7(id), `${journal} ${id.toLowerCase()}`) : id;
}

/** Milliseconds since 1970; ids know no earlier time. */
function timeOf(occurredAt: string | undefined): number {
  if (occurredAt === undefined) return 0;
  const ms = parseDateTime(occurredAt);
  if (ms === null) throw bad('A date and time is written like 2026-11-20T23:18:04.123Z (RFC 3339).');
  return Math.max(0, ms);
}

/**
 * How many of the same text came before. Remembers the last million different ones: equal lines that are
 * further apart than that are taken for one event.
 */
function createCounter(most = 1_000_000): (text: string) => number {
  const counts = new Map<number, number>();
  return (text) => {
    const key = createHash('sha256').update(text).digest().readUIntBE(0, 6);
    const count = counts.get(key) ?? 0;
    counts.delete(key);
    counts.set(key, count + 1);
    if (counts.size > most) counts.delete(counts.keys().next().value as number);
    return count;
  };
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function bad(sentence: string): EventreeError {
  return new EventreeError('BAD_USER_INPUT', sentence);
}
