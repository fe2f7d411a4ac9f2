/**
 * One update by Prisma in an interactive transaction of its own, one after another on one connection: of a row by its
 * key, two fields. The call within which they run stays open meanwhile, so that the relay has nothing to move: it is
 * measured what the application waits for.
 */
import { readFileSync } from 'node:fs';
import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import { createRecorder } from '../../src/recorder/index.ts';
import { eventree } from '../../src/recorder/prisma/index.ts';
import { type Cost, costOf } from './cost.ts';
import { PrismaClient } from './generated/client.ts';

const ROWS = 1_000;

export interface Updates {
  plain(times: number): Promise<Cost>;
  recorded(times: number): Promise<Cost>;
  close(): Promise<void>;
}

export async function openUpdates(
  databaseUrl: string,
  api: { url: string; token: string },
): Promise<Updates> {
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 4 });
  await pool.query(readFileSync(new URL('tables.sql', import.meta.url), 'utf8'));
  const recorder = createRecorder({ ...api, outbox: pool });
  const plain = new PrismaClient({ adapter: new PrismaPg(pool) });
  const recorded = plain.$extends(eventree({ recorder })) as unknown as PrismaClient;
  let next = 0;

  async function update(prisma: PrismaClient, times: number): Promise<void> {
    for (let i = 0; i < times; i++) {
      const id = (next++ % ROWS) + 1;
      await prisma.$transaction((tx) =>
        tx.account.update({ where: { id }, data: { balance: { increment: 1 }, version: { increment: 1 } } }),
      );
    }
  }

  return {
    plain: (times) => costOf(times, () => update(plain, times)),
    recorded: (times) =>
      recorder.call('bench', async () => {
        const cost = await costOf(times, () => update(recorded, times));
        const { rows } = await pool.query('select count(*)::integer as count from eventree_outbox.parcel');
        if (rows[0].count < times) throw new Error('Updates were not recorded.');
        return cost;
      }),
    async close() {
      await recorder.close();
      await plain.$disconnect();
      await pool.end();
    },
  };
}
