import pg from 'pg';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createLogger } from '../../src/base/logger.ts';
import { migrate } from '../../src/db/migrate.ts';
import { installOutbox } from '../../src/outbox/install.ts';
import { runOn } from '../../src/outbox/statement.ts';
import { scratchDatabase } from '../support/database.ts';
import { call, DRIVERS, parcel, parcelsIn, write } from './support/outbox.ts';

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
