/**
 * Clients that connect, subscribe and are gone again, in every way there is to go, leave nothing behind.
 */
import { once } from 'node:events';
import { expect, test, vi } from 'vitest';
import WebSocket from 'ws';
import { metric } from '../doors/support/doors.ts';
import { at } from '../support/follower.ts';
import { startServerProcess } from '../support/server-process.ts';
import { openWorld } from '../support/world.ts';
import { INSPECTED, inspect, type Leftovers } from './support/inspector.ts';
import { limitMs, SCALE } from './support/scale.ts';

const TIMES = SCALE.connections;
/** After these, what is made once has been made. */
const WARM_UP = 300;
const AT_A_TIME = 20;
/** Connections to the database, and of those who ask for figures, come and go: four of them. */
const ODDS: Leftovers = { iterators: 0, listeners: 80, timers: 4, sockets: 4, descriptors: 4 };
const KINDS = Object.keys(ODDS) as (keyof Leftovers)[];
/** What may be held for each that has gone: a leak would hold its socket, its stream, its operation. */
const MOST_BYTES_EACH = 200;
/** What the caches of the process may still grow by. */
const MOST_BYTES = 2_097_152;
const STREAM = 'subscription { eventStream(filter: { type: { eq: "note" } }) { live events { id } cursor } }';

type Visit = (url: string, token: string) => Promise<void>;

/** Connects and subscribes by WebSocket; `go` is how it goes. */
function byWs(go: (socket: WebSocket) => void, until: 'connected' | 'asked' | 'live' = 'live'): Visit {
  return async (url, token) => {
    const socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
    socket.on('error', () => {});
    const said = (type: string) =>
      new Promise<void>((resolve, reject) => {
        socket.on('message', (text) => {
          const message = JSON.parse(String(text));
          if (message.type === type && message.payload?.errors === undefined) resolve();
        });
        socket.once('close', () => reject(new Error('The socket was closed.')));
      });
    const acknowledged = said('connection_ack');
    const live = said('next');
    const closed = once(socket, 'close');
    live.catch(() => {});
    await once(socket, 'open');
    socket.send(JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } }));
    await acknowledged;
    if (until !== 'connected') {
      socket.send(JSON.stringify({ type: 'subscribe', id: '1', payload: { query: STREAM } }));
    }
    if (until === 'live') await live;
    go(socket);
    await closed;
  };
}

function bySse(until: 'asked' | 'live' = 'live'): Visit {
  return async (url, token) => {
    const leaving = new AbortController();
    const response = fetch(`${url}/graphql`, {
      method: 'POST',
      headers: {
        accept: 'text/event-stream',
        'content-type': 'application/json',
        authorization: `Bearer ${token}`,
      },
      body: JSON.stringify({ query: STREAM }),
      signal: leaving.signal,
    });
    if (until === 'live') {
      const { status, body } = await response;
      const { value } = (await body?.getReader().read()) ?? {};
      if (status !== 200 || value === undefined) throw new Error(`There is no stream: ${status}.`);
    }
    leaving.abort();
    await response.catch(() => {});
  };
}

const WAYS: readonly Visit[] = [
  byWs((socket) => socket.close(1000)),
  byWs((socket) => socket.terminate()),
  byWs((socket) => {
    socket.send(JSON.stringify({ type: 'complete', id: '1' }));
    socket.close(1000);
  }),
  byWs((socket) => socket.terminate(), 'asked'),
  byWs((socket) => socket.terminate(), 'connected'),
  bySse(),
  bySse('asked'),
];

test(`${TIMES} times connect, subscribe, drop: nothing is left, and memory is flat`, {
  timeout: limitMs(120_000, 400_000),
}, async () => {
  const world = await openWorld({ servers: 0 });
  const server = await startServerProcess({ ...world.environment, ...INSPECTED });
  const inspector = await inspect(server);
  const token = await world.token({ groups: ['admin'] });
  const stays = world.watch(STREAM, {}, { server: at(server.url), token });
  await stays.next();

  async function visit(times: number): Promise<void> {
    let begun = 0;
    const visitor = async () => {
      while (begun < times) await WAYS[begun++ % WAYS.length]?.(server.url, token);
    };
    await Promise.all(Array.from({ length: AT_A_TIME }, visitor));
    const left = (name: string) => metric(at(server.url), name);
    const both = async () => [await left('eventree_live_readers'), await left('eventree_sockets')];
    await vi.waitFor(async () => expect(await both()).toEqual([1, 1]), { timeout: 20_000, interval: 50 });
  }

  await visit(WARM_UP);
  const before = await inspector.leftovers();
  const held = await inspector.heldBytes();
  await visit(TIMES);
  const more = async () => {
    const now = await inspector.leftovers();
    return KINDS.filter((kind) => now[kind] > before[kind] + ODDS[kind]).map(
      (kind) => `${now[kind] - before[kind]} ${kind} more`,
    );
  };
  // What is just being closed is closed in a moment.
  await vi.waitFor(async () => expect(await more()).toEqual([]), { timeout: 10_000, interval: 500 });
  await expect
    .poll(async () => (await inspector.heldBytes()) - held, { timeout: 10_000, interval: 500 })
    .toBeLessThan(MOST_BYTES + TIMES * MOST_BYTES_EACH);
  expect(server.said()).not.toContain('Warning');
});
