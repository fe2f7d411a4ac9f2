import pg from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import { createLogger } from '../src/base/logger.ts';
import { migrate } from '../src/db/migrate.ts';
import { scratchDatabase } from './support/database.ts';
import { startSchemaEngine } from './support/schema-engine.ts';

test('schema.prisma and the migrated database agree', async () => {
  const { drift } = await migratedDatabase();

  expect(await drift()).toEqual({ found: false, sql: '-- This is an empty migration.\n' });
});

test('partitions are no drift', async () => {
  const { query, drift } = await migratedDatabase();
  await query('SELECT eventree_add_event_partition(now()), eventree_add_index_partition(0)');

  expect(await drift()).toMatchObject({ found: false });
});

// Proves that the two tests above can fail.
test.each([
  ['ALTER TABLE resource DROP COLUMN manage', 'ALTER TABLE "resource" ADD COLUMN     "manage" TEXT[]'],
  ['ALTER TABLE event ADD COLUMN colour text', 'ALTER TABLE "event" DROP COLUMN "colour"'],
  ['ALTER TABLE journal ALTER COLUMN head SET DEFAULT 1', 'ALTER COLUMN "head" SET DEFAULT 0'],
  ['DROP INDEX event_journal_id_position_idx', 'CREATE INDEX "event_journal_id_position_idx"'],
])('drift is seen after %s', async (change, remedy) => {
  const { query, drift } = await migratedDatabase();
  await query(change);

  expect(await drift()).toEqual({ found: true, sql: expect.stringContaining(remedy) });
});

async function migratedDatabase() {
  const { url, drop } = await scratchDatabase();
  onTestFinished(drop);
  const pool = new pg.Pool({ connectionString: url });
  onTestFinished(() => pool.end());
  await migrate(pool, createLogger('silent'));
  const engine = await startSchemaEngine(url);
  onTestFinished(() => engine.stop());
  return { query: (sql: string) => pool.query(sql), drift: () => engine.drift() };
}
