/** Attributes and event types, and how they are declared. */
import { isAdmin, type Principal } from '../../access/principal.ts';
import { checkToken } from '../../access/revocation.ts';
import { EventreeError } from '../../base/errors.ts';
import type { Attribute } from '../../events/attribute.ts';
import type { EventFilterInput } from '../../events/filter/filter.ts';
import { unwritten } from '../../events/journal.ts';
import type { EventType, EventTypeAttribute, Registry } from '../../events/registry.ts';
import { AttributeKindEnum, builder, CategoryEnum, SeverityEnum } from '../builder.ts';
import type { Context, Core } from '../context.ts';
import { EventFilter } from '../event/filter.ts';
import { SHARED } from '../sharing.ts';

export const EventTypeType = builder.objectRef<EventType>('EventType');
const EventTypeAttributeType = builder.objectRef<EventTypeAttribute>('EventTypeAttribute');
const AttributeType = builder.objectRef<Attribute>('Attribute');

/** What counting weighs, in fields; see policy.ts. */
const COST_OF_COUNT = 500;

EventTypeType.implement({
  description: 'A declared kind of event, with what its events fall back to.',
  fields: (t) => ({
    name: t.exposeString('name', { extensions: SHARED, description: 'By which events name it.' }),
    description: t.exposeString('description', {
      extensions: SHARED,
      nullable: true,
      description: 'For a person to read.',
    }),
    category: t.field({
      extensions: SHARED,
      type: CategoryEnum,
      description: 'Of its events that give none.',
      resolve: ({ category }) => category,
    }),
    severity: t.field({
      extensions: SHARED,
      type: SeverityEnum,
      description: 'Of its events that give none.',
      resolve: ({ severity }) => severity,
    }),
    messageTemplate: t.exposeString('messageTemplate', {
      extensions: SHARED,
      nullable: true,
      description: 'e.g. `{actor} renamed {resource}: {old} → {new}`',
    }),
    attributes: t.field({
      extensions: SHARED,
      type: [EventTypeAttributeType],
      description: 'Those that its events may have.',
      resolve: ({ attributes }) => attributes,
    }),
    enabled: t.exposeBoolean('enabled', {
      extensions: SHARED,
      description: 'Events of a disabled type are accepted and not kept.',
    }),
  }),
});

EventTypeAttributeType.implement({
  description: 'An attribute as an event type has it.',
  fields: (t) => ({
    attribute: t.field({
      extensions: SHARED,
      type: AttributeType,
      description: 'As it is declared for all event types.',
      resolve: ({ attribute }) => attribute,
    }),
    required: t.exposeBoolean('required', {
      extensions: SHARED,
      description: 'Whether an event without it is refused.',
    }),
  }),
});

AttributeType.implement({
  description: 'A declared name and kind of a value. Global: every event type that has it means the same.',
  fields: (t) => ({
    name: t.exposeString('name', {
      extensions: SHARED,
      description: 'By which events give it and filters ask for it.',
    }),
    kind: t.field({
      extensions: SHARED,
      type: AttributeKindEnum,
      description: 'What values it takes; never changed.',
      resolve: ({ kind }) => kind,
    }),
    description: t.exposeString('description', {
      extensions: SHARED,
      nullable: true,
      description: 'For a person to read.',
    }),
    indexed: t.exposeBoolean('indexed', {
      extensions: SHARED,
      description: 'Whether the index knows its values, which makes filters by it fast.',
    }),
    private: t.exposeBoolean('private', {
      extensions: SHARED,
      description: 'Whether only owners of an event’s resource see it.',
    }),
    eventCount: t.int({
      nullable: true,
      extensions: { complexity: COST_OF_COUNT },
      description:
        'How many events have it that match and that the viewer may see with it: a private attribute counts for owners of the resource only. Null where it is not indexed.',
      args: {
        journal: t.arg.string({ required: true, defaultValue: 'main' }),
        filter: t.arg({ type: EventFilter }),
      },
      resolve: ({ name, indexed }, args, context) =>
        indexed ? context.inTurn(() => countWith(name, args, context)) : null,
    }),
  }),
});

builder.queryFields((t) => ({
  eventTypes: t.field({
    type: [EventTypeType],
    description: 'All that are declared.',
    resolve: async (_, __, context) => [...(await inForce(context)).types.values()],
  }),
  eventType: t.field({
    type: EventTypeType,
    nullable: true,
    description: 'The one of this name.',
    args: { name: t.arg.string({ required: true }) },
    resolve: async (_, { name }, context) => (await inForce(context)).types.get(name) ?? null,
  }),
  attributes: t.field({
    type: [AttributeType],
    description: 'All that are declared.',
    resolve: async (_, __, context) => [...(await inForce(context)).attributes.values()],
  }),
}));

interface CountArgs {
  readonly journal: string;
  readonly filter?: EventFilterInput | null | undefined;
}

/** How many events have the attribute. */
async function countWith(
  name: string,
  { journal: journalName, filter }: CountArgs,
  { core: { reader, journals }, principal }: Context,
): Promise<number> {
  const having = { attributes: [{ name, exists: true }] };
  const condition = await reader.filter(filter == null ? having : { and: [having, filter] });
  const journal = (await journals.find(journalName)) ?? unwritten(journalName);
  return reader.count({ journal, filter: condition }, principal);
}

async function inForce({ core, principal }: Context): Promise<Registry> {
  const registry = await core.registry.refresh();
  checkToken(principal, registry.revocations);
  return registry;
}

const DefineAttributeInput = builder.inputType('DefineAttributeInput', {
  description: 'An attribute as a whole: what is left out takes its default.',
  fields: (t) => ({
    name: t.string({ required: true, description: 'By which events give it and filters ask for it.' }),
    kind: t.field({
      type: AttributeKindEnum,
      required: true,
      description: 'What values it takes; cannot be changed later.',
    }),
    description: t.string({ description: 'For a person to read.' }),
    indexed: t.boolean({
      required: true,
      defaultValue: true,
      description: 'Whether the index knows its values. Values that no two events share are better left out.',
    }),
    private: t.boolean({
      required: true,
      defaultValue: false,
      description:
        'Whether only owners of an event’s resource see it. Messages that show its value already keep it.',
    }),
  }),
});

const EventTypeAttributeInput = builder.inputType('EventTypeAttributeInput', {
  description: 'An attribute as an event type has it.',
  fields: (t) => ({
    name: t.string({ required: true, description: 'Of a declared attribute.' }),
    required: t.boolean({
      required: true,
      defaultValue: false,
      description: 'Whether an event without it is refused.',
    }),
  }),
});

const DefineEventTypeInput = builder.inputType('DefineEventTypeInput', {
  description: 'An event type as a whole: what is left out takes its default.',
  fields: (t) => ({
    name: t.string({ required: true, description: 'By which events name it.' }),
    description: t.string({ description: 'For a person to read.' }),
    category: t.field({ type: CategoryEnum, required: true, description: 'Of its events that give none.' }),
    severity: t.field({
      type: SeverityEnum,
      required: true,
      defaultValue: 'MEDIUM',
      description: 'Of its events that give none.',
    }),
    messageTemplate: t.string({ description: 'e.g. `{actor} renamed {resource}: {old} → {new}`' }),
    attributes: t.field({
      type: [EventTypeAttributeInput],
      required: true,
      defaultValue: [],
      description: 'Those that its events may have.',
    }),
    enabled: t.boolean({
      required: true,
      defaultValue: true,
      description: 'Events of a disabled type are accepted and not kept.',
    }),
  }),
});

builder.mutationFields((t) => ({
  defineAttribute: t.field({
    type: AttributeType,
    description:
      'Declares an attribute, or changes all of it but its kind. Takes `group/admin`. Where events with it were recorded before it was indexed, they are indexed before this answers.',
    args: { input: t.arg({ type: DefineAttributeInput, required: true }) },
    resolve: async (_, { input }, { core, principal }) => {
      await checkMayDefine(core, principal);
      const attribute = await core.registry.defineAttribute({
        ...input,
        description: input.description ?? null,
      });
      if (attribute.indexed && !attribute.indexReady) await core.indexAttribute(attribute.name);
      return attribute;
    },
  }),
  defineEventType: t.field({
    type: EventTypeType,
    description: 'Declares an event type, or declares it anew as a whole. Takes `group/admin`.',
    args: { input: t.arg({ type: DefineEventTypeInput, required: true }) },
    resolve: async (_, { input }, { core, principal }) => {
      await checkMayDefine(core, principal);
      const { description = null, messageTemplate = null, ...rest } = input;
      return core.registry.defineEventType({ ...rest, description, messageTemplate });
    },
  }),
}));

async function checkMayDefine(core: Core, principal: Principal): Promise<void> {
  await core.registry.confirm(principal);
  if (isAdmin(principal)) return;
  throw new EventreeError('FORBIDDEN', 'Declaring attributes and event types takes the claim group/admin.');
}
