/** Recording. */
import type { RecordEventInput } from '../../events/draft.ts';
import type { SeenEvent } from '../../events/event.ts';
import { builder, CategoryEnum, SeverityEnum } from '../builder.ts';
import { EventType } from './event.ts';

export const RecordEventInputType = builder.inputRef<RecordEventInput>('RecordEventInput');

RecordEventInputType.implement({
  description: 'An event to record.',
  fields: (t) => ({
    id: t.id({
      description:
        'A UUIDv7 given by the client, not of the future: recording it again returns the event already there. Other content under the same id: ID_CONFLICT.',
    }),
    journal: t.string({ required: true, defaultValue: 'main', description: 'Created with its first event.' }),
    type: t.string({ required: true, description: 'Name of a declared event type.' }),
    resource: t.field({
      type: 'ResourceRef',
      description: 'What it is about. One that is not there is created, with the recorder as its owner.',
    }),
    category: t.field({ type: CategoryEnum, description: "Each of these falls back to the type's." }),
    severity: t.field({ type: SeverityEnum, description: 'Left out: the type’s.' }),
    message: t.string({ description: 'Left out: rendered from the type’s template.' }),
    occurredAt: t.field({ type: 'DateTime', description: 'Left out: the time in the id.' }),
    actor: t.field({ type: 'Claim', description: 'Left out: the subject of the token.' }),
    activeClaim: t.field({
      type: 'Claim',
      description: 'The claim under which the actor acted, where it differs.',
    }),
    sessionId: t.id({ description: 'The session of the application in which it happened.' }),
    correlationId: t.string({ description: 'By which applications know what belongs together.' }),
    parentId: t.id({
      description: 'The event that this one is part of, which the recorder may see or has recorded.',
    }),
    attributes: t.field({ type: 'JSONObject', description: 'Values of the type’s attributes, by name.' }),
    payload: t.field({ type: 'JSON', description: 'Free JSON, kept and not indexed.' }),
    privatePayload: t.field({ type: 'JSON', description: 'The same for owners of the resource alone.' }),
    visibleToActor: t.boolean({
      required: true,
      defaultValue: false,
      description:
        'Its actor sees it too, with attributes and payload, whatever the resource’s ACL says. It is recorded with the event: no change of the ACL takes it away.',
    }),
    children: t.field({
      type: [RecordEventInputType],
      description:
        'A child belongs to the journal of its parent. One without an id gets one that follows from its parent’s.',
    }),
  }),
});

const RecordEventPayload = builder.objectRef<{ event: SeenEvent }>('RecordEventPayload').implement({
  description: 'What was recorded.',
  fields: (t) => ({
    event: t.field({
      type: EventType,
      description: 'The event; its children are reached through it.',
      resolve: ({ event }) => event,
    }),
  }),
});

const RecordEventsPayload = builder
  .objectRef<{ events: readonly SeenEvent[] }>('RecordEventsPayload')
  .implement({
    description: 'What was recorded.',
    fields: (t) => ({
      events: t.field({
        type: [EventType],
        description: 'One for each of the input, in its order; their children are reached through them.',
        resolve: ({ events }) => events,
      }),
    }),
  });

builder.mutationFields((t) => ({
  recordEvent: t.field({
    type: RecordEventPayload,
    description:
      'Records one event, with its children if it has any; all or none. Acknowledged only once committed.',
    args: { input: t.arg({ type: RecordEventInputType, required: true }) },
    resolve: async (_, { input }, { core, principal }) => {
      const [event] = await core.recording.record([input], principal);
      return { event: event as SeenEvent };
    },
  }),
  recordEvents: t.field({
    type: RecordEventsPayload,
    description: 'Up to 1,000 events and all their children; all or none, in this order.',
    args: { input: t.arg({ type: [RecordEventInputType], required: true }) },
    resolve: async (_, { input }, { core, principal }) => ({
      events: await core.recording.record(input, principal),
    }),
  }),
}));
