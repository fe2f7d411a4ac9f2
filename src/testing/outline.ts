/**
 * Trees as text, one event on a line, indented below what it is part of:
 *
 *     call transfer ✓
 *       update account/1
 *         update account/1 balance 10000 → 7500
 *       call notify ✗ Timeout
 *
 * What is printed can be read again as what is expected. Written by hand, a line may say less than is printed, and
 * more: `*` in a name or resource, a regular expression between slashes, `-` for no resource, `?` for any outcome,
 * `attribute=value`, and `…` on a line by itself for any number of events.
 */
import {
  ANY_EVENTS,
  type Expected,
  type ExpectedEvent,
  errorOf,
  growTrees,
  hasSucceeded,
  nameOf,
  type TreeEvent,
  type TreeNode,
} from './tree.ts';

/** Colours, by the names that picocolors gives them. */
export interface Paint {
  readonly bold: (text: string) => string;
  readonly cyan: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly green: (text: string) => string;
  readonly red: (text: string) => string;
}

const asIs = (text: string) => text;
const PLAIN: Paint = { bold: asIs, cyan: asIs, dim: asIs, green: asIs, red: asIs };
export const INDENT = '  ';
/** Attributes that are shown as one change. */
const CHANGE = new Set(['old', 'new']);

/** The trees of these events as an outline. */
export function printTree(events: readonly TreeEvent[], paint: Paint = PLAIN): string {
  const lines: string[] = [];
  const add = ({ event, children }: TreeNode, depth: number) => {
    lines.push(INDENT.repeat(depth) + lineOf(event, paint));
    for (const child of children) add(child, depth + 1);
  };
  for (const root of growTrees(events)) add(root, 0);
  return lines.join('\n');
}

/** @param like what else is shown of it: all that this says something of. */
export function lineOf(event: TreeEvent, paint: Paint = PLAIN, like?: ExpectedEvent): string {
  const { type, resource, attributes } = event;
  const error = errorOf(event);
  const name = nameOf(event);
  const isChange = attributes?.old !== undefined || attributes?.new !== undefined;
  const others = Object.keys(like?.attributes ?? {}).filter((key) => !isChange || !CHANGE.has(key));
  return join([
    paint.bold(type.name),
    resource == null ? null : paint.cyan(written(resource.ref)),
    name === null ? null : writtenName(name, attributes),
    isChange ? `${valueText(attributes?.old)} ${paint.dim('→')} ${valueText(attributes?.new)}` : null,
    error === null ? null : paint.red(`✗ ${written(error)}`),
    hasSucceeded(event) ? paint.green('✓') : null,
    like?.message === undefined ? null : `message ${JSON.stringify(event.message ?? null)}`,
    ...others.map((key) => `${key}=${valueText(attributes?.[key])}`),
  ]);
}

/** What is expected of an event, on one line. */
export function expectedLine(expected: ExpectedEvent): string {
  const { type, name, resource, outcome, message, attributes = {} } = expected;
  const isChange = 'old' in attributes && 'new' in attributes;
  const others = Object.entries(attributes).filter(([key]) => !isChange || !CHANGE.has(key));
  return join([
    patternText(type),
    resource === null ? '-' : resource === undefined ? null : patternText(resource),
    name === undefined ? null : patternText(name),
    isChange ? `${valueText(attributes.old)} → ${valueText(attributes.new)}` : null,
    outcome === undefined ? null : outcomeText(outcome),
    message === undefined ? null : `message ${patternText(message)}`,
    ...others.map(([key, value]) => `${key}=${valueText(value)}`),
  ]);
}

/**
 * What an outline expects.
 *
 * @throws Error that names the line which cannot be read.
 */
export function parseOutline(text: string): Expected[] {
  const roots: Expected[] = [];
  const open: { readonly indent: number; readonly children: Expected[] }[] = [];
  for (const [at, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue;
    const indent = line.search(/\S/);
    while ((open.at(-1)?.indent ?? -1) >= indent) open.pop();
    const siblings = open.at(-1)?.children ?? roots;
    if (line.trim() === ANY_EVENTS || line.trim() === '...') {
      siblings.push(ANY_EVENTS);
      continue;
    }
    const children: Expected[] = [];
    siblings.push({ ...parseLine(line.trim(), at + 1), children });
    open.push({ indent, children });
  }
  return roots;
}

const RESOURCE = /^[A-Za-z*][\w.*-]*\/./;
const ATTRIBUTE = /^([A-Za-z_][\w.-]*)=(.*)$/s;
const REGULAR_EXPRESSION = /^\/(.+)\/([a-z]*)$/s;

function parseLine(line: string, number: number): ExpectedEvent {
  const [type, ...words] = wordsOf(line);
  if (type === undefined) throw new Error(`Line ${number} of the outline names no type: ${line}`);
  const read: { -readonly [Field in keyof ExpectedEvent]?: ExpectedEvent[Field] } = {};
  const attributes: Record<string, unknown> = {};
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    const [, key, value] = ATTRIBUTE.exec(word) ?? [];
    if (words[0] === '→') {
      words.shift();
      Object.assign(attributes, { old: valueIn(word), new: valueIn(words.shift() ?? '') });
    } else if (word === '✓' || word === 'ok') {
      read.outcome = 'ok';
    } else if (word === '✗' || word === 'failed') {
      const isNamed = words[0] !== undefined && !ATTRIBUTE.test(words[0]);
      read.outcome = isNamed ? String(textOf(words.shift() as string)) : 'failed';
    } else if (word === '?') {
      read.outcome = 'any';
    } else if (word === '-') {
      read.resource = null;
    } else if (key !== undefined) {
      attributes[key] = valueIn(value as string);
    } else {
      const pattern = patternOf(word);
      const field = isResource(pattern) ? 'resource' : 'name';
      if (read[field] !== undefined) {
        throw new Error(`Line ${number} of the outline has more than one ${field}: ${line}`);
      }
      read[field] = pattern;
    }
  }
  return { type: patternOf(type), ...read, ...(Object.keys(attributes).length > 0 && { attributes }) };
}

function isResource(pattern: string | RegExp): boolean {
  return pattern instanceof RegExp || pattern === '*' || RESOURCE.test(pattern);
}

/** Parts between blanks, those within a JSON value left together. */
function wordsOf(line: string): string[] {
  const words: string[] = [];
  for (let at = 0; at < line.length; ) {
    const end = endOfWord(line, at);
    if (end > at) words.push(line.slice(at, end));
    at = end + 1;
  }
  return words;
}

function endOfWord(line: string, start: number): number {
  let depth = 0;
  let isQuoted = false;
  for (let at = start; at < line.length; at++) {
    const sign = line[at] as string;
    if (isQuoted) {
      if (sign === '\\') at++;
      else if (sign === '"') isQuoted = false;
    } else if (sign === '"') isQuoted = true;
    else if (sign === '{' || sign === '[') depth++;
    else if (sign === '}' || sign === ']') depth--;
    else if (depth <= 0 && /\s/.test(sign)) return at;
  }
  return line.length;
}

function patternOf(word: string): string | RegExp {
  const [, source, flags] = REGULAR_EXPRESSION.exec(word) ?? [];
  return source === undefined ? textOf(word) : new RegExp(source, flags);
}

function textOf(word: string): string {
  const value = valueIn(word);
  return word.startsWith('"') && typeof value === 'string' ? value : word;
}

/** JSON where it is some, else the text as it stands. */
function valueIn(word: string): unknown {
  try {
    return JSON.parse(word);
  } catch {
    return word;
  }
}

function valueText(value: unknown): string {
  if (value === undefined) return 'null';
  if (typeof value !== 'string') return JSON.stringify(value) ?? String(value);
  return /^[\p{L}\p{N}_.@/:-]+$/u.test(value) && valueIn(value) === value ? value : JSON.stringify(value);
}

/** A name or resource, in quotes where it would be read as something else. */
function written(text: string): string {
  return /^[^\s"/{}[\]][^\s"{}[\]]*$/.test(text) && !ATTRIBUTE.test(text) && !SIGNS.has(text)
    ? text
    : JSON.stringify(text);
}

const SIGNS = new Set(['✓', '✗', '?', '-', '→', 'ok', 'failed', '*', ANY_EVENTS]);

/** One that looks like a resource is told by the attribute that it stands in. */
function writtenName(name: string, attributes: TreeEvent['attributes']): string {
  if (!RESOURCE.test(name)) return written(name);
  return `${attributes?.function === undefined ? 'attribute' : 'function'}=${valueText(name)}`;
}

function patternText(pattern: string | RegExp): string {
  return pattern instanceof RegExp ? String(pattern) : pattern === '*' ? pattern : written(pattern);
}

function outcomeText(outcome: string): string {
  if (outcome === 'ok') return '✓';
  if (outcome === 'any') return '?';
  return outcome === 'failed' ? '✗' : `✗ ${written(outcome)}`;
}

function join(parts: readonly (string | null)[]): string {
  return parts.filter((part) => part !== null).join(' ');
}
