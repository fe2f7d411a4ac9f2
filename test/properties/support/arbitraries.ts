/**
 * Random events and filters. Both draw from the same few values, so that filters find something, and the
 * values are the ones that break things: cut, folded, escaped, rounded or sorted wrongly.
 *
 * What is not known before the events are recorded is written as a reference and put in by `resolved`:
 *
 *     #id 3          id of event 3            #ID 3      the same in capitals
 *     #elsewhere     an event of another journal, which everyone sees
 *     { recorded: 3, plus: -1 }               a millisecond before event 3 was recorded
 */
import fc from 'fast-check';
import type { EventFilterInput } from '../../../src/events/filter/filter.ts';
import { type Lists, RIGHTS } from './oracle.ts';
import { ATTRIBUTES, type Kind, TYPES, type TypeName } from './vocabulary.ts';

export const CLAIMS = [
  'user/ann',
  'user/ann b',
  'user/o\'hara "q" \\ %_,{}',
  'user/😀',
  'group/red',
  'group/red:2|x',
  'group/anonymous',
];
const CATEGORIES = ['ACTION', 'ALARM', 'CALL', 'CHANGE', 'CRUD', 'EMAIL', 'STATE', 'SYSTEM', 'USER'] as const;
const SEVERITIES = ['LOW', 'MEDIUM', 'HIGH', 'CRITICAL'] as const;
const TYPE_NAMES = Object.keys(TYPES) as TypeName[];
const NAMES = Object.keys(ATTRIBUTES);

/** Longer than an index term in points or in UTF-16 units, just as long, just shorter, and alike up to there. */
const LONG = [
  'x'.repeat(199),
  'x'.repeat(200),
  `${'x'.repeat(200)}y`,
  'x'.repeat(250),
  '😀'.repeat(100),
  '😀'.repeat(125),
  `${'😀'.repeat(124)}\ufffd`,
  `${'e\u0301'.repeat(100)}z`,
];
const SHORT = [
  '',
  'a',
  'A',
  'ab',
  'a b',
  'a:b',
  'a|b',
  'a\u0001',
  'é',
  'e\u0301',
  'ﬁ',
  'Σ',
  'ß',
  '\u0301',
  '😀',
  '😀a',
  '\ud7ff',
  '\ue000',
  '\uffff',
  '\u{10000}',
  '\u{10ffff}',
  '1',
  '10',
  '2',
  "'",
  '"',
  '\\',
  '%',
  '_',
  '=text:',
  '{NULL,"}',
  'NULL',
  '…',
  ' ',
];
const text = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...SHORT) },
  { weight: 2, arbitrary: fc.constantFrom(...LONG) },
  {
    weight: 1,
    arbitrary: fc.string({ unit: 'binary', maxLength: 4 }).map((made) => made.replaceAll('\0', '')),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(fc.constantFrom(...SHORT), fc.constantFrom(...LONG)).map((two) => two.join('')),
  },
);
/** As long as a session may be. */
const reference = text.map((made) => made.slice(0, 255).toWellFormed());

const wholes = [0, -0, 1, -1, 2, 10, 255, 256, 2 ** 53 - 1, -(2 ** 53 - 1), 2 ** 31, -(2 ** 31)];
const reals = [
  ...wholes,
  0.1,
  0.30000000000000004,
  1e-7,
  -1e-7,
  5e-324,
  1.7976931348623157e308,
  -1.5e300,
  1e21,
];
const dates = [
  '0001-01-01T00:00:00.000Z',
  '0999-12-31T23:59:59.999Z',
  '1969-12-31T23:59:59.999Z',
  '1970-01-01T00:00:00.000Z',
  '2024-02-29T23:59:59.999+02:00',
  '2024-02-29T21:59:59.999Z',
  '2024-02-29T22:00:00.000Z',
  '9999-12-31T23:59:59.998Z',
  '9999-12-31T23:59:59.999Z',
];
const things = ['doc/1', 'doc/1/2', 'doc/12', 'doc.b/1', 'doc/😀', 'doc/a|b:c', `doc/${'y'.repeat(300)}`];
const json = fc.oneof(
  fc.constantFrom<unknown>(false, 0, '', [], {}, { a: 1, b: -0 }, { b: 0, a: 1 }, [1, [2]], '1', 1, [null]),
  text,
);

const VALUE: Readonly<Record<Kind, fc.Arbitrary<unknown>>> = {
  STRING: text,
  INTEGER: fc.constantFrom(...wholes),
  FLOAT: fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(...reals) },
    fc.double({ noDefaultInfinity: true, noNaN: true }).filter(isSentUnrounded),
  ),
  BOOLEAN: fc.boolean(),
  DATETIME: fc.constantFrom(...dates),
  RESOURCE: fc.constantFrom(...things),
  JSON: json,
};

/** Whole numbers that JSON would round are refused at the door; what is written with an exponent is not. */
function isSentUnrounded(value: number): boolean {
  return !Number.isInteger(value) || Number.isSafeInteger(value) || Math.abs(value) >= 1e21;
}

const times = fc.constantFrom(...dates).map((date) => Date.parse(date));

// ── Events ──────────────────────────────────────────────────────────────────────────────────────

/** An event to be recorded. */
export interface EventRecipe {
  readonly type: TypeName;
  /** Which resource it is about. */
  readonly resource: number | null;
  readonly category: (typeof CATEGORIES)[number] | undefined;
  readonly severity: (typeof SEVERITIES)[number] | undefined;
  readonly message: string | undefined;
  readonly occurredAt: number | undefined;
  readonly actor: string | undefined;
  readonly sessionId: string | undefined;
  readonly correlationId: string | undefined;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly visibleToActor: boolean | undefined;
  /** It hangs under the event so many places before it. */
  readonly below: number | null;
  /** The time in its id. */
  readonly idTime: number;
}

const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });

const attributes = fc
  .subarray(NAMES, { maxLength: 6 })
  .chain((names) => fc.record(Object.fromEntries(names.map((name) => [name, VALUE[kindOf(name)]]))));

export const RESOURCES = 3;

export const eventRecipe: fc.Arbitrary<EventRecipe> = fc
  .record({
    type: fc.constantFrom(...TYPE_NAMES),
    resource: fc.option(fc.nat(RESOURCES - 1), { freq: 4 }),
    category: maybe(fc.constantFrom(...CATEGORIES)),
    severity: maybe(fc.constantFrom(...SEVERITIES)),
    message: maybe(message()),
    occurredAt: maybe(times),
    actor: maybe(fc.constantFrom(...CLAIMS)),
    sessionId: maybe(reference),
    correlationId: maybe(reference),
    attributes,
    visibleToActor: maybe(fc.boolean()),
    below: fc.option(fc.integer({ min: 1, max: 5 }), { freq: 2 }),
    idTime: fc.constantFrom(
      ...['2009-07-01', '2024-02-01', '2024-05-31T23:59:59.999Z', '2024-06-01'].map(Date.parse),
    ),
  })
  .map((made) => (made.type === 'thing.plain' ? { ...made, attributes: {} } : made));

function message(): fc.Arbitrary<string> {
  const word = fc.oneof(
    fc.constantFrom(
      'deploy',
      'Deploy',
      'DEPLOYED',
      'v1',
      'ÉTÉ',
      'e\u0301te\u0301',
      'ΟΔΟΣ',
      'ﬁx',
      'K',
      '٣',
      'x'.repeat(61),
    ),
    text,
  );
  return fc.array(word, { minLength: 1, maxLength: 4 }).map((words) => words.join(' '));
}

// ── Rights ──────────────────────────────────────────────────────────────────────────────────────

/** Most lists are short, so that much is hidden. */
export function acl(claims: readonly string[]): fc.Arbitrary<Lists> {
  const list = fc.oneof(
    { weight: 3, arbitrary: fc.constant([]) },
    fc.subarray([...claims], { maxLength: 2 }),
  );
  return fc.record(Object.fromEntries(RIGHTS.map((right) => [right, list]))) as fc.Arbitrary<Lists>;
}

export const viewer: fc.Arbitrary<readonly string[]> = fc.oneof(
  { weight: 6, arbitrary: fc.subarray(CLAIMS, { minLength: 1, maxLength: 3 }) },
  { weight: 1, arbitrary: fc.constant(['user/root', 'group/admin']) },
  { weight: 1, arbitrary: fc.constant(['user/nobody']) },
);

// ── Filters ─────────────────────────────────────────────────────────────────────────────────────

/** A filter with references to events in it, as JSON. */
export type FilterRecipe = { readonly [name: string]: unknown };

const anId = fc.oneof(
  { weight: 6, arbitrary: fc.nat(40).map((nth) => `#id ${nth}`) },
  { weight: 1, arbitrary: fc.nat(40).map((nth) => `#ID ${nth}`) },
  fc.constantFrom('#elsewhere', '01900000-0000-7000-8000-000000000000', 'no id'),
);

const anyTime = fc.oneof(times, fc.record({ recorded: fc.nat(40), plus: fc.integer({ min: -1, max: 1 }) }));
const span = fc.subarray(['gte', 'gt', 'lt', 'lte'], { minLength: 1, maxLength: 2 }).chain((bounds) => {
  return fc.record(Object.fromEntries(bounds.map((bound) => [bound, anyTime])));
});

/** Some of the keys, at least one. */
function someOf(model: Record<string, fc.Arbitrary<unknown>>, most = 2): fc.Arbitrary<object> {
  return fc
    .subarray(Object.keys(model), { minLength: 1, maxLength: most })
    .chain((keys) =>
      fc.record(Object.fromEntries(keys.map((key) => [key, model[key] as fc.Arbitrary<unknown>]))),
    );
}

const few = <T>(one: fc.Arbitrary<T>) => fc.array(one, { maxLength: 3 });
const textTests = (one: fc.Arbitrary<string>) =>
  someOf({ eq: one, in: few(one), startsWith: one.map(beginning), ne: one });

function beginning(of: string): string {
  return [...of].slice(0, 4).join('');
}

const attributeTests: fc.Arbitrary<unknown> = fc.constantFrom(...NAMES).chain((name) => {
  const kind = kindOf(name);
  const value = VALUE[kind];
  const ordered = kind !== 'BOOLEAN' && kind !== 'RESOURCE' && kind !== 'JSON';
  const isText = kind === 'STRING' || kind === 'RESOURCE';
  const model = {
    eq: value,
    ne: value,
    in: few(value),
    exists: fc.boolean(),
    ...(ordered && { gt: value, gte: value, lt: value, lte: value }),
    ...(isText && {
      startsWith: (value as fc.Arbitrary<string>).chain((of) => fc.constantFrom(of, beginning(of))),
    }),
  };
  return someOf(model).map((tests) => ({ name, ...tests }));
});

const FIELD: Record<string, fc.Arbitrary<unknown>> = {
  id: someOf({ eq: anId, in: few(anId) }),
  type: textTests(fc.constantFrom(...TYPE_NAMES, 'unknown', '')),
  category: few(fc.constantFrom(...CATEGORIES)),
  severity: someOf({
    eq: fc.constantFrom(...SEVERITIES),
    in: few(fc.constantFrom(...SEVERITIES)),
    gte: fc.constantFrom(...SEVERITIES),
  }),
  resource: someOf({
    eq: fc.nat(RESOURCES).map((nth) => `#resource ${nth}`),
    in: few(fc.nat(RESOURCES).map((nth) => `#resource ${nth}`)),
    type: fc.constantFrom('doc', 'doc.b', 'do', ''),
  }),
  actor: textTests(fc.constantFrom(...CLAIMS, 'user/root', 'user')),
  sessionId: someOf({ eq: reference, in: few(reference) }),
  correlationId: textTests(reference),
  root: anId,
  parent: anId,
  within: anId,
  occurredAt: span,
  recordedAt: span,
  attributes: fc.array(attributeTests, { minLength: 1, maxLength: 2 }),
  search: message(),
};

// Attributes have the most ways to go wrong.
const leaf = fc.oneof(
  { weight: 2, arbitrary: someOf(FIELD) },
  { weight: 1, arbitrary: fc.record({ attributes: FIELD.attributes as fc.Arbitrary<unknown> }) },
);

export const filterRecipe: fc.Arbitrary<FilterRecipe> = fc.letrec<{ filter: FilterRecipe }>((tie) => ({
  filter: fc.oneof(
    { depthSize: 'small', maxDepth: 4, withCrossShrink: true },
    { weight: 3, arbitrary: leaf as fc.Arbitrary<FilterRecipe> },
    { weight: 1, arbitrary: fc.record({ and: fc.array(tie('filter'), { maxLength: 3 }) }) },
    { weight: 1, arbitrary: fc.record({ or: fc.array(tie('filter'), { maxLength: 3 }) }) },
    { weight: 2, arbitrary: fc.record({ not: tie('filter') }) },
    {
      weight: 1,
      arbitrary: fc
        .tuple(leaf, tie('filter'), tie('filter'))
        .map(([fields, inner, other]) => ({ ...fields, not: inner, or: [other, inner] })),
    },
  ),
})).filter;

export interface References {
  readonly ids: readonly string[];
  readonly recordedAt: readonly number[];
  readonly resources: readonly string[];
  readonly elsewhere: string;
}

/** The filter with what it refers to. */
export function resolved(recipe: FilterRecipe, references: References): EventFilterInput {
  const { ids, recordedAt, resources, elsewhere } = references;
  const resolve = (value: unknown): unknown => {
    if (typeof value === 'string') {
      const [, what, nth] = /^#(id|ID|resource) (\d+)$/.exec(value) ?? [];
      if (what === 'id') return ids[Number(nth) % ids.length];
      if (what === 'ID') return ids[Number(nth) % ids.length]?.toUpperCase();
      if (what === 'resource') return resources[Number(nth)] ?? 'doc/nowhere';
      return value === '#elsewhere' ? elsewhere : value;
    }
    if (Array.isArray(value)) return value.map(resolve);
    if (typeof value !== 'object' || value === null) return value;
    if ('recorded' in value && 'plus' in value) {
      return (recordedAt[Number(value.recorded) % recordedAt.length] ?? 0) + Number(value.plus);
    }
    return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, resolve(inner)]));
  };
  return resolve(recipe) as EventFilterInput;
}

export function kindOf(name: string): Kind {
  return ATTRIBUTES[name]?.kind as Kind;
}
