/**
 * Watching the journal. Streams are those of live/follow.ts; here they are opened and put into words.
 *
 * What is wrong with the arguments is an error of the subscription itself. What goes wrong later comes as
 * an error of one message, after which the stream ends: an iterator that throws would cost the client all
 * its other subscriptions on the same socket.
 *
 * Messages that are read from the journal are executed by whoever runs the subscription. Live ones are
 * executed here, once for all whose answers are the same, and go to the wire as they are.
 */
import { createHash } from 'node:crypto';
import type { DocumentNode, ExecutionResult, GraphQLResolveInfo } from 'graphql';
import { ADMIN, ANONYMOUS } from '../../access/claim.ts';
import { isAdmin, type Principal } from '../../access/principal.ts';
import type { ResourceRef } from '../../access/resource-ref.ts';
import { EventreeError } from '../../base/errors.ts';
import { Stop } from '../../base/stop.ts';
import { isAway } from '../../db/trouble.ts';
import type { Position, SeenEvent } from '../../events/event.ts';
import type { EventFilterInput } from '../../events/filter/filter.ts';
import { type Journal, unwritten } from '../../events/journal.ts';
import type { Delivery } from '../../live/delivery.ts';
import { type FollowRequest, follow } from '../../live/follow.ts';
import type { Wording } from '../../live/wording.ts';
import { builder } from '../builder.ts';
import { Context, type Outlet } from '../context.ts';
import { originOf } from '../errors.ts';
import { execute } from '../execution.ts';
import { SHARED, selectionOf } from '../sharing.ts';
import { EventType } from './event.ts';
import { EventFilter } from './filter.ts';

const MAX_BATCH = 1_000;
const DEFAULT_BATCH = 100;
const MAX_NAME_CHARS = 200;

type Outcome<T> = { readonly value: T } | { readonly failure: unknown };

const StreamStart = builder.enumType('StreamStart', {
  description: 'Where a stream without a cursor begins.',
  values: ['BEGINNING', 'NOW'] as const,
});

const StreamGapType = builder.objectRef<{ journal: Journal; oldest: Position }>('StreamGap').implement({
  description: 'Events that a stream cannot show any more.',
  fields: (t) => ({
    reason: t.string({
      extensions: SHARED,
      description: 'For a person to read.',
      resolve: ({ journal }) =>
        `The journal ${journal.name} no longer holds all events that followed this cursor.`,
    }),
    oldest: t.string({
      extensions: SHARED,
      description: 'Of the oldest event that is still there.',
      resolve: ({ journal, oldest }, _, { core }) => core.seal.seal(journal, oldest),
    }),
  }),
});

const EventStreamMessageType = builder.objectRef<Delivery>('EventStreamMessage').implement({
  description: 'A step of a stream.',
  fields: (t) => ({
    events: t.field({
      extensions: SHARED,
      type: [EventType],
      description: 'In journal order; none in a checkpoint.',
      resolve: ({ events }) => events,
    }),
    cursor: t.string({
      extensions: SHARED,
      description: 'Resume from here.',
      resolve: ({ journal, position }, _, { core }) => core.seal.seal(journal, position),
    }),
    live: t.exposeBoolean('live', {
      extensions: SHARED,
      description: 'False while catching up with what was recorded before.',
    }),
    gap: t.field({
      extensions: SHARED,
      type: StreamGapType,
      nullable: true,
      description: 'Set when events between the asked-for cursor and the first one here no longer exist.',
      resolve: ({ journal, gap }) => (gap === null ? null : { journal, oldest: gap.oldest }),
    }),
    hidden: t.field({
      extensions: SHARED,
      type: ['ResourceRef'],
      description:
        'Resources whose events the viewer could see until here and no longer may: drop what is held of them, but for events with `visibleToActor` of which the viewer is the actor.',
      resolve: ({ hidden }) => hidden as ResourceRef[],
    }),
  }),
});

builder.subscriptionFields((t) => ({
  eventRecorded: t.field({
    type: EventType,
    description: `Each event that the viewer may see and that matches, in journal order: what came after \`after\`
first, then what happens, with no gap and no repeat between the two. Without \`after\`: from now on.`,
    args: {
      journal: t.arg.string({ required: true, defaultValue: 'main' }),
      filter: t.arg({ type: EventFilter }),
      after: t.arg.string(),
    },
    extensions: SHARED,
    subscribe: async (_, args, context, info) => {
      const wording = wordingOf('event', context, info);
      const request = await openStream({ ...args, from: 'NOW', maxBatch: DEFAULT_BATCH }, wording, context);
      return new Outcomes(context, request, ({ events }) => events);
    },
    resolve: (outcome: Outcome<SeenEvent>) => unwrap(outcome),
  }),

  eventStream: t.field({
    type: EventStreamMessageType,
    description: `The same with the stream's own state. A message comes when there are events, when the stream turns
live, and at least every 10 seconds as a checkpoint, so that a filter that matches nothing still
moves the cursor on.`,
    args: {
      journal: t.arg.string({ required: true, defaultValue: 'main' }),
      filter: t.arg({ type: EventFilter }),
      after: t.arg.string(),
      from: t.arg({ type: StreamStart, required: true, defaultValue: 'NOW' }),
      maxBatch: t.arg.int({
        required: true,
        defaultValue: DEFAULT_BATCH,
        description: 'Most events in one message.',
      }),
    },
    extensions: SHARED,
    subscribe: async (_, args, context, info) => {
      const request = await openStream(args, wordingOf('delivery', context, info), context);
      return new Outcomes(context, request, (message) => [message]);
    },
    resolve: (outcome: Outcome<Delivery>) => unwrap(outcome),
  }),
}));

interface StreamArgs {
  readonly journal: string;
  readonly filter?: EventFilterInput | null | undefined;
  readonly after?: string | null | undefined;
  readonly from: 'BEGINNING' | 'NOW';
  readonly maxBatch: number;
}

/** @throws CURSOR_INVALID, BAD_USER_INPUT and what the filter is refused for. */
async function openStream(
  args: StreamArgs,
  wording: Wording,
  { core, principal, outlet }: Context,
): Promise<FollowRequest> {
  const { journal: name, maxBatch } = args;
  if (maxBatch < 1 || maxBatch > MAX_BATCH) {
    throw new EventreeError('BAD_USER_INPUT', `maxBatch must lie between 1 and ${MAX_BATCH}.`);
  }
  const filter = await core.reader.filter(args.filter);
  const journal = (await core.journals.find(name)) ?? unwritten(name);
  const start = args.from === 'BEGINNING' ? 'beginning' : 'now';
  const after = args.after == null ? start : core.seal.open(journal, args.after);
  const filterText = short(JSON.stringify(args.filter ?? null));
  const { wire } = opened(outlet);
  return { journal: name, filter, filterText, wording, principal, after, maxBatch, wire };
}

/** How live deliveries are put into the words of this operation. */
function wordingOf(
  unit: Wording['unit'],
  { core, outlet }: Context,
  { operation, schema }: GraphQLResolveInfo,
): Wording {
  const { operation: what, print } = opened(outlet);
  const { operationName } = what;
  const { shared, variables, document } = selectionOf(schema, what.document, operation);
  const given = what.variableValues ?? {};
  // One that is left out is not the same as null: it has its default.
  const variableValues = Object.fromEntries(
    variables.filter((name) => Object.hasOwn(given, name)).map((name) => [name, given[name]]),
  );
  return {
    key: short(JSON.stringify([nameOf(what.document), operationName, variableValues])),
    shared,
    unit,
    word(delivery, viewer) {
      const value = unit === 'event' ? delivery.events[0] : delivery;
      const context = new Context(core, shared ? anyoneLike(viewer) : viewer, { shared });
      const rootValue = { value };
      const result = execute({
        schema,
        document,
        operationName,
        variableValues,
        rootValue,
        contextValue: context,
      });
      return result instanceof Promise ? result.then(accepted).then(print) : print(result);
    },
  };
}

/**
 * What was looked up for a viewer whose token was revoked meanwhile is nothing to be told; nor is an event with gaps,
 * because the database was away: it is read again from the journal, when it can be.
 *
 * @throws the first error of this kind.
 */
function accepted(result: ExecutionResult): ExecutionResult {
  for (const error of result.errors ?? []) {
    const cause = originOf(error);
    if (isAway(cause) || (cause instanceof EventreeError && cause.code === 'UNAUTHENTICATED')) throw cause;
  }
  return result;
}

/** A viewer of whom nothing is known but whether they see the whole journal. */
function anyoneLike(viewer: Principal): Principal {
  return isAdmin(viewer) ? ANY_ADMIN : NOBODY_IN_PARTICULAR;
}
const ANY_ADMIN: Principal = { subject: ADMIN, claims: new Set([ADMIN]), expiresAt: null, issuedAt: null };
const NOBODY_IN_PARTICULAR: Principal = {
  subject: ANONYMOUS,
  claims: new Set(),
  expiresAt: null,
  issuedAt: null,
};

/** Names are kept as long as the stream: of a long one, its hash. */
function short(name: string): string {
  return name.length <= MAX_NAME_CHARS ? name : createHash('sha256').update(name).digest('base64');
}

const names = new WeakMap<DocumentNode, number>();
let lastName = 0;

/** Equal for the same text, as long as policy.ts remembers it. */
function nameOf(document: DocumentNode): number {
  const name = names.get(document) ?? ++lastName;
  names.set(document, name);
  return name;
}

function opened(outlet: Outlet | null): Outlet {
  if (outlet === null) throw new Error('A subscription was opened by something that is no door.');
  return outlet;
}

/**
 * A stream's values, and the failure that ends it. Can be left while it waits: `return()` of an async
 * generator is queued behind the pending `next()`, so what a reader who has gone was waiting for would be
 * held for ever.
 */
class Outcomes<T> implements AsyncGenerator<Outcome<T>, void> {
  private readonly stop = new Stop();
  private readonly deliveries: AsyncGenerator<Delivery, void>;
  private readonly unpack: (delivery: Delivery) => readonly T[];
  private values: T[] = [];

  constructor({ core }: Context, request: FollowRequest, unpack: (delivery: Delivery) => readonly T[]) {
    this.deliveries = follow(core.follow, request, this.stop);
    this.unpack = unpack;
  }

  async next(): Promise<IteratorResult<Outcome<T>, void>> {
    try {
      while (!this.stop.aborted) {
        if (this.values.length > 0) return { done: false, value: { value: this.values.shift() as T } };
        const { done, value } = await this.deliveries.next();
        if (done) break;
        this.values = [...this.unpack(value)];
      }
    } catch (failure) {
      if (!this.stop.aborted) {
        this.stop.fire();
        return { done: false, value: { failure } };
      }
    }
    return { done: true, value: undefined };
  }

  async return(): Promise<IteratorResult<Outcome<T>, void>> {
    this.stop.fire();
    await this.deliveries.return();
    return { done: true, value: undefined };
  }

  async throw(error: unknown): Promise<IteratorResult<Outcome<T>, void>> {
    await this.return();
    throw error;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

function unwrap<T>(outcome: Outcome<T>): T {
  if ('failure' in outcome) throw outcome.failure;
  return outcome.value;
}
