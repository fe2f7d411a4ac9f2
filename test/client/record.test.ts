import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { v7 } from 'uuid';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createClient, type EventreeClientError, newEventId } from '../../src/client/index.ts';
import { freePort } from '../support/redis.ts';
import { startServerProcess } from '../support/server-process.ts';
import { addressOf, startTcpProxy } from '../support/tcp-proxy.ts';
import { unique, worldForFile } from '../support/world.ts';

describe('recording', () => {
  const world = worldForFile();
  const serverUrl = () => String(world().servers[0]?.url);
  const clientAt = (url: string) => createClient({ url, token: () => world().token({ groups: ['admin'] }) });
  const idsIn = async (journal: string) =>
    (await clientAt(serverUrl()).events(null, { journal, order: 'OLDEST_FIRST' })).nodes.map(({ id }) => id);

  test('answers one event for one, and several for several, in their order', async () => {
    const journal = unique('journal');
    const client = clientAt(serverUrl());
    const one = await client.record({ type: 'note', journal, message: 'a', payload: { b: [1] } });
    expect(one).toMatchObject({
      journal,
      message: 'a',
      payload: { b: [1] },
      type: { name: 'note' },
      kept: true,
    });
    const given = newEventId();
    const events = [
      { type: 'note', journal, id: given, children: [{ type: 'note', message: 'child' }] },
      { type: 'note', journal },
    ];
    const several = await client.record<object>(events, { fields: '' });
    expect(several.map((event) => Object.keys(event))).toEqual(Array(2).fill(['id', 'cursor', 'kept']));
    expect(several[0]?.id).toBe(given);
    const all = await idsIn(journal);
    expect(all).toHaveLength(4);
    expect([all[0], all[1], all[3]]).toEqual([one.id, given, several[1]?.id]);
    expect(await client.record([])).toEqual([]);
  });

  test('goes on from the cursor of what it recorded', async () => {
    const journal = unique('journal');
    const client = clientAt(serverUrl());
    const { cursor } = await client.record({ type: 'note', journal });
    const next = await client.record({ type: 'note', journal });
    for await (const event of client.follow(null, { journal, after: cursor })) {
      expect(event.id).toBe(next.id);
      break;
    }
  });

  test('records once what was committed while its answer was lost', async () => {
    const journal = unique('journal');
    const proxy = await startTcpProxy(addressOf(serverUrl()));
    const lost = proxy.loseAnswerTo(journal);
    const recorded = clientAt(`http://127.0.0.1:${proxy.port}`).record([
      { type: 'note', journal, message: 'a' },
      { type: 'note', journal, message: 'b', children: [{ type: 'note' }] },
    ]);
    await lost;
    const ids = (await recorded).map(({ id }) => id);
    expect((await idsIn(journal)).slice(0, 2)).toEqual(ids);
    expect(await idsIn(journal)).toHaveLength(3);
  });

  test('waits for a server that is away', { timeout: 60_000 }, async () => {
    const journal = unique('journal');
    const server = await startServerProcess(world().environment);
    await server.kill();
    const recorded = clientAt(server.url).record({ type: 'note', journal });
    recorded.catch(() => {});
    await server.start();
    const { id } = await recorded;
    expect(await idsIn(journal)).toEqual([id]);
  });

  test.each([
    [429, 'RATE_LIMITED', false],
    [503, 'UNAVAILABLE', true],
  ])(
    'tries again what is answered with %i, until time is over, under the same id',
    async (status, code, inDoubt) => {
      const { url, asked } = await startStranger(status);
      const error = await failureOf(clientAt(url).record({ type: 'note' }, { withinMs: 1_500 }));
      expect(error.code).toBe(code);
      expect(asked.length).toBeGreaterThan(2);
      const ids = asked.map(({ variables }) => variables.input[0]?.id);
      expect(new Set(ids).size).toBe(1);
      // Nothing has been recorded where the server had no time for it.
      expect(error.facts.ids).toEqual(inDoubt ? [ids[0]] : undefined);
    },
  );

  test('tries once where there is no time for more', async () => {
    const { url, asked } = await startStranger(503);
    await failureOf(clientAt(url).record({ type: 'note' }, { withinMs: 0 }));
    expect(asked).toHaveLength(1);
  });

  test('says under which ids to try again, where nobody answers', async () => {
    const id = v7();
    const nobody = clientAt(`http://127.0.0.1:${await freePort()}`);
    const error = await failureOf(nobody.record([{ id, type: 'note' }, { type: 'note' }], { withinMs: 300 }));
    expect(error).toMatchObject({ code: 'UNREACHABLE', facts: { ids: [id, expect.any(String)] } });
    const events = (error.facts.ids as string[]).map((each) => ({ id: each, type: 'note' }));
    expect(await clientAt(serverUrl()).record(events)).toHaveLength(2);
  });

  test('does not try again what is refused, and says which event it was', async () => {
    const proxy = await startTcpProxy(addressOf(serverUrl()));
    const client = clientAt(`http://127.0.0.1:${proxy.port}`);
    const error = await failureOf(client.record([{ type: 'note' }, { type: 'nope' }]));
    expect(error).toMatchObject({ code: 'UNKNOWN_EVENT_TYPE', facts: { index: 1 } });
    expect(error.facts).not.toHaveProperty('ids');
  });

  test('is refused where the clock that made the id runs ahead', async () => {
    const id = v7({ msecs: Date.now() + 60_000 });
    const error = await failureOf(clientAt(serverUrl()).record({ id, type: 'note' }));
    expect(error).toMatchObject({ code: 'BAD_USER_INPUT', message: expect.stringContaining('clock') });
  });

  test('makes ids of the time that it is, also after the clock was put back', () => {
    // By which uuid itself remembers a time that lies ahead.
    const { now } = Date;
    onTestFinished(() => {
      Date.now = now;
    });
    Date.now = () => now() + 3_600_000;
    newEventId();
    v7();
    Date.now = now;
    const time = Number.parseInt(newEventId().replaceAll('-', '').slice(0, 12), 16);
    expect(time).toBeLessThanOrEqual(Date.now());
  });

  test('fetches another token when the server refuses the one it has', async () => {
    const refused: (string | null)[] = [];
    const client = createClient({
      url: serverUrl(),
      token(request) {
        refused.push(request.refused);
        return request.refused === null ? 'from an old cache' : world().token({ groups: ['admin'] });
      },
    });
    await client.record({ type: 'note' });
    expect(refused).toEqual([null, 'from an old cache']);
  });

  test('ends when its signal fires', async () => {
    const leaving = new AbortController();
    const { url } = await startStranger(503, () => leaving.abort(new Error('enough')));
    const recorded = clientAt(url).record({ type: 'note' }, { signal: leaving.signal });
    await expect(recorded).rejects.toThrow('enough');
  });
});

async function failureOf(work: Promise<unknown>): Promise<EventreeClientError> {
  const failure = await work.then(
    () => new Error('It did not fail.'),
    (reason: unknown) => reason,
  );
  if (failure instanceof Error && failure.name === 'EventreeClientError')
    return failure as EventreeClientError;
  throw failure;
}

interface Asked {
  readonly variables: { readonly input: readonly { readonly id: string }[] };
}

/** A server that answers everything with this status, and keeps what it was asked. */
async function startStranger(status: number, onAsked = () => {}): Promise<{ url: string; asked: Asked[] }> {
  const asked: Asked[] = [];
  const server = createServer(async (request, response) => {
    asked.push(JSON.parse((await request.toArray()).join('')));
    onAsked();
    response.writeHead(status).end();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}
