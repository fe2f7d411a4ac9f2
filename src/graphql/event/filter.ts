/** Inputs of the filter language; what they mean stands in events/filter/filter.ts. */
import type { EventFilterInput } from '../../events/filter/filter.ts';
import { builder, CategoryEnum, SeverityEnum } from '../builder.ts';

const EQ = 'It is this.';
const NE = 'It is there and not this.';
const IN = 'It is one of these.';
const GT = 'It comes after this.';
const GTE = 'It is this or comes after it.';
const LT = 'It comes before this.';
const LTE = 'It is this or comes before it.';

const IDFilter = builder.inputType('IDFilter', {
  description: 'A condition on an id. All given fields must hold.',
  fields: (t) => ({ eq: t.id({ description: EQ }), in: t.idList({ description: IN }) }),
});

const StringFilter = builder.inputType('StringFilter', {
  description: 'A condition on a text, compared letter by letter. All given fields must hold.',
  fields: (t) => ({
    eq: t.string({ description: EQ }),
    in: t.stringList({ description: IN }),
    startsWith: t.string({ description: 'It begins with this.' }),
    ne: t.string({ description: NE }),
  }),
});

const SeverityFilter = builder.inputType('SeverityFilter', {
  description: 'A condition on a severity. All given fields must hold.',
  fields: (t) => ({
    eq: t.field({ type: SeverityEnum, description: EQ }),
    in: t.field({ type: [SeverityEnum], description: IN }),
    gte: t.field({ type: SeverityEnum, description: GTE }),
  }),
});

const ResourceFilter = builder.inputType('ResourceFilter', {
  description: 'A condition on what an event is about. All given fields must hold.',
  fields: (t) => ({
    eq: t.field({ type: 'ResourceRef', description: EQ }),
    in: t.field({ type: ['ResourceRef'], description: IN }),
    type: t.string({ description: 'It is of this type.' }),
  }),
});

const DateTimeFilter = builder.inputType('DateTimeFilter', {
  description: 'A condition on a time. All given fields must hold.',
  fields: (t) => ({
    gte: t.field({ type: 'DateTime', description: GTE }),
    gt: t.field({ type: 'DateTime', description: GT }),
    lt: t.field({ type: 'DateTime', description: LT }),
    lte: t.field({ type: 'DateTime', description: LTE }),
  }),
});

const AttributeFilter = builder.inputType('AttributeFilter', {
  description: '`name` must be a declared attribute; the value must be of its kind.',
  fields: (t) => ({
    name: t.string({ required: true, description: 'Of a declared attribute.' }),
    eq: t.field({ type: 'JSON', description: EQ }),
    ne: t.field({ type: 'JSON', description: NE }),
    in: t.field({ type: ['JSON'], description: IN }),
    gt: t.field({ type: 'JSON', description: GT }),
    gte: t.field({ type: 'JSON', description: GTE }),
    lt: t.field({ type: 'JSON', description: LT }),
    lte: t.field({ type: 'JSON', description: LTE }),
    startsWith: t.string({ description: 'It is a text that begins with this.' }),
    exists: t.boolean({ description: 'Whether the event has it.' }),
  }),
});

export const EventFilter = builder.inputRef<EventFilterInput>('EventFilter');

EventFilter.implement({
  description:
    'One filter for queries, subscriptions, sensors, exports and retention. All given fields must hold. A value that an event lacks meets no comparison, `ne` included; `not` and `exists: false` find it. A condition on what the viewer may not see does not match, nor does its negation.',
  fields: (t) => ({
    and: t.field({ type: [EventFilter], description: 'All of these hold; so they do if there are none.' }),
    or: t.field({ type: [EventFilter], description: 'One of these holds; none does if there are none.' }),
    not: t.field({ type: EventFilter, description: 'This does not hold.' }),
    id: t.field({ type: IDFilter, description: 'Its id.' }),
    type: t.field({ type: StringFilter, description: 'The name of its type.' }),
    category: t.field({ type: [CategoryEnum], description: 'It is of one of these.' }),
    severity: t.field({ type: SeverityFilter, description: 'Its severity.' }),
    resource: t.field({ type: ResourceFilter, description: 'What it is about.' }),
    actor: t.field({ type: StringFilter, description: 'Who caused it.' }),
    sessionId: t.field({ type: IDFilter, description: 'The session in which it happened.' }),
    correlationId: t.field({
      type: StringFilter,
      description: 'By which applications know what belongs together.',
    }),
    root: t.id({ description: 'The event at the top of its tree.' }),
    parent: t.id({ description: 'The event that it is directly part of.' }),
    within: t.id({ description: 'The event and everything below it, at any depth.' }),
    occurredAt: t.field({ type: DateTimeFilter, description: 'When it happened.' }),
    recordedAt: t.field({ type: DateTimeFilter, description: 'When the journal took it.' }),
    attributes: t.field({ type: [AttributeFilter], description: 'Each of these holds.' }),
    search: t.string({ description: 'Words of the message.' }),
  }),
});
