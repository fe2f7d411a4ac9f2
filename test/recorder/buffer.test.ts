import { setImmediate } from 'node:timers/promises';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { createRecorder } from '../../src/recorder/index.ts';
import { freePort } from '../support/redis.ts';
import { startServerProcess } from '../support/server-process.ts';
import { addressOf, startTcpProxy } from '../support/tcp-proxy.ts';
import { unique, worldForFile } from '../support/world.ts';
import { eventsIn, outlineOf, recorderOf, recorderWith } from './support/recording.ts';

const note = (message: string, more: object = {}) => ({ type: 'note', message, ...more });
const codeOf = (code: string) => expect.objectContaining({ code });

describe('the buffer', () => {
  const world = worldForFile();
  const serverUrl = () => String(world().servers[0]?.url);
  const proxied = async (options: object = {}) => {
    const journal = unique('journal');
    const proxy = await startTcpProxy(addressOf(serverUrl()));
    const url = `http://127.0.0.1:${proxy.port}`;
    const made = await recorderOf(world(), { url, journal, markers: false, ...options });
    return { ...made, proxy, journal, events: () => eventsIn(world(), {}, journal) };
  };

  test('keeps what is recorded while the server is away, and loses and doubles nothing', {
    timeout: 90_000,
  }, async () => {
    const journal = unique('journal');
    const server = await startServerProcess(world().environment);
    const { recorder, reported } = await recorderOf(world(), {
      url: server.url,
      journal,
      markerTimeoutMs: 500,
      // A call whose process is taken for gone is recorded twice, as lost too: here nothing is.
      leaseMs: 600_000,
    });
    const ids: string[] = [];
    let stopping = false;
    const work = (async () => {
      for (let nth = 0; !stopping; nth++) {
        await recorder.call(`call ${nth}`, (call) => {
          ids.push(call.id, call.record(note(`note ${nth}`)));
        });
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    })();
    const more = async (count: number) => {
      const wanted = ids.length + count;
      await vi.waitUntil(() => ids.length >= wanted, { timeout: 20_000 });
    };
    for (let round = 0; round < 2; round++) {
      await more(200);
      await server.kill();
      await more(100);
      await server.start();
    }
    await more(100);
    stopping = true;
    await work;
    await recorder.flush();
    const { rows } = await world().db.query(
      'select e.id from event e join journal j on j.id = e.journal_id where j.name = $1',
      [journal],
    );
    expect(rows.map(({ id }) => id).sort()).toEqual([...ids].sort());
    expect(recorder.stats()).toEqual({ calls: 0, buffered: 0, refused: 0 });
    // Told of each outage, not of each call.
    expect(reported.length).toBeGreaterThan(0);
    expect(reported.splice(0).length).toBeLessThan(20);
  });

  test('records once what was committed while its answer was lost', async () => {
    const { recorder, proxy, events, reported } = await proxied();
    const lost = proxy.loseAnswerTo('unheard');
    await recorder.call('unheard', (call) => void call.record(note('a')));
    await lost;
    await recorder.flush();
    expect(outlineOf(await events())).toEqual(['call', '  a']);
    expect(reported.splice(0)).toEqual([{ error: codeOf('UNREACHABLE'), unrecorded: [] }]);
  });

  test('records calls in the order in which they ended, however many there are', async () => {
    const { recorder, events } = await proxied();
    for (let nth = 0; nth < 40; nth++) {
      await recorder.call(String(nth), () => {});
      if (nth % 4 === 0) await new Promise((resolve) => setTimeout(resolve, 6));
    }
    await recorder.flush();
    expect((await events()).map(({ attributes }) => attributes.function)).toEqual(
      Array.from({ length: 40 }, (_, nth) => String(nth)),
    );
  });

  test('lets calls begin only while there is room, and takes what those under way bring', async () => {
    const { recorder, proxy, events, reported } = await proxied({ maxBufferedEvents: 3, fullTimeoutMs: 200 });
    proxy.refuse(true);
    let hasRun = false;
    await recorder.call('first', async (call) => {
      for (const message of ['a', 'b', 'c', 'd']) call.record(note(message));
    });
    expect(recorder.stats().buffered).toBe(5);
    const refused = recorder.call('second', () => {
      hasRun = true;
    });
    await expect(refused).rejects.toThrow(codeOf('BUFFER_FULL'));
    await expect(recorder.record(note('by itself'))).rejects.toThrow(codeOf('BUFFER_FULL'));
    expect(hasRun).toBe(false);
    proxy.refuse(false);
    await recorder.flush();
    await recorder.call('third', () => 1);
    await recorder.flush();
    expect(outlineOf(await events())).toEqual(['call', '  a', '  b', '  c', '  d', 'call']);
    reported.splice(0);
  });

  test('lets a call begin that has waited for room, and no more at once than there is room for', async () => {
    const { recorder, proxy, events, reported } = await proxied({ maxBufferedEvents: 2 });
    proxy.refuse(true);
    await recorder.call('full', (call) => void call.record(note('a')));
    let running = 0;
    let most = 0;
    const waiting = Promise.all(
      Array.from({ length: 6 }, (_, nth) =>
        recorder.call(`waiting ${nth}`, async () => {
          most = Math.max(most, ++running);
          await setImmediate();
          running--;
        }),
      ),
    );
    await vi.waitUntil(() => reported.length > 0, { timeout: 20_000 });
    expect(most).toBe(0);
    proxy.refuse(false);
    await waiting;
    expect(most).toBe(2);
    await recorder.flush();
    expect(await events()).toHaveLength(8);
    reported.splice(0);
  });

  test('reports a tree that is refused, with its events, and the others go through', async () => {
    const { recorder, events, reported } = await proxied();
    const calls = Array.from({ length: 30 }, (_, nth) =>
      recorder.call(`call ${nth}`, (call) => {
        call.record(note(`a ${nth}`));
        if (nth % 10 === 7) call.record({ type: 'not_declared', payload: { nth } });
      }),
    );
    await Promise.all(calls);
    await recorder.flush();
    const names = (await events())
      .map(({ attributes }) => attributes.function)
      .filter((name) => name !== undefined);
    const others = Array.from({ length: 30 }, (_, nth) => nth).filter((nth) => nth % 10 !== 7);
    expect(names).toEqual(others.map((nth) => `call ${nth}`));
    expect(reported.map(({ error }) => error)).toEqual(Array(3).fill(codeOf('UNKNOWN_EVENT_TYPE')));
    expect(reported[0]?.unrecorded.map(({ type }) => type)).toEqual(['call', 'note', 'not_declared']);
    expect(reported[0]?.unrecorded[2]).toMatchObject({ payload: { nth: 7 } });
    expect(recorder.stats()).toEqual({ calls: 0, buffered: 0, refused: 9 });
    reported.splice(0);
  });

  test('reports all where the token is not accepted', async () => {
    const { recorder, reported } = recorderWith({ url: serverUrl(), token: 'nonsense', markers: false });
    await Promise.all([1, 2, 3].map((nth) => recorder.call(`call ${nth}`, () => nth)));
    await recorder.flush();
    expect(reported.map(({ error, unrecorded }) => [error, unrecorded.length])).toEqual(
      Array(3).fill([codeOf('UNAUTHENTICATED'), 1]),
    );
    reported.splice(0);
  });

  test('fetches a new token where the old one has expired', async () => {
    const journal = unique('journal');
    const { recorder } = recorderWith({
      url: serverUrl(),
      token: ({ refused }) => (refused === null ? 'old' : world().token({ groups: ['admin'] })),
      journal,
    });
    await recorder.call('a', () => 1);
    await recorder.flush();
    expect(await eventsIn(world(), {}, journal)).toHaveLength(1);
  });

  test('parts what is refused as a whole until it fits', async () => {
    const small = await world().addServer({ EVENTREE_MAX_REQUEST_BYTES: '20000' });
    const journal = unique('journal');
    const { recorder, reported } = await recorderOf(world(), { url: small.url, journal, markers: false });
    await Promise.all(
      Array.from({ length: 20 }, (_, nth) =>
        recorder.call(`call ${nth}`, { payload: 'x'.repeat(nth === 13 ? 16_000 : 5_000) }, () => nth),
      ),
    );
    await recorder.call(
      'too large',
      { payload: ['x'.repeat(8_000), 'y'.repeat(7_000)], params: 'z'.repeat(9_000) },
      () => 1,
    );
    await recorder.flush();
    expect(await eventsIn(world(), {}, journal)).toHaveLength(20);
    expect(reported.splice(0)).toEqual([
      { error: codeOf('LIMIT_EXCEEDED'), unrecorded: [expect.objectContaining({ type: 'call' })] },
    ]);
  });

  test('sends a tree that is too large for a request in parts, parents first', async () => {
    const { recorder, journal } = await proxied();
    await recorder.call('nightly', async (call) => {
      for (let nth = 0; nth < 20; nth++) {
        await call.group(note(`group ${nth}`), (group) => {
          for (let leaf = 0; leaf < 70; leaf++) group.record(note(`leaf ${nth} ${leaf}`));
        });
      }
    });
    await recorder.call('after', () => 1);
    await recorder.flush();
    const { rows } = await world().db.query(
      `select e.type, e.message, e.path from event e join journal j on j.id = e.journal_id
       where j.name = $1 order by e.position`,
      [journal],
    );
    expect(rows).toHaveLength(1 + 20 * 71 + 1);
    expect(rows.slice(0, 3).map(({ type, message }) => (type === 'note' ? message : type))).toEqual([
      'call',
      'group 0',
      'leaf 0 0',
    ]);
    expect(rows.filter(({ path }) => path?.length === 2)).toHaveLength(20 * 70);
    expect(rows.at(-1).type).toBe('call');
  });

  test('lets no child overtake its parent, whose request has to be sent again', async () => {
    const { recorder, proxy, events, reported } = await proxied();
    proxy.refuse(true);
    const { id } = await recorder.recordAlone(note('above'));
    await vi.waitUntil(() => reported.length > 0, { timeout: 20_000 });
    const below = recorder.recordAlone({ ...note('acknowledged'), parentId: id }, { acknowledged: true });
    await recorder.recordAlone({ ...note('below'), parentId: id });
    proxy.refuse(false);
    await below;
    await recorder.flush();
    expect(outlineOf(await events()).toSorted()).toEqual(['  acknowledged', '  below', 'above']);
    reported.splice(0);
  });
});

describe('a recorder that is closed', () => {
  const world = worldForFile();

  test('has recorded all, waits for calls under way, and takes nothing more', async () => {
    const journal = unique('journal');
    const { recorder } = await recorderOf(world(), { journal });
    let goOn = () => {};
    const going = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    let underWay: Promise<unknown> = Promise.resolve();
    await new Promise<void>((begun) => {
      underWay = recorder.call('under way', async (call) => {
        begun();
        await going;
        call.record(note('a'));
        await recorder.call('nested', () => recorder.record(note('b')));
      });
    });
    const closed = recorder.close();
    expect(recorder.close()).toBe(closed);
    await expect(recorder.call('late', () => 1)).rejects.toThrow(codeOf('CLOSED'));
    await expect(recorder.record(note('late'))).rejects.toThrow(codeOf('CLOSED'));
    await expect(recorder.recordAlone(note('late'))).rejects.toThrow(codeOf('CLOSED'));
    await expect(recorder.session()).rejects.toThrow(codeOf('CLOSED'));
    goOn();
    await underWay;
    await closed;
    expect(outlineOf(await eventsIn(world(), {}, journal))).toEqual(['call', '  a', '  call', '    b']);
  });

  test('reports what it could not record in time', async () => {
    const { recorder, reported } = recorderWith({
      url: `http://127.0.0.1:${await freePort()}`,
      closeTimeoutMs: 100,
      markers: false,
    });
    await recorder.call('a', (call) => void call.record(note('b')));
    await recorder.close();
    // Behind the outage, if that was noticed by then.
    const given = reported.splice(0).at(-1);
    expect(given?.error).toEqual(codeOf('CLOSED'));
    expect(given?.unrecorded.map(({ type }) => type)).toEqual(['call', 'note']);
    expect(recorder.stats()).toEqual({ calls: 0, buffered: 0, refused: 2 });
  });
});

test.each([
  [
    'throws',
    () => {
      throw new Error('told');
    },
  ],
  [
    'rejects',
    async () => {
      throw new Error('told');
    },
  ],
  ['rejects later', () => new Promise<void>((_, reject) => setTimeout(() => reject(new Error('told')), 1))],
])('whoever is told of failures is none for the application where it %s', async (_, fail) => {
  const unhandled: unknown[] = [];
  const listen = (error: unknown) => unhandled.push(error);
  process.on('unhandledRejection', listen);
  onTestFinished(() => void process.off('unhandledRejection', listen));
  let told = 0;
  const recorder = createRecorder({
    url: `http://127.0.0.1:${await freePort()}`,
    closeTimeoutMs: 100,
    onError: () => {
      told++;
      return fail();
    },
  });
  expect(await recorder.call('a', () => 5)).toBe(5);
  await recorder.close();
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(told).toBeGreaterThan(0);
  expect(unhandled).toEqual([]);
});

describe('options that do not fit together', () => {
  const database = { query: async () => ({ rows: [] }) };
  const url = 'http://127.0.0.1:4000';
  test.each([
    [{}, 'where to record'],
    [{ url, database, as: 'user/a' }, 'one of them'],
    [{ url: 'nowhere' }, 'no URL'],
    [{ database }, 'who records'],
    [{ url, as: 'user/a' }, 'go with `database`'],
    [{ url, claims: [] }, 'go with `database`'],
    [{ database, as: 'user/a', token: 't' }, 'go with `url`'],
    [{ database, as: 'user/a', outbox: database }, 'go with `url`'],
    [{ database, as: 'bank' }, 'kind/name'],
    [{ url, install: true }, 'goes with `outbox`'],
    [{ url, outbox: {} as never }, 'pool of pg or a Prisma client'],
    [{ url, id: 'me' }, 'UUID'],
    [{ url, leaseMs: 10 }, 'from 1000 to 600000'],
    [{ url, writeTimeoutMs: 0 }, 'from 1 to 600000'],
    [{ url, maxBufferedEvents: 0.5 }, 'whole number'],
  ])('%j are refused with a sentence', (options, sentence) => {
    expect(() => createRecorder(options)).toThrow(
      expect.objectContaining({ code: 'BAD_INPUT', message: expect.stringContaining(sentence) }),
    );
  });

  test('are refused with a call, before its function has run', async () => {
    const { recorder } = recorderWith({ url });
    let hasRun = false;
    const call = recorder.call('a', { transaction: database }, () => {
      hasRun = true;
    });
    await expect(call).rejects.toThrow(codeOf('NO_OUTBOX'));
    await expect(recorder.record(note('a'), { transaction: database })).rejects.toThrow(codeOf('NO_OUTBOX'));
    expect(hasRun).toBe(false);
  });
});
