import { PrismaPg } from '@prisma/adapter-pg';
import { expect, onTestFinished, test } from 'vitest';
import { type AdapterFactory, Connections } from '../../src/recorder/prisma/connections.ts';
import { type Bank, bankForTest, extended, history, type PrismaClient, recorderOf } from './support/bank.ts';

/** A client that says which statements Prisma runs for it. */
async function telling(
  isConnected: boolean,
): Promise<{ bank: Bank; prisma: PrismaClient; statements: string[] }> {
  const bank = await bankForTest();
  const plain = bank.plain({ log: [{ emit: 'event', level: 'query' }] });
  onTestFinished(() => plain.$disconnect());
  if (isConnected) await plain.$connect();
  const statements: string[] = [];
  plain.$on('query' as never, ({ query }: { query: string }) => statements.push(query));
  return { bank, prisma: extended(plain, { recorder: recorderOf(bank) }), statements };
}

test.each([
  ['past Prisma, where the client connects after it was extended', false, 0],
  ['by Prisma, where it had connected before', true, 2],
])('statements of ours go %s', async (_, isConnected, ours) => {
  const { bank, prisma, statements } = await telling(isConnected);
  await prisma.tag.create({ data: { name: 'a' } });
  statements.length = 0;
  const red = { where: { name: 'a' }, data: { colour: 'red' } };
  await prisma.tag.update(red);
  // BEGIN is not told of.
  expect(statements).toHaveLength(2 + ours);
  statements.length = 0;
  await prisma.$transaction((tx) => tx.tag.update({ ...red, data: { colour: 'blue' } }));
  expect(statements).toHaveLength(2 + ours);
  await prisma.$transaction((tx) => tx.$transaction((inner) => inner.tag.delete({ where: { name: 'a' } })));

  expect(await history(bank)).toEqual([
    'create tag/a',
    'update tag/a colour: "grey" → "red"',
    'update tag/a colour: "red" → "blue"',
    'destroy tag/a',
  ]);
});

test('nothing is written on the connection of a transaction that has ended', async () => {
  const bank = await bankForTest();
  const prisma = extended(bank.plain(), {
    recorder: recorderOf(bank),
    models: {
      Tag: {
        // Until the transaction has taken too long, and its connection has gone back to the pool.
        async acl() {
          await bank.pool.query('select pg_sleep(0.4)');
          return { owners: ['group/bank'] };
        },
      },
    },
  });
  const late = prisma.$transaction((tx) => tx.tag.create({ data: { name: 'a' } }), { timeout: 100 });

  await expect(late).rejects.toMatchObject({ code: 'P2028', meta: { modelName: 'Tag' } });
  expect(await history(bank)).toEqual([]);
  expect(await bank.plain().tag.count()).toBe(0);
});

test('a connection is given up before the statement that ends its transaction is sent', async () => {
  const bank = await bankForTest();
  for (const sql of ['COMMIT', 'ROLLBACK']) {
    const factory = new PrismaPg(bank.pool);
    const connections = new Connections(factory as unknown as AdapterFactory);
    const adapter = await factory.connect();
    await connections.start(async (tracking) => {
      const transaction = await adapter.startTransaction();
      tracking.begin('here');
      const held = connections.of('here');
      expect(await held?.query('select 1 as one', [])).toEqual({ rows: [{ one: 1 }] });
      const ending = transaction.executeRaw({ sql, args: [], argTypes: [] });

      expect(connections.of('here')).toBeNull();
      await expect(held?.query('select 1', [])).rejects.toMatchObject({ code: 'P2028' });
      await ending;
      await transaction.commit();
      tracking.end('here');
    });
    await adapter.dispose();
  }
});

test('what a transaction starts beside itself has a connection of its own', async () => {
  const { bank, prisma } = await telling(false);
  await prisma.tag.create({ data: { name: 'a' } });
  const rolledBack = prisma.$transaction(async (tx) => {
    await tx.tag.update({ where: { name: 'a' }, data: { colour: 'red' } });
    await prisma.tag.create({ data: { name: 'b' } });
    await tx.tag.create({ data: { name: 'c' } });
    throw new Error('no');
  });

  await expect(rolledBack).rejects.toThrow('no');
  expect(await history(bank)).toEqual(['create tag/a', 'create tag/b']);
});
