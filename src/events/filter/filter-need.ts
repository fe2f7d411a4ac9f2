/**
 * What an event must have for a filter to let it through, where that can be looked up instead of tried:
 * one field, and the values it may have. Live readers are found by it (live/routes.ts); the filter itself
 * is asked afterwards.
 */

import { resourceType } from '../../access/resource-ref.ts';
import type { Json } from '../../base/json.ts';
import { ownValue } from '../../base/json.ts';
import type { Event } from '../event.ts';
import type { Condition, TextField } from './filter.ts';

/** No event meets the filter that has none of these keys. */
export interface Need {
  /** `id`, a text field, or `attribute:` and a name. */
  readonly field: string;
  readonly keys: readonly string[];
}

const ATTRIBUTE = 'attribute:';
/** More are no quicker to look up than to try. */
const MAX_KEYS = 100;
/** Most telling first; any attribute comes before them all. */
const TELLING = ['id', 'correlationId', 'sessionId', 'resource', 'actor', 'type', 'resourceType'];

/** The most telling one; null where the filter asks for no certain value. */
export function needOf(condition: Condition): Need | null {
  return needsOf(condition).reduce<Need | null>(
    (best, need) => (best === null || rank(need) < rank(best) ? need : best),
    null,
  );
}

/** The keys that an event has in a field. */
export function keyOf(event: Event, field: string): string | null {
  if (field.startsWith(ATTRIBUTE))
    return keyOfValue(ownValue(event.attributes, field.slice(ATTRIBUTE.length)));
  if (field === 'resourceType') return event.resource === null ? null : resourceType(event.resource);
  return event[field as 'id' | Exclude<TextField, 'resourceType'>];
}

function needsOf(condition: Condition): Need[] {
  switch (condition.on) {
    case 'and':
      return condition.of.flatMap(needsOf);
    case 'id':
      return needing('id', condition.in);
    case 'text':
      return condition.test.is === 'in' ? needing(condition.field, condition.test.values) : [];
    case 'attribute': {
      const { attribute, test } = condition;
      if (test.is !== 'in') return [];
      const keys = test.values.map(keyOfValue);
      return keys.includes(null) ? [] : needing(ATTRIBUTE + attribute.name, keys as string[]);
    }
    default:
      return [];
  }
}

function needing(field: string, keys: readonly string[]): Need[] {
  return keys.length <= MAX_KEYS ? [{ field, keys: [...new Set(keys)] }] : [];
}

function rank({ field, keys }: Need): number {
  return field.startsWith(ATTRIBUTE)
    ? keys.length / (MAX_KEYS + 1)
    : 1 + TELLING.indexOf(field) + keys.length / (MAX_KEYS + 1);
}

/** Null for what can be written in several ways. */
function keyOfValue(value: Json | undefined): string | null {
  return value === undefined || (typeof value === 'object' && value !== null) ? null : JSON.stringify(value);
}
