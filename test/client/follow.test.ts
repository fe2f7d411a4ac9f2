import { getEventListeners, once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { pause } from '../../src/base/retry.ts';
import {
  createClient,
  type EventFilter,
  EventreeClientError,
  type FollowOptions,
  type FollowState,
  type TokenSource,
} from '../../src/client/index.ts';
import { delivered } from '../support/cli.ts';
import { newEvents, RECORD } from '../support/load.ts';
import { startServerProcess } from '../support/server-process.ts';
import { addressOf, startTcpProxy } from '../support/tcp-proxy.ts';
import { unique, worldForFile } from '../support/world.ts';
import { startDoublingProxy } from './support/doubling-proxy.ts';

/** For what comes in a moment, on a machine that is busy. */
const SOON = { timeout: 10_000 };

describe('following a journal', () => {
  const world = worldForFile();
  const serverUrl = () => String(world().servers[0]?.url);
  const admin = () => world().token({ groups: ['admin'] });

  async function record(journal: string, count: number): Promise<string[]> {
    const input = newEvents(count).map((event) => ({ ...event, journal }));
    await world().ask(RECORD, { input });
    return input.map(({ id }) => id);
  }

  interface Request extends FollowOptions {
    readonly filter?: EventFilter | null;
  }

  interface Through {
    readonly url?: string;
    readonly token?: TokenSource | string;
    readonly patienceMs?: number;
  }

  function follow({ filter = null, ...options }: Request, through: Through = {}) {
    const states: FollowState[] = [];
    const events = createClient({ url: serverUrl(), token: admin, ...through }).follow(filter, {
      ...options,
      onState: (state) => states.push(state),
    });
    onTestFinished(async () => void (await events.return()));
    return {
      states,
      names: () => states.map(({ state }) => state),
      events,
      /** Ids of the next so many events. */
      async take(count: number): Promise<string[]> {
        const ids: string[] = [];
        while (ids.length < count) {
          const { value, done } = await events.next();
          if (done) throw new Error('The stream has ended.');
          ids.push(value.id);
        }
        return ids;
      },
    };
  }

  /** Asks for the next event and resolves when the stream is live and waits for it. */
  async function startWaiting({ events, names }: ReturnType<typeof follow>) {
    const next = events.next();
    // Settled when the test is over.
    next.catch(() => {});
    await expect.poll(names, SOON).toContain('live');
    return { next };
  }

  test('shows what was recorded and what is, each once, in order', async () => {
    const journal = unique('journal');
    const before = await record(journal, 7);
    const { take, names, events } = follow({ journal, from: 'BEGINNING', maxBatch: 3 });
    expect(await take(7)).toEqual(before);
    const next = take(2);
    await expect.poll(names, SOON).toEqual(['connecting', 'catching-up', 'live']);
    expect(await record(journal, 2)).toEqual(await next);
    expect(events.state).toEqual({ state: 'live' });
  });

  test('begins after the cursor of an event, and says with each where it stands', async () => {
    const journal = unique('journal');
    const ids = await record(journal, 3);
    const all = follow({ journal, from: 'BEGINNING' });
    expect(all.events.cursor).toBeNull();
    const { value } = await all.events.next();
    expect(value).toMatchObject({ id: ids[0], type: { name: 'note' }, message: ids[0] });
    expect(all.events.cursor).toBe(value?.cursor);
    expect(await follow({ journal, after: value?.cursor, fields: '' }).take(2)).toEqual(ids.slice(1));
  });

  test('shows what its filter chooses, also after a break', async () => {
    const journal = unique('journal');
    const proxy = await startTcpProxy(addressOf(serverUrl()));
    const filter = { resource: { eq: 'page/1' } } satisfies EventFilter;
    const url = `http://127.0.0.1:${proxy.port}`;
    const { take, states } = follow({ journal, filter, from: 'BEGINNING' }, { url });
    const chosen = [1, 6];
    const of = (ids: string[]) => chosen.map((nth) => ids[nth] as string);
    expect(of(await record(journal, 10))).toEqual(await take(2));
    proxy.cutAll();
    expect(of(await record(journal, 10))).toEqual(await take(2));
    expect(states).toContainEqual(expect.objectContaining({ state: 'lost' }));
  });

  test('goes on where it was after each cut', async () => {
    const journal = unique('journal');
    const proxy = await startTcpProxy(addressOf(serverUrl()));
    const all = await record(journal, 10);
    const url = `http://127.0.0.1:${proxy.port}`;
    const { take, states } = follow({ journal, from: 'BEGINNING', maxBatch: 2 }, { url });
    const seen = await take(2);
    for (let cuts = 0; cuts < 3; cuts++) {
      proxy.cutAll();
      all.push(...(await record(journal, 2)));
      seen.push(...(await take(2)));
    }
    seen.push(...(await take(all.length - seen.length)));
    expect(seen).toEqual(all);
    const lost = states.filter(({ state }) => state === 'lost');
    expect(lost.length).toBeGreaterThan(0);
    expect(lost[0]).toMatchObject({ reason: { code: 'UNREACHABLE' }, retryInMs: expect.any(Number) });
  });

  test('goes on where it was when the server has been killed and started again', {
    timeout: 60_000,
  }, async () => {
    const journal = unique('journal');
    const server = await startServerProcess(world().environment);
    const following = follow({ journal }, { url: server.url });
    const { next } = await startWaiting(following);
    await server.kill();
    await expect.poll(() => following.events.state, SOON).toMatchObject({ state: 'lost' });
    const missed = await record(journal, 3);
    await server.start();
    const first = (await next).value?.id;
    // It was NOW, at a cursor: what was recorded while nobody was connected is not skipped.
    expect([first, ...(await following.take(2))]).toEqual(missed);
    const { names } = following;
    expect([names().slice(0, 3), names().at(-1)]).toEqual([['connecting', 'live', 'lost'], 'catching-up']);
  });

  test('waits between attempts for a time drawn below a bound that doubles', async () => {
    const { states, events } = follow({}, { url: await startStranger(502) });
    const next = events.next();
    const lost = () => states.filter((state) => state.state === 'lost');
    await vi.waitUntil(() => lost().length >= 5, { timeout: 20_000, interval: 20 });
    await events.return();
    expect(await next).toEqual({ value: undefined, done: true });
    for (const [nth, { retryInMs, reason }] of lost().entries()) {
      expect(retryInMs).toBeLessThan(200 * 2 ** nth);
      expect(reason.code).toBe('UNREACHABLE');
    }
    const drawn = lost().map(({ retryInMs }, nth) => retryInMs / (200 * 2 ** nth));
    expect(new Set(drawn).size).toBe(drawn.length);
    expect(states.at(-1)).toEqual({ state: 'ended', reason: null });
  });

  test('notices a connection that has died without a word', async () => {
    const journal = unique('journal');
    const proxy = await startTcpProxy(addressOf(serverUrl()));
    const url = `http://127.0.0.1:${proxy.port}`;
    const following = follow({ journal }, { url, patienceMs: 300 });
    const { next } = await startWaiting(following);
    proxy.stall(true);
    await expect.poll(() => following.events.state, SOON).toMatchObject({ state: 'lost' });
    // Nor does the next one open: there is somebody, and no answer.
    const lost = () => following.states.filter((state) => state.state === 'lost');
    await expect.poll(() => lost().length, SOON).toBeGreaterThan(1);
    expect(lost()[0]?.reason.message).toContain('not answered in time');
    proxy.stall(false);
    proxy.cutAll();
    const [id] = await record(journal, 1);
    expect((await next).value?.id).toBe(id);
  });

  test('notices one that has died while its reader was busy', { timeout: 60_000 }, async () => {
    const journal = unique('journal');
    const proxy = await startTcpProxy(addressOf(serverUrl()));
    const url = `http://127.0.0.1:${proxy.port}`;
    const ids = await recordLarge(journal, 200);
    const { take, states } = follow({ journal, from: 'BEGINNING', maxBatch: 1 }, { url, patienceMs: 300 });
    await take(1);
    await untilStill();
    // Two pings may have gone unanswered by now: the socket is not read.
    await pause(1_000);
    proxy.stall(true);
    const rest = take(199);
    await expect.poll(() => states.some(({ state }) => state === 'lost'), SOON).toBe(true);
    proxy.stall(false);
    proxy.cutAll();
    expect(await rest).toEqual(ids.slice(1));
  });

  test('drops what a connection brings a second time', async () => {
    const journal = unique('journal');
    const { url, count } = await startDoublingProxy(serverUrl());
    const ids = await record(journal, 5);
    const { take } = follow({ journal, from: 'BEGINNING', maxBatch: 2 }, { url });
    const seen = await take(5);
    ids.push(...(await record(journal, 3)));
    seen.push(...(await take(3)));
    expect(seen).toEqual(ids);
    expect(count()).toBeGreaterThan(3);
  });

  test('gives the messages as they come, with their checkpoints', async () => {
    const journal = unique('journal');
    const ids = await record(journal, 3);
    const messages = createClient({ url: serverUrl(), token: admin }).stream<object>(
      { resource: { eq: 'page/0' } },
      { journal, from: 'BEGINNING', fields: '' },
    );
    onTestFinished(async () => void (await messages.return()));
    const taken = [];
    for await (const message of messages) {
      taken.push(message);
      expect(messages.cursor).toBe(message.cursor);
      if (message.live) break;
    }
    const [first, last] = taken;
    const nothing = { gap: null, hidden: [], cursor: expect.any(String) };
    expect(first).toEqual({ ...nothing, live: false, events: [{ id: ids[0], cursor: expect.any(String) }] });
    expect(last).toEqual({ ...nothing, live: true, events: [] });
    // What the filter leaves out has moved the cursor on.
    expect(first?.cursor).not.toBe(first?.events[0]?.cursor);
    expect(messages.state).toEqual({ state: 'ended', reason: null });
  });

  test('tells what is hidden from now on', async () => {
    const resource = unique('page/x');
    const PUT = 'mutation ($input: PutResourceInput!) { putResource(input: $input) { ref } }';
    await world().ask(PUT, { input: { ref: resource, acl: { viewData: ['user/jane'] } } });
    const hidden: string[] = [];
    const onHidden = (refs: readonly string[]) => void hidden.push(...refs);
    const token = () => world().token({ subject: 'jane' });
    const following = follow({ onHidden }, { token });
    const { next } = await startWaiting(following);
    const note = (message: string) => ({ type: 'note', resource, message });
    await world().ask(RECORD, { input: [note('seen')] });
    expect((await next).value?.message).toBe('seen');
    const rest = following.events.next();
    rest.catch(() => {});
    const REVOKE = 'mutation ($ref: ResourceRef!) { setResourceAcl(ref: $ref, acl: {}) { ref } }';
    await world().ask(REVOKE, { ref: resource });
    await world().ask(RECORD, { input: [note('not seen')] });
    await expect.poll(() => hidden, SOON).toEqual([resource]);
  });

  test('ends with GAP where events are gone, unless somebody is told', async () => {
    const journal = unique('journal');
    await record(journal, 5);
    const { value } = await follow({ journal, from: 'BEGINNING' }).events.next();
    await world().db.query('UPDATE journal SET oldest = 4 WHERE name = $1', [journal]);
    const request = { journal, after: value?.cursor };
    const { take, events } = follow(request);
    const refusal = { code: 'GAP', facts: { oldest: expect.any(String) } };
    await expect(take(1)).rejects.toMatchObject(refusal);
    expect(events.state).toMatchObject({ state: 'ended', reason: refusal });
    const gaps: unknown[] = [];
    const told = follow({ ...request, onGap: (gap) => void gaps.push(gap) });
    expect(await told.take(2)).toHaveLength(2);
    expect(gaps).toEqual([{ reason: expect.stringContaining(journal), oldest: expect.any(String) }]);
  });

  describe('ends without an error', () => {
    test('when its signal fires, while it waits too', async () => {
      const leaving = new AbortController();
      const following = follow({ journal: unique('journal'), signal: leaving.signal });
      const { next } = await startWaiting(following);
      leaving.abort();
      expect(await next).toEqual({ value: undefined, done: true });
      expect(following.states.at(-1)).toEqual({ state: 'ended', reason: null });
    });

    test('when its signal has fired before', async () => {
      const { events, names } = follow({ signal: AbortSignal.abort() });
      expect(await events.next()).toEqual({ value: undefined, done: true });
      expect(names()).toEqual(['connecting', 'ended']);
    });

    test('when it is left while it waits', async () => {
      const following = follow({ journal: unique('journal') });
      const { next } = await startWaiting(following);
      await following.events.return();
      expect(await next).toEqual({ value: undefined, done: true });
    });

    test('in the middle of what has come', async () => {
      const journal = unique('journal');
      await record(journal, 5);
      const leaving = new AbortController();
      const { events } = follow({ journal, from: 'BEGINNING', signal: leaving.signal });
      const seen = [];
      for await (const { id } of events) {
        seen.push(id);
        leaving.abort();
      }
      expect(seen).toHaveLength(1);
    });

    test('while it waits for a token that does not come', async () => {
      const leaving = new AbortController();
      const token = () => new Promise<string>(() => {});
      const { events } = follow({ signal: leaving.signal }, { token });
      const next = events.next();
      leaving.abort();
      expect(await next).toEqual({ value: undefined, done: true });
    });
  });

  test('leaves no socket, timer or listener, however it ends', async () => {
    const journal = unique('journal');
    const proxy = await startTcpProxy(addressOf(serverUrl()));
    const url = `http://127.0.0.1:${proxy.port}`;
    await record(journal, 4);
    const open = () => process.getActiveResourcesInfo().filter((what) => what === 'Timeout').length;
    const before = open();
    const { signal } = new AbortController();
    for (let n = 0; n < 20; n++) {
      for await (const _ of follow({ journal, from: 'BEGINNING', signal }, { url }).events) break;
    }
    expect(getEventListeners(signal, 'abort')).toEqual([]);
    await expect.poll(() => proxy.connections(), SOON).toBe(0);

    // The reader is busy and does not come back: the socket goes all the same.
    const leaving = new AbortController();
    const { events } = follow({ journal, from: 'BEGINNING', signal: leaving.signal }, { url });
    await events.next();
    expect(proxy.connections()).toBe(1);
    leaving.abort();
    expect(events.state).toEqual({ state: 'ended', reason: null });
    await expect.poll(() => proxy.connections(), SOON).toBe(0);

    // One that is still connecting, and one between two attempts.
    proxy.stall(true);
    const connecting = follow({ journal }, { url });
    void connecting.events.next();
    await expect.poll(() => proxy.connections(), SOON).toBe(1);
    await connecting.events.return();
    await expect.poll(() => proxy.connections(), SOON).toBe(0);
    proxy.refuse(true);
    const lost = follow({ journal }, { url });
    void lost.events.next();
    await expect.poll(lost.names, SOON).toContain('lost');
    await lost.events.return();
    await expect.poll(open, SOON).toBeLessThanOrEqual(before);
  });

  describe('asks for a token', () => {
    test('again when the last one expires, and says which', async () => {
      const journal = unique('journal');
      const given: string[] = [];
      const refused: (string | null)[] = [];
      const token: TokenSource = async (request) => {
        refused.push(request.refused);
        const lifetimeSeconds = given.length === 0 ? 3 : 60;
        given.push(await world().token({ groups: ['admin'], lifetimeSeconds }));
        return given.at(-1) as string;
      };
      const following = follow({ journal }, { token });
      const { next } = await startWaiting(following);
      await expect.poll(following.names, SOON).toContain('lost');
      const ids = await record(journal, 1);
      expect((await next).value?.id).toBe(ids[0]);
      expect(refused).toEqual([null, given[0]]);
    });

    test('once more when the first is refused', async () => {
      const journal = unique('journal');
      const token: TokenSource = ({ refused }) => (refused === null ? 'from an old cache' : admin());
      const following = follow({ journal }, { token });
      await startWaiting(following);
      expect(following.names()).toEqual(['connecting', 'lost', 'connecting', 'live']);
    });

    test('and not for ever: a second one that is refused ends it', async () => {
      let asked = 0;
      const { take, names } = follow({}, { token: () => `wrong-${asked++}` });
      await expect(take(1)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
      expect([asked, names()]).toEqual([2, ['connecting', 'lost', 'connecting', 'ended']]);
    });

    test('until there is one', async () => {
      let failures = 3;
      const token = () => {
        if (failures-- > 0) throw new TypeError('fetch failed');
        return admin();
      };
      const following = follow({ journal: unique('journal') }, { token });
      await startWaiting(following);
      const lost = { state: 'lost', reason: { code: 'TOKEN_UNAVAILABLE' }, retryInMs: expect.any(Number) };
      expect(following.states.filter(({ state }) => state === 'lost')).toMatchObject([lost, lost, lost]);
    });

    test('and ends where its giver says that there is none', async () => {
      const none = new EventreeClientError('UNAUTHENTICATED', 'Log in first.');
      const { take } = follow({}, { token: () => Promise.reject(none) });
      await expect(take(1)).rejects.toBe(none);
    });
  });

  test.each([
    ['a token that expires and is the only one', {}, 1, 'UNAUTHENTICATED'],
    ['a cursor that is none', { after: 'nope' }, 60, 'CURSOR_INVALID'],
    // What TypeScript would not let pass.
    ['a filter that is none', { filter: { nope: 1 } as EventFilter }, 60, 'BAD_USER_INPUT'],
    ['fields that are none', { fields: 'nope' }, 60, 'GRAPHQL_VALIDATION_FAILED'],
  ])('stops at %s', async (_, request, lifetimeSeconds, code) => {
    const token = await world().token({ groups: ['admin'], lifetimeSeconds });
    const { take, states } = follow({ journal: unique('journal'), ...request }, { token });
    await expect(take(1)).rejects.toMatchObject({ name: 'EventreeClientError', code });
    expect(states.filter(({ state }) => state === 'lost')).toEqual([]);
    expect(states.at(-1)).toMatchObject({ state: 'ended', reason: { code } });
  });

  test('stops where the server has no stream', async () => {
    const { take } = follow({}, { url: await startStranger(404) });
    await expect(take(1)).rejects.toMatchObject({ code: 'BAD_RESPONSE', facts: { status: 404 } });
  });

  test('reads no faster than it is read', { timeout: 60_000 }, async () => {
    const journal = unique('journal');
    const ids = await recordLarge(journal, 400);
    const { take } = follow({ journal, from: 'BEGINNING', maxBatch: 1 });
    await take(1);
    // The server has sent all that there is room for when it stands still.
    const sent = await untilStill();
    expect(await take(399)).toEqual(ids.slice(1));
    expect((await delivered(serverUrl())) - sent).toBeGreaterThan(100);
  });

  /** Events of 100 kB. */
  async function recordLarge(journal: string, count: number): Promise<string[]> {
    const payload = 'x'.repeat(100_000);
    const input = newEvents(count).map((event) => ({ ...event, journal, payload }));
    for (let at = 0; at < count; at += 100) await world().ask(RECORD, { input: input.slice(at, at + 100) });
    return input.map(({ id }) => id);
  }

  /** Resolves when the server sends nothing more, with how many messages it has sent. */
  async function untilStill(): Promise<number> {
    let sent = -1;
    const isStill = async () => {
      const before = sent;
      sent = await delivered(serverUrl());
      return sent === before;
    };
    await vi.waitUntil(isStill, { timeout: 10_000, interval: 300 });
    return sent;
  }
});

/** A server that answers every request with this status. */
async function startStranger(status: number): Promise<string> {
  const stranger = createServer((_, response) => response.writeHead(status).end()).listen(0, '127.0.0.1');
  onTestFinished(() => void stranger.close());
  await once(stranger, 'listening');
  return `http://127.0.0.1:${(stranger.address() as AddressInfo).port}`;
}
