import { once } from 'node:events';
import { describe, expect, test, vi } from 'vitest';
import type { RunningServer } from '../../src/server/server.ts';
import { openWorld, type World, worldForFile } from '../support/world.ts';
import { atRest, openSocket, type Socket, until } from './support/doors.ts';

const PER_SECOND = 100;
const world = worldForFile({
  environment: { EVENTREE_MAX_SOCKET_MESSAGES_PER_SECOND: String(PER_SECOND) },
});
const server = (of: World = world()) => of.servers[0] as RunningServer;
const admin = (of: World = world()) => of.token({ groups: ['admin'] });
const VIEWER = '{ viewer { subject } }';
const WAIT = 'subscription { eventRecorded(filter: { type: { eq: "delete" } }) { id } }';
const RECORD = 'mutation ($input: RecordEventInput!) { recordEvent(input: $input) { event { id } } }';
/** A read of the network holds a few of them. */
const FILLING = 'x'.repeat(4_000);

/** The least time in which so many messages can have been read: a second's worth goes through at once. */
const leastMs = (messages: number) => ((messages - PER_SECOND) / PER_SECOND) * 1_000;

/** One at a time: who sends dozens and does not wait for the answer is cut off by `ws`. */
async function pingByFrame({ ws }: Socket): Promise<void> {
  const answered = once(ws, 'pong');
  ws.ping();
  await answered;
}

describe('messages that come faster than a socket may send them', () => {
  test('are read at its pace, all of them, in order and without an error', async () => {
    const socket = await openSocket(server(), { token: await admin() });
    const other = await openSocket(server());
    const started = performance.now();
    const count = 3 * PER_SECOND;
    for (let id = 0; id < count; id++) {
      socket.subscribe(`${id}`, RECORD, { input: { type: 'note', message: `${id}`, payload: FILLING } });
    }
    let answers = 0;
    socket.ws.on('message', () => answers++);
    other.subscribe('1', VIEWER);
    expect((await other.next('1')).type).toBe('next');
    expect(answers).toBeLessThan(count);
    for (let id = 0; id < count; id++) {
      const { type, payload } = await socket.next(`${id}`);
      expect([type, payload.errors]).toEqual(['next', undefined]);
    }
    // What one read holds may have come too early.
    expect(performance.now() - started).toBeGreaterThan(leastMs(count - 64_000 / FILLING.length));
  });

  test.each([
    ['pings of graphql-transport-ws', 'message'],
    ['pings of the WebSocket itself', 'frame'],
    ['pongs that nobody asked for', 'pong'],
  ])('are %s as well', async (_, kind) => {
    const socket = await openSocket(server());
    const count = 3 * PER_SECOND;
    const started = performance.now();
    for (let i = 0; i < count; i++) {
      if (kind === 'message') socket.send({ type: 'ping' });
      else if (kind === 'pong') socket.ws.pong();
      else await pingByFrame(socket);
    }
    socket.send({ type: 'ping', payload: { last: true } });
    await until(
      () => socket.next(),
      ({ payload }) => payload?.last,
    );
    // They came in one read, and are paid for by what comes next.
    socket.subscribe('1', VIEWER);
    expect((await socket.next('1')).type).toBe('next');
    expect(performance.now() - started).toBeGreaterThan(leastMs(count) * 0.9);
  });

  test('do not make their socket look dead, though its answer to a ping stands behind them', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    try {
      const socket = await openSocket(server());
      let answers = 0;
      socket.ws.on('message', () => answers++);
      for (let i = 0; i < 10_000; i++) socket.send({ type: 'ping', payload: { FILLING } });
      for (let pings = 0; pings < 4; pings++) {
        const so = answers + PER_SECOND / 4;
        await until(
          async () => answers,
          (now) => now > so,
        );
        vi.advanceTimersByTime(15_000);
      }
      await atRest(async () => socket.ws.readyState, 5);
      expect(socket.ws.readyState).toBe(socket.ws.OPEN);
      expect(socket.ws.bufferedAmount).toBeGreaterThan(0);
    } finally {
      vi.useRealTimers();
    }
  });

  test('leave no timer behind when their socket goes', async () => {
    const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
    const at = await world().addServer({
      EVENTREE_MAX_SOCKET_MESSAGES_PER_SECOND: '1',
      EVENTREE_DRAIN_TIMEOUT_MS: '0',
    });
    const before = timers();
    const sockets = await Promise.all(Array.from({ length: 50 }, () => openSocket(at)));
    for (const socket of sockets) {
      for (let i = 0; i < 100; i++) socket.send({ type: 'ping' });
      await socket.next();
    }
    await at.stop();
    await until(
      async () => timers(),
      (left) => left < before + 25,
    );
  });
});

test('a socket holds as many operations as are set; what is over is refused, and nothing else', async () => {
  const own = await openWorld({ environment: { EVENTREE_MAX_SOCKET_OPERATIONS: '3' } });
  const socket = await openSocket(server(own), { token: await admin(own) });
  for (const id of ['1', '2', '3', '4']) socket.subscribe(id, WAIT);
  expect(await socket.next('4')).toMatchObject({
    type: 'error',
    payload: [{ extensions: { code: 'LIMIT_EXCEEDED' } }],
  });
  socket.send({ type: 'complete', id: '2' });
  socket.subscribe('5', VIEWER);
  expect((await socket.next('5')).type).toBe('next');
  socket.ws.close();
  await socket.closed;
});
