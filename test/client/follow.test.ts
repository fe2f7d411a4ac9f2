import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import type { EventNode } from '../../src/client/event.ts';
import type { ConnectionState, FollowRequest } from '../../src/client/follow.ts';
import { createClient, type TokenSource } from '../../src/client/index.ts';
import { delivered } from '../support/cli.ts';
import { newEvents, RECORD } from '../support/load.ts';
import { addressOf, startTcpProxy } from '../support/tcp-proxy.ts';
import { unique, worldForFile } from '../support/world.ts';

describe('following a journal', () => {
  const world = worldForFile();
  const serverUrl = () => String(world().servers[0]?.url);
  const admin = () => world().token({ groups: ['admin'] });

  async function record(journal: string, count: number): Promise<string[]> {
    const input = newEvents(count).map((event) => ({ ...event, journal }));
    await world().ask(RECORD, { input });
    return input.map(({ id }) => id);
  }

  function follow(request: FollowRequest, { url = serverUrl(), token = admin as TokenSource | string } = {}) {
    const states: ConnectionState[] = [];
    const messages = createClient({ url, token }).follow<EventNode>({
      ...request,
      onState: (state) => states.push(state),
    });
    onTestFinished(async () => void (await messages.return()));
    return {
      states,
      messages,
      /** Ids of the next so many events. */
      async take(count: number): Promise<string[]> {
        const ids: string[] = [];
        while (ids.length < count) {
          const { value, done } = await messages.next();
          if (done) throw new Error('The stream has ended.');
          ids.push(...value.events.map(({ id }) => id));
        }
        return ids;
      },
    };
  }

  test('shows what was recorded and what is, each once, in order', async () => {
    const journal = unique('journal');
    const before = await record(journal, 7);
    const { take, states } = follow({ journal, from: 'BEGINNING', maxBatch: 3 });
    expect(await take(7)).toEqual(before);
    const after = await record(journal, 2);
    expect(await take(2)).toEqual(after);
    expect(states).toEqual([{ state: 'connected' }]);
  });

  test('goes on where it was after each cut', async () => {
    const journal = unique('journal');
    const proxy = await startTcpProxy(addressOf(serverUrl()));
    const all = await record(journal, 10);
    const following = follow(
      { journal, from: 'BEGINNING', maxBatch: 2 },
      { url: `http://127.0.0.1:${proxy.port}` },
    );
    const seen = await following.take(2);
    for (let cuts = 0; cuts < 3; cuts++) {
      proxy.cutAll();
      all.push(...(await record(journal, 2)));
      seen.push(...(await following.take(2)));
    }
    seen.push(...(await following.take(all.length - seen.length)));
    expect(seen).toEqual(all);
    const lost = following.states.filter(({ state }) => state === 'lost');
    expect(lost.length).toBeGreaterThan(0);
    expect(lost[0]).toMatchObject({ reason: { code: 'UNREACHABLE' }, retryInMs: expect.any(Number) });
  });

  test('waits for a server that is away, also behind a proxy that says so', async () => {
    const journal = unique('journal');
    const door = createServer((_, response) => response.writeHead(502).end()).listen(0, '127.0.0.1');
    await once(door, 'listening');
    const { port } = door.address() as AddressInfo;
    const { states, messages } = follow({ journal }, { url: `http://127.0.0.1:${port}` });
    const next = messages.next();
    // Settled when the test is over.
    next.catch(() => {});
    await expect.poll(() => states.length, { timeout: 10_000 }).toBeGreaterThan(1);
    expect(states).toEqual(states.map(() => expect.objectContaining({ state: 'lost' })));
    door.close();
  });

  test('ends without an error when its signal fires, while it waits too', async () => {
    const leaving = new AbortController();
    const { messages } = follow({ journal: unique('journal'), signal: leaving.signal });
    expect(await messages.next()).toMatchObject({ value: { events: [], live: true }, done: false });
    const next = messages.next();
    leaving.abort();
    expect(await next).toEqual({ value: undefined, done: true });
  });

  test('can be left while it waits', async () => {
    const { messages } = follow({ journal: unique('journal') });
    await messages.next();
    const next = messages.next();
    await messages.return();
    expect(await next).toEqual({ value: undefined, done: true });
  });

  test('goes on with a new token when the last one expires', async () => {
    const journal = unique('journal');
    let asked = 0;
    const token = () => world().token({ groups: ['admin'], lifetimeSeconds: asked++ === 0 ? 3 : 60 });
    const { messages, states, take } = follow({ journal }, { token });
    await messages.next();
    const next = take(1);
    await expect
      .poll(() => states.slice(0, 2).map(({ state }) => state), { timeout: 10_000 })
      .toEqual(['connected', 'lost']);
    const [id] = await record(journal, 1);
    expect(await next).toEqual([id]);
    expect(asked).toBe(2);
  });

  test.each([
    ['a token that expires and is the only one', {}, 1, 'UNAUTHENTICATED'],
    ['a cursor that is none', { after: 'nope' }, 60, 'CURSOR_INVALID'],
    ['a filter that is none', { filter: { nope: 1 } }, 60, 'BAD_USER_INPUT'],
    ['fields that are none', { fields: 'nope' }, 60, 'GRAPHQL_VALIDATION_FAILED'],
  ])('stops at %s', async (_, request, lifetimeSeconds, code) => {
    const token = await world().token({ groups: ['admin'], lifetimeSeconds });
    const { take, states } = follow({ journal: unique('journal'), ...request }, { token });
    await expect(take(1)).rejects.toMatchObject({ name: 'EventreeClientError', code });
    expect(states.filter(({ state }) => state === 'lost')).toEqual([]);
  });

  test('stops where the server has no stream', async () => {
    const stranger = createServer((_, response) => response.writeHead(404).end()).listen(0, '127.0.0.1');
    onTestFinished(() => void stranger.close());
    await once(stranger, 'listening');
    const { port } = stranger.address() as AddressInfo;
    const { take } = follow({}, { url: `http://127.0.0.1:${port}` });
    await expect(take(1)).rejects.toMatchObject({ code: 'BAD_RESPONSE', facts: { status: 404 } });
  });

  test('reads no faster than it is read', async () => {
    const journal = unique('journal');
    const payload = 'x'.repeat(100_000);
    const input = newEvents(400).map((event) => ({ ...event, journal, payload }));
    for (let at = 0; at < 400; at += 100) await world().ask(RECORD, { input: input.slice(at, at + 100) });
    const { take } = follow({ journal, from: 'BEGINNING', maxBatch: 1 });
    await take(1);
    // The server has sent all that there is room for when it stands still.
    let sent = -1;
    await vi.waitUntil(
      async () => {
        const before = sent;
        sent = await delivered(serverUrl());
        return sent === before;
      },
      { timeout: 10_000, interval: 300 },
    );
    expect(await take(399)).toEqual(input.slice(1).map(({ id }) => id));
    expect((await delivered(serverUrl())) - sent).toBeGreaterThan(100);
  });
});
