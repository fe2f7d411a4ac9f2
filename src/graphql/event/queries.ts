/** Looking at the journal: single events, pages of them, and those of a resource. */

import type { Condition } from '../../events/filter/filter.ts';
import { toEventId } from '../../events/id.ts';
import { builder, costOfPage } from '../builder.ts';
import { ResourceType } from '../resource/resource-type.ts';
import { connectEvents, DEFAULT_PAGE } from './connection.ts';
import { EventConnectionType, EventType } from './event.ts';
import { EventFilter } from './filter.ts';

const EventOrder = builder.enumType('EventOrder', {
  description: 'In which direction the journal is read.',
  values: ['NEWEST_FIRST', 'OLDEST_FIRST'] as const,
});

builder.queryFields((t) => ({
  event: t.field({
    type: EventType,
    nullable: true,
    description: 'The one of this id, if the viewer may see it.',
    args: { id: t.arg.id({ required: true }) },
    resolve: (_, { id }, { events }) => {
      const eventId = toEventId(String(id));
      return eventId === null ? null : events.load(eventId);
    },
  }),
  events: t.field({
    type: EventConnectionType,
    extensions: costOfPage(DEFAULT_PAGE),
    description:
      'In journal order, newest first unless asked otherwise; `first`/`last` at most 500, 50 when neither is given.',
    args: {
      journal: t.arg.string({ required: true, defaultValue: 'main' }),
      filter: t.arg({ type: EventFilter }),
      order: t.arg({ type: EventOrder, required: true, defaultValue: 'NEWEST_FIRST' }),
      first: t.arg.int(),
      after: t.arg.string(),
      last: t.arg.int(),
      before: t.arg.string(),
    },
    resolve: async (_, { journal, filter, order, ...page }, context) =>
      connectEvents(context, journal, await context.core.reader.filter(filter), order, page),
  }),
}));

builder.objectField(ResourceType, 'events', (t) =>
  t.field({
    type: EventConnectionType,
    extensions: costOfPage(DEFAULT_PAGE),
    description: 'Newest first.',
    args: {
      journal: t.arg.string({ required: true, defaultValue: 'main' }),
      filter: t.arg({ type: EventFilter }),
      first: t.arg.int(),
      after: t.arg.string(),
      last: t.arg.int(),
      before: t.arg.string(),
    },
    resolve: async ({ ref }, { journal, filter, ...page }, context) => {
      const about: Condition = { on: 'text', field: 'resource', test: { is: 'in', values: [ref] } };
      const and: Condition = { on: 'and', of: [about, await context.core.reader.filter(filter)] };
      return connectEvents(context, journal, and, 'NEWEST_FIRST', page);
    },
  }),
);
