/** What a claim looks at: what is free, and the scopes that are waited for; not all that waits. */
import { randomUUID } from 'node:crypto';
import { describe, expect, test, vi } from 'vitest';
import { inTransaction } from '../../src/db/transaction.ts';
import { claimParcels, isSettled } from '../../src/outbox/claim.ts';
import type { Deliver } from '../../src/outbox/deliver.ts';
import { openMarkers } from '../../src/outbox/outbox.ts';
import type { PlacedEvent } from '../../src/outbox/parcel.ts';
import type { Queryable, Run } from '../../src/outbox/statement.ts';
import { sweepLost } from '../../src/outbox/sweep.ts';
import {
  call,
  markerOf,
  note,
  openOutbox,
  openRelay,
  parcel,
  parcelsIn,
  write,
  writer,
} from './support/outbox.ts';

const BY = { relay: randomUUID(), claimMs: 30_000 };
const UNTIL = { timeout: 20_000, interval: 10 };
/** So long that whatever happens does not wait for it. */
const NEVER_MS = 3_600_000;
const WAITING = 20_000;

const below = (scope: PlacedEvent, count = 1) =>
  Array.from({ length: count }, (_, nth) =>
    parcel([note(String(nth), { parentId: scope.id })], { waitsFor: scope.id, depth: 1 }),
  );

interface Answer {
  readonly 'QUERY PLAN': readonly {
    readonly Plan: { readonly 'Shared Hit Blocks': number; readonly 'Shared Read Blocks': number };
  }[];
}

/** Pages of tables and indexes that the statement looks at. */
async function pagesOf(run: Run, statement: (run: Run) => Promise<unknown>): Promise<number> {
  let pages = 0;
  await statement(async <Row>(text: string, values: readonly unknown[]) => {
    const [answer] = await run<Answer>(`explain (analyze, buffers, format json) ${text}`, values);
    for (const { Plan } of answer?.['QUERY PLAN'] ?? []) {
      pages += Plan['Shared Hit Blocks'] + Plan['Shared Read Blocks'];
    }
    return [] as Row[];
  });
  return pages;
}

describe(`with ${WAITING} parcels that nobody may take a claim looks at none of them`, () => {
  test.each([
    ['wait for one open call', { waits_for: true, error: null }],
    ['were refused, and are not due', { waits_for: false, error: 'no' }],
  ])('which %s', async (_, { waits_for, error }) => {
    const { run } = await openOutbox();
    const { recorder: id } = writer();
    const open = call();
    await openMarkers(run, { id, leaseMs: 600_000 }, [markerOf(open)], null);
    await run(
      `insert into eventree_outbox.parcel (events, resources, waits_for, depth, error, retry_at)
       select '[]', '[]', case when $2 then $1::uuid end, 1, $3::text, case when $3::text is not null then now() + interval '1 hour' end
       from generate_series(1, $4)`,
      [open.id, waits_for, error, WAITING],
    );
    await write(run, { parcels: [parcel([note('free')])] });
    expect(await pagesOf(run, (run) => claimParcels(run, BY))).toBeLessThan(300);
    expect(await pagesOf(run, (run) => claimParcels(run, BY, [open.id]))).toBeLessThan(300);
    expect(await pagesOf(run, isSettled)).toBeLessThan(300);
  });
});

/** A relay that looks by itself only at the start, and what it moves. */
function openSlowRelay(database: Queryable) {
  const moved: unknown[] = [];
  const deliver: Deliver = async (parcels) => {
    moved.push(...parcels.flatMap(({ events }) => events.map(({ message }) => message)));
  };
  return { moved, ...openRelay(database, { deliver, intervalMs: NEVER_MS }) };
}

describe('what waits for a scope is moved', () => {
  test('as soon as that is', async () => {
    const { pool, run } = await openOutbox();
    const relay = openSlowRelay(pool);
    await relay.settled();
    const top = call();
    await write(run, { parcels: [parcel([note('top')], {})], ends: [top.id] });
    await write(run, { parcels: below(top, 250) });
    relay.nudge();
    await vi.waitUntil(async () => (await parcelsIn(run)).length === 0, UNTIL);
    expect(relay.moved[0]).toBe('top');
  });

  test('as soon as that is, also where more scopes end at once than are looked at by name', async () => {
    const { pool, run } = await openOutbox();
    const looked: number[] = [];
    const relay = openSlowRelay({
      query(text, values) {
        if (Array.isArray(values[5])) looked.push(values[5].length);
        return pool.query(text, values);
      },
    });
    await relay.settled();
    const scopes = Array.from({ length: 1_500 }, () => call());
    await write(run, { parcels: [parcel([note('top')])], ends: scopes.map(({ id }) => id) });
    await write(run, { parcels: scopes.slice(-200).flatMap((scope) => below(scope)) });
    relay.nudge();
    await vi.waitUntil(async () => (await parcelsIn(run)).length === 0, UNTIL);
    expect(Math.max(...looked)).toBeLessThan(1_000);
  });

  test('at the next look where nobody has told of its end', async () => {
    const { pool, run } = await openOutbox();
    const { recorder: id } = writer();
    const top = call();
    await openMarkers(run, { id, leaseMs: 600_000 }, [markerOf(top)], null);
    const relay = openRelay(pool, { deliver: async () => {} });
    await write(run, { parcels: below(top) });
    await run('delete from eventree_outbox.marker', []);
    await vi.waitUntil(async () => (await parcelsIn(run)).length === 0, UNTIL);
    expect(relay.failures).toEqual([]);
  });

  test('all of it, where more was left behind than is taken at once', async () => {
    const { pool, run } = await openOutbox();
    const roots = Array.from({ length: 250 }, (_, nth) => parcel([note(String(nth))]));
    await write(run, {
      parcels: [...roots, ...Array.from({ length: 250 }, () => call()).flatMap((top) => below(top))],
    });
    openSlowRelay(pool);
    await vi.waitUntil(async () => (await parcelsIn(run)).length === 0, UNTIL);
  });

  test('all of it, where little is taken at once because it is large', async () => {
    const { pool, run } = await openOutbox();
    // Random text is not made smaller by compression.
    const large = () => note(Array.from({ length: 30_000 }, randomUUID).join(''));
    const parcels = Array.from({ length: 3 }, () => parcel([large()], { waitsFor: call().id, depth: 1 }));
    await write(run, { parcels });
    openSlowRelay(pool);
    await vi.waitUntil(async () => (await parcelsIn(run)).length === 0, UNTIL);
  });
});

describe('what waits for each other is recorded all the same', () => {
  test('as calls that are lost', async () => {
    const { run } = await openOutbox();
    const { recorder: id } = writer();
    const [one, other] = [call(), call()];
    const markers = [
      markerOf(one, { waitsFor: other.id, depth: 1 }),
      markerOf(other, { waitsFor: one.id, depth: 1 }),
    ];
    await openMarkers(run, { id, leaseMs: 60_000 }, markers, null);
    await write(run, { parcels: below(one) });
    await run('delete from eventree_outbox.marker where id = $1', [one.id]);
    expect(await claimParcels(run, BY)).toHaveLength(1);

    await openMarkers(run, { id, leaseMs: 60_000 }, markers.slice(0, 1), null);
    await run('update eventree_outbox.recorder set expires_at = now()', []);
    expect(await sweepLost(run)).toBe(2);
    expect(await claimParcels(run, BY)).toHaveLength(2);
  });

  test('while one of them is still marked', async () => {
    const { run } = await openOutbox();
    const by = writer();
    const [one, other] = [call(), call()];
    await openMarkers(run, { id: by.recorder, leaseMs: 60_000 }, [markerOf(one, { depth: 1 })], null);
    await write(run, { parcels: [parcel([other], { waitsFor: one.id, depth: 1 })], ends: [other.id] });
    expect(await claimParcels(run, BY)).toHaveLength(1);
    expect(await isSettled(run)).toBe(false);
  });
});

test('what others take at the same moment is passed over', async () => {
  const { pool, run } = await openOutbox();
  await write(run, { parcels: Array.from({ length: 300 }, (_, nth) => parcel([note(String(nth))])) });
  await inTransaction(pool, async (client) => {
    await client.query('select from eventree_outbox.parcel order by id limit 200 for update');
    expect((await claimParcels(run, BY)).map(({ id }) => id)[0]).toBe('201');
  });
});
