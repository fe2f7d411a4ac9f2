import { expect, test, vi } from 'vitest';
import { databaseUrlThrough, socketOf, startTcpProxy } from '../support/tcp-proxy.ts';
import { unique, worldForFile } from '../support/world.ts';
import { bankDatabase, eventsIn, poolOf, recorderOf } from './support/recording.ts';

const world = worldForFile();
/** A recorder renews it three times in it, and looks for others that have ended as often. */
const LEASE_MS = 3_000;
const PATIENCE = { timeout: 20_000, interval: 5 };

/** A bank's database, and the leases in it. */
async function openLeases() {
  const journal = unique('journal');
  const bank = await bankDatabase();
  const inForce = async () => {
    const { rowCount } = await bank.query('select from eventree_outbox.recorder where expires_at > now()');
    return rowCount === 1;
  };
  return { journal, bank, inForce, types: async () => typesOf(await eventsIn(world(), {}, journal)) };
}

function typesOf(events: readonly { readonly type: { readonly name: string } }[]): string[] {
  return events.map(({ type }) => type.name).toSorted();
}

test('a lease that ran out while the database was away is renewed before anybody takes a call for lost', {
  timeout: 60_000,
}, async () => {
  const { journal, bank, inForce, types } = await openLeases();
  const url = String(bank.options.connectionString);
  const proxy = await startTcpProxy(socketOf(url));
  const outbox = poolOf(databaseUrlThrough(proxy, url));
  outbox.on('error', () => {});
  const { recorder, reported } = await recorderOf(world(), { outbox, journal, leaseMs: LEASE_MS });
  await recorder.call('long', async () => {
    proxy.refuse(true);
    await vi.waitUntil(async () => !(await inForce()), PATIENCE);
    proxy.refuse(false);
    // Wakes the relay, which could look for markers of recorders that are gone before this one has said a word.
    await recorder.recordAlone({ type: 'note', message: 'back' });
    await vi.waitUntil(inForce, PATIENCE);
  });
  await recorder.flush();
  expect(await types()).toEqual(['call', 'note']);
  reported.splice(0);
});

test('a lease that ran out is given time by who starts', { timeout: 60_000 }, async () => {
  const { journal, bank, inForce, types } = await openLeases();
  // Long enough for all that happens between two times that it is renewed.
  const leaseMs = 8_000;
  const { recorder } = await recorderOf(world(), { outbox: bank, journal, leaseMs });
  await recorder.call('long', async () => {
    const until = async () =>
      (await bank.query('select expires_at::text as text from eventree_outbox.recorder')).rows[0].text;
    const first = await until();
    await vi.waitUntil(async () => (await until()) !== first, PATIENCE);
    // As if it could not have been renewed for a while. The next time is almost three seconds away.
    await bank.query(`update eventree_outbox.recorder set expires_at = now() - interval '1 s'`);
    const other = await recorderOf(world(), { outbox: bank, journal, leaseMs, markers: false });
    await other.recorder.recordAlone({ type: 'note', message: 'started' });
    await other.recorder.flush();
    expect(await inForce()).toBe(false);
    await vi.waitUntil(inForce, PATIENCE);
  });
  await recorder.flush();
  expect(await types()).toEqual(['call', 'note']);
});
