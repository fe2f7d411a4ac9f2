import { describe, expect, test, vi } from 'vitest';
import { openWorld, type World } from '../support/world.ts';
import { atRest, beginSse, eventsOf, metric, open, openSocket, type Socket, until } from './support/doors.ts';

const TIMES = 200;
const READERS = 'eventree_live_readers';
const SOCKETS = 'eventree_sockets';
// Waits for ever: nothing of this type is recorded.
const WAIT = 'subscription { eventRecorded(filter: { type: { eq: "delete" } }) { id } }';

const server = (world: World) => world.servers[0] as World['servers'][number];
const token = (world: World) => world.token({ groups: ['admin'] });

function readers(world: World): Promise<number> {
  return metric(server(world), READERS);
}

/** A socket with one subscription, which has come to the live end. */
async function openWaiting(world: World): Promise<Socket> {
  const socket = await openSocket(server(world), { token: await token(world) });
  socket.subscribe('1', 'subscription { eventStream(filter: { type: { eq: "delete" } }) { live } }');
  expect((await socket.next('1')).payload.data.eventStream.live).toBe(true);
  return socket;
}

describe(`trap 6: a subscription that waits is cancelled, ${TIMES} times over`, { timeout: 60_000 }, () => {
  test('when its socket closes', async () => {
    const world = await openWorld();
    const stays = await openWaiting(world);
    for (let i = 0; i < TIMES; i++) (await openWaiting(world)).ws.close();
    expect(
      await until(
        () => readers(world),
        (left) => left <= 1,
      ),
    ).toBe(1);
    expect(
      await until(
        () => metric(server(world), SOCKETS),
        (left) => left <= 1,
      ),
    ).toBe(1);
    expect(stays.ws.readyState).toBe(stays.ws.OPEN);
  });

  test('when its socket is cut off', async () => {
    const world = await openWorld();
    for (let i = 0; i < TIMES; i++) (await openWaiting(world)).ws.terminate();
    expect(
      await until(
        () => readers(world),
        (left) => left === 0,
      ),
    ).toBe(0);
  });

  test('when its `complete` arrives, and its socket stays', async () => {
    const world = await openWorld();
    const socket = await openSocket(server(world), { token: await token(world) });
    for (let i = 0; i < TIMES; i++) socket.subscribe(`${i}`, WAIT);
    await until(
      () => readers(world),
      (open) => open === TIMES,
    );
    for (let i = 0; i < TIMES; i++) socket.send({ type: 'complete', id: `${i}` });
    expect(
      await until(
        () => readers(world),
        (left) => left === 0,
      ),
    ).toBe(0);
    expect(socket.ws.readyState).toBe(socket.ws.OPEN);
  });

  test('when its `complete` arrives before it has begun', async () => {
    const world = await openWorld();
    const socket = await openSocket(server(world), { token: await token(world) });
    for (let i = 0; i < TIMES; i++) {
      socket.subscribe(`${i}`, WAIT);
      socket.send({ type: 'complete', id: `${i}` });
    }
    socket.subscribe('last', '{ viewer { subject } }');
    await socket.next('last');
    expect(await atRest(() => readers(world))).toBe(0);
  });

  test('when its SSE stream closes', async () => {
    const warned = vi.fn();
    process.on('warning', warned);
    const world = await openWorld();
    const headers = { authorization: `Bearer ${await token(world)}` };
    const streams = await Promise.all(
      Array.from({ length: TIMES }, () => beginSse(server(world), { query: WAIT }, headers)),
    );
    await until(
      () => readers(world),
      (open) => open === TIMES,
    );
    for (const stream of streams) stream.destroy();
    expect(
      await until(
        () => readers(world),
        (left) => left === 0,
      ),
    ).toBe(0);
    process.off('warning', warned);
    expect(warned).not.toHaveBeenCalled();
  });

  test('when its SSE stream closes before it has begun', async () => {
    const world = await openWorld();
    const headers = {
      authorization: `Bearer ${await token(world)}`,
      accept: 'text/event-stream',
      'content-type': 'application/json',
    };
    // The subscription is opened by a look at the database, and that takes a moment longer here.
    const lock = await world.db.connect();
    await lock.query('begin; lock table journal in access exclusive mode');
    const requests = Array.from({ length: TIMES }, () => {
      const request = open(server(world), { headers });
      request.on('error', () => {});
      request.end(JSON.stringify({ query: WAIT }));
      return request;
    });
    await until(
      () => world.db.query("select 1 from pg_locks where not granted and relation = 'journal'::regclass"),
      ({ rowCount }) => rowCount !== 0,
    );
    for (const request of requests) request.destroy();
    await atRest(() => readers(world));
    await lock.query('rollback');
    lock.release();
    expect(await atRest(() => readers(world))).toBe(0);
  });
});

describe('a client that has gone without a word', () => {
  test('loses its socket when it has not answered a ping by the next one; one that answers keeps it', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    try {
      const world = await openWorld();
      const gone = await openWaiting(world);
      const there = await openSocket(server(world), { token: await token(world) });
      gone.ws.pause();
      for (let pings = 0; pings < 4; pings++) {
        await passPing(there);
      }
      expect(await metric(server(world), SOCKETS)).toBe(1);
      expect(await readers(world)).toBe(0);
      gone.ws.resume();
      // A code that clients come back after.
      expect((await gone.closed).code).toBe(1006);
      expect(there.ws.readyState).toBe(there.ws.OPEN);
    } finally {
      vi.useRealTimers();
    }
  });

  test('loses its SSE stream when it takes nothing for half a minute; one that reads keeps it', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    try {
      const world = await openWorld();
      const headers = { authorization: `Bearer ${await token(world)}` };
      const payload = { query: WITH_PAYLOAD, variables: { after: await recordOne(world) } };
      const stalled = await beginSse(server(world), payload, headers);
      const reading = eventsOf(await beginSse(server(world), payload, headers));
      stalled.socket.pause();
      await untilReaders(world, 2);
      const events = await recordMuch(world);
      for (let i = 0; i < events; i++) expect((await reading.next()).value?.event).toBe('next');
      vi.advanceTimersByTime(HALF_A_MINUTE_MS);
      expect(await readers(world)).toBe(2);
      vi.advanceTimersByTime(LOOK_MS);
      await untilReaders(world, 1);
    } finally {
      vi.useRealTimers();
    }
  });

  test('loses its socket likewise, with a code that clients come back after', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    try {
      const world = await openWorld();
      const stalled = await openSocket(server(world), { token: await token(world) });
      const reading = await openSocket(server(world), { token: await token(world) });
      const after = await recordOne(world);
      for (const socket of [stalled, reading]) socket.subscribe('1', WITH_PAYLOAD, { after });
      await untilReaders(world, 2);
      stalled.ws.pause();
      const events = await recordMuch(world);
      for (let i = 0; i < events; i++) expect((await reading.next('1')).type).toBe('next');
      for (let pings = 0; pings < 2; pings++) await passPing(reading);
      expect(await readers(world)).toBe(2);
      vi.advanceTimersByTime(LOOK_MS);
      stalled.ws.resume();
      expect((await stalled.closed).code).toBe(1013);
      expect(reading.ws.readyState).toBe(reading.ws.OPEN);
      await untilReaders(world, 1);
    } finally {
      vi.useRealTimers();
    }
  });
});

const WITH_PAYLOAD = 'subscription ($after: String) { eventRecorded(after: $after) { id payload } }';
const HALF_A_MINUTE_MS = 30_000;
/** What waits is looked at as often. */
const LOOK_MS = 3_000;

/** Lets the time pass until the next ping; resolves when the server has its answer. */
async function passPing(socket: Awaited<ReturnType<typeof openSocket>>): Promise<void> {
  const pinged = new Promise((resolve) => socket.ws.once('ping', resolve));
  vi.advanceTimersByTime(15_000);
  await pinged;
  socket.send({ type: 'ping' });
  await socket.next();
}

function untilReaders(world: World, count: number): Promise<number> {
  return until(
    () => readers(world),
    (open) => open === count,
  );
}

/** @returns its cursor: who begins there misses nothing of what comes, whenever it has come to the live end. */
async function recordOne(world: World): Promise<string> {
  const { recordEvent } = await world.ask(
    'mutation { recordEvent(input: { type: "note" }) { event { cursor } } }',
  );
  return recordEvent.event.cursor;
}

/** 16 MB, more than the system's buffers take. @returns how many events. */
async function recordMuch(world: World): Promise<number> {
  const input = Array.from({ length: 200 }, () => ({
    type: 'note',
    message: 'm',
    payload: 'x'.repeat(8_000),
  }));
  for (let i = 0; i < 10; i++) {
    await world.ask(
      'mutation ($input: [RecordEventInput!]!) { recordEvents(input: $input) { events { id } } }',
      { input },
    );
  }
  return 10 * input.length;
}
