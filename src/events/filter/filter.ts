/**
 * The one filter language, as a tree of conditions. Input comes in as GraphQL has it; `parseFilter`
 * checks it against the registry and leaves a tree with nothing optional in it, from which the same
 * meaning is compiled three ways: to SQL (filter-sql.ts), to a predicate in memory (filter-match.ts) and
 * to sets of positions (../index/plan.ts).
 *
 * What a condition says, whoever compiles it:
 * - A value that an event lacks meets no comparison, `ne` included; `not` and `exists: false` find it.
 * - A condition on what the viewer may not see is neither met nor not met (SQL's NULL): `not` does not
 *   turn it around. Attributes need the level of data, private ones that of owners, the words of a
 *   message are those the viewer reads, and `root`, `parent` and `within` need an event that the viewer
 *   sees.
 */
import { parseResourceRef } from '../../access/resource-ref.ts';
import { EventreeError } from '../../base/errors.ts';
import { checkText, type Json } from '../../base/json.ts';
import { type Attribute, isOrdered, isText, parseAttributeValue } from '../attribute.ts';
import { type Category, type EventId, SEVERITIES, type Severity } from '../event.ts';
import { toEventId } from '../id.ts';
import type { Registry } from '../registry.ts';
import { MAX_SEARCH_WORDS, wordsOf } from '../words.ts';

export type TextField = 'type' | 'resource' | 'resourceType' | 'actor' | 'sessionId' | 'correlationId';

export type Condition =
  | { readonly on: 'and' | 'or'; readonly of: readonly Condition[] }
  | { readonly on: 'not'; readonly of: Condition }
  | { readonly on: 'id'; readonly in: readonly EventId[] }
  | { readonly on: 'category'; readonly in: readonly Category[] }
  | { readonly on: 'severity'; readonly in: readonly Severity[] }
  | { readonly on: 'text'; readonly field: TextField; readonly test: TextTest }
  | { readonly on: 'words'; readonly all: readonly string[] }
  | {
      readonly on: 'time';
      readonly field: 'occurredAt' | 'recordedAt';
      readonly from: number;
      readonly before: number;
    }
  | { readonly on: 'tree'; readonly relation: 'root' | 'parent' | 'within'; readonly id: EventId }
  | { readonly on: 'depth'; readonly most: number }
  | { readonly on: 'attribute'; readonly attribute: Attribute; readonly test: ValueTest };

export type TextTest =
  | { readonly is: 'in'; readonly values: readonly string[] }
  | { readonly is: 'not'; readonly value: string }
  | { readonly is: 'startsWith'; readonly prefix: string };

/** Values are in their written form (attribute.ts). */
export type ValueTest =
  | { readonly is: 'in'; readonly values: readonly Json[] }
  | { readonly is: 'not'; readonly value: Json }
  | { readonly is: 'startsWith'; readonly prefix: string }
  | { readonly is: 'gt' | 'gte' | 'lt' | 'lte'; readonly value: string | number }
  | { readonly is: 'present' | 'absent' };

type Maybe<T> = T | null | undefined;

export interface EventFilterInput {
  and?: Maybe<readonly EventFilterInput[]>;
  or?: Maybe<readonly EventFilterInput[]>;
  not?: Maybe<EventFilterInput>;
  id?: Maybe<IdFilterInput>;
  type?: Maybe<StringFilterInput>;
  category?: Maybe<readonly Category[]>;
  severity?: Maybe<{ eq?: Maybe<Severity>; in?: Maybe<readonly Severity[]>; gte?: Maybe<Severity> }>;
  resource?: Maybe<{ eq?: Maybe<string>; in?: Maybe<readonly string[]>; type?: Maybe<string> }>;
  actor?: Maybe<StringFilterInput>;
  sessionId?: Maybe<IdFilterInput>;
  correlationId?: Maybe<StringFilterInput>;
  root?: Maybe<string>;
  parent?: Maybe<string>;
  within?: Maybe<string>;
  occurredAt?: Maybe<TimeFilterInput>;
  recordedAt?: Maybe<TimeFilterInput>;
  attributes?: Maybe<readonly AttributeFilterInput[]>;
  search?: Maybe<string>;
}

interface IdFilterInput {
  eq?: Maybe<string>;
  in?: Maybe<readonly string[]>;
}

interface StringFilterInput extends IdFilterInput {
  startsWith?: Maybe<string>;
  ne?: Maybe<string>;
}

/** Milliseconds since 1970. */
interface TimeFilterInput {
  gte?: Maybe<number>;
  gt?: Maybe<number>;
  lt?: Maybe<number>;
  lte?: Maybe<number>;
}

export interface AttributeFilterInput {
  name: string;
  eq?: unknown;
  ne?: unknown;
  in?: Maybe<readonly unknown[]>;
  gt?: unknown;
  gte?: unknown;
  lt?: unknown;
  lte?: unknown;
  startsWith?: Maybe<string>;
  exists?: Maybe<boolean>;
}

const MAX_CONDITIONS = 500;
const MAX_FILTER_DEPTH = 16;

const EVERYTHING: Condition = Object.freeze({ on: 'and', of: [] });

/**
 * @param isPrivate whether an attribute is private at the time it is asked: a stream outlives declarations.
 * @throws UNKNOWN_ATTRIBUTE, ATTRIBUTE_KIND_MISMATCH, BAD_USER_INPUT, LIMIT_EXCEEDED
 */
export function parseFilter(
  input: Maybe<EventFilterInput>,
  registry: Registry,
  isPrivate = (name: string): boolean => registry.isPrivate(name),
): Condition {
  let conditions = 0;

  const parse = (filter: EventFilterInput, depth: number): Condition => {
    if (depth > MAX_FILTER_DEPTH) throw tooLarge(`deeper than ${MAX_FILTER_DEPTH} levels`);
    const of: Condition[] = [];
    const count = (values: number) => {
      conditions += values;
      if (conditions > MAX_CONDITIONS) throw tooLarge(`larger than ${MAX_CONDITIONS} conditions and values`);
    };
    const add = (condition: Condition) => {
      count(sizeOf(condition));
      of.push(condition);
    };
    const each = (filters: readonly EventFilterInput[]) => {
      count(filters.length);
      return filters.map((inner) => parse(inner, depth + 1));
    };
    const { and, or, not, id, category, severity, resource, root, parent, within, search } = filter;

    if (and != null) of.push({ on: 'and', of: each(and) });
    if (or != null) of.push({ on: 'or', of: each(or) });
    if (not != null) of.push({ on: 'not', of: each([not])[0] as Condition });
    for (const ids of listsOf(id))
      add({ on: 'id', in: ids.map(toEventId).filter((known) => known !== null) });
    for (const test of textTests(filter.type, 'type')) add({ on: 'text', field: 'type', test });
    for (const test of textTests(filter.actor, 'actor')) add({ on: 'text', field: 'actor', test });
    for (const test of textTests(filter.sessionId, 'sessionId'))
      add({ on: 'text', field: 'sessionId', test });
    for (const test of textTests(filter.correlationId, 'correlationId')) {
      add({ on: 'text', field: 'correlationId', test });
    }
    if (category != null) add({ on: 'category', in: category });
    if (severity?.eq != null) add({ on: 'severity', in: [severity.eq] });
    if (severity?.in != null) add({ on: 'severity', in: severity.in });
    if (severity?.gte != null)
      add({ on: 'severity', in: SEVERITIES.slice(SEVERITIES.indexOf(severity.gte)) });
    for (const refs of listsOf(resource)) {
      add({ on: 'text', field: 'resource', test: { is: 'in', values: refs.map(parseResourceRef) } });
    }
    if (resource?.type != null) {
      add({
        on: 'text',
        field: 'resourceType',
        test: { is: 'in', values: [checkText(resource.type, 'resource.type')] },
      });
    }
    for (const [relation, name] of [
      ['root', root],
      ['parent', parent],
      ['within', within],
    ] as const) {
      if (name == null) continue;
      const above = toEventId(name);
      add(above === null ? unknowable() : { on: 'tree', relation, id: above });
    }
    for (const field of ['occurredAt', 'recordedAt'] as const) {
      const span = filter[field];
      if (span != null) add(timeCondition(field, span));
    }
    for (const given of filter.attributes ?? []) {
      const declared = registry.attribute(given.name);
      const attribute: Attribute = {
        ...declared,
        get private() {
          return isPrivate(declared.name);
        },
      };
      attributeConditions(given, attribute).forEach(add);
    }
    if (search != null) {
      const all = wordsOf(checkText(search, 'search'));
      if (all.length > MAX_SEARCH_WORDS) throw tooLarge(`longer than ${MAX_SEARCH_WORDS} words to search`);
      add({ on: 'words', all });
    }
    return of.length === 1 ? (of[0] as Condition) : { on: 'and', of };
  };

  return input == null ? EVERYTHING : parse(input, 0);
}

/** Whether any part of the tree meets the test. */
export function someCondition(condition: Condition, test: (leaf: Condition) => boolean): boolean {
  if (condition.on === 'and' || condition.on === 'or')
    return condition.of.some((part) => someCondition(part, test));
  if (condition.on === 'not') return someCondition(condition.of, test);
  return test(condition);
}

/** The events named by `root`, `parent` and `within`, each once. */
export function namedEvents(condition: Condition): EventId[] {
  const ids = new Set<EventId>();
  someCondition(condition, (leaf) => {
    if (leaf.on === 'tree') ids.add(leaf.id);
    return false;
  });
  return [...ids];
}

/** What a text that is no id of any event says of a tree: the same as the id of an event unseen. */
function unknowable(): Condition {
  return { on: 'tree', relation: 'within', id: NO_ID };
}
const NO_ID = '00000000-0000-0000-0000-000000000000' as EventId;

function listsOf(filter: Maybe<IdFilterInput>): (readonly string[])[] {
  const lists: (readonly string[])[] = [];
  if (filter?.eq != null) lists.push([filter.eq]);
  if (filter?.in != null) lists.push(filter.in);
  return lists;
}

function textTests(filter: Maybe<StringFilterInput>, field: string): TextTest[] {
  const check = (value: string) => checkText(value, field);
  const tests: TextTest[] = listsOf(filter).map((values) => ({ is: 'in', values: values.map(check) }));
  if (filter?.startsWith != null) tests.push({ is: 'startsWith', prefix: check(filter.startsWith) });
  if (filter?.ne != null) tests.push({ is: 'not', value: check(filter.ne) });
  return tests;
}

function timeCondition(field: 'occurredAt' | 'recordedAt', { gte, gt, lt, lte }: TimeFilterInput): Condition {
  const from = Math.max(gte ?? -Infinity, gt == null ? -Infinity : gt + 1);
  const before = Math.min(lt ?? Infinity, lte == null ? Infinity : lte + 1);
  return { on: 'time', field, from, before };
}

function attributeConditions(filter: AttributeFilterInput, attribute: Attribute): Condition[] {
  const { name, kind } = attribute;
  const tests: ValueTest[] = [];
  const value = (given: unknown) => parseAttributeValue(attribute, given);
  const refuse = (test: string): never => {
    throw new EventreeError(
      'ATTRIBUTE_KIND_MISMATCH',
      `The attribute ${name} is of kind ${kind}, which has no ${test}.`,
      {
        attribute: name,
        kind,
      },
    );
  };
  for (const test of ['eq', 'ne', 'gt', 'gte', 'lt', 'lte'] as const) {
    const given = filter[test];
    if (given === undefined) continue;
    if (given === null) {
      throw new EventreeError(
        'BAD_USER_INPUT',
        `No attribute is null: use exists: false to find events without ${name}.`,
      );
    }
    if (test === 'eq') tests.push({ is: 'in', values: [value(given)] });
    else if (test === 'ne') tests.push({ is: 'not', value: value(given) });
    else if (isOrdered(kind)) tests.push({ is: test, value: value(given) as string | number });
    else refuse(test);
  }
  if (filter.in != null) tests.push({ is: 'in', values: filter.in.map(value) });
  if (filter.startsWith != null) {
    if (!isText(kind)) refuse('startsWith');
    tests.push({ is: 'startsWith', prefix: checkText(filter.startsWith, name) });
  }
  if (filter.exists != null) tests.push({ is: filter.exists ? 'present' : 'absent' });
  if (tests.length === 0) {
    throw new EventreeError(
      'BAD_USER_INPUT',
      `The filter names the attribute ${name} but not what it must be.`,
    );
  }
  return tests.map((test) => ({ on: 'attribute', attribute, test }));
}

function sizeOf(condition: Condition): number {
  if ('in' in condition) return 1 + condition.in.length;
  if ('test' in condition && 'values' in condition.test) return 1 + condition.test.values.length;
  return 1;
}

function tooLarge(how: string): EventreeError {
  return new EventreeError('LIMIT_EXCEEDED', `The filter is ${how}: split it into several queries.`);
}
