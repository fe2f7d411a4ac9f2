import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { runOn } from '../../src/outbox/statement.ts';
import { sweepLost } from '../../src/outbox/sweep.ts';
import { freePort } from '../support/redis.ts';
import { addressOf, startTcpProxy } from '../support/tcp-proxy.ts';
import { openWorld, unique, worldForFile } from '../support/world.ts';
import {
  bankDatabase,
  eventsIn,
  outlineOf,
  recorderOf,
  recorderWith,
  transact,
} from './support/recording.ts';

const note = (message: string, more: object = {}) => ({ type: 'note', message, ...more });
const codeOf = (code: string) => expect.objectContaining({ code });
const LEASE_MS = 1_000;
const ATTRIBUTES_OF_CALLS = [
  'function',
  'params',
  'elapsed_ms',
  'result_length',
  'error',
  'error_value',
  'where',
  'stack',
];
const CALLER = fileURLToPath(new URL('support/caller.ts', import.meta.url));

describe('a marker', () => {
  const world = worldForFile();
  const serverUrl = () => String(world().servers[0]?.url);
  const markers = async () =>
    (await world().db.query('select id::text, event from eventree_outbox.marker')).rows as {
      id: string;
      event: { type: string };
    }[];

  /** A process with a recorder that calls a function within which it stays. */
  async function startCaller(options: object): Promise<ChildProcess> {
    const caller = spawn(process.execPath, ['--import', 'tsx', CALLER, JSON.stringify(options)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    onTestFinished(() => void caller.kill('SIGKILL'));
    await once(caller.stdout, 'data');
    return caller;
  }

  test('is committed before the function starts and removed with the write of the tree', async () => {
    const journal = unique('journal');
    const { recorder } = await recorderOf(world(), { journal });
    await recorder.call('a', async (call) => {
      expect(await markers()).toMatchObject([{ id: call.id, event: { type: 'call_lost', journal } }]);
    });
    await recorder.flush();
    expect(await markers()).toEqual([]);
  });

  test('is not made where markers are switched off, for all calls or for one', async () => {
    const one = await recorderOf(world());
    await one.recorder.call('a', { marker: false }, async () => expect(await markers()).toEqual([]));
    const all = await recorderOf(world(), { markers: false });
    await all.recorder.call('b', async () => expect(await markers()).toEqual([]));
    await all.recorder.call('c', { marker: true }, async () => expect(await markers()).toHaveLength(1));
  });

  test('is removed where the call is not kept, or refused', async () => {
    const { recorder, reported } = await recorderOf(world(), { keep: ({ function: name }) => name !== 'a' });
    await recorder.call('a', async () => expect(await markers()).toHaveLength(1));
    await recorder.call('b', (call) => void call.record({ type: 'not_declared' }));
    await recorder.flush();
    expect(await markers()).toEqual([]);
    expect(reported.splice(0)).toHaveLength(1);
  });

  test('is removed where calls are of a type that is not kept', async () => {
    const other = await openWorld();
    await other.ask('mutation ($input: DefineEventTypeInput!) { defineEventType(input: $input) { name } }', {
      input: {
        name: 'call',
        category: 'CALL',
        enabled: false,
        attributes: ATTRIBUTES_OF_CALLS.map((name) => ({ name })),
      },
    });
    const { recorder } = await recorderOf(other);
    await recorder.call('a', (call) => void call.record(note('b')));
    await recorder.flush();
    expect((await eventsIn(other)).map(({ message }) => message)).toEqual(['b']);
    expect((await other.db.query('select from eventree_outbox.marker')).rowCount).toBe(0);
  });

  test('of a process that is killed within the call becomes evidence, for who could have read the call', async () => {
    const journal = unique('journal');
    const token = await world().token({ subject: 'bank', groups: [] });
    const caller = await startCaller({ url: serverUrl(), token, journal, leaseMs: LEASE_MS });
    expect(await eventsIn(world(), {}, journal)).toEqual([]);
    caller.kill('SIGKILL');
    const lost = await vi.waitUntil(async () => (await eventsIn(world(), {}, journal))[0], {
      timeout: 20_000,
    });
    expect(lost).toMatchObject({
      type: { name: 'call_lost' },
      actor: 'user/jane',
      sessionId: 's1',
      correlationId: 'c1',
      attributes: { function: 'stay', params: { amount: 3, password: '[redacted]' } },
      privatePayload: { params: { iban: 'DE1' } },
    });
    expect(await eventsIn(world(), {}, journal)).toHaveLength(1);
    const jane = await world().token({ subject: 'jane' });
    const { event } = await world().ask(
      'query ($id: ID!) { event(id: $id) { severity category privatePayload } }',
      { id: lost?.id },
      { token: jane },
    );
    expect(event).toEqual({ severity: 'HIGH', category: 'ALARM', privatePayload: null });
  });

  test('of a killed process with an outbox becomes evidence through another one', {
    timeout: 60_000,
  }, async () => {
    const journal = unique('journal');
    const bank = await bankDatabase();
    const token = await world().token({ subject: 'bank', groups: ['admin'] });
    const { connectionString } = bank.options;
    const caller = await startCaller({
      url: serverUrl(),
      token,
      journal,
      leaseMs: LEASE_MS,
      connectionString,
    });
    caller.kill('SIGKILL');
    await once(caller, 'exit');
    const { recorder } = await recorderOf(world(), { outbox: bank, leaseMs: LEASE_MS });
    await recorder.call('go on', () => 1);
    await vi.waitUntil(async () => (await eventsIn(world(), {}, journal)).length > 0, { timeout: 20_000 });
    // What the process had committed in a transaction hangs below the evidence, its group between them.
    await vi.waitUntil(async () => (await eventsIn(world(), {}, journal)).length === 3, { timeout: 20_000 });
    expect(outlineOf(await eventsIn(world(), {}, journal))).toEqual([
      'call_lost',
      '  group',
      '    committed',
    ]);
  });

  test('stays as long as the process lives', async () => {
    const journal = unique('journal');
    const leaseMs = 2_000;
    const { recorder } = await recorderOf(world(), { journal, leaseMs });
    await recorder.call('long', async ({ id }) => {
      await new Promise((resolve) => setTimeout(resolve, 3 * leaseMs));
      // Servers do so now and then.
      await sweepLost(runOn(world().db));
      expect((await markers()).map((marker) => marker.id)).toContain(id);
    });
    await recorder.flush();
    expect((await eventsIn(world(), {}, journal)).map(({ type }) => type.name)).toEqual(['call']);
  });

  test('of a call that was taken for lost and is not leaves both, the one below the other', {
    timeout: 60_000,
  }, async () => {
    const journal = unique('journal');
    const proxy = await startTcpProxy(addressOf(serverUrl()));
    const url = `http://127.0.0.1:${proxy.port}`;
    const { recorder, reported } = await recorderOf(world(), { url, journal, leaseMs: LEASE_MS });
    await recorder.call('cut off', async (call) => {
      call.record(note('a'));
      proxy.refuse(true);
      await vi.waitUntil(async () => (await eventsIn(world(), {}, journal)).length > 0, { timeout: 20_000 });
      proxy.refuse(false);
    });
    await Promise.all(['x', 'y'].map((name) => recorder.call(name, () => 1)));
    await recorder.flush();
    const seen = await eventsIn(world(), {}, journal);
    expect(outlineOf(seen).toSorted()).toEqual(['  a', '  call', 'call', 'call', 'call_lost']);
    expect(
      seen.find(({ parent, type }) => parent !== null && type.name === 'call')?.attributes,
    ).toMatchObject({
      function: 'cut off',
    });
    expect(recorder.stats().refused).toBe(0);
    reported.splice(0);
  });

  test('of a call with an outbox that was taken for lost leaves both too', { timeout: 60_000 }, async () => {
    const journal = unique('journal');
    const bank = await bankDatabase();
    const { recorder } = await recorderOf(world(), { outbox: bank, journal, leaseMs: LEASE_MS });
    await recorder.call('stood still', async (call) => {
      call.record(note('a'));
      // As if this process had stood still for longer than its lease. In one: it may be about to renew that.
      await transact(bank, async (client) => {
        await client.query('delete from eventree_outbox.recorder');
        await sweepLost(runOn(client));
      });
      await vi.waitUntil(async () => (await eventsIn(world(), {}, journal)).length > 0, { timeout: 20_000 });
    });
    await recorder.flush();
    const seen = await eventsIn(world(), {}, journal);
    expect(outlineOf(seen).toSorted()).toEqual(['  a', '  call', 'call_lost']);
  });

  test('that cannot be made is reported once, and the calls go on', async () => {
    const { recorder, reported } = recorderWith({
      url: `http://127.0.0.1:${await freePort()}`,
      markerTimeoutMs: 200,
      closeTimeoutMs: 100,
    });
    const results = await Promise.all([1, 2, 3].map((nth) => recorder.call('a', () => nth)));
    expect(results).toEqual([1, 2, 3]);
    expect(await recorder.call('b', () => 4)).toBe(4);
    const ofMarkers = reported.filter(({ unrecorded }) => unrecorded.length === 0);
    // One for the markers, one for the trees.
    expect(ofMarkers.length).toBeLessThanOrEqual(2);
    await recorder.close();
    reported.splice(0);
  });

  test('that cannot be made refuses the call of a strict recorder, before its function has run', async () => {
    const { recorder, reported } = recorderWith({
      url: `http://127.0.0.1:${await freePort()}`,
      markerTimeoutMs: 200,
      closeTimeoutMs: 100,
      strict: true,
    });
    let hasRun = false;
    const refused = recorder.call('a', () => {
      hasRun = true;
    });
    await expect(refused).rejects.toThrow(codeOf('UNRECORDED'));
    expect(hasRun).toBe(false);
    await recorder.close();
    reported.splice(0);
  });

  test('that is refused takes no other one with it', async () => {
    const journal = unique('journal');
    const { recorder, reported } = await recorderOf(world(), { journal });
    const calls = ['user/jane', 'no claim', 'user/john'].map((actor) =>
      recorder.call('a', { actor }, async (call) => {
        const ids = (await markers()).map(({ id }) => id);
        return ids.includes(call.id);
      }),
    );
    expect(await Promise.all(calls)).toEqual([true, false, true]);
    await recorder.flush();
    expect(await eventsIn(world(), {}, journal)).toHaveLength(2);
    expect(reported.splice(0).length).toBeGreaterThan(0);
  });
});
