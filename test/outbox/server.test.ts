import { describe, expect, test, vi } from 'vitest';
import { openMarkers, renewLease, wakeRelays } from '../../src/outbox/outbox.ts';
import { runOn } from '../../src/outbox/statement.ts';
import { metric } from '../doors/support/doors.ts';
import { startServerProcess } from '../support/server-process.ts';
import { openWorld, unique, type World, worldForFile } from '../support/world.ts';
import {
  call,
  journalOf,
  markerOf,
  markersIn,
  note,
  parcel,
  parcelsIn,
  write,
  writer,
} from './support/outbox.ts';

const PATIENCE = { timeout: 20_000, interval: 20 };
const teller = writer('user/teller');

describe('a server', () => {
  // What is refused is logged as an error.
  const world = worldForFile({ environment: { EVENTREE_LOG_LEVEL: 'fatal' } });
  const run = () => runOn(world().db);
  const told = async (id: string) => (await journalOf(world())).find((event) => event.id === id);

  test('moves what is written straight to its database as who wrote it, once it is told', async () => {
    // Without being told it looks once a second.
    const begunAt = performance.now();
    for (let nth = 0; nth < 16; nth++) {
      const event = note(String(nth));
      await write(run(), { parcels: [parcel([event])] }, teller);
      await wakeRelays(run());
      await vi.waitUntil(async () => (await told(event.id)) !== undefined, PATIENCE);
    }
    expect(performance.now() - begunAt).toBeLessThan(8_000);
    const { rows } = await world().db.query(`select distinct recorded_by from event where type = 'note'`);
    expect(rows).toEqual([{ recorded_by: 'user/teller' }]);
  });

  test('keeps apart what different people wrote', async () => {
    const clerk = writer('user/clerk');
    const events = [note('of the teller'), note('of the clerk'), note('of the teller')] as const;
    for (const [nth, event] of events.entries()) {
      await write(run(), { parcels: [parcel([event])] }, nth === 1 ? clerk : teller);
    }
    await vi.waitUntil(async () => (await parcelsIn(run())).length === 0, PATIENCE);
    const { rows } = await world().db.query(
      'select recorded_by from event where id = any($1) order by position',
      [events.map(({ id }) => id)],
    );
    expect(rows.map(({ recorded_by }) => recorded_by).toSorted()).toEqual([
      'user/clerk',
      'user/teller',
      'user/teller',
    ]);
  });

  test('listens again when its connection was cut, and looks by itself meanwhile', async () => {
    const cut = `select pg_terminate_backend(pid) from pg_stat_activity
      where application_name = 'eventree listener' and datname = current_database()`;
    await vi.waitUntil(async () => (await world().db.query(cut)).rowCount === 1, PATIENCE);
    const event = note('after the cut');
    await write(run(), { parcels: [parcel([event])] }, teller);
    await vi.waitUntil(async () => (await told(event.id)) !== undefined, PATIENCE);
    const listeners = `select from pg_stat_activity
      where application_name = 'eventree listener' and datname = current_database()`;
    await vi.waitUntil(async () => (await world().db.query(listeners)).rowCount === 1, PATIENCE);
  });

  test('lets nobody record by it what the API would refuse, and counts that', async () => {
    const secret = unique('vault').replace('-', '/');
    await world().ask('mutation ($ref: ResourceRef!) { putResource(input: { ref: $ref }) { ref } }', {
      ref: secret,
    });
    const refused = [
      [note('x', { resource: secret }), /^NOT_FOUND/],
      [{ ...note('x'), type: unique('unknown') }, /^UNKNOWN_EVENT_TYPE/],
      [note('x', { attributes: { nothing: 1 } }), /^UNKNOWN_ATTRIBUTE/],
      [{ ...note('x'), id: 'no UUID' }, /^BAD_USER_INPUT/],
      [{ ...note('x'), type: 'acl_change' }, /^FORBIDDEN/],
      [note('x', { parentId: call().id }), /^NOT_FOUND/],
    ] as const;
    await write(run(), { parcels: refused.map(([event]) => parcel([event])) }, teller);
    await write(run(), { parcels: [parcel([note('by nobody')])] });
    await wakeRelays(run());
    const count = refused.length + 1;
    await vi.waitUntil(
      async () => (await parcelsIn(run())).filter(({ error }) => error !== null).length === count,
      PATIENCE,
    );
    const reasons = (await parcelsIn(run())).map(({ error }) => error);
    refused.forEach(([, reason], nth) => void expect(reasons[nth]).toMatch(reason));
    expect(reasons.at(-1)).toMatch(/names who wrote it/);

    const [server] = world().servers as [World['servers'][number]];
    await vi.waitUntil(
      async () => (await metric(server, 'eventree_outbox_parcels', 'state="refused"')) === count,
      PATIENCE,
    );
    expect(await metric(server, 'eventree_outbox_parcels', 'state="waiting"')).toBe(0);
    await world().db.query('delete from eventree_outbox.parcel');
  });

  test('removes a marker with the event that is recorded under its id', async () => {
    const [kept, recorded] = [call(), call()];
    await openMarkers(
      run(),
      { id: teller.recorder, leaseMs: 60_000 },
      [markerOf(kept), markerOf(recorded)],
      teller.author,
    );
    await world().ask(
      'mutation ($input: RecordEventInput!) { recordEvent(input: $input) { event { id } } }',
      {
        input: recorded,
      },
    );
    expect(await markersIn(run())).toEqual([kept.id]);
  });

  test('records calls as lost whose recorder is gone', async () => {
    const by = writer('user/teller');
    const lost = call({ actor: 'user/jane' });
    await openMarkers(run(), { id: by.recorder, leaseMs: 10_000 }, [markerOf(lost)], by.author);
    await renewLease(run(), { id: by.recorder, leaseMs: 10_000 });
    expect(await told(lost.id)).toBeUndefined();
    await world().db.query('update eventree_outbox.recorder set expires_at = now() where id = $1', [
      by.recorder,
    ]);
    await vi.waitUntil(async () => (await told(lost.id)) !== undefined, PATIENCE);
    expect(await told(lost.id)).toMatchObject({
      type: 'call_lost',
      message: 'The call of transfer by user/jane was lost',
    });
  });
});

test('several servers move each parcel once, and stop with some left', async () => {
  const world = await openWorld({ servers: 3 });
  const run = runOn(world.db);
  const events = Array.from({ length: 400 }, (_, nth) => note(String(nth)));
  for (const event of events) await write(run, { parcels: [parcel([event])] }, teller);
  await wakeRelays(run);
  await world.servers[0]?.stop();
  const at = { server: world.servers[1] as World['servers'][number] };
  await vi.waitUntil(async () => (await parcelsIn(run)).length === 0, PATIENCE);
  const { events: page } = await world.ask('{ events(first: 500) { nodes { id } } }', {}, at);
  expect(page.nodes.map(({ id }: { id: string }) => id).toSorted()).toEqual(
    events.map(({ id }) => id).toSorted(),
  );
});

test('a server that is killed again and again while it moves parcels loses none and records none twice', {
  timeout: 120_000,
}, async () => {
  const world = await openWorld({ servers: 0 });
  const run = runOn(world.db);
  // Between recording a parcel and removing it, as any other moment: the removal is made slow.
  await world.db.query(`
    create function linger() returns trigger language plpgsql as $$ begin perform pg_sleep(0.05); return old; end $$;
    create trigger linger before delete on eventree_outbox.parcel for each statement execute function linger();`);
  const trees = Array.from({ length: 120 }, () => {
    const top = call();
    return [top, note('below', { parentId: top.id })];
  });
  for (const tree of trees) {
    const resources = [{ ref: unique('page').replace('-', '/') }];
    await write(run, { parcels: [parcel(tree, { resources })] }, teller);
  }
  const recorded = async () => {
    const { rows } = await world.db.query('select count(*)::integer as count from event');
    return rows[0].count as number;
  };
  const server = await startServerProcess(world.environment);
  let twice = 0;
  // Not each kill meets that moment.
  for (let kills = 0; kills < 3 || (twice === 0 && kills < 8); kills++) {
    const before = await recorded();
    await vi.waitUntil(async () => (await recorded()) > before + 10, PATIENCE);
    await server.kill();
    const left = await parcelsIn(run);
    // Recorded, and still there.
    if (trees.length - left.length < (await recorded()) / 2) twice++;
    // Nobody waits for the dead one's claim to run out.
    await world.db.query('update eventree_outbox.parcel set claimed_until = null');
    await world.db.query('update eventree_outbox.resource set relay = null');
    await server.start();
  }
  await vi.waitUntil(async () => (await parcelsIn(run)).length === 0, { timeout: 60_000, interval: 50 });
  expect(twice).toBeGreaterThan(0);
  expect(await recorded()).toBe(240);
});
