import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import { type AdapterFactory, Connections } from '../../src/recorder/prisma/connections.ts';
import {
  adapterOf,
  type Bank,
  bankForTest,
  extended,
  history,
  PrismaClient,
  recorderOf,
  written,
} from './support/bank.ts';

/** A client that says which statements Prisma runs for it. */
async function telling(
  isConnected: boolean,
  version = 180_000,
): Promise<{ bank: Bank; prisma: PrismaClient; statements: string[] }> {
  const bank = await bankForTest();
  const adapter = adapterOf(bank, version);
  const plain = bank.plain({ adapter, log: [{ emit: 'event', level: 'query' }] });
  onTestFinished(() => plain.$disconnect());
  if (isConnected) await plain.$connect();
  const statements: string[] = [];
  plain.$on('query' as never, ({ query }: { query: string }) => statements.push(query));
  // That it wakes relays, a moment after it has written, is none of what the client asks.
  const pool = new pg.Pool({ connectionString: bank.url, max: 2 });
  onTestFinished(() => pool.end());
  return { bank, prisma: extended(plain, { recorder: recorderOf({ ...bank, pool }) }), statements };
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
    // Its queries name the type of each argument; ours are asked to name two of those.
    const connections = new Connections(factory as unknown as AdapterFactory);
    const adapter = await factory.connect();
    await connections.start(async (tracking) => {
      const transaction = await adapter.startTransaction();
      tracking.begin('here');
      const held = connections.of('here');
      expect(await held?.now.query('select 1 as one', [])).toEqual({ rows: [{ one: 1 }] });
      const ending = transaction.executeRaw({ sql, args: [], argTypes: [] });

      expect(connections.of('here')).toBeNull();
      for (const way of [held?.now, held?.later]) {
        await expect(way?.query('select 1', [])).rejects.toMatchObject({ code: 'P2028' });
      }
      await ending;
      await transaction.commit();
      tracking.end('here');
    });
    await adapter.dispose();
  }
});

test.each([
  ['with COMMIT in one message', {}],
  [
    'apart, where statements have names',
    { statementNameGenerator: ({ sql }: { sql: string }) => `n${sql.length}` },
  ],
])('events are written %s, whatever is in them', async (_, options) => {
  const bank = await bankForTest();
  const names = ["it's", 'back\\slash \\n', '"quoted" $1 $2', 'ümlaut 😀', "E'x'; rollback; --"];
  const client = new PrismaClient({ adapter: new PrismaPg(bank.pool, options) });
  onTestFinished(() => client.$disconnect());
  const prisma = extended(client, { recorder: recorderOf(bank) });
  await prisma.$transaction(async (tx) => {
    for (const name of names) await tx.tag.create({ data: { name } });
  });

  expect((await written(bank)).map(({ attributes }) => attributes.values.name)).toEqual(names);
});

test.each([
  ['tells how the row was', 180_000, ['begin', 'update', 'insert']],
  ['does not', 170_006, ['begin', 'select', 'update', 'insert']],
])(
  'a connection is asked one thing at a time, and a server that %s no more than it needs',
  async (_, version, asks) => {
    const { bank, prisma } = await telling(false, version);
    await prisma.tag.create({ data: { name: 'a' } });
    // The first one asks the server which it is.
    await prisma.tag.update({ where: { name: 'a' }, data: { colour: 'green' } });
    const client = await bank.pool.connect();
    // The pool's next one, and so the transaction's.
    client.release();
    const query = client.query.bind(client) as (...given: unknown[]) => Promise<unknown>;
    let asked = 0;
    let most = 0;
    const texts: string[] = [];
    Object.assign(client, {
      async query(given: { text: string }, ...rest: unknown[]) {
        most = Math.max(most, ++asked);
        texts.push(given.text.trim().slice(0, 6).toLowerCase());
        try {
          return await query(given, ...rest);
        } finally {
          asked--;
        }
      },
    });
    await prisma.$transaction((tx) => tx.tag.update({ where: { name: 'a' }, data: { colour: 'red' } }));

    expect(texts).toEqual(asks);
    expect(most).toBe(1);
  },
);

test('a statement of the application’s own that comes between is run as it is', async () => {
  const { bank, prisma } = await telling(false);
  await prisma.tag.createMany({ data: [{ name: 'a' }, { name: 'b', colour: 'yellow' }] });
  const where = { name: 'a' };
  await prisma.tag.update({ where, data: { colour: 'green' } });
  const answers = await prisma.$transaction((tx) =>
    Promise.all([
      tx.$queryRawUnsafe(`UPDATE "Tag" SET colour = 'red' WHERE name = 'b' RETURNING name, colour`),
      tx.tag.update({ where, data: { colour: 'blue' } }),
    ]),
  );

  expect(answers).toEqual([[{ name: 'b', colour: 'red' }], { name: 'a', colour: 'blue' }]);
  expect((await history(bank)).at(-1)).toBe('update tag/a colour: "green" → "blue"');
});

test('by another adapter events are written at once', async () => {
  const bank = await bankForTest();
  const factory = new PrismaPg(bank.pool);
  const connect = factory.connect.bind(factory);
  factory.connect = async () => {
    const adapter = await connect();
    const startTransaction = adapter.startTransaction.bind(adapter);
    adapter.startTransaction = async (level) =>
      Object.assign(await startTransaction(level), { adapterName: 'another' });
    return adapter;
  };
  const client = new PrismaClient({ adapter: factory });
  onTestFinished(() => client.$disconnect());
  const prisma = extended(client, { recorder: recorderOf(bank) });
  const parcels = await prisma.$transaction(async (tx) => {
    await tx.tag.create({ data: { name: 'a' } });
    return tx.$queryRawUnsafe(
      "select query_to_xml('table eventree_' || 'outbox.parcel', true, false, '')::text as seen",
    );
  });

  expect(JSON.stringify(parcels)).toContain('tag/a');
  expect(await history(bank)).toEqual(['create tag/a']);
});

test('savepoints take with them what was written behind them, and leave what was written before', async () => {
  const bank = await bankForTest();
  const prisma = extended(bank.plain(), { recorder: recorderOf(bank) });
  const make = (tx: Pick<PrismaClient, 'tag'>, name: string) => tx.tag.create({ data: { name } });
  const refuse = () => {
    throw new Error('only this much');
  };
  await prisma.$transaction(async (tx) => {
    await make(tx, 'a');
    await tx.$transaction(async (inner) => {
      await make(inner, 'b');
      await inner.$transaction((inmost) => make(inmost, 'lost').then(refuse)).catch(() => {});
      await make(inner, 'c');
    });
    await tx
      .$transaction(async (inner) => {
        await make(inner, 'lost 2');
        await inner.$transaction((inmost) => make(inmost, 'lost 3'));
        await make(inner, 'lost 4');
        refuse();
      })
      .catch(() => {});
    await make(tx, 'd');
    await tx.$executeRaw`savepoint mine`;
    await make(tx, 'lost 5');
    await tx.$executeRaw`rollback to savepoint mine`;
    await make(tx, 'e');
  });

  expect(await history(bank)).toEqual(['a', 'b', 'c', 'd', 'e'].map((name) => `create tag/${name}`));
  expect((await bank.plain().tag.findMany({ orderBy: { name: 'asc' } })).map(({ name }) => name)).toEqual([
    'a',
    'b',
    'c',
    'd',
    'e',
  ]);
});

test.each([
  ['/* app */ SAVEPOINT s', '/* app */ ROLLBACK TO s'],
  ['select 1; SAVEPOINT s', 'select 1; ROLLBACK TO SAVEPOINT s'],
  ['-- app\n savepoint s', '-- app\n rollback work to s'],
])('savepoints are found wherever they stand: %s', async (savepoint, rollback) => {
  const bank = await bankForTest();
  const prisma = extended(bank.plain(), { recorder: recorderOf(bank) });
  await prisma.$transaction(async (tx) => {
    await tx.tag.create({ data: { name: 'a' } });
    await tx.$executeRawUnsafe(savepoint);
    await tx.tag.create({ data: { name: 'lost' } });
    await tx.$executeRawUnsafe(rollback);
  });

  expect(await history(bank)).toEqual(['create tag/a']);
  expect((await bank.plain().tag.findMany()).map(({ name }) => name)).toEqual(['a']);
});

test('where events cannot be written nothing is committed, and the connection is fit for others', async () => {
  const bank = await bankForTest();
  const pool = new pg.Pool({ connectionString: bank.url, max: 1 });
  onTestFinished(() => pool.end());
  const prisma = extended(new PrismaClient({ adapter: new PrismaPg(pool) }), { recorder: recorderOf(bank) });
  await bank.pool.query('alter table eventree_outbox.parcel rename to elsewhere');
  const refusal = { code: 'UNRECORDED', message: expect.stringContaining('eventree_outbox') };
  await expect(prisma.tag.create({ data: { name: 'a' } })).rejects.toMatchObject(refusal);
  await expect(prisma.$transaction((tx) => tx.tag.create({ data: { name: 'a' } }))).rejects.toMatchObject(
    refusal,
  );
  await bank.pool.query('alter table eventree_outbox.elsewhere rename to parcel');
  await prisma.tag.create({ data: { name: 'b' } });

  expect(await prisma.tag.findMany({ select: { name: true } })).toEqual([{ name: 'b' }]);
  expect(await history(bank)).toEqual(['create tag/b']);
});

test('a commit that fails by itself says why itself', async () => {
  const bank = await bankForTest();
  await bank.pool.query(
    'alter table "Entry" alter constraint "Entry_accountId_fkey" deferrable initially deferred',
  );
  const failures: unknown[] = [];
  for (const client of [bank.plain(), extended(bank.plain(), { recorder: recorderOf(bank) })]) {
    await client
      .$transaction((tx) => tx.entry.create({ data: { accountId: 99, amount: 1n } }))
      .catch((error: { name: string; code: string }) => failures.push([error.name, error.code]));
  }

  expect(failures).toHaveLength(2);
  expect(failures[1]).toEqual(failures[0]);
  expect(await history(bank)).toEqual([]);
});

test('an operation by itself that fails at its commit fails as one of Prisma’s own', async () => {
  const bank = await bankForTest();
  await bank.pool.query(`
    alter table "Entry" alter constraint "Entry_accountId_fkey" deferrable initially deferred;
    alter table "Profile" add constraint one_bio unique (bio) deferrable initially deferred`);
  await bank.plain().profile.create({ data: { bio: 'a' } });
  const failures: unknown[] = [];
  for (const client of [bank.plain(), extended(bank.plain(), { recorder: recorderOf(bank) })]) {
    const entry = { data: { accountId: 99, amount: 1n } };
    for (const run of [
      () => client.entry.create(entry),
      () => client.profile.create({ data: { bio: 'a' } }),
      () => client.$transaction([client.entry.create(entry)]),
    ]) {
      await run().catch(({ name, code, message, meta }) =>
        failures.push([name, code, message.split('\n').at(-1), meta?.modelName]),
      );
    }
  }

  expect(failures).toHaveLength(6);
  expect(failures.slice(3)).toEqual(failures.slice(0, 3));
  expect(failures.slice(0, 2)).toMatchObject([{ 1: 'P2003' }, { 1: 'P2002' }]);
  expect(await history(bank)).toEqual([]);
});

test.each([
  ['with COMMIT', {}],
  ['apart', { statementNameGenerator: ({ sql }: { sql: string }) => `n${sql.length}` }],
])('a commit that is forbidden is not said to be for its events, which are sent %s', async (_, options) => {
  const bank = await bankForTest();
  await bank.pool.query(`
    create function refuse() returns trigger language plpgsql as
      $$ begin raise 'not allowed' using errcode = '42501'; end $$;
    create constraint trigger refusing after insert on "Tag" deferrable initially deferred
      for each row execute function refuse()`);
  const pool = new pg.Pool({ connectionString: bank.url, max: 1 });
  onTestFinished(() => pool.end());
  const client = new PrismaClient({ adapter: new PrismaPg(pool, options) });
  const prisma = extended(client, { recorder: recorderOf(bank) });
  const failure = (run: Promise<unknown>) => run.catch((error) => [error.name, error.code, error.cause]);
  const data = { name: 'a' };

  expect(await failure(prisma.tag.create({ data }))).toEqual(await failure(client.tag.create({ data })));
  expect(await failure(prisma.$transaction((tx) => tx.tag.create({ data })))).toEqual(
    await failure(client.$transaction((tx) => tx.tag.create({ data }))),
  );
  // The connection is fit for others.
  await prisma.setting.create({ data: { name: 'b' } });
  expect(await history(bank)).toEqual(['create setting/b']);
});

test('a role that a transaction takes without a right to the outbox is told that its events are why', async () => {
  const bank = await bankForTest();
  const role = `teller_${Date.now()}`;
  await bank.pool.query(`create role ${role}; grant all on all tables in schema public to ${role}`);
  const prisma = extended(bank.plain(), { recorder: recorderOf(bank) });
  const asTeller = () =>
    prisma
      .$transaction(async (tx) => {
        await tx.$executeRawUnsafe(`set local role ${role}`);
        await tx.tag.create({ data: { name: 'a' } });
      })
      .catch(({ code }) => code);
  const codes = [await asTeller()];
  await bank.pool.query(`grant usage on schema eventree_outbox to ${role}`);
  codes.push(await asTeller());
  await bank.pool.query(`drop owned by ${role}; drop role ${role}`);

  expect(codes).toEqual(['UNRECORDED', 'UNRECORDED']);
});

test('a recorder that looks into the outbox within the transaction finds what was written there', async () => {
  const bank = await bankForTest();
  const prisma = extended(bank.plain(), { recorder: recorderOf(bank) });
  const count = await prisma.$transaction(async (tx) => {
    await tx.tag.create({ data: { name: 'a' } });
    return tx.$queryRawUnsafe('select count(*)::integer as parcels from eventree_outbox.parcel');
  });

  expect(count).toEqual([{ parcels: 1 }]);
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

test('what is read is what Prisma writes to, wherever the search path of a connection leads', async () => {
  const bank = await bankForTest();
  await bank.plain().tag.createMany({ data: ['a', 'b', 'c'].map((name) => ({ name })) });
  await bank.pool.query('create schema shadow');
  await bank.pool.query(
    `create table shadow."Tag" as select name, 'shadow' as colour from "Tag" where name <> 'c'`,
  );
  const pool = new pg.Pool({ connectionString: bank.url, options: '-c search_path=shadow,public' });
  onTestFinished(() => pool.end());
  const client = new PrismaClient({ adapter: new PrismaPg(pool) });
  const prisma = extended(client, { recorder: recorderOf(bank) });
  const where = { name: 'a' };
  await prisma.tag.update({ where, data: { colour: 'red' } });
  await prisma.tag.upsert({ where, create: where, update: { colour: 'blue' } });
  await prisma.tag.updateMany({ data: { colour: 'green' } });
  const { count } = await prisma.tag.deleteMany({ where: { name: { not: 'b' } } });

  expect(count).toBe(2);
  expect(await client.tag.findMany()).toEqual([{ name: 'b', colour: 'green' }]);
  expect(await history(bank)).toEqual([
    'update tag/a colour: "grey" → "red"',
    'update tag/a colour: "red" → "blue"',
    'update tag/a colour: "blue" → "green"',
    'update tag/b colour: "grey" → "green"',
    'update tag/c colour: "grey" → "green"',
    'destroy tag/a',
    'destroy tag/c',
  ]);
});

test('an adapter with a schema of its own is followed there', async () => {
  const bank = await bankForTest();
  await bank.pool.query('create schema shadow');
  await bank.pool.query('create table shadow."Tag" (like "Tag" including all)');
  await bank.plain().tag.create({ data: { name: 'a' } });
  const prisma = extended(new PrismaClient({ adapter: new PrismaPg(bank.pool, { schema: 'shadow' }) }), {
    recorder: recorderOf(bank),
  });
  await prisma.tag.create({ data: { name: 'a', colour: 'red' } });
  await prisma.tag.updateMany({ data: { colour: 'blue' } });

  expect(await history(bank)).toEqual(['create tag/a', 'update tag/a colour: "red" → "blue"']);
});
