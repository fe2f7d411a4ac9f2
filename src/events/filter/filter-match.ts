/**
 * The filter as a predicate in memory, for events on their way to live readers. What each condition means
 * stands in filter.ts; a property test holds this equal to filter-sql.ts.
 */
import { DATA, type Level, PRIVATE } from '../../access/acl.ts';
import { resourceType } from '../../access/resource-ref.ts';
import { type Json, jsonEquals, ownValue } from '../../base/json.ts';
import { compareText } from '../../base/text.ts';
import type { Event, EventId } from '../event.ts';
import type { Condition, TextField, TextTest, ValueTest } from './filter.ts';

/** Null: the viewer may not know. */
export type Verdict = boolean | null;

/** @param sees whether the viewer sees an event that the filter names (`namedEvents`). */
export type Match = (event: Event, level: Level, sees: (id: EventId) => boolean) => Verdict;

export function compileMatch(condition: Condition): Match {
  switch (condition.on) {
    case 'and':
    case 'or':
      return combine(condition.of.map(compileMatch), condition.on === 'or');
    case 'not': {
      const inner = compileMatch(condition.of);
      return (event, level, sees) => {
        const verdict = inner(event, level, sees);
        return verdict === null ? null : !verdict;
      };
    }
    case 'id': {
      const ids = new Set(condition.in);
      return ({ id }) => ids.has(id);
    }
    case 'category': {
      const categories = new Set(condition.in);
      return ({ category }) => categories.has(category);
    }
    case 'severity': {
      const severities = new Set(condition.in);
      return ({ severity }) => severities.has(severity);
    }
    case 'text': {
      const test = compileText(condition.test);
      return (event) => test(textOf(event, condition.field));
    }
    case 'words': {
      const sought = condition.all.map((word) => ` ${word} `);
      return ({ words }, level) => {
        const visible = level >= DATA ? words.slice(words.indexOf('|') + 1) : words.split('|', 1)[0];
        return sought.every((word) => visible?.includes(word));
      };
    }
    case 'time': {
      const { field, from, before } = condition;
      return (event) => event[field] >= from && event[field] < before;
    }
    case 'tree': {
      const { relation, id } = condition;
      return (event, _, sees) => (sees(id) ? related(event, relation, id) : null);
    }
    case 'depth':
      return ({ path }) => path.length <= condition.most;
    case 'attribute': {
      const { attribute, test } = condition;
      const matches = compileValue(test);
      return ({ attributes }, level) =>
        level < (attribute.private ? PRIVATE : DATA) ? null : matches(ownValue(attributes, attribute.name));
    }
  }
}

/** Any `decisive` verdict decides; otherwise an unknown one leaves it open. */
function combine(parts: readonly Match[], decisive: boolean): Match {
  return (event, level, sees) => {
    let open = false;
    for (const part of parts) {
      const verdict = part(event, level, sees);
      if (verdict === decisive) return decisive;
      if (verdict === null) open = true;
    }
    return open ? null : !decisive;
  };
}

function related(event: Event, relation: 'root' | 'parent' | 'within', id: EventId): boolean {
  switch (relation) {
    case 'root':
      return (event.path[0] ?? event.id) === id;
    case 'parent':
      return event.path.at(-1) === id;
    case 'within':
      return event.id === id || event.path.includes(id);
  }
}

function textOf(event: Event, field: TextField): string | null {
  if (field === 'resourceType') return event.resource === null ? null : resourceType(event.resource);
  return event[field];
}

function compileText(test: TextTest): (value: string | null) => boolean {
  switch (test.is) {
    case 'in': {
      const values = new Set(test.values);
      return (value) => value !== null && values.has(value);
    }
    case 'not':
      return (value) => value !== null && value !== test.value;
    case 'startsWith':
      return (value) => value?.startsWith(test.prefix) ?? false;
  }
}

function compileValue(test: ValueTest): (value: Json | undefined) => boolean {
  switch (test.is) {
    case 'in':
      return (value) => value !== undefined && test.values.some((one) => jsonEquals(one, value));
    case 'not':
      return (value) => value !== undefined && !jsonEquals(test.value, value);
    case 'startsWith':
      return (value) => typeof value === 'string' && value.startsWith(test.prefix);
    case 'present':
      return (value) => value !== undefined;
    case 'absent':
      return (value) => value === undefined;
    case 'gt':
      return (value) => value !== undefined && compareValues(value, test.value) > 0;
    case 'gte':
      return (value) => value !== undefined && compareValues(value, test.value) >= 0;
    case 'lt':
      return (value) => value !== undefined && compareValues(value, test.value) < 0;
    case 'lte':
      return (value) => value !== undefined && compareValues(value, test.value) <= 0;
  }
}

/** Both of one ordered kind, so both numbers or both text. */
function compareValues(a: Json, b: string | number): number {
  return typeof b === 'number' ? (a as number) - b : compareText(a as string, b);
}
