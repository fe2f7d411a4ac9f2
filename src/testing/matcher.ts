/**
 * `expect(…).toMatchEventTree(…)`, for vitest and for Jest: `expect.extend(eventTreeMatchers)`. It knows neither of
 * them, only what a matcher of both is given.
 */
import type { Client } from '../client/client.ts';
import { createComparison, type Row, type SiblingOrder } from './compare.ts';
import { expectedLine, INDENT, lineOf, parseOutline, printTree } from './outline.ts';
import { readTree } from './read.ts';
import { ANY_EVENTS, type Equals, type Expected, growTrees, type TreeEvent } from './tree.ts';

/** An outline, see outline.ts; or the same as an object, or several where there are several roots. */
export type ExpectedTree = string | Expected | readonly Expected[];

export interface MatchOptions {
  /** `ordered` where it is left out: events stand in the order in which they were recorded. */
  readonly siblings?: SiblingOrder;
  /** Where an id is given instead of events: who reads the tree below it. Then the matcher is awaited. */
  readonly client?: Pick<Client, 'query'>;
}

/** What vitest and Jest both have in a matcher's `this`. */
interface MatcherContext {
  readonly equals: Equals;
  readonly isNot?: boolean | undefined;
  readonly utils?: object | undefined;
}

interface MatcherResult {
  readonly pass: boolean;
  readonly message: () => string;
}

type Received = string | readonly TreeEvent[];

export const eventTreeMatchers = { toMatchEventTree };

/**
 * Whether the events are this tree: each of its type, name, resource and outcome where something is said of them,
 * below the one that it is part of, and none besides.
 *
 * @param received events as the API's `tree` gives them, or the id of the root, with a client.
 */
function toMatchEventTree(
  this: MatcherContext,
  received: Received,
  expected: ExpectedTree,
  options: MatchOptions = {},
): MatcherResult | Promise<MatcherResult> {
  const { equals, utils } = this;
  const judge = (events: readonly TreeEvent[]) =>
    judged(events, expected, options.siblings ?? 'ordered', { equals, colors: colorsOf(utils) });
  if (typeof received !== 'string') return judge(checked(received));
  if (options.client === undefined) {
    throw new TypeError('To match the tree below an id, give a client as well: { client }.');
  }
  return readTree(options.client, received).then(judge);
}

interface Means {
  readonly equals: Equals;
  readonly colors: Colors;
}

function judged(
  events: readonly TreeEvent[],
  given: ExpectedTree,
  order: SiblingOrder,
  { equals, colors }: Means,
): MatcherResult {
  const expected = expectedOf(given);
  const received = growTrees(events);
  const comparison = createComparison(order, equals);
  if (comparison.fits(expected, received)) {
    return {
      pass: true,
      message: () => `The events are the tree that they should not be:\n\n${printTree(events)}`,
    };
  }
  return {
    pass: false,
    message: () =>
      `The events are not the expected tree.\n\n${sideBySide(comparison.rows(expected, received), colors)}`,
  };
}

function expectedOf(given: ExpectedTree): readonly Expected[] {
  if (typeof given === 'string') return given === ANY_EVENTS ? [ANY_EVENTS] : parseOutline(given);
  return isList(given) ? given : [given];
}

function isList(given: Expected | readonly Expected[]): given is readonly Expected[] {
  return Array.isArray(given);
}

function checked(received: unknown): readonly TreeEvent[] {
  const isEvent = (each: Partial<TreeEvent> | null) =>
    typeof each?.id === 'string' && typeof each.type?.name === 'string';
  if (Array.isArray(received) && received.every(isEvent)) return received;
  throw new TypeError(
    'toMatchEventTree is for a list of events with `id` and `type { name }`, as `tree` gives them, or for the id of a root.',
  );
}

const HEAD = { expected: 'expected', received: 'recorded' };
const SIGNS: Readonly<Record<Row['kind'], string>> = {
  same: ' ',
  different: '≠',
  missing: '−',
  unexpected: '+',
  free: ' ',
};

/** Both trees, what corresponds on one line; between them stands what is wrong with it. */
function sideBySide(rows: readonly Row[], colors: Colors): string {
  const lines = rows.map((row) => {
    const indent = INDENT.repeat(row.depth);
    const left = row.kind === 'free' ? ANY_EVENTS : 'expected' in row ? textOf(row.expected) : null;
    const right = 'received' in row ? lineOf(row.received.event, undefined, likeOf(row)) : null;
    return { kind: row.kind, left: left && indent + left, right: right && indent + right };
  });
  const width = Math.max(HEAD.expected.length, ...lines.map(({ left }) => left?.length ?? 0));
  const head = `  ${HEAD.expected.padEnd(width)}     ${HEAD.received}`;
  const body = lines.map(({ kind, left, right }) => {
    const paint = (text: string | null, color: Color) =>
      text && (kind === 'same' || kind === 'free' ? colors.dim(text) : color(text));
    const gap = ' '.repeat(width - (left?.length ?? 0));
    const one = `${paint(left, colors.expected) ?? ''}${gap}`;
    return `  ${one}  ${SIGNS[kind]}  ${paint(right, colors.received) ?? ''}`.trimEnd();
  });
  return [head, ...body].join('\n');
}

function textOf(expected: Expected): string {
  return expected === ANY_EVENTS ? ANY_EVENTS : expectedLine(expected);
}

function likeOf(row: Row) {
  return row.kind === 'same' || row.kind === 'different' ? row.expected : undefined;
}

type Color = (text: string) => string;

interface Colors {
  readonly expected: Color;
  readonly received: Color;
  readonly dim: Color;
}

/** Those of the program that runs the tests, which knows whether its reader sees any. */
function colorsOf(utils: object | undefined): Colors {
  const named = (name: string): Color => {
    const color: unknown = utils === undefined ? undefined : Reflect.get(utils, name);
    return typeof color === 'function' ? (text) => String(color(text)) : (text) => text;
  };
  return {
    expected: named('EXPECTED_COLOR'),
    received: named('RECEIVED_COLOR'),
    dim: named('DIM_COLOR'),
  };
}
