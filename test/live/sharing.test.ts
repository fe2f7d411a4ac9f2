/**
 * What is said to several viewers in the same words is what each of them finds by asking alone: for every
 * field of the schema that a stream reaches, and viewers of all kinds of rights. Fields are taken from the
 * schema itself, so that one that is added is tried as well.
 */
import {
  buildSchema,
  type GraphQLField,
  type GraphQLObjectType,
  getNamedType,
  isObjectType,
  isRequiredArgument,
} from 'graphql';
import { expect, onTestFinished, test, vi } from 'vitest';
import { schema } from '../../src/graphql/schema.ts';
import { checkSharing, SHARED } from '../../src/graphql/sharing.ts';
import { metric, until } from '../doors/support/doors.ts';
import { openWorld, type World } from '../support/world.ts';

const RECORD = 'mutation ($input: [RecordEventInput!]!) { recordEvents(input: $input) { events { id } } }';
const PUT = 'mutation ($input: PutResourceInput!) { putResource(input: $input) { ref } }';
const DEFINE_ATTRIBUTE =
  'mutation ($input: DefineAttributeInput!) { defineAttribute(input: $input) { name } }';
const DEFINE_TYPE = 'mutation ($input: DefineEventTypeInput!) { defineEventType(input: $input) { name } }';

/** As deep as a path may go below the event: `resource { acl { owners } }`. */
const DEEPEST = 3;

interface Leaf {
  /** As it is selected: `resource { name }`. */
  readonly text: string;
  /** Whether every field on the way to it says that it may be shared. */
  readonly shared: boolean;
}

function leavesOf(type: GraphQLObjectType, depth: number): Leaf[] {
  return Object.values(type.getFields()).flatMap((field) => {
    const inner = getNamedType(field.type);
    const call = field.name + argumentsOf(field);
    const shared = field.extensions.sharedByLevel === true;
    if (!isObjectType(inner)) return [{ text: call, shared }];
    if (depth === DEEPEST) return [];
    return leavesOf(inner, depth + 1).map((leaf) => ({
      text: `${call} { ${leaf.text} }`,
      shared: shared && leaf.shared,
    }));
  });
}

function argumentsOf(field: GraphQLField<unknown, unknown>): string {
  if (!field.args.some(isRequiredArgument)) return '';
  if (field.name === 'attribute') return '(name: "open")';
  throw new Error(`Say here what ${field.name} is to be asked for: it takes arguments.`);
}

const VIEWERS = [
  { subject: 'root', groups: ['admin'] },
  { subject: 'boss', groups: ['admin', 'staff'] },
  { subject: 'owner' },
  { subject: 'reader' },
  { subject: 'second-reader', groups: ['staff'] },
  { subject: 'glimpser' },
  { subject: 'acl-reader' },
  { subject: 'actor' },
  { subject: 'stranger' },
];

const ACLS = [
  { owners: ['user/owner'], viewData: ['user/reader', 'user/second-reader'], viewMeta: ['user/glimpser'] },
  { owners: ['user/owner'], viewAcl: ['user/acl-reader'], viewData: ['group/staff'] },
  { owners: ['user/somebody'], viewMeta: ['user/reader', 'user/owner', 'user/glimpser'] },
  { owners: ['user/somebody'] },
];

async function prepare(world: World): Promise<void> {
  for (const name of ['open', 'secret']) {
    await world.ask(DEFINE_ATTRIBUTE, { input: { name, kind: 'STRING', private: name === 'secret' } });
  }
  const attributes = [{ name: 'open' }, { name: 'secret' }];
  const messageTemplate = '{actor} said {open} and {secret}';
  await world.ask(DEFINE_TYPE, {
    input: { name: 'said', description: 'Something.', category: 'ACTION', messageTemplate, attributes },
  });
  for (const [nth, acl] of ACLS.entries()) {
    await world.ask(PUT, { input: { ref: `page/${nth}`, name: `Page ${nth}`, acl } });
  }
}

/** Trees over all resources, so that parents and children are seen by some and not by others. */
async function record(world: World): Promise<void> {
  const said = (nth: number | null, children: object[] = [], more: object = {}) => ({
    type: 'said',
    ...(nth !== null && { resource: `page/${nth}` }),
    actor: 'user/actor',
    activeClaim: 'group/staff',
    sessionId: 'session',
    correlationId: 'correlation',
    attributes: { open: 'hello', secret: 'hush' },
    payload: { open: [1, 'two'] },
    privatePayload: { secret: true },
    children,
    ...more,
  });
  const tree = said(0, [said(1, [said(3, [said(0)])]), said(2, [said(1)]), said(null), said(3)]);
  // Actors to whom the ACLs give nothing, less than their own events do, and more.
  const pages = { 'user/actor': [0, 3], 'user/glimpser': [0, 1], 'user/owner': [0, 3] };
  const own = Object.entries(pages).flatMap(([actor, of]) =>
    of.map((nth) => said(nth, [], { actor, visibleToActor: true })),
  );
  await world.ask(RECORD, { input: [tree, said(3, [said(0)]), said(null), ...own] });
}

async function untilNobodyReads(world: World): Promise<void> {
  const server = world.servers[0] ?? expect.fail();
  await until(
    () => metric(server, 'eventree_live_readers'),
    (readers) => readers === 0,
  );
}

test('every field is the same, shared or not, for viewers with different rights', async () => {
  const world = await openWorld({ environment: { EVENTREE_MAX_QUERY_COST: '10000000' } });
  await prepare(world);
  const leaves = leavesOf(schema.getType('Event') as GraphQLObjectType, 1);
  const selections = [true, false].map((shared) =>
    ['id', ...leaves.filter((leaf) => leaf.shared === shared).map(({ text }) => text)].join(' '),
  );
  expect(selections[0]).toContain('message');
  expect(selections[1]).toContain('parent { id }');

  const tokens = await Promise.all(VIEWERS.map((who) => world.token(who)));
  const watched = tokens.flatMap((token) =>
    selections.map((selection) => ({
      token,
      selection,
      stream: world.watch(`subscription { eventStream { live events { ${selection} } } }`, {}, { token }),
    })),
  );
  for (const { stream } of watched) {
    expect((await stream.next()).data).toEqual({ eventStream: { live: true, events: [] } });
  }
  await record(world);

  const counts: number[] = [];
  for (const { token, selection, stream } of watched) {
    // What the viewer finds by asking alone.
    const query = `{ events(order: OLDEST_FIRST) { nodes { ${selection} } } }`;
    const { events } = await world.ask(query, {}, { token });
    const told: unknown[] = [];
    while (told.length < events.nodes.length) told.push(...(await stream.next()).data.eventStream.events);
    expect(told).toEqual(events.nodes);
    if (selection === selections[0]) counts.push(told.length);
  }
  expect(counts).toEqual([17, 17, 11, 7, 9, 8, 3, 4, 0]);
});

test('a live event is put into words once for all who see the same of it', async () => {
  const world = await openWorld();
  await prepare(world);
  const message = (schema.getType('Event') as GraphQLObjectType).getFields().message as GraphQLField<
    unknown,
    unknown
  >;
  const resolved = vi.spyOn(message, 'resolve');
  onTestFinished(() => resolved.mockRestore());
  // One for both doors: by a token of the next second a reader would be another.
  const tokens = await Promise.all(
    Array.from({ length: 10 }, (_, nth) => world.token({ subject: `reader-${nth}`, groups: ['staff'] })),
  );
  const watch = async (selection: string) => {
    const query = `subscription { eventStream { live events { ${selection} } } }`;
    const streams = (['ws', 'sse'] as const).flatMap((by) =>
      tokens.map((token) => world.watch(query, {}, { token, by })),
    );
    for (const stream of streams) expect((await stream.next()).data.eventStream.live).toBe(true);
    return streams;
  };
  const input = { type: 'said', resource: 'page/1', attributes: { open: 'hello', secret: 'hush' } };
  const timesResolved = async (selection: string) => {
    const streams = await watch(selection);
    resolved.mockClear();
    await world.ask(RECORD, { input: [input] });
    for (const stream of streams) expect((await stream.next()).data.eventStream.events).toHaveLength(1);
    const times = resolved.mock.calls.length;
    for (const stream of streams) stream.close();
    await untilNobodyReads(world);
    return times;
  };

  expect(await timesResolved('message attributes')).toBe(1);
  // What depends on who asks is worked out for each set of claims: ten of them here, on two doors.
  expect(await timesResolved('message parentHidden')).toBe(10);
});

test('who leaves a variable out is not told what another asked for with null', async () => {
  const world = await openWorld();
  await prepare(world);
  const query = `subscription ($x: String = "open") { eventStream { live events { attribute(name: $x) } } }`;
  const who = async (subject: string) => ({ token: await world.token({ subject, groups: ['staff'] }) });
  const first = world.watch(query, {}, await who('first'));
  await first.next();
  // It has to be gone: whoever opens a shared wording is who it is worked out for.
  first.close();
  await untilNobodyReads(world);
  const faulty = world.watch(query, { x: null }, await who('faulty'));
  await faulty.next();
  const second = world.watch(query, {}, await who('second'));
  await second.next();
  await world.ask(RECORD, {
    input: [{ type: 'said', resource: 'page/1', attributes: { open: 'hello' } }],
  });
  expect((await second.next()).data.eventStream.events).toEqual([{ attribute: 'hello' }]);
});

test('what reaches another event, an ACL or the viewer cannot be declared to be shared', () => {
  const with_ = (field: string) => {
    const built = buildSchema(`
      type Event { id: ID! parent: Event acl: Acl }
      type Acl { owners: [String!]! }
      type Viewer { subject: String! }
      type Query { event: Event viewer: Viewer }
    `);
    const [type, name] = field.split('.') as [string, string];
    const declared = (built.getType(type) as GraphQLObjectType).getFields()[name];
    Object.assign(declared as object, { extensions: SHARED });
    return () => checkSharing(built);
  };
  expect(with_('Event.id')).not.toThrow();
  expect(with_('Event.parent')).toThrow(
    'Event.parent reaches Event and must not be shared: take SHARED off.',
  );
  expect(with_('Event.acl')).toThrow('Event.acl reaches Acl');
  expect(with_('Query.viewer')).toThrow('Query.viewer reaches Viewer');
});
