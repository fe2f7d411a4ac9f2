/**
 * What is known of a resource's state, from its newest events: the latest value of each attribute, by the event that
 * gave it; the latest event of each type of state; and whether it was destroyed. Pure.
 */
import type { ResourceEvent } from './event-list.ts';

export interface LatestValue {
  readonly name: string;
  /** Absent where the event is the resource's creation, or does not tell. */
  readonly old?: unknown;
  readonly value: unknown;
  readonly by: ResourceEvent;
}

export interface LatestState {
  readonly values: readonly LatestValue[];
  readonly states: readonly ResourceEvent[];
  /** Null where it is there, or was created again. */
  readonly destroyed: ResourceEvent | null;
  /** Whether the viewer may see of no event more than its envelope. */
  readonly isEnvelopeOnly: boolean;
}

/** @param events newest first. */
export function latestState(events: readonly ResourceEvent[]): LatestState {
  const failed = new Set(
    events.filter(({ type }) => type.name.endsWith('.failed')).map(({ parent }) => parent?.id),
  );
  const values = new Map<string, LatestValue>();
  const states = new Map<string, ResourceEvent>();
  let destroyed: ResourceEvent | null = null;
  for (const event of events) {
    // An action says what somebody set out to do; where it failed, nothing came of it.
    if (failed.has(event.id)) continue;
    const { category, type } = event;
    const verb = type.name.slice(type.name.lastIndexOf('.') + 1);
    if (category === 'STATE' && !states.has(type.name)) states.set(type.name, event);
    const told = valuesOf(event, verb);
    for (const value of told) if (!values.has(value.name)) values.set(value.name, value);
    if (category !== 'CRUD') continue;
    if (verb === 'destroy') destroyed ??= event;
    // What lies before it belongs to an earlier life of the resource.
    if (verb === 'create' && (type.name === 'create' || told.length > 0)) break;
  }
  return {
    values: [...values.values()],
    states: [...states.values()],
    destroyed,
    isEnvelopeOnly: events.length > 0 && events.every(({ attributes }) => attributes === null),
  };
}

function valuesOf(event: ResourceEvent, verb: string): LatestValue[] {
  const attributes = event.attributes ?? {};
  const { values, old, new: value } = attributes;
  const name = changedName(attributes);
  if (name !== null && 'new' in attributes)
    return [{ name, ...('old' in attributes && { old }), value, by: event }];
  if ((verb === 'create' || verb === 'update') && isObject(values)) {
    return Object.entries(values).map(([name, value]) => ({ name, value, by: event }));
  }
  return [];
}

/** Of an attribute, or of a field of a row. */
function changedName({ attribute, field, row, relation }: Readonly<Record<string, unknown>>): string | null {
  if (typeof attribute === 'string') return attribute;
  if (typeof field !== 'string') return null;
  const of = typeof relation === 'string' ? `${relation}.${field}` : field;
  return typeof row === 'string' ? `${of} (row ${row})` : of;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A text as it is, all else as JSON. */
export function printValue(value: unknown): string {
  if (typeof value === 'string') return value === '' ? '""' : value;
  return value === undefined ? '–' : JSON.stringify(value);
}
