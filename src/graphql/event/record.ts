/** Recording. */
import type { RecordEventInput } from '../../events/draft.ts';
import type { SeenEvent } from '../../events/event.ts';
import { builder, CategoryEnum, SeverityEnum } from '../builder.ts';
import { EventType } from './event.ts';

const RecordEventInputType = builder.inputRef<RecordEventInput>('RecordEventInput');

RecordEventInputType.implement({
  fields: (t) => ({
    id: t.id({
      description:
        'A UUIDv7 given by the client, not of the future: recording it again returns the event already there. Other content under the same id: ID_CONFLICT.',
    }),
    journal: t.string({ required: true, defaultValue: 'main' }),
    type: t.string({ required: true }),
    resource: t.field({ type: 'ResourceRef' }),
    category: t.field({ type: CategoryEnum, description: "Each of these falls back to the type's." }),
    severity: t.field({ type: SeverityEnum }),
    message: t.string(),
    occurredAt: t.field({ type: 'DateTime', description: 'Left out: the time in the id.' }),
    actor: t.field({ type: 'Claim', description: 'Left out: the subject of the token.' }),
    activeClaim: t.field({ type: 'Claim' }),
    sessionId: t.id(),
    correlationId: t.string(),
    parentId: t.id(),
    attributes: t.field({ type: 'JSONObject' }),
    payload: t.field({ type: 'JSON' }),
    privatePayload: t.field({ type: 'JSON' }),
    children: t.field({
      type: [RecordEventInputType],
      description:
        'A child belongs to the journal of its parent. One without an id gets one that follows from its parent’s.',
    }),
  }),
});

const RecordEventPayload = builder.objectRef<{ event: SeenEvent }>('RecordEventPayload').implement({
  fields: (t) => ({ event: t.field({ type: EventType, resolve: ({ event }) => event }) }),
});

const RecordEventsPayload = builder
  .objectRef<{ events: readonly SeenEvent[] }>('RecordEventsPayload')
  .implement({
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
