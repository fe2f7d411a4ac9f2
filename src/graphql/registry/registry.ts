/** Attributes and event types, and how they are declared. */
import { isAdmin } from '../../access/principal.ts';
import { EventreeError } from '../../base/errors.ts';
import type { Attribute } from '../../events/attribute.ts';
import type { EventType, EventTypeAttribute } from '../../events/registry.ts';
import { AttributeKindEnum, builder, CategoryEnum, SeverityEnum } from '../builder.ts';
import type { Context } from '../context.ts';

export const EventTypeType = builder.objectRef<EventType>('EventType');
const EventTypeAttributeType = builder.objectRef<EventTypeAttribute>('EventTypeAttribute');
const AttributeType = builder.objectRef<Attribute>('Attribute');

EventTypeType.implement({
  fields: (t) => ({
    name: t.exposeString('name'),
    description: t.exposeString('description', { nullable: true }),
    category: t.field({ type: CategoryEnum, resolve: ({ category }) => category }),
    severity: t.field({ type: SeverityEnum, resolve: ({ severity }) => severity }),
    messageTemplate: t.exposeString('messageTemplate', {
      nullable: true,
      description: 'e.g. `{actor} renamed {resource}: {old} → {new}`',
    }),
    attributes: t.field({ type: [EventTypeAttributeType], resolve: ({ attributes }) => attributes }),
    enabled: t.exposeBoolean('enabled', {
      description: 'Events of a disabled type are accepted and not kept.',
    }),
  }),
});

EventTypeAttributeType.implement({
  fields: (t) => ({
    attribute: t.field({ type: AttributeType, resolve: ({ attribute }) => attribute }),
    required: t.exposeBoolean('required'),
  }),
});

AttributeType.implement({
  fields: (t) => ({
    name: t.exposeString('name'),
    kind: t.field({ type: AttributeKindEnum, resolve: ({ kind }) => kind }),
    description: t.exposeString('description', { nullable: true }),
    indexed: t.exposeBoolean('indexed'),
    private: t.exposeBoolean('private'),
  }),
});

builder.queryFields((t) => ({
  eventTypes: t.field({
    type: [EventTypeType],
    resolve: async (_, __, { core }) => [...(await core.registry.refresh()).types.values()],
  }),
  eventType: t.field({
    type: EventTypeType,
    nullable: true,
    args: { name: t.arg.string({ required: true }) },
    resolve: async (_, { name }, { core }) => (await core.registry.refresh()).types.get(name) ?? null,
  }),
  attributes: t.field({
    type: [AttributeType],
    resolve: async (_, __, { core }) => [...(await core.registry.refresh()).attributes.values()],
  }),
}));

const DefineAttributeInput = builder.inputType('DefineAttributeInput', {
  fields: (t) => ({
    name: t.string({ required: true }),
    kind: t.field({ type: AttributeKindEnum, required: true }),
    description: t.string(),
    indexed: t.boolean({ required: true, defaultValue: true }),
    private: t.boolean({ required: true, defaultValue: false }),
  }),
});

const EventTypeAttributeInput = builder.inputType('EventTypeAttributeInput', {
  fields: (t) => ({
    name: t.string({ required: true }),
    required: t.boolean({ required: true, defaultValue: false }),
  }),
});

const DefineEventTypeInput = builder.inputType('DefineEventTypeInput', {
  fields: (t) => ({
    name: t.string({ required: true }),
    description: t.string(),
    category: t.field({ type: CategoryEnum, required: true }),
    severity: t.field({ type: SeverityEnum, required: true, defaultValue: 'MEDIUM' }),
    messageTemplate: t.string(),
    attributes: t.field({ type: [EventTypeAttributeInput], required: true, defaultValue: [] }),
    enabled: t.boolean({ required: true, defaultValue: true }),
  }),
});

builder.mutationFields((t) => ({
  defineAttribute: t.field({
    type: AttributeType,
    description:
      'Declares an attribute, or changes all of it but its kind. Takes `group/admin`. Where events with it were recorded before it was indexed, they are indexed before this answers.',
    args: { input: t.arg({ type: DefineAttributeInput, required: true }) },
    resolve: async (_, { input }, { core, principal }) => {
      checkMayDefine(principal);
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
    resolve: (_, { input }, { core, principal }) => {
      checkMayDefine(principal);
      const { description = null, messageTemplate = null, ...rest } = input;
      return core.registry.defineEventType({ ...rest, description, messageTemplate });
    },
  }),
}));

function checkMayDefine(principal: Context['principal']): void {
  if (isAdmin(principal)) return;
  throw new EventreeError('FORBIDDEN', 'Declaring attributes and event types takes the claim group/admin.');
}
