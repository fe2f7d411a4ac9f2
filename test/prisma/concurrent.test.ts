import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import {
  adapterOf,
  type Bank,
  bankForTest,
  extended,
  history,
  type PrismaClient,
  recorderOf,
  recording,
  SERVERS,
} from './support/bank.ts';

const JANE = '10000000-0000-4000-8000-000000000001';
const onlyVersion = { models: { Account: { fields: ['version'] }, Tag: true, Entry: true, Seat: true } };

async function withAccount(
  version = 180_000,
): Promise<{ bank: Bank; plain: PrismaClient; prisma: PrismaClient }> {
  const bank = await bankForTest();
  const plain = bank.plain();
  await plain.customer.create({
    data: { id: JANE, email: 'jane', name: 'Jane', accounts: { create: { number: 'A1' } } },
  });
  // Many wait for each other here: for longer than Prisma's own two and five seconds, on a busy machine.
  const transactionOptions = { maxWait: 20_000, timeout: 20_000 };
  const options = { adapter: adapterOf(bank, version), transactionOptions };
  return { bank, plain, ...recording(bank, onlyVersion, options) };
}

/** `update account/1 version: 3 → 4` as [3, 4] */
async function steps(bank: Bank): Promise<[number, number][]> {
  return (await history(bank)).map((line) => {
    const [, old, fresh] = /version: (\d+) → (\d+)$/.exec(line) ?? [];
    return [Number(old), Number(fresh)];
  });
}

test.each(SERVERS)(
  'the chain of old and new values of a server %s is unbroken, however many update a row at once',
  async (_, version) => {
    const { bank, prisma } = await withAccount(version);
    const where = { id: 1 };
    const increment = { version: { increment: 1 } };
    const ways = [
      () => prisma.account.update({ where, data: increment }),
      () => prisma.account.updateMany({ where: { customer: { name: 'Jane' } }, data: increment }),
      () => prisma.$transaction((tx) => tx.account.update({ where: { number: 'A1' }, data: increment })),
      () => prisma.$transaction([prisma.account.update({ where, data: increment }), prisma.account.count()]),
      () => prisma.account.upsert({ where, create: { number: 'x', customerId: JANE }, update: increment }),
      () =>
        prisma.customer.update({
          where: { id: JANE },
          data: { accounts: { updateMany: { where, data: increment } } },
        }),
    ];
    await Promise.all(Array.from({ length: 60 }, (_, i) => ways[i % ways.length]?.()));

    const taken = (await steps(bank)).sort(([a], [b]) => a - b);
    expect(taken).toEqual(Array.from({ length: 60 }, (_, i) => [i, i + 1]));
  },
);

test('upserts of a row that is not there: one makes it, the others change it', async () => {
  const { bank, prisma } = await withAccount();
  const one = (colour: string) => ({
    where: { name: 'a' },
    create: { name: 'a', colour },
    update: { colour },
  });
  const colours = Array.from({ length: 12 }, (_, i) => `colour ${i}`);
  await Promise.all(
    colours.map((colour, i) =>
      i % 2 === 0 ? prisma.tag.upsert(one(colour)) : prisma.$transaction((tx) => tx.tag.upsert(one(colour))),
    ),
  );

  const lines = await history(bank);
  expect(lines.filter((line) => line.startsWith('create'))).toEqual(['create tag/a']);
  // Each was the new value once and, but for the last, the old one once.
  const changes = lines.slice(1).map((line) => [...line.matchAll(/"([^"]+)"/g)].map(([, value]) => value));
  expect(changes).toHaveLength(colours.length - 1);
  const old = changes.map(([from]) => from);
  const fresh = changes.map(([, to]) => to);
  expect(new Set([...old, ...fresh])).toEqual(new Set(colours));
  expect(new Set(old).size).toBe(old.length);
  expect(new Set(fresh).size).toBe(fresh.length);
});

test('an upsert finds a row that another makes while it looks, alone and in a transaction', async () => {
  const { bank, plain, prisma } = await withAccount();
  const upsert = (name: string) => ({ where: { name }, create: { name }, update: { colour: 'red' } });
  for (const name of ['alone', 'within']) {
    const other = await bank.pool.connect();
    await other.query('begin');
    await other.query(`insert into "Tag" (name, colour) values ($1, 'blue')`, [name]);
    const waiting =
      name === 'alone'
        ? prisma.tag.upsert(upsert(name))
        : prisma.$transaction((tx) => tx.tag.upsert(upsert(name)));
    const done = waiting.then(({ colour }) => colour);
    await untilBlocked(bank);
    await other.query('commit');
    other.release();
    expect(await done).toBe('red');
  }

  expect(await history(bank)).toEqual([
    'update tag/alone colour: "blue" → "red"',
    'update tag/within colour: "blue" → "red"',
  ]);
  expect(await plain.tag.count()).toBe(2);
});

test('what is added below a row while it is removed is removed with it, and recorded', async () => {
  const { bank, prisma } = await withAccount();
  const other = await bank.pool.connect();
  await other.query('begin');
  await other.query('insert into "Entry" ("accountId", amount) values (1, 5)');
  const deleting = prisma.account.delete({ where: { id: 1 } }).then(({ id }) => id);
  await untilBlocked(bank);
  await other.query('commit');
  other.release();

  expect(await deleting).toBe(1);
  expect(await history(bank)).toEqual(['destroy account/1', 'destroy entry/1']);
});

test('a row that is gone when it is its turn is not recorded', async () => {
  const { bank, plain, prisma } = await withAccount();
  await plain.account.create({ data: { number: 'A2', customerId: JANE } });
  const other = await bank.pool.connect();
  await other.query('begin');
  await other.query('delete from "accounts" where id = 1');
  const updating = prisma.account.updateMany({
    where: { number: { startsWith: 'A' } },
    data: { version: 5 },
  });
  const done = updating.then(({ count }) => count);
  await untilBlocked(bank);
  await other.query('commit');
  other.release();

  expect(await done).toBe(1);
  expect(await history(bank)).toEqual(['update account/2 version: 0 → 5']);
});

test('a row that comes to meet the condition while others are waited for is left as it is', async () => {
  const { bank, plain, prisma } = await withAccount();
  const other = await bank.pool.connect();
  await other.query('begin');
  await other.query('update "accounts" set status = status where id = 1');
  await other.query(
    `insert into "accounts" (account_number, customer_id, "updatedAt") values ('A2', $1, now())`,
    [JANE],
  );
  const updating = prisma.account.updateMany({
    where: { number: { startsWith: 'A' } },
    data: { version: 5 },
  });
  const done = updating.then(({ count }) => count);
  await untilBlocked(bank);
  await other.query('commit');
  other.release();

  expect(await done).toBe(1);
  expect(await plain.account.findMany({ select: { version: true }, orderBy: { id: 'asc' } })).toEqual([
    { version: 5 },
    { version: 0 },
  ]);
  expect(await history(bank)).toEqual(['update account/1 version: 0 → 5']);
});

test('rows with keys of several fields that come between are noticed: it is done again, or refused', async () => {
  const { bank, plain, prisma } = await withAccount();
  await plain.seat.createMany({ data: [1, 2].map((n) => ({ row: n, place: n })) });
  const emptied = { where: { place: { gt: 0 } }, data: { holderId: JANE } };
  const ways = [
    () => prisma.seat.updateMany(emptied),
    () => prisma.seat.deleteMany({ where: { place: { gt: 0 } } }),
    () => prisma.$transaction((tx) => tx.seat.updateMany({ ...emptied, data: { holderId: null } })),
    () => prisma.$transaction((tx) => tx.seat.deleteMany({ where: { place: { gt: 0 } } })),
  ];
  const outcomes: unknown[] = [];
  for (const way of ways) {
    await plain.seat.deleteMany();
    await plain.seat.createMany({ data: [1, 2].map((n) => ({ row: n, place: n })) });
    const other = await bank.pool.connect();
    await other.query('begin');
    await other.query('update "Seat" set place = place where row = 1');
    // Row 1 and place 2 are each part of a key, together of none that was read.
    await other.query('insert into "Seat" (row, place) values (1, 2)');
    const done = way().then(
      ({ count }) => count,
      (error: { code: string }) => error.code,
    );
    await untilBlocked(bank);
    await other.query('commit');
    other.release();
    outcomes.push(await done, await plain.seat.count());
  }

  expect(outcomes).toEqual([3, 3, 3, 0, 'UNRECORDED', 3, 'UNRECORDED', 3]);
});

test('one connection is enough', async () => {
  const bank = await bankForTest();
  const pool = new pg.Pool({ connectionString: bank.url, max: 1 });
  onTestFinished(() => pool.end());
  const { PrismaClient: Client } = await import('./support/generated/client.ts');
  const prisma = extended(new Client({ adapter: new PrismaPg(pool) }), { recorder: recorderOf(bank) });
  await Promise.all(['a', 'b', 'c'].map((name) => prisma.tag.create({ data: { name } })));
  await prisma.$transaction(async (tx) => {
    await tx.tag.upsert({ where: { name: 'd' }, create: { name: 'd' }, update: { colour: 'red' } });
    await tx.tag.update({ where: { name: 'a' }, data: { colour: 'red' } });
  });

  expect(await history(bank)).toHaveLength(5);
});

test('an upsert in a transaction does not wait for a connection that itself holds', async () => {
  const { bank } = await withAccount();
  const pool = new pg.Pool({ connectionString: bank.url, max: 1 });
  onTestFinished(() => pool.end());
  const { PrismaClient: Client } = await import('./support/generated/client.ts');
  const prisma = extended(new Client({ adapter: new PrismaPg(pool) }), { recorder: recorderOf(bank) });
  const upsert = { where: { name: 'a' }, create: { name: 'a' }, update: { colour: 'red' } };
  const other = await bank.pool.connect();
  await other.query('begin');
  await other.query(`insert into "Tag" (name, colour) values ('a', 'blue')`);
  const refused = prisma
    .$transaction((tx) => tx.tag.upsert(upsert), { timeout: 60_000 })
    .catch(({ code, message }) => [code, message]);
  await untilBlocked(bank);
  await other.query('commit');
  other.release();

  expect(await refused).toEqual(['UNRECORDED', expect.stringContaining('try again')]);
  await prisma.$transaction((tx) => tx.tag.upsert(upsert));
  expect(await history(bank)).toEqual(['update tag/a colour: "blue" → "red"']);
});

/** Resolves when somebody waits for a lock: that much has been done. */
async function untilBlocked({ pool }: Bank): Promise<void> {
  for (;;) {
    const { rowCount } = await pool.query(
      `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
    );
    if (rowCount !== 0) return;
  }
}
