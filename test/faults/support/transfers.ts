/**
 * A bank's process for recorder.test.ts: so many transfers at a time, each a call with a transaction, of which one
 * in five is rolled back when all of it is written. Goes on until it is killed. Says `ready` once the first is done.
 *
 *     transfers.ts <at a time> <accounts>
 */
import { randomUUID } from 'node:crypto';
import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import { createRecorder } from '../../../src/recorder/index.ts';
import { eventree } from '../../../src/recorder/prisma/index.ts';
import { PrismaClient } from '../../prisma/support/generated/client.ts';

const [atATime, accounts] = process.argv.slice(2).map(Number) as [number, number];
const { BANK_URL, EVENTREE_SERVER, EVENTREE_TOKEN } = process.env as Record<string, string>;

const pool = new pg.Pool({ connectionString: BANK_URL as string, max: 20 });
const recorder = createRecorder({
  url: EVENTREE_SERVER as string,
  token: EVENTREE_TOKEN as string,
  outbox: pool,
  leaseMs: 2_000,
});
const prisma = new PrismaClient({ adapter: new PrismaPg(pool) }).$extends(eventree({ recorder }));

class RolledBack extends Error {
  readonly expected = true;
}

async function transfer(): Promise<void> {
  const [from, to] = twoAccounts();
  const amount = 1 + Math.floor(Math.random() * 99);
  const isVoid = Math.random() < 0.2;
  const note = `${isVoid ? 'void' : 'good'} ${randomUUID()}`;
  await recorder.call('transfer', { params: { from, to, amount } }, () =>
    prisma.$transaction(
      async (tx) => {
        await tx.account.update({ where: { id: from }, data: { balance: { decrement: amount } } });
        await tx.account.update({ where: { id: to }, data: { balance: { increment: amount } } });
        await tx.entry.create({ data: { accountId: from, amount: -amount, note } });
        await tx.entry.create({ data: { accountId: to, amount, note } });
        if (isVoid) throw new RolledBack('It was only tried');
      },
      { maxWait: 20_000, timeout: 20_000 },
    ),
  );
}

/** In rising order, so that transactions wait for each other and never in a ring. */
function twoAccounts(): [number, number] {
  const first = 1 + Math.floor(Math.random() * (accounts - 1));
  return [first, first + 1 + Math.floor(Math.random() * (accounts - first))];
}

await Promise.all(
  Array.from({ length: atATime }, async () => {
    for (;;) {
      await transfer().catch((error: unknown) => {
        if (!(error instanceof RolledBack)) throw error;
      });
      process.stdout.write('.');
    }
  }),
);
