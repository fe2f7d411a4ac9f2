/**
 * The peer: a subscription with Yoga, graphql-ws and Redis, as their documentation shows it: `createPubSub`
 * over a Redis event target, `pipe` and `filter` for each subscriber, `useServer` over Yoga's own pipeline.
 * It takes the same operations as Eventree. It keeps nothing, knows no rights, and a subscriber that is away
 * for a moment has missed what happened.
 *
 *     yoga.ts <port> <redis url>
 */
import { createServer } from 'node:http';
import { createRedisEventTarget } from '@graphql-yoga/redis-event-target';
import type { ExecutionArgs } from 'graphql';
import { useServer } from 'graphql-ws/use/ws';
import { createPubSub, createSchema, createYoga, filter, pipe } from 'graphql-yoga';
import { Redis } from 'ioredis';
import { v7 } from 'uuid';
import { WebSocketServer } from 'ws';

const [port, redisUrl] = process.argv.slice(2) as [string, string];

interface Event {
  readonly id: string;
  readonly type: { readonly name: string };
  readonly resource: { readonly ref: string };
  readonly attributes: Readonly<Record<string, unknown>>;
}

type RecordEventInput = Omit<Event, 'id' | 'type' | 'resource'> & { type: string; resource: string };

interface EventFilter {
  readonly resource?: { readonly eq: string };
  readonly attributes?: readonly { readonly name: string; readonly in: readonly unknown[] }[];
}

const pubSub = createPubSub<{ eventRecorded: [Event] }>({
  eventTarget: createRedisEventTarget({
    publishClient: new Redis(redisUrl),
    subscribeClient: new Redis(redisUrl),
  }),
});

const schema = createSchema({
  typeDefs: /* GraphQL */ `
    scalar JSON
    input RecordEventInput {
      type: String! resource: String! actor: String! message: String! sessionId: ID correlationId: String
      attributes: JSON payload: JSON
    }
    input ResourceFilter { eq: String! }
    input AttributeFilter { name: String! in: [JSON!]! }
    input EventFilter { resource: ResourceFilter attributes: [AttributeFilter!] }
    type EventType { name: String! }
    type Resource { ref: String! }
    type Event {
      id: ID! cursor: String! journal: String! type: EventType! category: String! severity: String!
      message: String! occurredAt: String! recordedAt: String! actor: String activeClaim: String sessionId: ID
      resource: Resource attributes: JSON correlationId: String
    }
    type RecordEventsPayload { events: [Event!]! }
    type Query { ok: Boolean }
    type Mutation { recordEvents(input: [RecordEventInput!]!): RecordEventsPayload! }
    type Subscription { eventRecorded(filter: EventFilter): Event! }
  `,
  resolvers: {
    Mutation: {
      recordEvents(_: unknown, { input }: { input: RecordEventInput[] }) {
        const events = input.map(toEvent);
        for (const event of events) pubSub.publish('eventRecorded', event);
        return { events };
      },
    },
    Subscription: {
      eventRecorded: {
        subscribe: (_: unknown, args: { filter?: EventFilter }) =>
          pipe(
            pubSub.subscribe('eventRecorded'),
            filter((event) => matches(args.filter ?? {}, event)),
          ),
        resolve: (event: Event) => event,
      },
    },
  },
});

const yoga = createYoga({ schema, logging: false });
const http = createServer(yoga);
useServer(
  {
    execute: (args) => (args as EnvelopedArgs).enveloped.execute(args),
    subscribe: (args) => (args as EnvelopedArgs).enveloped.subscribe(args),
    async onSubscribe(context, _id, params) {
      const enveloped = yoga.getEnveloped({
        ...context,
        req: context.extra.request,
        socket: context.extra.socket,
        params,
      });
      const args = {
        schema: enveloped.schema as ExecutionArgs['schema'],
        operationName: params.operationName,
        document: enveloped.parse(params.query),
        variableValues: params.variables,
        contextValue: await enveloped.contextFactory(),
        enveloped,
      };
      const errors = enveloped.validate(args.schema, args.document);
      return errors.length > 0 ? errors : args;
    },
  },
  new WebSocketServer({ server: http, path: yoga.graphqlEndpoint }),
);
http.listen(Number(port), '127.0.0.1');

interface EnvelopedArgs extends ExecutionArgs {
  readonly enveloped: ReturnType<typeof yoga.getEnveloped>;
}

function toEvent({ type, resource, ...rest }: RecordEventInput) {
  const now = new Date().toISOString();
  const given = { ...rest, type: { name: type }, resource: { ref: resource } };
  const envelope = {
    journal: 'main',
    category: 'ACTION',
    severity: 'MEDIUM',
    occurredAt: now,
    recordedAt: now,
  };
  // As long as the cursors of Eventree, so that frames are.
  return { id: v7(), cursor: v7().slice(-22), ...envelope, ...given };
}

function matches({ resource, attributes = [] }: EventFilter, event: Event): boolean {
  if (resource !== undefined && event.resource.ref !== resource.eq) return false;
  return attributes.every(({ name, in: values }) => values.includes(event.attributes[name]));
}
