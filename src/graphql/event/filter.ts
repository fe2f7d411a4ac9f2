/** Inputs of the filter language; what they mean stands in events/filter/filter.ts. */
import type { EventFilterInput } from '../../events/filter/filter.ts';
import { builder, CategoryEnum, SeverityEnum } from '../builder.ts';

const IDFilter = builder.inputType('IDFilter', {
  fields: (t) => ({ eq: t.id(), in: t.idList() }),
});

const StringFilter = builder.inputType('StringFilter', {
  fields: (t) => ({ eq: t.string(), in: t.stringList(), startsWith: t.string(), ne: t.string() }),
});

const SeverityFilter = builder.inputType('SeverityFilter', {
  fields: (t) => ({
    eq: t.field({ type: SeverityEnum }),
    in: t.field({ type: [SeverityEnum] }),
    gte: t.field({ type: SeverityEnum }),
  }),
});

const ResourceFilter = builder.inputType('ResourceFilter', {
  fields: (t) => ({
    eq: t.field({ type: 'ResourceRef' }),
    in: t.field({ type: ['ResourceRef'] }),
    type: t.string(),
  }),
});

const DateTimeFilter = builder.inputType('DateTimeFilter', {
  fields: (t) => ({
    gte: t.field({ type: 'DateTime' }),
    gt: t.field({ type: 'DateTime' }),
    lt: t.field({ type: 'DateTime' }),
    lte: t.field({ type: 'DateTime' }),
  }),
});

const AttributeFilter = builder.inputType('AttributeFilter', {
  description: '`name` must be a declared attribute; the value must be of its kind.',
  fields: (t) => ({
    name: t.string({ required: true }),
    eq: t.field({ type: 'JSON' }),
    ne: t.field({ type: 'JSON' }),
    in: t.field({ type: ['JSON'] }),
    gt: t.field({ type: 'JSON' }),
    gte: t.field({ type: 'JSON' }),
    lt: t.field({ type: 'JSON' }),
    lte: t.field({ type: 'JSON' }),
    startsWith: t.string(),
    exists: t.boolean(),
  }),
});

export const EventFilter = builder.inputRef<EventFilterInput>('EventFilter');

EventFilter.implement({
  description:
    'One filter for queries, subscriptions, sensors, exports and retention. All given fields must hold. A value that an event lacks meets no comparison, `ne` included; `not` and `exists: false` find it. A condition on what the viewer may not see does not match, nor does its negation.',
  fields: (t) => ({
    and: t.field({ type: [EventFilter] }),
    or: t.field({ type: [EventFilter] }),
    not: t.field({ type: EventFilter }),
    id: t.field({ type: IDFilter }),
    type: t.field({ type: StringFilter }),
    category: t.field({ type: [CategoryEnum] }),
    severity: t.field({ type: SeverityFilter }),
    resource: t.field({ type: ResourceFilter }),
    actor: t.field({ type: StringFilter }),
    sessionId: t.field({ type: IDFilter }),
    correlationId: t.field({ type: StringFilter }),
    root: t.id(),
    parent: t.id(),
    within: t.id({ description: 'The event and everything below it, at any depth.' }),
    occurredAt: t.field({ type: DateTimeFilter }),
    recordedAt: t.field({ type: DateTimeFilter }),
    attributes: t.field({ type: [AttributeFilter] }),
    search: t.string({ description: 'Words of the message.' }),
  }),
});
