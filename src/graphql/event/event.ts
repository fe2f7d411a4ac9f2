/** The event and its connections. What a viewer sees of one is decided in events/event.ts. */
import { isAdmin } from '../../access/principal.ts';
import { maySee } from '../../access/resources.ts';
import { EventreeError } from '../../base/errors.ts';
import { type Json, ownValue } from '../../base/json.ts';
import {
  attributesFor,
  type EventId,
  messageFor,
  payloadFor,
  privatePayloadFor,
  type SeenEvent,
} from '../../events/event.ts';
import type { Condition } from '../../events/filter/filter.ts';
import { unwritten } from '../../events/journal.ts';
import { isSeenAsActor } from '../../events/visibility.ts';
import { builder, CategoryEnum, costOfPage, SeverityEnum } from '../builder.ts';
import type { Context } from '../context.ts';
import { EventTypeType } from '../registry/registry.ts';
import { ResourceType } from '../resource/resource-type.ts';
import { SHARED } from '../sharing.ts';
import {
  connectEvents,
  DEFAULT_PAGE,
  type EventConnection,
  type EventEdge,
  PageInfoType,
} from './connection.ts';
import { VisibilityLevelEnum } from './visibility.ts';

export const EventType = builder.objectRef<SeenEvent>('Event');
export const EventConnectionType = builder.objectRef<EventConnection>('EventConnection');
const EventEdgeType = builder.objectRef<EventEdge>('EventEdge');

const MAX_TREE = 1_000;

EventType.implement({
  description: 'A fact: something that was done, happened or changed. Never edited once recorded.',
  fields: (t) => ({
    id: t.id({
      extensions: SHARED,
      description: 'UUIDv7: unique everywhere, and a clock: its first 48 bits are the time in ms.',
      resolve: ({ event }) => event.id,
    }),
    cursor: t.string({
      extensions: SHARED,
      description:
        'Where a reader of the journal stands who has read up to this event. Sealed: it holds the journal, its epoch and the position, and tells its holder none of them. A cursor of a query continues as a live subscription, and the other way round.',
      resolve: ({ event }, _, context) => cursorOf(event.journal, event.position, context),
    }),
    position: t.field({
      extensions: SHARED,
      type: 'Position',
      nullable: true,
      description:
        'Place in the journal: 1, 2, 3, … without holes, in commit order. Null for a viewer who does not see the whole journal: it would tell how many events are hidden.',
      resolve: ({ event }, _, { principal }) => (isAdmin(principal) && event.kept ? event.position : null),
    }),
    journal: t.string({
      extensions: SHARED,
      description: 'The journal that holds it.',
      resolve: ({ event }) => event.journal,
    }),
    type: t.field({
      extensions: SHARED,
      type: EventTypeType,
      description: 'What kind of event it is, as the type is declared now.',
      resolve: ({ event }, _, { core }) =>
        core.registry.current().types.get(event.type) ??
        core.registry.refresh().then((registry) => registry.type(event.type)),
    }),
    category: t.field({
      extensions: SHARED,
      type: CategoryEnum,
      description: 'The one given, else the type’s when it was recorded.',
      resolve: ({ event }) => event.category,
    }),
    severity: t.field({
      extensions: SHARED,
      type: SeverityEnum,
      description: 'The one given, else the type’s when it was recorded.',
      resolve: ({ event }) => event.severity,
    }),
    message: t.string({
      extensions: SHARED,
      description: "For a person to read: the one given, else rendered from the type's template.",
      resolve: messageFor,
    }),
    occurredAt: t.field({
      extensions: SHARED,
      type: 'DateTime',
      description: 'When it happened, as the recorder says.',
      resolve: ({ event }) => event.occurredAt,
    }),
    recordedAt: t.field({
      extensions: SHARED,
      type: 'DateTime',
      description: 'When the journal took it.',
      resolve: ({ event }) => event.recordedAt,
    }),
    resource: t.field({
      extensions: SHARED,
      type: ResourceType,
      nullable: true,
      description:
        'What it is about. Null where that is nothing, or gone, or not for the viewer to see. Who sees the event as its actor alone (`visibleToActor`) is told which one it is, and no more of it.',
      resolve: ({ event, resourceHidden = false }, _, { resources, principal, shared }) => {
        const { resource: ref } = event;
        if (ref === null) return null;
        // Whoever else sees the event sees what it is about.
        if (shared) return resourceHidden ? { ref, name: null } : { ref };
        return resources.load(ref).then((resource) => {
          if (resource === null || maySee(principal, resource.acl)) return resource;
          return isSeenAsActor(event, principal.claims) ? { ref, name: null } : null;
        });
      },
    }),
    actor: t.field({
      extensions: SHARED,
      type: 'Claim',
      nullable: true,
      description: 'Who caused it.',
      resolve: ({ event }) => event.actor,
    }),
    activeClaim: t.field({
      extensions: SHARED,
      type: 'Claim',
      nullable: true,
      description: 'The claim under which the actor acted, where it differs.',
      resolve: ({ event }) => event.activeClaim,
    }),
    recordedBy: t.field({
      extensions: SHARED,
      type: 'Claim',
      description: 'Subject of the token it was recorded with, whoever `actor` says.',
      resolve: ({ event }) => event.recordedBy,
    }),
    kept: t.boolean({
      extensions: SHARED,
      description:
        'False for an event of a disabled type: it was accepted, and is nowhere but in this answer.',
      resolve: ({ event }) => event.kept,
    }),
    visibleToActor: t.boolean({
      extensions: SHARED,
      description:
        'Whether its actor sees it too, with attributes and payload, whatever the resource’s ACL says.',
      resolve: ({ event }) => event.visibleToActor,
    }),
    visibility: t.field({
      extensions: SHARED,
      type: VisibilityLevelEnum,
      description: 'How much of it the viewer sees.',
      resolve: ({ level }) => level,
    }),
    sessionId: t.id({
      extensions: SHARED,
      nullable: true,
      description: 'The session of the application in which it happened.',
      resolve: ({ event }) => event.sessionId,
    }),
    correlationId: t.string({
      extensions: SHARED,
      nullable: true,
      description: 'By which applications know what belongs together.',
      resolve: ({ event }) => event.correlationId,
    }),
    attributes: t.field({
      extensions: SHARED,
      type: 'JSONObject',
      nullable: true,
      description:
        'Typed and indexed, checked against the type. Null where the viewer may see the envelope only.',
      resolve: (seen, _, { core }) => attributesFor(seen, core.registry.current()),
    }),
    attribute: t.field({
      extensions: SHARED,
      type: 'JSON',
      nullable: true,
      description: 'One attribute by its name.',
      args: { name: t.arg.string({ required: true }) },
      resolve: (seen, { name }, { core }) => attributeOf(seen, name, core),
    }),
    payload: t.field({
      extensions: SHARED,
      type: 'JSON',
      nullable: true,
      description: 'Free JSON, kept and not indexed. Null where the viewer may see the envelope only.',
      resolve: payloadFor,
    }),
    privatePayload: t.field({
      extensions: SHARED,
      type: 'JSON',
      nullable: true,
      description: 'Kept apart from support exports; only owners of the resource see it.',
      resolve: privatePayloadFor,
    }),
    parent: t.field({
      type: EventType,
      nullable: true,
      description: 'A parent that the viewer may not see is null, with `parentHidden: true`.',
      resolve: ({ event }, _, { events }) => loadAncestor(event.path.at(-1), events),
    }),
    parentHidden: t.boolean({
      description: 'Whether there is a parent that the viewer may not see.',
      resolve: async ({ event }, _, { events }) =>
        event.path.length > 0 && (await loadAncestor(event.path.at(-1), events)) === null,
    }),
    root: t.field({
      type: EventType,
      nullable: true,
      description: "The event at the top of this one's tree; itself, for a root.",
      resolve: (seen, _, { events }) =>
        seen.event.path.length === 0 ? seen : loadAncestor(seen.event.path[0], events),
    }),
    children: t.field({
      type: EventConnectionType,
      extensions: costOfPage(DEFAULT_PAGE),
      description: 'What happened as part of it, one level down, oldest first.',
      args: { first: t.arg.int(), after: t.arg.string() },
      resolve: ({ event }, args, context) => {
        const filter: Condition = { on: 'tree', relation: 'parent', id: event.id };
        return connectEvents(context, event.journal, filter, 'OLDEST_FIRST', args);
      },
    }),
    tree: t.field({
      type: [EventType],
      extensions: costOfPage(DEFAULT_PAGE),
      description:
        'This event and all below it that the viewer may see, parents before children; at most 1,000, else LIMIT_EXCEEDED: larger trees are paged through `events(filter: { within: … })`.',
      args: {
        maxDepth: t.arg.int({ description: '0 for the event alone, 1 with its children, and so on.' }),
      },
      resolve: (seen, { maxDepth }, context) => readTree(seen, maxDepth ?? null, context),
    }),
  }),
});

EventConnectionType.implement({
  description: 'A page of events.',
  fields: (t) => ({
    edges: t.field({
      type: [EventEdgeType],
      description: 'The events, each with its cursor.',
      resolve: async ({ page }) => (await page()).edges,
    }),
    nodes: t.field({
      type: [EventType],
      description: 'The events.',
      resolve: async ({ page }) => (await page()).edges.map(({ node }) => node),
    }),
    pageInfo: t.field({
      type: PageInfoType,
      description: 'Where the page ends, and whether more follows.',
      resolve: async ({ page }) => (await page()).pageInfo,
    }),
    totalCount: t.int({
      description: 'How many match that the viewer may see, on all pages.',
      resolve: ({ count }) => count(),
    }),
  }),
});

EventEdgeType.implement({
  description: 'An event in a page.',
  fields: (t) => ({
    cursor: t.exposeString('cursor', {
      description: 'The event’s own: pass it as `after` to go on behind it.',
    }),
    node: t.field({ type: EventType, description: 'The event.', resolve: ({ node }) => node }),
  }),
});

function cursorOf(name: string, position: number, { core }: Context): string | Promise<string> {
  const journal = core.journals.known(name);
  if (journal !== undefined) return core.seal.seal(journal, position);
  return core.journals.find(name).then((found) => core.seal.seal(found ?? unwritten(name), position));
}

function attributeOf(seen: SeenEvent, name: string, core: Context['core']): Json {
  const attributes = attributesFor(seen, core.registry.current());
  return attributes === null ? null : (ownValue(attributes, name) ?? null);
}

function loadAncestor(id: EventId | undefined, events: Context['events']): Promise<SeenEvent | null> | null {
  return id === undefined ? null : events.load(id);
}

async function readTree(
  seen: SeenEvent,
  maxDepth: number | null,
  { core, principal }: Context,
): Promise<SeenEvent[]> {
  const { event } = seen;
  if (maxDepth !== null && maxDepth < 0) {
    throw new EventreeError('BAD_USER_INPUT', 'maxDepth must not be negative: 0 is the event alone.');
  }
  const journal = await core.journals.find(event.journal);
  if (journal === null) return [seen];
  const within: Condition = { on: 'tree', relation: 'within', id: event.id };
  const depth: Condition = { on: 'depth', most: event.path.length + (maxDepth ?? Number.MAX_SAFE_INTEGER) };
  const filter: Condition = maxDepth === null ? within : { on: 'and', of: [within, depth] };
  const bounds = { above: 0, below: Number.POSITIVE_INFINITY, limit: MAX_TREE + 1 };
  // In journal order, so parents come before their children.
  const { events } = await core.reader.page({ journal, filter, direction: 'rising', ...bounds }, principal);
  if (events.length > MAX_TREE) {
    throw new EventreeError(
      'LIMIT_EXCEEDED',
      `The tree holds more than ${MAX_TREE} events: page through events(filter: { within: "${event.id}" }).`,
    );
  }
  // Who recorded an event without the right to see it gets it back, and nothing of its tree.
  return events.length === 0 ? [seen] : [...events];
}
