import type { IncomingMessage } from 'node:http';
import { describe, expect, test, vi } from 'vitest';
import { openWorld, type World } from '../support/world.ts';
import { atRest, beginSse, eventsOf, metric, openSocket, until } from './support/doors.ts';

const WATCH = 'subscription ($after: String) { eventRecorded(after: $after) { id payload } }';
const RECORD = 'mutation ($input: [RecordEventInput!]!) { recordEvents(input: $input) { events { id } } }';
const PAYLOAD = 'x'.repeat(8_000);
const DELIVERED = 'eventree_messages_delivered_total';
/** Queries and mutations. */
const ANSWERED = 'eventree_operation_seconds_count';

/** 50 MB, many times what the system's own buffers take. */
async function recordMany(world: World, count = 6_000): Promise<string[]> {
  const ids: string[] = [];
  while (ids.length < count) {
    const input = Array.from({ length: 200 }, () => ({
      type: 'note',
      message: 'one of many',
      payload: PAYLOAD,
    }));
    const { recordEvents } = await world.ask(RECORD, { input });
    ids.push(...recordEvents.events.map(({ id }: { id: string }) => id));
  }
  return ids;
}

interface Subscriber {
  stall(): void;
  readOn(): void;
  /** The id of the next event. */
  next(): Promise<string>;
}

/** @returns its cursor: who begins there misses nothing of what comes, whenever it has come to the live end. */
async function recordOne(world: World): Promise<string> {
  const { recordEvent } = await world.ask(
    'mutation { recordEvent(input: { type: "note" }) { event { cursor } } }',
  );
  return recordEvent.event.cursor;
}

async function byWs(world: World): Promise<Subscriber> {
  const socket = await openSocket(server(world), { token: await world.token({ groups: ['admin'] }) });
  socket.subscribe('1', WATCH, { after: await recordOne(world) });
  return {
    stall: () => socket.ws.pause(),
    readOn: () => socket.ws.resume(),
    next: async () => (await socket.next('1')).payload.data.eventRecorded.id,
  };
}

async function bySse(world: World): Promise<Subscriber> {
  const payload = { query: WATCH, variables: { after: await recordOne(world) } };
  const response: IncomingMessage = await beginSse(server(world), payload, await admin(world));
  const events = eventsOf(response);
  return {
    // A stream of node's is read when it is asked, and from then on by what the system holds.
    stall: () => response.socket.pause(),
    readOn: () => response.socket.resume(),
    next: async () => JSON.parse((await events.next()).value?.data as string).data.eventRecorded.id,
  };
}

const server = (world: World) => world.servers[0] as World['servers'][number];

async function admin(world: World): Promise<Record<string, string>> {
  return { authorization: `Bearer ${await world.token({ groups: ['admin'] })}` };
}

/** Until the subscription is at the live end; its events up to there are taken. */
async function toLiveEnd(world: World, subscriber: Subscriber): Promise<void> {
  await until(
    () => metric(server(world), 'eventree_live_readers'),
    (readers) => readers > 0,
  );
  const { recordEvent } = await world.ask(
    'mutation { recordEvent(input: { type: "note" }) { event { id } } }',
  );
  let id: string;
  do id = await subscriber.next();
  while (id !== recordEvent.event.id);
}

describe('trap 1: a subscriber that stops reading, with thousands of events pending', () => {
  for (const [door, subscribe] of [['WebSocket', byWs] as const, ['SSE', bySse] as const]) {
    test(`is not buffered for, and gets everything in order when it reads on, by ${door}`, {
      timeout: 60_000,
    }, async () => {
      const world = await openWorld();
      const subscriber = await subscribe(world);
      await toLiveEnd(world, subscriber);
      const before = await metric(server(world), DELIVERED);

      subscriber.stall();
      const ids = await recordMany(world);
      const delivered = (await atRest(() => metric(server(world), DELIVERED))) - before;
      // What the system's buffers hold, and not one more.
      expect(delivered).toBeLessThan(ids.length / 2);
      expect(delivered).toBeGreaterThan(0);

      subscriber.readOn();
      for (const id of ids) expect(await subscriber.next()).toBe(id);
    });
  }

  test('is not answered for ever either: who asks and does not read is not read from, by WebSocket', {
    timeout: 60_000,
  }, async () => {
    const world = await openWorld();
    await recordMany(world, 200);
    const socket = await openSocket(server(world), { token: await world.token({ groups: ['admin'] }) });
    socket.ws.pause();
    const asked = 12;
    for (let id = 0; id < asked; id++) {
      socket.subscribe(`${id}`, '{ events(first: 200) { nodes { payload } } }');
      await atRest(() => metric(server(world), ANSWERED, 'ws'), 6);
    }
    expect(await metric(server(world), ANSWERED, 'ws')).toBeGreaterThan(0);
    expect(await metric(server(world), ANSWERED, 'ws')).toBeLessThan(asked - 3);
    socket.ws.resume();
    for (let id = 0; id < asked; id++) expect((await socket.next(`${id}`)).type).toBe('next');
  });

  test('leaves no listener behind each time it stalls, by SSE', { timeout: 60_000 }, async () => {
    const warned = vi.fn();
    process.on('warning', warned);
    const world = await openWorld();
    const subscriber = await bySse(world);
    await toLiveEnd(world, subscriber);
    subscriber.stall();
    const ids = await recordMany(world, 2_000);
    for (let taken = 0; taken < ids.length; taken++) {
      subscriber.readOn();
      await subscriber.next();
      subscriber.stall();
    }
    process.off('warning', warned);
    expect(warned).not.toHaveBeenCalled();
  });
});
