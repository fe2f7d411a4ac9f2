/**
 * graphql-transport-ws on a socket whose live messages do not come from the library: order within each
 * subscription, and everything else that the protocol has, while events come fast.
 */
import { expect, test } from 'vitest';
import { openWorld, type World } from '../support/world.ts';
import { type Message, metric, openSocket, until } from './support/doors.ts';

const RECORD = 'mutation ($input: [RecordEventInput!]!) { recordEvents(input: $input) { events { id } } }';
const WATCH =
  'subscription ($filter: EventFilter, $after: String) { eventRecorded(filter: $filter, after: $after) { id } }';
const STREAM = 'subscription { eventStream { live cursor events { id } } }';

/** @returns ids in the order of the journal. */
async function record(world: World, count: number): Promise<string[]> {
  const ids: string[] = [];
  for (let nth = 0; nth < count; nth += 20) {
    const input = Array.from({ length: 20 }, (_, i) => ({
      type: 'note',
      correlationId: i % 2 ? 'odd' : 'even',
    }));
    const { recordEvents } = await world.ask(RECORD, { input });
    ids.push(...recordEvents.events.map(({ id }: { id: string }) => id));
  }
  return ids;
}

async function openLive(world: World, ids: readonly string[]) {
  const socket = await openSocket(world.servers[0] as World['servers'][number], {
    token: await world.token({ groups: ['admin'] }),
  });
  for (const id of ids) {
    socket.subscribe(id, STREAM);
    expect((await socket.next(id)).payload.data.eventStream.live).toBe(true);
  }
  return socket;
}

const idsOf = ({ payload }: Message): string[] =>
  payload.data.eventStream.events.map(({ id }: { id: string }) => id);

test('several subscriptions of a socket get all in order, each under its own id, whatever it is', async () => {
  const world = await openWorld();
  const names = ['1', 'a "quoted" \\ id', 'ümläut ✓', 'x'.repeat(300)];
  const socket = await openLive(world, names);
  const recorded = await record(world, 400);
  for (const name of names) {
    const got: string[] = [];
    while (got.length < recorded.length) got.push(...idsOf(await socket.next(name)));
    expect(got).toEqual(recorded);
  }
});

test('one that is completed gets nothing more, and the others go on', async () => {
  const world = await openWorld();
  const socket = await openLive(world, ['ends', 'stays']);
  const [first = ''] = await record(world, 20);
  expect(idsOf(await socket.next('ends'))).toContain(first);
  socket.send({ id: 'ends', type: 'complete' });
  // Answered in order: the server has heard of it.
  socket.send({ type: 'ping' });
  expect((await socket.next()).type).toBe('pong');
  const recorded = await record(world, 200);
  const got: string[] = [];
  while (got.at(-1) !== recorded.at(-1)) got.push(...idsOf(await socket.next('stays')));
  socket.subscribe('ends', STREAM);
  // The next that comes under its id is of the new subscription.
  expect((await socket.next('ends')).payload.data.eventStream).toMatchObject({ live: true, events: [] });
});

test('pings, queries and faulty operations are answered between live messages', async () => {
  const world = await openWorld();
  const socket = await openLive(world, ['live']);
  const recording = record(world, 1_000);
  for (let nth = 0; nth < 20; nth++) {
    socket.send({ type: 'ping', payload: { nth } });
    expect(await socket.next()).toEqual({ type: 'pong', payload: { nth } });
    socket.subscribe(`query ${nth}`, '{ viewer { subject } }');
    expect((await socket.next(`query ${nth}`)).payload).toEqual({
      data: { viewer: { subject: 'user/root' } },
    });
    expect((await socket.next(`query ${nth}`)).type).toBe('complete');
    socket.subscribe(`fault ${nth}`, 'subscription { nothing }');
    expect((await socket.next(`fault ${nth}`)).type).toBe('error');
  }
  const recorded = await recording;
  const got: string[] = [];
  while (got.length < recorded.length) got.push(...idsOf(await socket.next('live')));
  expect(got).toEqual(recorded);
});

test('an operation that cannot be taken costs nobody else anything', async () => {
  const world = await openWorld();
  const socket = await openLive(world, ['live']);
  socket.subscribe('skipped', 'subscription ($x: Boolean!) { eventRecorded @skip(if: $x) { id } }', {
    x: true,
  });
  const code = async (id: string) => (await socket.next(id)).payload[0].extensions.code;
  expect(await code('skipped')).toBe('GRAPHQL_VALIDATION_FAILED');
  const long = 'i'.repeat(513);
  socket.subscribe(long, STREAM);
  expect(await code(long)).toBe('LIMIT_EXCEEDED');
  socket.subscribe('much', STREAM, { nothing: 'x'.repeat(65_536) });
  expect(await code('much')).toBe('LIMIT_EXCEEDED');
  const [id = ''] = await record(world, 20);
  expect(idsOf(await socket.next('live'))).toContain(id);
});

test('filters that ask for a value are found by it', async () => {
  const world = await openWorld();
  const socket = await openSocket(world.servers[0] as World['servers'][number], {
    token: await world.token({ groups: ['admin'] }),
  });
  socket.subscribe('first', STREAM);
  const { cursor: after } = (await socket.next('first')).payload.data.eventStream;
  const filters = {
    odd: { correlationId: { eq: 'odd' } },
    either: { correlationId: { in: ['odd', 'even'] } },
    none: { correlationId: { eq: 'other' } },
    not: { not: { correlationId: { eq: 'odd' } } },
  };
  for (const [id, filter] of Object.entries(filters)) socket.subscribe(id, WATCH, { filter, after });
  await until(
    () => metric(world.servers[0] as World['servers'][number], 'eventree_live_readers'),
    (readers) => readers === 5,
  );
  const nothing = socket.next('none');
  const recorded = await record(world, 100);
  const take = async (id: string, count: number) => {
    const got: string[] = [];
    while (got.length < count) got.push((await socket.next(id)).payload.data.eventRecorded.id);
    return got;
  };
  expect(await take('either', 100)).toEqual(recorded);
  expect(await take('odd', 50)).toEqual(recorded.filter((_, nth) => nth % 2 === 1));
  expect(await take('not', 50)).toEqual(recorded.filter((_, nth) => nth % 2 === 0));
  socket.subscribe('last', '{ __typename }');
  expect(await Promise.race([nothing, socket.next('last')])).toMatchObject({ id: 'last' });
});
