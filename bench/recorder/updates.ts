/**
 * One update by Prisma in an interactive transaction of its own, one after another: of a row by its key, two fields
 * and the time of the update. What is written stays in the outbox: it is measured what the application waits for, and
 * not the relay, which moves it afterwards.
 */
import { readFileSync } from 'node:fs';
import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import type * as Recording from '../../src/recorder/index.ts';
import type * as Prisma from '../../src/recorder/prisma/index.ts';
import { built } from './built.ts';
import { type Cost, costOf, meanOf } from './cost.ts';
import { PrismaClient } from './generated/client.ts';

const { createRecorder, installOutbox } = await built<typeof Recording>('recorder/index.js');
const { eventree } = await built<typeof Prisma>('recorder/prisma/index.js');

/** So many the one way, then so many the other: what else the machine does slows both down. */
const IN_TURN = 20;
const ROWS = 1_000;

export interface Updates {
  /** What an update costs, in turns. */
  measure(times: number): Promise<{ readonly plain: Cost; readonly recorded: Cost }>;
  close(): Promise<void>;
}

export async function openUpdates(databaseUrl: string): Promise<Updates> {
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 4 });
  await pool.query(readFileSync(new URL('tables.sql', import.meta.url), 'utf8'));
  await installOutbox(pool);
  const recorder = createRecorder({ database: pool, as: 'user/bench' });
  const plain = new PrismaClient({ adapter: new PrismaPg(pool) });
  // The extension adds nothing to what is asked of it here; Prisma's type of it is another one.
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
    measure: (times) =>
      recorder.call('bench', async () => {
        await pool.query('truncate eventree_outbox.parcel');
        const costs: { readonly plain: Cost; readonly recorded: Cost }[] = [];
        for (let done = 0; done < times; done += IN_TURN) {
          costs.push({
            plain: await costOf(IN_TURN, () => update(plain, IN_TURN)),
            recorded: await costOf(IN_TURN, () => update(recorded, IN_TURN)),
          });
        }
        const { rows } = await pool.query('select count(*)::integer as count from eventree_outbox.parcel');
        if (rows[0].count !== costs.length * IN_TURN) throw new Error('Updates were not recorded.');
        return {
          plain: meanOf(costs.map((cost) => cost.plain)),
          recorded: meanOf(costs.map((cost) => cost.recorded)),
        };
      }),
    async close() {
      await recorder.close();
      await plain.$disconnect();
      await pool.end();
    },
  };
}
