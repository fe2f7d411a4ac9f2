import { cp, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { createLogger } from '../../src/base/logger.ts';
import { migrate } from '../../src/db/migrate.ts';
import { installOutbox } from '../../src/outbox/install.ts';
import { runOn } from '../../src/outbox/statement.ts';
import { scratchDatabase } from '../support/database.ts';
import { worldForFile } from '../support/world.ts';
import {
  call,
  DRIVERS,
  deliverTo,
  journalOf,
  markerOf,
  markersIn,
  note,
  openRelay,
  parcel,
  parcelsIn,
  write,
  writer,
} from './support/outbox.ts';

const MIGRATIONS = new URL('../../prisma/migrations/', import.meta.url);
/** Until then the outbox was another one. */
const FIRST = ['20261121000000_journal', '20261122000000_token_revocation', '20261123000000_outbox'];

async function emptyDatabase() {
  const { url, drop } = await scratchDatabase();
  onTestFinished(drop);
  const pool = new pg.Pool({ connectionString: url, max: 20 });
  onTestFinished(() => pool.end());
  return { url, pool };
}

describe.each(DRIVERS)('over %s an outbox', (_, open) => {
  test('is installed, and left as it is the next time', async () => {
    const { url } = await emptyDatabase();
    const database = open(url);
    await installOutbox(database);
    await write(runOn(database), { parcels: [parcel([call()])] });
    await installOutbox(database);
    expect(await parcelsIn(runOn(database))).toHaveLength(1);
  });

  test('is installed by many at once', async () => {
    const { url } = await emptyDatabase();
    const databases = Array.from({ length: 4 }, () => open(url));
    const installs = Array.from({ length: 16 }, (_, nth) =>
      installOutbox(databases[nth % 4] as (typeof databases)[0]),
    );
    await expect(Promise.all(installs)).resolves.toHaveLength(16);
  });
});

test('one that is there is used by who may not make one', async () => {
  const { url, pool } = await emptyDatabase();
  await installOutbox(pool);
  const role = `clerk_${new URL(url).pathname.slice(1)}`;
  await pool.query(`create role ${role}; grant usage on schema eventree_outbox to ${role}`);
  onTestFinished(async () => {
    await pool.query(`drop owned by ${role}; drop role ${role}`);
  });
  const clerk = new pg.Pool({ connectionString: url, options: `-c role=${role}`, max: 1 });
  await installOutbox(clerk).finally(() => clerk.end());
});

test('Eventree’s own database may have one already when it is migrated, and has one afterwards', async () => {
  const { pool } = await emptyDatabase();
  await installOutbox(pool);
  await write(runOn(pool), { parcels: [parcel([call()])] });
  await migrate(pool, createLogger('silent'));
  expect(await parcelsIn(runOn(pool))).toHaveLength(1);

  const { pool: other } = await emptyDatabase();
  await migrate(other, createLogger('silent'));
  await write(runOn(other), { parcels: [parcel([call()])] });
  expect(await parcelsIn(runOn(other))).toHaveLength(1);
});

describe('an outbox as it was made at first', () => {
  const world = worldForFile();

  /** With a call that is open, and what its process, which is gone now, and a relay of then have left in it. */
  async function openOld() {
    const { pool } = await emptyDatabase();
    await pool.query(await readFile(new URL(`${FIRST.at(-1)}/migration.sql`, MIGRATIONS), 'utf8'));
    const top = call();
    const events = ['free', 'claimed', 'refused', 'given back'].map((message) => note(message));
    const below = note('below', { parentId: top.id });
    await pool.query(
      `insert into eventree_outbox.parcel (events, resources, waits_for, depth, error, retry_at)
       select json_build_array(event), '[{ "ref": "page/old" }]', waits_for::uuid, (waits_for is not null)::integer, error, retry_at
       from unnest($1::json[], $2::text[], $3::text[], $4::timestamptz[]) old (event, waits_for, error, retry_at)`,
      [
        [...events, below].map((event) => JSON.stringify(event)),
        [null, null, null, null, top.id],
        [null, null, 'no', 'no', null],
        [null, new Date(Date.now() + 500), new Date(), null, null],
      ],
    );
    await pool.query(
      `insert into eventree_outbox.marker (id, recorder, event) values ($1, gen_random_uuid(), $2)`,
      [top.id, JSON.stringify(markerOf(top).event)],
    );
    return { pool, ids: [...events, below, top].map(({ id }) => id) };
  }

  async function expectMoved({ pool, ids }: Awaited<ReturnType<typeof openOld>>): Promise<void> {
    const relay = openRelay(pool, { deliver: await deliverTo(world()), sweepIntervalMs: 100 });
    const run = runOn(pool);
    await vi.waitUntil(async () => (await parcelsIn(run)).length + (await markersIn(run)).length === 0, {
      timeout: 20_000,
    });
    expect(relay.refused).toEqual([]);
    const recorded = (await journalOf(world())).map(({ id }) => id);
    expect(recorded).toEqual(expect.arrayContaining(ids));
  }

  test('is brought up to date by programs that install it, and what is in it is moved', async () => {
    const old = await openOld();
    await Promise.all(Array.from({ length: 8 }, () => installOutbox(old.pool)));
    await expectMoved(old);
  });

  test('is brought up to date with Eventree’s own database, and what is in it is moved', async () => {
    const old = await openOld();
    const folder = await mkdtemp(join(tmpdir(), 'eventree-test-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    for (const name of FIRST) await cp(new URL(name, MIGRATIONS), join(folder, name), { recursive: true });
    await migrate(old.pool, createLogger('silent'), folder);
    await migrate(old.pool, createLogger('silent'));
    await expectMoved(old);
  });

  test('is not while a transaction of the application is at it, which goes on', async () => {
    const { pool } = await openOld();
    const client = await pool.connect();
    onTestFinished(() => client.release(true));
    await client.query('begin; delete from eventree_outbox.marker');
    let isInstalled = false;
    const installed = installOutbox(pool).then(() => {
      isInstalled = true;
    });
    const waits = `select from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock' and query like '%outbox%'`;
    await vi.waitUntil(async () => (await pool.query(waits)).rowCount === 1, {
      timeout: 20_000,
      interval: 5,
    });
    // What is waiting may have this already, and each would wait for the other.
    await client.query(`insert into eventree_outbox.parcel (events, resources) values ('[]', '[]')`);
    expect(isInstalled).toBe(false);
    await client.query('commit');
    await installed;
  });

  test('is written to by who could write to it before', async () => {
    const { pool } = await openOld();
    const role = `clerk_${(await pool.query('select current_database() as name')).rows[0].name}`;
    await pool.query(`create role ${role}; grant usage on schema eventree_outbox to ${role};
      grant usage on all sequences in schema eventree_outbox to ${role};
      grant select, insert, update, delete on all tables in schema eventree_outbox to ${role}`);
    onTestFinished(async () => {
      await pool.query(`drop owned by ${role}; drop role ${role}`);
    });
    await installOutbox(pool);
    const client = await pool.connect();
    onTestFinished(() => client.release(true));
    await client.query(`set role ${role}`);
    const [top, by] = [call(), writer()];
    await write(runOn(client), { marks: [markerOf(top)] }, by);
    await write(
      runOn(client),
      { parcels: [parcel([top], { resources: [{ ref: 'page/1' }] })], ends: [top.id] },
      by,
    );
    const relay = openRelay(client, { deliver: async () => {} });
    await relay.settled();
    expect(relay.failures).toEqual([]);
  });
});
