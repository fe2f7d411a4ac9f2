/** Events that were recorded before a column was added, and partitions that were made before and after it. */
import { cp, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { v7 } from 'uuid';
import { expect, onTestFinished, test } from 'vitest';
import { createLogger } from '../../src/base/logger.ts';
import { migrate } from '../../src/db/migrate.ts';
import { scratchDatabase } from '../support/database.ts';

const SHIPPED = 'prisma/migrations';
const ADDED = '20261124000000_visible_to_actor';
const MONTHS = ['2026-01-15', '2026-02-15'] as const;

test('an older event is seen by its actor only as far as it was, and all partitions take new ones', async () => {
  const { url, drop } = await scratchDatabase();
  onTestFinished(drop);
  const pool = new pg.Pool({ connectionString: url });
  onTestFinished(() => pool.end());
  await migrate(pool, createLogger('silent'), await migrationsBefore(ADDED));
  await pool.query(`insert into journal (name) values ('main')`);
  await pool.query('select eventree_add_event_partition($1)', [MONTHS[0]]);
  const older = await append(pool, MONTHS[0], '');

  expect((await migrate(pool, createLogger('silent'))).applied).toContain(ADDED);
  await pool.query('select eventree_add_event_partition($1)', [MONTHS[1]]);
  const newer = [
    await append(pool, MONTHS[0], `'{true}',`),
    await append(pool, MONTHS[1], `'{true}',`),
    await append(pool, MONTHS[1], `'{false}',`),
  ];

  const { rows } = await pool.query('select id, visible_to_actor from event order by position');
  expect(rows.map(({ id, visible_to_actor }) => [id, visible_to_actor])).toEqual([
    [older, false],
    ...newer.map((id, nth) => [id, nth < 2]),
  ]);
  await expect(pool.query('update event set visible_to_actor = true')).rejects.toThrow('append-only');
});

/** The package's migrations that come before one, in a folder of their own. */
async function migrationsBefore(name: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'eventree-migrations-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  for (const other of await readdir(SHIPPED)) {
    if (other < name) await cp(join(SHIPPED, other), join(folder, other), { recursive: true });
  }
  return folder;
}

/** @param more what the function takes beside what it took before. */
async function append(pool: pg.Pool, month: string, more: string): Promise<string> {
  const id = v7({ msecs: Date.parse(month) });
  await pool.query(
    `select eventree_append(1, 0, '{}', '{}', '{}', array[$1::uuid], '{note}', '{USER}', '{LOW}', '{hello}', '{null}',
      '{hello}', array[now()], '{page/1}', '{user/ann}', '{null}', '{null}', '{null}', '{null}', '{"{}"}', '{null}',
      '{null}', '{user/ann}', ${more} array[$1::uuid, $1::uuid], array[now(), now()])`,
    [id],
  );
  return id;
}
