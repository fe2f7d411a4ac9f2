import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type pg from 'pg';
import { describe, expect, test, vi } from 'vitest';
import { pause } from '../../src/base/retry.ts';
import { databaseUrlThrough, socketOf, startTcpProxy } from '../support/tcp-proxy.ts';
import { unique, worldForFile } from '../support/world.ts';
import {
  bankDatabase,
  eventsIn,
  outlineOf,
  poolOf,
  recorderOf,
  recorderWith,
  transact,
} from './support/recording.ts';
import { startSilent } from './support/silent.ts';

const note = (message: string, more: object = {}) => ({ type: 'note', message, ...more });
const codeOf = (code: string) => expect.objectContaining({ code });
const LEAVER = fileURLToPath(new URL('support/leaver.ts', import.meta.url));
/** For what takes no time by itself, on a busy machine. */
const SLACK_MS = 2_500;

async function timed<T>(work: Promise<T>): Promise<{ readonly result: T; readonly ms: number }> {
  const startedAt = performance.now();
  const result = await work;
  return { result, ms: performance.now() - startedAt };
}

describe('a database that takes connections and never answers', () => {
  const world = worldForFile();

  /** A recorder with an outbox in a database of its own, to which a proxy stands in between. */
  const through = async (options: object) => {
    const journal = unique('journal');
    const bank = await bankDatabase();
    const url = String(bank.options.connectionString);
    const proxy = await startTcpProxy(socketOf(url));
    const outbox = poolOf(databaseUrlThrough(proxy, url), 10);
    outbox.on('error', () => {});
    const made = await recorderOf(world(), { outbox, journal, markers: false, ...options });
    await made.recorder.call('before', () => 1);
    await made.recorder.flush();
    return { ...made, bank, proxy, events: () => eventsIn(world(), {}, journal) };
  };

  test('holds a call for as long as a write may take, and no longer', async () => {
    const silent = await startSilent();
    const database = poolOf(`postgresql://bank@127.0.0.1:${silent.port}/bank`);
    database.on('error', () => {});
    const { recorder, reported } = recorderWith({
      database,
      as: 'user/bank',
      markerTimeoutMs: 100,
      writeTimeoutMs: 2_000,
      closeTimeoutMs: 500,
    });
    const { result, ms } = await timed(recorder.call('a', () => 'done'));
    expect(result).toBe('done');
    expect(ms).toBeLessThan(2_100 + SLACK_MS);
    // What comes behind it does not wait: it is known by now.
    const next = await timed(recorder.call('b', { marker: false }, () => 1));
    expect(next.ms).toBeLessThan(1_500);
    expect(recorder.stats()).toEqual({ calls: 0, buffered: 2, refused: 0 });
    expect(silent.connections()).toBeGreaterThan(0);

    const closing = await timed(recorder.close());
    expect(closing.ms).toBeLessThan(500 + SLACK_MS);
    expect(reported.splice(0).filter(({ unrecorded }) => unrecorded.length > 0)).toMatchObject([
      { error: codeOf('CLOSED'), unrecorded: [{ attributes: { function: 'a' } }] },
      { error: codeOf('CLOSED'), unrecorded: [{ attributes: { function: 'b' } }] },
    ]);
    expect(recorder.stats()).toEqual({ calls: 0, buffered: 0, refused: 2 });
    silent.leave();
  });

  test('holds a call no longer when its recorder is closed, and what it brings is reported', async () => {
    const silent = await startSilent();
    const database = poolOf(`postgresql://bank@127.0.0.1:${silent.port}/bank`);
    database.on('error', () => {});
    const { recorder, reported } = recorderWith({
      database,
      as: 'user/bank',
      markers: false,
      closeTimeoutMs: 500,
    });
    const { ms } = await timed(Promise.all([recorder.call('a', () => 1), recorder.close()]));
    silent.leave();
    expect(ms).toBeLessThan(500 + SLACK_MS);
    expect(reported.splice(0)).toMatchObject([
      { error: codeOf('CLOSED'), unrecorded: [{ attributes: { function: 'a' } }] },
    ]);
  });

  test('is tried again, and what was written meanwhile is recorded once', { timeout: 60_000 }, async () => {
    const { recorder, proxy, events, reported } = await through({ writeTimeoutMs: 200 });
    proxy.stall(true);
    await Promise.all(['a', 'b'].map((name) => recorder.call(name, (call) => void call.record(note(name)))));
    expect(recorder.stats().buffered).toBe(4);
    proxy.stall(false);
    await recorder.flush();
    expect(outlineOf(await events()).toSorted()).toEqual(['  a', '  b', 'call', 'call', 'call']);
    expect(recorder.stats()).toEqual({ calls: 0, buffered: 0, refused: 0 });
    expect(reported.splice(0).map(({ unrecorded }) => unrecorded.length)).not.toContain(1);
  });

  test('may answer too late each time: what it says then counts', { timeout: 60_000 }, async () => {
    const { recorder, proxy, events, reported } = await through({ writeTimeoutMs: 100 });
    proxy.delay(200);
    await recorder.call('slow', () => 1);
    await vi.waitUntil(() => recorder.stats().buffered === 0, { timeout: 20_000, interval: 20 });
    proxy.delay(0);
    await recorder.flush();
    expect((await events()).map(({ attributes }) => attributes.function)).toEqual(['before', 'slow']);
    reported.splice(0);
  });

  test('is asked no more while it owes many answers', async () => {
    const silent = await startSilent();
    const database = poolOf(`postgresql://bank@127.0.0.1:${silent.port}/bank`, 100);
    database.on('error', () => {});
    const { recorder, reported } = recorderWith({
      database,
      as: 'user/bank',
      markers: false,
      writeTimeoutMs: 50,
      closeTimeoutMs: 100,
    });
    await Promise.all([...Array(30).keys()].map((nth) => recorder.call(String(nth), () => nth)));
    await pause(500);
    const before = silent.connections();
    await pause(2_000);
    const after = silent.connections();
    await recorder.close();
    silent.leave();
    expect(after).toBe(before);
    expect(reported.splice(0).flatMap(({ unrecorded }) => unrecorded)).toHaveLength(30);
  });

  test('is asked again when it has given them', { timeout: 60_000 }, async () => {
    const { recorder, proxy, events, reported } = await through({ writeTimeoutMs: 100 });
    proxy.stall(true);
    await Promise.all([...Array(30).keys()].map((nth) => recorder.call(String(nth), () => nth)));
    proxy.stall(false);
    const isWritten = () => recorder.stats().buffered === 0;
    await vi.waitUntil(isWritten, { timeout: 20_000, interval: 20 });
    await recorder.call('after', () => 1);
    await vi.waitUntil(isWritten, { timeout: 20_000, interval: 20 });
    await recorder.flush();
    expect(await events()).toHaveLength(32);
    reported.splice(0);
  });

  test('holds closing for as long as that may take', { timeout: 60_000 }, async () => {
    const { recorder, proxy, bank, reported } = await through({ markers: true, closeTimeoutMs: 1_000 });
    // What became of its transaction is looked at once more.
    await transact(bank, (transaction) => recorder.call('a', { transaction }, () => {}));
    proxy.stall(true);
    const { ms } = await timed(recorder.close());
    expect(ms).toBeLessThan(1_000 + SLACK_MS);
    proxy.stall(false);
    reported.splice(0);
  });

  test('cannot say what a transaction has left: all that it may have written is kept', {
    timeout: 60_000,
  }, async () => {
    const { recorder, proxy, bank, events, reported } = await through({ writeTimeoutMs: 200 });
    const failing = recorder.call('a', (call) =>
      call.group(note('group'), async (group) => {
        await transact(bank, (client: pg.PoolClient) => group.recordIn(client, [note('committed')]));
        proxy.stall(true);
        throw new Error('no');
      }),
    );
    await expect(failing).rejects.toThrow('no');
    proxy.stall(false);
    await recorder.flush();
    await vi.waitUntil(async () => (await events()).length === 4, { timeout: 20_000 });
    expect(outlineOf(await events()).slice(1)).toEqual(['call', '  group', '    committed']);
    expect(reported.splice(0).flatMap(({ unrecorded }) => unrecorded)).toEqual([]);
  });
});

describe('a server that takes connections and never answers', () => {
  test('holds a call for as long as its marker may take, and closing for as long as that may', async () => {
    const { port } = await startSilent();
    const { recorder, reported } = recorderWith({
      url: `http://127.0.0.1:${port}`,
      markerTimeoutMs: 200,
      closeTimeoutMs: 1_500,
    });
    const { result, ms } = await timed(recorder.call('a', () => 'done'));
    expect(result).toBe('done');
    expect(ms).toBeLessThan(200 + SLACK_MS);
    void recorder.call('never ends', () => new Promise(() => {}));
    const acknowledged = recorder.recordAlone(note('b'), { acknowledged: true });
    acknowledged.catch(() => {});
    const closing = await timed(recorder.close());
    expect(closing.ms).toBeLessThan(1_500 + SLACK_MS);
    await expect(acknowledged).rejects.toMatchObject({ code: 'UNRECORDED', cause: codeOf('CLOSED') });
    expect(reported.splice(0).at(-1)).toMatchObject({
      error: codeOf('CLOSED'),
      unrecorded: [{ attributes: { function: 'a' } }],
    });
  });

  test('leaves what is on its way in the outbox, for whoever comes next', async () => {
    const silent = await startSilent();
    const bank = await bankDatabase();
    const url = String(bank.options.connectionString);
    const proxy = await startTcpProxy(socketOf(url));
    const { recorder, reported } = recorderWith({
      url: `http://127.0.0.1:${silent.port}`,
      outbox: poolOf(databaseUrlThrough(proxy, url)),
      closeTimeoutMs: 5_000,
    });
    await recorder.call('a', () => 1);
    const parcels = async () =>
      (await bank.query('select error, attempts, claimed_until from eventree_outbox.parcel')).rows;
    await vi.waitUntil(async () => (await parcels())[0]?.claimed_until != null, { timeout: 10_000 });
    // To give it back takes a while, for which there is time left.
    proxy.delay(40);
    const { ms } = await timed(recorder.close());
    expect(ms).toBeLessThan(5_000 + SLACK_MS);
    expect(await parcels()).toEqual([{ error: null, attempts: 0, claimed_until: null }]);
    expect((await bank.query('select from eventree_outbox.recorder')).rowCount).toBe(0);
    expect(reported).toEqual([]);
  });
});

test.each(['a server', 'a database'])(
  'nothing keeps a process whose recorder was closed before %s had answered',
  {
    timeout: 60_000,
  },
  async (kind) => {
    const [server, database] = [await startSilent(), await startSilent()];
    // Times that would keep it, if anything waited for them.
    const options = { url: `http://127.0.0.1:${server.port}`, markers: false, writeTimeoutMs: 6_000 };
    const args = [LEAVER, JSON.stringify(options), ...(kind === 'a database' ? [String(database.port)] : [])];
    const leaver = spawn(process.execPath, ['--import', 'tsx', ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const exited = once(leaver, 'exit');
    const [said] = await once(leaver.stdout, 'data');
    const { ms, waiting } = JSON.parse(said);
    expect(ms).toBeLessThan(1_000 + SLACK_MS);
    expect(waiting).toBe('CLOSED');
    // Its pool's connections are the application's own.
    if (kind === 'a database') database.leave();
    const ending = await timed(exited);
    expect(ending.result[0]).toBe(0);
    expect(ending.ms).toBeLessThan(4_000);
  },
);
