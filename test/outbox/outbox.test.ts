import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { inTransaction } from '../../src/db/transaction.ts';
import { claimParcels } from '../../src/outbox/claim.ts';
import { markedAmong, openMarkers, releaseLease, renewLease } from '../../src/outbox/outbox.ts';
import { runOn } from '../../src/outbox/statement.ts';
import { sweepLost } from '../../src/outbox/sweep.ts';
import {
  call,
  DRIVERS,
  markerOf,
  markersIn,
  note,
  openOutbox,
  parcel,
  parcelsIn,
  write,
  writer,
} from './support/outbox.ts';

const BY = { relay: randomUUID(), claimMs: 30_000 };

describe.each(DRIVERS)('over %s', (_, open) => {
  const openRun = async () => {
    const { url, pool } = await openOutbox();
    return { run: runOn(open(url)), pool };
  };

  test('a parcel comes out as it went in', async () => {
    const { run } = await openRun();
    const event = call({
      message: 'U+0000 \0, a lone surrogate \ud800, "quotes" and \\',
      attributes: { params: { amount: 9007199254740993n.toString(), '': null } },
      payload: [1e300, { deep: [[]] }],
    });
    const given = parcel([event, note('below', { parentId: event.id })], {
      resources: [{ ref: 'account/1', name: null, acl: { viewData: ['group/tellers'] } }],
    });
    await write(run, { parcels: [given] }, writer('user/teller'));

    expect(await claimParcels(run, BY)).toEqual([
      {
        id: expect.any(String),
        chain: [],
        events: JSON.parse(JSON.stringify(given.events)),
        resources: given.resources,
        author: { subject: 'user/teller', claims: ['user/teller'] },
        lost: false,
        attempts: 0,
      },
    ]);
  });

  test('the end of a call removes its marker, and tells which were swept', async () => {
    const { run } = await openRun();
    const by = writer();
    const [open, swept] = [call(), call()];
    await openMarkers(run, { id: by.recorder, leaseMs: 10_000 }, [markerOf(open)], null);
    expect(await markedAmong(run, [open.id, swept.id])).toEqual([open.id]);

    const written = await write(run, { parcels: [parcel([open])], ends: [open.id, swept.id] }, by);
    expect(written).toEqual({ swept: [swept.id] });
    expect(await markersIn(run)).toEqual([]);
  });

  test('a scope is marked once', async () => {
    const { run } = await openRun();
    const by = writer();
    const scope = call();
    await openMarkers(run, { id: by.recorder, leaseMs: 10_000 }, [markerOf(scope)], null);
    await openMarkers(run, { id: by.recorder, leaseMs: 10_000 }, [markerOf(scope)], null);
    await write(run, { marks: [markerOf(scope), markerOf(call())] }, by);
    expect(await markersIn(run)).toHaveLength(2);
  });

  test('a marker whose recorder is gone becomes the event that it holds', async () => {
    const { run } = await openRun();
    const gone = writer('user/teller');
    const alive = writer('user/teller');
    const [lost, open] = [call({ resource: 'account/1', actor: 'user/jane' }), call()];
    await openMarkers(run, { id: gone.recorder, leaseMs: 10_000 }, [markerOf(lost)], gone.author);
    await openMarkers(run, { id: alive.recorder, leaseMs: 10_000 }, [markerOf(open)], alive.author);
    expect(await sweepLost(run)).toBe(0);

    await releaseLease(run, gone.recorder);
    expect(await sweepLost(run)).toBe(1);
    expect(await markersIn(run)).toEqual([open.id]);
    expect(await claimParcels(run, BY)).toMatchObject([
      { events: [{ ...lost, type: 'call_lost' }], author: gone.author, lost: true },
    ]);
  });
});

test('a transaction writes all or nothing', async () => {
  const { pool, run } = await openOutbox();
  const by = writer();
  const [ended, marked] = [call(), call()];
  await openMarkers(run, { id: by.recorder, leaseMs: 10_000 }, [markerOf(ended)], null);
  const rolledBack = inTransaction(pool, async (client) => {
    const within = runOn(client);
    await write(within, { parcels: [parcel([ended])], ends: [ended.id], marks: [markerOf(marked)] }, by);
    throw new Error('no');
  });
  await expect(rolledBack).rejects.toThrow('no');
  expect(await parcelsIn(run)).toEqual([]);
  expect(await markersIn(run)).toEqual([ended.id]);
});

test('a lease holds as long as it is renewed, and no longer', async () => {
  const { pool, run } = await openOutbox();
  const { recorder: id } = writer();
  const leaseMs = 100_000;
  await openMarkers(run, { id, leaseMs }, [markerOf(call())], null);
  const pass = (ms: number) =>
    pool.query(`update eventree_outbox.recorder set expires_at = expires_at - ${ms} * interval '1 ms'`);

  await pass(90_000);
  await renewLease(run, { id, leaseMs });
  await pass(90_000);
  expect(await sweepLost(run)).toBe(0);
  await pass(20_000);
  expect(await sweepLost(run)).toBe(1);
});

test('a recorder is forgotten when it is silent and has marked nothing: who names ever new ones fills no table', async () => {
  const { run } = await openOutbox();
  const [silent, lost, alive] = [writer(), writer(), writer()];
  const known = async () => {
    const rows = await run<{ id: string }>('select id::text from eventree_outbox.recorder', []);
    return rows.map(({ id }) => id).toSorted();
  };
  const left = markerOf(call());
  for (const { recorder: id } of [silent, alive]) await renewLease(run, { id, leaseMs: 60_000 });
  await openMarkers(run, { id: lost.recorder, leaseMs: 60_000 }, [left], null);
  await sweepLost(run);
  expect(await known()).toHaveLength(3);

  await run('update eventree_outbox.recorder set expires_at = now() where id <> $1', [alive.recorder]);
  // One that has marked something may still say that it is alive, until that is taken for lost.
  expect(await sweepLost(run)).toBe(1);
  expect(await known()).toEqual([lost.recorder, alive.recorder].toSorted());
  await sweepLost(run);
  expect(await known()).toEqual([alive.recorder]);
});

test('opening a marker renews a lease of which half is over, and no other: calls must not wait for each other', async () => {
  const { pool, run } = await openOutbox();
  const { recorder: id } = writer();
  const leftMs = async () => {
    const { rows } = await pool.query(
      'select extract(epoch from expires_at - now()) * 1000 as left from eventree_outbox.recorder',
    );
    return Number(rows[0].left);
  };
  const leaseMs = 100_000;
  await openMarkers(run, { id, leaseMs }, [], null);
  await pool.query(`update eventree_outbox.recorder set expires_at = now() + interval '80 s'`);
  await openMarkers(run, { id, leaseMs }, [markerOf(call())], null);
  expect(await leftMs()).toBeLessThan(80_001);

  await pool.query(`update eventree_outbox.recorder set expires_at = now() + interval '40 s'`);
  await openMarkers(run, { id, leaseMs }, [markerOf(call())], null);
  expect(await leftMs()).toBeGreaterThan(90_000);

  // Another call, whose transaction holds the recorder's row, holds up nobody.
  await inTransaction(pool, async (client) => {
    await client.query('select from eventree_outbox.recorder for update');
    await openMarkers(run, { id, leaseMs }, [markerOf(call())], null);
  });
});

test('several that sweep at once take each marker once', async () => {
  const { run } = await openOutbox();
  const markers = Array.from({ length: 200 }, () => markerOf(call()));
  const { recorder: id } = writer();
  await openMarkers(run, { id, leaseMs: 10_000 }, markers, null);
  await releaseLease(run, id);
  const counts = await Promise.all(Array.from({ length: 8 }, () => sweepLost(run)));
  expect(counts.reduce((sum, count) => sum + count, 0)).toBe(200);
  expect(await parcelsIn(run)).toHaveLength(200);
});

test('a call that ends in a transaction under way is not swept, and does not hold up the sweep', async () => {
  const { pool, run } = await openOutbox();
  const by = writer();
  const ended = call();
  await openMarkers(run, { id: by.recorder, leaseMs: 10_000 }, [markerOf(ended), markerOf(call())], null);
  await releaseLease(run, by.recorder);
  await inTransaction(pool, async (client) => {
    await write(runOn(client), { parcels: [parcel([ended])], ends: [ended.id] }, by);
    expect(await sweepLost(run)).toBe(1);
  });
  expect(await sweepLost(run)).toBe(0);
  expect(await parcelsIn(run)).toHaveLength(2);
});

describe('a parcel is taken', () => {
  test('highest first, then as they were written', async () => {
    const { run } = await openOutbox();
    const [a, b, c] = [note('a'), note('b'), note('c')];
    await write(run, { parcels: [parcel([a], { depth: 1 }), parcel([b]), parcel([c])] });
    const taken = await claimParcels(run, BY);
    expect(taken.map(({ events }) => events[0]?.message)).toEqual(['b', 'c', 'a']);
  });

  test('when the scope that it hangs below is no longer marked, and recorded', async () => {
    const { run } = await openOutbox();
    const by = writer();
    const [outer, inner] = [call(), call()];
    await openMarkers(run, { id: by.recorder, leaseMs: 10_000 }, [markerOf(outer)], null);
    const innerMark = markerOf(inner, { waitsFor: outer.id, depth: 1 });
    const below = parcel([note('below', { parentId: inner.id })], { waitsFor: inner.id, depth: 2 });
    await write(run, { parcels: [below], marks: [innerMark] }, by);
    expect(await claimParcels(run, BY)).toEqual([]);

    // The inner one has ended, within the outer that goes on.
    const ofInner = parcel([{ ...inner, parentId: outer.id }], { waitsFor: outer.id, depth: 1 });
    await write(run, { parcels: [ofInner], ends: [inner.id] }, by);
    expect(await claimParcels(run, BY)).toEqual([]);

    // Each waits for the one above it to be moved, not only to be written, whoever moves it.
    await write(run, { parcels: [parcel([outer])], ends: [outer.id] }, by);
    const order: unknown[] = [];
    for (let round = 0; round < 3; round++) {
      const taken = await claimParcels(run, BY);
      expect(await claimParcels(run, BY)).toEqual([]);
      order.push(...taken.map(({ events }) => events[0]?.id));
      await run('delete from eventree_outbox.parcel where id = any($1::bigint[])', [
        taken.map(({ id }) => id),
      ]);
    }
    expect(order).toEqual([outer.id, inner.id, below.events[0]?.id]);
  });

  test('though another that hangs below the same scope was written with it', async () => {
    const { run } = await openOutbox();
    const scope = call();
    const below = () => parcel([note('x', { parentId: scope.id })], { waitsFor: scope.id, depth: 1 });
    await write(run, { parcels: [parcel([scope]), below(), below()], ends: [scope.id] });
    expect(await claimParcels(run, BY)).toHaveLength(1);
    await run('delete from eventree_outbox.parcel where depth = 0', []);
    expect(await claimParcels(run, BY)).toHaveLength(2);
  });

  test('by one of several that take them at once', async () => {
    const { run } = await openOutbox();
    await write(run, { parcels: Array.from({ length: 300 }, (_, nth) => parcel([note(String(nth))])) });
    const taken = await Promise.all(Array.from({ length: 8 }, () => claimParcels(run, BY)));
    const ids = taken.flat().map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.length).toBeGreaterThanOrEqual(100);
  });

  test('again when the claim of who took it has run out', async () => {
    const { run } = await openOutbox();
    await write(run, { parcels: [parcel([call()])] });
    expect(await claimParcels(run, BY)).toHaveLength(1);
    expect(await claimParcels(run, { ...BY, claimMs: 0 })).toHaveLength(0);
    await run(`update eventree_outbox.parcel set claimed_until = claimed_until - interval '31 s'`, []);
    expect(await claimParcels(run, BY)).toHaveLength(1);
  });

  test('alone where it is large: what is taken fits into memory', async () => {
    const { run } = await openOutbox();
    // Random text is not made smaller by compression.
    const large = () => note(Array.from({ length: 20_000 }, randomUUID).join(''));
    await write(run, {
      parcels: [parcel([note('small')]), parcel([large()]), parcel([large()]), parcel([large()])],
    });
    const counts = [];
    for (let round = 0; round < 4; round++) counts.push((await claimParcels(run, BY)).length);
    expect(counts).toEqual([3, 1, 0, 0]);
  });
});
