/** A scope that several transactions write in is marked by each that does not see it marked; none waits for another. */
import type pg from 'pg';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { claimParcels } from '../../src/outbox/claim.ts';
import { leftAmong, markedAmong, openMarkers } from '../../src/outbox/outbox.ts';
import type { PlacedEvent } from '../../src/outbox/parcel.ts';
import { runOn } from '../../src/outbox/statement.ts';
import { sweepLost } from '../../src/outbox/sweep.ts';
import { worldForFile } from '../support/world.ts';
import {
  call,
  deliverTo,
  journalOf,
  markerOf,
  markersIn,
  note,
  openOutbox,
  openRelay,
  parcel,
  parcelsIn,
  write,
  writer,
} from './support/outbox.ts';

const BY = { relay: '00000000-0000-4000-8000-000000000001', claimMs: 30_000 };
const by = writer();
const world = worldForFile();

/** A call that is marked, with a group in it that only transactions mark. */
async function openGroup() {
  const { pool, run } = await openOutbox();
  const top = call();
  const group = note('group', { parentId: top.id });
  await openMarkers(run, { id: by.recorder, leaseMs: 60_000 }, [markerOf(top)], null);

  /** A transaction that writes in the group. */
  async function begin(message: string) {
    const client = await pool.connect();
    onTestFinished(() => client.release(true));
    await client.query('begin');
    await write(runOn(client), { parcels: [below(message, group)], marks: [markOf(group, top)] }, by);
    return client;
  }

  return {
    pool,
    run,
    top,
    group,
    begin,
    /** The call ends, and the group is kept. */
    end: () => write(run, { parcels: [parcel([top, group])], ends: [top.id, group.id] }, by),
  };
}

const below = (message: string, { id }: PlacedEvent) =>
  parcel([note(message, { parentId: id })], { waitsFor: id, depth: 2 });
const markOf = (group: PlacedEvent, top: PlacedEvent) => ({
  id: group.id,
  event: group,
  waitsFor: top.id,
  depth: 1,
});
const commit = (client: pg.PoolClient) => client.query('commit');

describe('two transactions that write in one group', () => {
  test('are open side by side, and its end removes the markers of both', async () => {
    const { run, top, group, begin, end } = await openGroup();
    const [one, other] = [await begin('one'), await begin('other')];
    await Promise.all([commit(other), commit(one)]);
    expect((await markersIn(run)).toSorted()).toEqual([top.id, group.id, group.id].toSorted());
    expect(await markedAmong(run, [group.id])).toEqual([group.id]);
    expect(await leftAmong(run, [group.id])).toEqual([group.id]);
    await end();
    expect(await markersIn(run)).toEqual([]);
  });

  test('mark it once where the second sees that the first has', async () => {
    const { run, top, group, begin } = await openGroup();
    await commit(await begin('one'));
    await commit(await begin('other'));
    expect((await markersIn(run)).toSorted()).toEqual([top.id, group.id].toSorted());
  });

  test('are both recorded where one of them is committed after the end', async () => {
    const { pool, run, group, begin, end } = await openGroup();
    const remembered = () => run('select from eventree_outbox.ended', []);
    const sweep = () => sweepLost(run).then(() => sweepLost(run));
    const [one, late] = [await begin('one'), await begin('late')];
    await commit(one);
    await end();
    await sweep();
    expect(await remembered()).toHaveLength(1);

    // Whoever is at work on it may leave it there.
    await commit(late);
    await one.query('begin');
    await one.query('select from eventree_outbox.marker where id = $1 for update', [group.id]);
    await sweep();
    expect(await remembered()).toHaveLength(1);
    await one.query('rollback');
    await sweep();
    expect(await markersIn(run)).toEqual([]);

    const relay = openRelay(pool, { deliver: async () => {}, sweepIntervalMs: 20 });
    await vi.waitUntil(async () => (await parcelsIn(run)).length === 0, { timeout: 20_000 });
    // Nobody can bring another one.
    await vi.waitUntil(async () => (await remembered()).length === 0, { timeout: 20_000 });
    expect(relay.refused).toEqual([]);
  });

  test('are both waited for while the group goes on', async () => {
    const { run, begin } = await openGroup();
    await commit(await begin('one'));
    await sweepLost(run);
    await commit(await begin('other'));
    expect(await claimParcels(run, BY)).toEqual([]);
  });

  test('leave one event behind where the process is lost', async () => {
    const { pool, run, top, group, begin } = await openGroup();
    const [one, other] = [await begin('one'), await begin('other')];
    await Promise.all([commit(one), commit(other)]);
    await run('update eventree_outbox.recorder set expires_at = now()', []);
    expect(await sweepLost(run)).toBe(3);
    const relay = openRelay(pool, { deliver: await deliverTo(world()) });
    await relay.settled();
    expect(await parcelsIn(run)).toEqual([]);
    expect(relay.refused).toEqual([]);
    const journal = await journalOf(world());
    const recorded = journal.filter(({ id, parent }) => id === group.id || parent === group.id);
    expect(recorded.map(({ message, parent }) => [message, parent])).toEqual([
      ['group', top.id],
      ['one', group.id],
      ['other', group.id],
    ]);
  });

  test('hold up no sweep while one removes the marker of the other', async () => {
    const { pool, run, group, begin } = await openGroup();
    const [one, late] = [await begin('one'), await begin('late')];
    await commit(one);
    const ending = await pool.connect();
    onTestFinished(() => ending.release(true));
    await ending.query('begin');
    await write(runOn(ending), { ends: [group.id] }, by);
    await commit(late);
    await run('update eventree_outbox.recorder set expires_at = now()', []);
    // The marker of the call, and the one that came late.
    expect(await sweepLost(run)).toBe(2);
    await ending.query('commit');
    expect(await markersIn(run)).toEqual([]);
  });
});
