/** From chips to the API's filter, and that as GraphQL and as a command line. */
import type { AttributeFilter, Category, EventFilter, Severity } from '../../../src/client/index.ts';
import { type Chip, type Field, type Operator, prefixOrValue } from './chip.ts';
import type { TimeRange, View } from './view.ts';

export type AttributeKind = 'STRING' | 'INTEGER' | 'FLOAT' | 'BOOLEAN' | 'DATETIME' | 'RESOURCE' | 'JSON';
/** Of declared attributes, by name. */
export type Kinds = ReadonlyMap<string, AttributeKind>;

/** `is:failed`: it is severe, or it tells of an error. */
export const FAILED: EventFilter = {
  or: [{ severity: { gte: 'HIGH' } }, { attributes: [{ name: 'error', exists: true }] }],
};

/** Null where nothing narrows. @param now from which "the last hour" is counted. */
export function toEventFilter({ chips, time }: View, kinds: Kinds, now: number): EventFilter | null {
  const all: EventFilter[] = [];
  const byField = new Map<string, EventFilter[]>();
  for (const chip of chips) {
    const condition = conditionOf(chip, kinds);
    if (chip.isNot) all.push({ not: condition });
    else byField.set(keyOf(chip), [...(byField.get(keyOf(chip)) ?? []), condition]);
  }
  for (const [key, conditions] of byField) {
    // Words and ranges of one attribute hold together; else one field's conditions are alternatives.
    if (conditions.length === 1 || key.startsWith('all ')) all.unshift(...conditions);
    else all.unshift({ or: conditions });
  }
  const occurredAt = timeFilter(time, now);
  if (occurredAt !== null) all.push({ occurredAt });
  if (all.length === 0) return null;
  return all.length === 1 ? (all[0] as EventFilter) : { and: all };
}

export function timeFilter(time: TimeRange, now: number): (EventFilter['occurredAt'] & object) | null {
  switch (time.is) {
    case 'all':
      return null;
    case 'last':
      return { gte: new Date(now - time.ms).toISOString() };
    case 'between':
      return { gte: time.from, lt: time.before };
  }
}

function keyOf(chip: Chip): string {
  if (chip.on === 'words') return 'all words';
  if (chip.on === 'field') return chip.field;
  return chip.test?.operator === ':' ? `attr ${chip.name}` : `all ${chip.name}`;
}

function conditionOf(chip: Chip, kinds: Kinds): EventFilter {
  switch (chip.on) {
    case 'words':
      return { search: chip.words };
    case 'attribute':
      return { attributes: [attributeFilter(chip.name, chip.test, kinds.get(chip.name))] };
    case 'field':
      return fieldFilter(chip.field, chip.operator, chip.value);
  }
}

function fieldFilter(field: Field, operator: ':' | '>=', value: string): EventFilter {
  const text = prefixOrValue(value);
  switch (field) {
    case 'type':
    case 'actor':
      return { [field]: text };
    case 'correlation':
      return { correlationId: text };
    case 'session':
      return { sessionId: { eq: value } };
    case 'category':
      return { category: [value as Category] };
    case 'severity':
      return { severity: { [operator === '>=' ? 'gte' : 'eq']: value as Severity } };
    case 'resource':
      return { resource: { eq: value } };
    case 'resource.type':
      return { resource: { type: value } };
    case 'within':
      return { within: value };
    case 'is':
      return FAILED;
  }
}

const TESTS: Readonly<Record<Operator, 'eq' | 'gt' | 'gte' | 'lt' | 'lte'>> = {
  ':': 'eq',
  '>': 'gt',
  '>=': 'gte',
  '<': 'lt',
  '<=': 'lte',
};

function attributeFilter(
  name: string,
  test: { readonly operator: Operator; readonly value: string } | null,
  kind: AttributeKind | undefined,
): AttributeFilter {
  if (test === null) return { name, exists: true };
  const { operator, value } = test;
  const isText = kind === 'STRING' || kind === 'RESOURCE';
  if (operator === ':' && isText) return { name, ...prefixOrValue(value) };
  return { name, [TESTS[operator]]: typed(value, kind) };
}

/** As its kind writes it; as it was typed where it is none of that kind, which the server then says. */
function typed(value: string, kind: AttributeKind | undefined): unknown {
  switch (kind) {
    case 'INTEGER':
    case 'FLOAT':
      return value.trim() !== '' && Number.isFinite(Number(value)) ? Number(value) : value;
    case 'BOOLEAN':
      return value === 'true' ? true : value === 'false' ? false : value;
    default:
      return value;
  }
}

/** A query to paste into GraphiQL. */
export function asGraphql(journal: string, filter: EventFilter | null): string {
  const given = [
    ...(journal === 'main' ? [] : [`journal: ${JSON.stringify(journal)}`]),
    'first: 50',
    ...(filter === null ? [] : [`filter: ${literal(filter, 2)}`]),
  ];
  return `query {
  events(
    ${given.join('\n    ')}
  ) {
    totalCount
    nodes { id occurredAt type { name } severity message resource { ref } actor attributes }
    pageInfo { hasNextPage endCursor }
  }
}`;
}

/** Names of enums stand without quotes; all values of these two fields are such. */
const ENUMS = ['category', 'severity'];

function literal(value: unknown, depth: number, isEnum = false): string {
  if (Array.isArray(value)) return `[${value.map((each) => literal(each, depth, isEnum)).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return isEnum ? String(value) : JSON.stringify(value);
  const fields = Object.entries(value).map(
    ([name, held]) => `${name}: ${literal(held, depth + 1, isEnum || ENUMS.includes(name))}`,
  );
  return `{ ${fields.join(', ')} }`;
}

/** The same as a command, in the words of a POSIX shell. */
export function asCommand({ journal, chips, time }: View, filter: EventFilter | null): string {
  const options = journal === 'main' ? [] : ['--journal', journal];
  const isPlain = time.is === 'all' && chips.every((chip) => optionOf(chip) !== null) && !repeats(chips);
  if (isPlain) for (const chip of chips) options.push(...(optionOf(chip) as string[]));
  else if (filter !== null) options.push('--filter', JSON.stringify(filter));
  return ['eventree', 'tail', '-n', '50', ...options].map(quoted).join(' ');
}

const OPTIONS: Partial<Record<Field, string>> = {
  type: '--type',
  category: '--category',
  resource: '--resource',
  'resource.type': '--resource-type',
  actor: '--actor',
  within: '--within',
};

/** Null where the command line has no option for it. */
function optionOf(chip: Chip): string[] | null {
  if (chip.isNot) return null;
  if (chip.on === 'words') return ['--search', chip.words];
  if (chip.on === 'attribute') {
    if (chip.test === null) return ['--attribute', chip.name];
    const { operator, value } = chip.test;
    if (operator !== ':') return ['--attribute', chip.name + operator + value];
    const asked = prefixOrValue(value);
    return ['--attribute', 'eq' in asked ? `${chip.name}=${asked.eq}` : `${chip.name}^=${asked.startsWith}`];
  }
  if (chip.field === 'severity') return chip.operator === '>=' ? ['--severity', chip.value] : null;
  const option = OPTIONS[chip.field];
  // Of types alone it takes prefixes, and no type whose name ends in a star.
  const isSaid = !chip.value.endsWith('*') || (chip.field === 'type' && !chip.value.endsWith('\\*'));
  return option === undefined || !isSaid ? null : [option, chip.value];
}

/** Whether the command line would understand several conditions otherwise, or take the last one only. */
function repeats(chips: readonly Chip[]): boolean {
  const once = chips
    .filter((chip) => chip.on !== 'field' || chip.field === 'severity' || chip.field === 'within')
    .map((chip) =>
      chip.on === 'attribute' ? `attr.${chip.name}` : chip.on === 'words' ? chip.on : chip.field,
    );
  return new Set(once).size < once.length;
}

function quoted(word: string): string {
  return /^[\w./:=@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
