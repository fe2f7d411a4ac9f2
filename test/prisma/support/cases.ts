/**
 * Ordinary usage of Prisma, each case by itself on an empty database: what it answers, and whatever it throws, is
 * to be the same with the extension.
 */
import { expect } from 'vitest';
import { type Bank, Prisma, type PrismaClient } from './bank.ts';

export interface Case {
  readonly name: string;
  /** Further options of the client. */
  readonly options?: object;
  /** Other extensions: those that are applied before, and after. */
  readonly before?: (client: PrismaClient) => PrismaClient;
  readonly after?: (client: PrismaClient) => PrismaClient;
  readonly run: (prisma: PrismaClient, bank: Bank) => Promise<unknown>;
}

const JANE = '10000000-0000-4000-8000-000000000001';
const JOHN = '10000000-0000-4000-8000-000000000002';
const ANNA = '10000000-0000-4000-8000-000000000003';
const TIME = new Date('2026-03-04T05:06:07.089Z');

async function people(prisma: PrismaClient): Promise<void> {
  await prisma.customer.createMany({
    data: [
      { id: JANE, email: 'jane@bank', name: 'Jane', ssn: '1', password: 'p', joinedAt: TIME },
      { id: JOHN, email: 'john@bank', name: 'John', managerId: JANE, joinedAt: TIME },
    ],
  });
}

async function accounts(prisma: PrismaClient): Promise<void> {
  await people(prisma);
  for (const [number, balance, customerId] of [
    ['A1', 10, JANE],
    ['A2', '20.50', JANE],
    ['B1', 0, JOHN],
  ] as const) {
    await prisma.account.create({ data: { number, balance, customerId } });
  }
  await prisma.entry.createMany({
    data: [
      { accountId: 1, amount: 5n, note: 'first', approverId: JOHN },
      { accountId: 1, amount: -2n, approverId: JOHN },
      { accountId: 3, amount: 9_007_199_254_740_993n },
    ],
  });
}

/** What it throws, as an answer: the case goes on. */
async function failure(work: () => Promise<unknown>): Promise<unknown> {
  try {
    return { unexpected: await work() };
  } catch (error) {
    return error;
  }
}

const all = {
  accounts: { orderBy: { id: 'asc' } },
  tags: { orderBy: { name: 'asc' } },
  profile: true,
} as const;

export const CASES: readonly Case[] = [
  {
    name: 'create answers the row with its defaults',
    run: (prisma) => prisma.customer.create({ data: { email: 'x@bank', name: 'X' } }),
  },
  {
    name: 'create with select',
    run: (prisma) => prisma.customer.create({ data: { email: 'x@bank', name: 'X' }, select: { name: true } }),
  },
  {
    name: 'create with select of a relation only',
    run: (prisma) =>
      prisma.customer.create({
        data: { email: 'x@bank', name: 'X' },
        select: { accounts: true, _count: true },
      }),
  },
  {
    name: 'create with include',
    async run(prisma) {
      await people(prisma);
      return prisma.account.create({ data: { number: 'C', customerId: JANE }, include: { customer: true } });
    },
  },
  {
    name: 'create with omit',
    run: (prisma) =>
      prisma.customer.create({
        data: { email: 'x@bank', name: 'X', ssn: '9' },
        omit: { id: true, ssn: true },
      }),
  },
  {
    name: 'create with connect, unchecked and checked',
    async run(prisma) {
      await people(prisma);
      return [
        await prisma.account.create({ data: { number: 'C', customer: { connect: { email: 'john@bank' } } } }),
        await prisma.account.create({ data: { number: 'D', customerId: JOHN } }),
      ];
    },
  },
  {
    name: 'create with all that nests',
    run: (prisma) =>
      prisma.customer.create({
        data: {
          email: 'x@bank',
          name: 'X',
          profile: { create: { bio: 'about' } },
          tags: {
            create: [{ name: 'new' }],
            connectOrCreate: { where: { name: 'vip' }, create: { name: 'vip' } },
          },
          accounts: {
            create: [
              { number: 'N1', entries: { create: [{ amount: 1n }, { amount: 2n }] } },
              { number: 'N2' },
            ],
          },
          reports: {
            create: { email: 'y@bank', name: 'Y', accounts: { createMany: { data: [{ number: 'N3' }] } } },
          },
        },
        include: { ...all, reports: { include: all } },
      }),
  },
  {
    name: 'create of what is there already',
    async run(prisma) {
      await people(prisma);
      return failure(() => prisma.customer.create({ data: { email: 'jane@bank', name: 'Other' } }));
    },
  },
  {
    name: 'create below nobody',
    run: (prisma) => failure(() => prisma.account.create({ data: { number: 'C', customerId: JANE } })),
  },
  {
    name: 'create with connect of what is not there',
    run: (prisma) =>
      failure(() =>
        prisma.account.create({ data: { number: 'C', customer: { connect: { email: 'no@bank' } } } }),
      ),
  },
  {
    name: 'create without what is required',
    run: (prisma) => failure(() => prisma.customer.create({ data: { name: 'X' } as never })),
  },
  {
    name: 'create with what is unknown, selected narrowly',
    run: (prisma) =>
      failure(() =>
        prisma.customer.create({ data: { email: 'x', name: 'X', age: 3 } as never, select: { name: true } }),
      ),
  },
  {
    name: 'create with a value that the database refuses',
    run: (prisma) => failure(() => prisma.sample.create({ data: { varchar: 'x'.repeat(21) } })),
  },
  {
    name: 'a nested write of an unknown form',
    async run(prisma) {
      await people(prisma);
      return failure(() =>
        prisma.customer.update({ where: { id: JANE }, data: { accounts: { replace: {} } } as never }),
      );
    },
  },
  {
    name: 'createMany answers how many',
    async run(prisma) {
      await people(prisma);
      const data = ['C1', 'C2', 'C3'].map((number) => ({ number, customerId: JOHN }));
      return [await prisma.account.createMany({ data }), await prisma.account.count()];
    },
  },
  {
    name: 'createMany of nothing, and of one',
    async run(prisma) {
      return [
        await prisma.tag.createMany({ data: [] }),
        await prisma.tag.createMany({ data: { name: 'one' } }),
        await prisma.tag.createManyAndReturn({ data: [] }),
      ];
    },
  },
  {
    name: 'createMany skips what is there, or fails as a whole',
    async run(prisma) {
      const data = [{ name: 'a' }, { name: 'b' }, { name: 'a' }];
      return [
        await failure(() => prisma.tag.createMany({ data })),
        await prisma.tag.count(),
        await prisma.tag.createMany({ data: [{ name: 'a' }] }),
        await prisma.tag.createMany({ data, skipDuplicates: true }),
      ];
    },
  },
  {
    name: 'createManyAndReturn, whole, selected, and with what it belongs to',
    async run(prisma) {
      await people(prisma);
      const data = (number: string) => [
        { number: `${number}1`, customerId: JOHN },
        { number: `${number}2`, customerId: JANE },
      ];
      return [
        await prisma.account.createManyAndReturn({ data: data('C') }),
        await prisma.account.createManyAndReturn({ data: data('D'), select: { number: true } }),
        await prisma.account.createManyAndReturn({ data: data('E'), include: { customer: true } }),
        await prisma.account.createManyAndReturn({ data: data('F'), omit: { updatedAt: true, id: true } }),
      ];
    },
  },
  {
    name: 'update by id, by another unique field, and by both',
    async run(prisma) {
      await accounts(prisma);
      return [
        await prisma.account.update({ where: { id: 1 }, data: { balance: '12.345' } }),
        await prisma.account.update({ where: { number: 'A2' }, data: { balance: { decrement: 5 } } }),
        await prisma.account.update({ where: { id: 3, number: 'B1' }, data: { version: { increment: 1 } } }),
      ];
    },
  },
  {
    name: 'update on a further condition, met and not met',
    async run(prisma) {
      await accounts(prisma);
      const where = { id: 1, version: 0 };
      return [
        await prisma.account.update({ where, data: { version: { increment: 1 }, status: 'FROZEN' } }),
        await failure(() => prisma.account.update({ where, data: { version: { increment: 1 } } })),
        await prisma.account.update({ where: { id: 1, customer: { name: 'Jane' } }, data: { balance: 1 } }),
        await failure(() => prisma.account.update({ where: { id: 1, NOT: { status: 'FROZEN' } }, data: {} })),
      ];
    },
  },
  {
    name: 'update that changes nothing, or is empty',
    async run(prisma) {
      await people(prisma);
      return [
        await prisma.customer.update({ where: { id: JANE }, data: { name: 'Jane' } }),
        await prisma.customer.update({ where: { id: JANE }, data: {} }),
        await prisma.customer.update({ where: { id: JANE }, data: { name: undefined } as never }),
      ];
    },
  },
  {
    name: 'update with select, include and omit',
    async run(prisma) {
      await accounts(prisma);
      const where = { id: 1 };
      return [
        await prisma.account.update({ where, data: { version: 1 }, select: { version: true } }),
        await prisma.account.update({
          where,
          data: { version: 2 },
          select: { customer: { select: { name: true } } },
        }),
        await prisma.account.update({ where, data: { version: 3 }, include: { entries: true } }),
        await prisma.account.update({
          where,
          data: { version: 4 },
          omit: { id: true, balance: true, updatedAt: true },
        }),
        await prisma.account.update({ where, data: { version: 5 }, select: { id: false, version: true } }),
      ];
    },
  },
  {
    name: 'update of what is not there',
    run: (prisma) => failure(() => prisma.account.update({ where: { id: 99 }, data: { version: 1 } })),
  },
  {
    name: 'update to what another has',
    async run(prisma) {
      await people(prisma);
      return failure(() => prisma.customer.update({ where: { id: JANE }, data: { email: 'john@bank' } }));
    },
  },
  {
    name: 'update by values that do not fit',
    async run(prisma) {
      await people(prisma);
      return [
        await failure(() => prisma.customer.update({ where: { id: 'no uuid' }, data: { name: 'X' } })),
        await failure(() =>
          prisma.customer.update({ where: { name: 'Jane' } as never, data: { name: 'X' } }),
        ),
        await failure(() => prisma.account.update({ where: { id: 2 ** 40 }, data: { version: 1 } })),
        await failure(() => prisma.account.update({ where: { id: '1' as never }, data: { version: 1 } })),
        await failure(() => prisma.customer.update({ where: { email: 'a\0b' }, data: { name: 'X' } })),
        await failure(() => prisma.customer.update({ data: { name: 'X' } } as never)),
      ];
    },
  },
  {
    name: 'update with values that do not fit',
    async run(prisma) {
      await accounts(prisma);
      const where = { id: 1 };
      return [
        await failure(() => prisma.account.update({ where, data: { balance: 'ten' } })),
        await failure(() => prisma.account.update({ where, data: { balance: '99999999999' } })),
        await failure(() =>
          prisma.account.update({ where, data: { status: 'LOST' as never }, select: { id: true } }),
        ),
        await failure(() => prisma.account.update({ where, data: { customerId: null as never } })),
      ];
    },
  },
  {
    name: 'update of a key, which others follow',
    async run(prisma) {
      await accounts(prisma);
      await prisma.seat.create({ data: { row: 1, place: 2, holderId: JANE } });
      await prisma.visit.create({ data: { row: 1, place: 2, customerId: JOHN, on: new Date('2026-05-06') } });
      return [
        await prisma.customer.update({ where: { id: JANE }, data: { id: ANNA } }),
        await prisma.seat.update({ where: { row_place: { row: 1, place: 2 } }, data: { place: 7, row: 8 } }),
      ];
    },
  },
  {
    name: 'updateMany on conditions of every kind',
    async run(prisma) {
      await accounts(prisma);
      return [
        await prisma.account.updateMany({
          where: { balance: { gt: 5 } },
          data: { balance: { multiply: 2 } },
        }),
        await prisma.account.updateMany({
          where: { customer: { email: { contains: 'john' } } },
          data: { version: 7 },
        }),
        await prisma.account.updateMany({
          where: { OR: [{ id: 1 }, { number: 'B1' }] },
          data: { status: 'CLOSED' },
        }),
        await prisma.account.updateMany({ data: { version: { increment: 1 } } }),
        await prisma.account.updateMany({ where: { id: 99 }, data: { version: 1 } }),
        await prisma.account.updateMany({ where: {}, data: {} }),
        await prisma.account.updateMany({ where: { id: { gt: 0 } }, data: { version: 50 }, limit: 2 }),
      ];
    },
  },
  {
    name: 'updateMany that is refused',
    async run(prisma) {
      await accounts(prisma);
      return [
        await failure(() => prisma.account.updateMany({ where: { id: 1 }, data: { number: 'A2' } })),
        await failure(() =>
          prisma.account.updateMany({ where: { colour: 1 } as never, data: { number: 'A2' } }),
        ),
        await failure(() => prisma.account.updateMany({ where: { id: 1 }, data: { colour: 1 } as never })),
      ];
    },
  },
  {
    name: 'updateMany of a part of a key',
    async run(prisma) {
      await prisma.seat.createMany({ data: [1, 2, 3].map((place) => ({ row: 1, place })) });
      return prisma.seat.updateMany({ where: { place: { gt: 1 } }, data: { row: 2 } });
    },
  },
  {
    name: 'updateManyAndReturn, whole and selected',
    async run(prisma) {
      await accounts(prisma);
      const where = { customerId: JANE };
      return [
        await prisma.account.updateManyAndReturn({ where, data: { version: 1 } }),
        await prisma.account.updateManyAndReturn({ where, data: { version: 2 }, select: { number: true } }),
        await prisma.account.updateManyAndReturn({ where, data: { version: 3 }, omit: { id: true } }),
      ];
    },
  },
  {
    name: 'upsert that makes, and upsert that changes',
    async run(prisma) {
      const upsert = { where: { name: 'vip' }, create: { name: 'vip' }, update: { colour: 'gold' } };
      return [
        await prisma.tag.upsert(upsert),
        await prisma.tag.upsert(upsert),
        await prisma.tag.upsert({ ...upsert, update: {} }),
        await prisma.tag.upsert({ ...upsert, select: { colour: true } }),
      ];
    },
  },
  {
    name: 'upsert with other values than it looks for, and with relations',
    async run(prisma) {
      await people(prisma);
      const upsert = (email: string) =>
        prisma.customer.upsert({
          where: { email },
          create: { email: 'anna@bank', name: 'Anna', accounts: { create: { number: 'U1' } } },
          update: { name: 'Other', accounts: { create: { number: 'U2' } }, tags: { create: { name: 'u' } } },
          include: all,
        });
      return [
        await upsert('nobody@bank'),
        await failure(() => upsert('nobody@bank')),
        await upsert('jane@bank'),
      ];
    },
  },
  {
    name: 'delete answers what was there',
    async run(prisma) {
      await accounts(prisma);
      return [
        await prisma.entry.delete({ where: { id: 1n } }),
        await prisma.entry.delete({ where: { id: 2n }, select: { note: true } }),
        await prisma.account.delete({ where: { number: 'B1' }, include: { entries: true } }),
        await prisma.account.delete({ where: { id: 2 }, omit: { id: true } }),
        await failure(() => prisma.account.delete({ where: { id: 2 } })),
        await prisma.customer.delete({ where: { id: JANE } }),
      ];
    },
  },
  {
    name: 'delete that others forbid',
    async run(prisma) {
      await people(prisma);
      await prisma.seat.create({ data: { row: 1, place: 1 } });
      await prisma.visit.create({ data: { row: 1, place: 1, customerId: JOHN, on: new Date('2026-05-06') } });
      return failure(() => prisma.customer.delete({ where: { id: JOHN } }));
    },
  },
  {
    name: 'deleteMany',
    async run(prisma) {
      await accounts(prisma);
      return [
        await prisma.entry.deleteMany({ where: { account: { number: 'A1' } } }),
        await prisma.account.deleteMany({ where: { id: { in: [2, 3, 99] } } }),
        await prisma.account.deleteMany({ where: { id: 99 } }),
        await failure(() => prisma.account.deleteMany({ where: { colour: 1 } as never })),
        await prisma.customer.deleteMany(),
        await prisma.customer.deleteMany({}),
      ];
    },
  },
  {
    name: 'deleteMany with a limit',
    async run(prisma) {
      await prisma.tag.createMany({ data: ['a', 'b', 'c'].map((name) => ({ name })) });
      return prisma.tag.deleteMany({ limit: 2 });
    },
  },
  {
    name: 'nested writes to many',
    async run(prisma) {
      await accounts(prisma);
      const write = (data: object) => prisma.customer.update({ where: { id: JANE }, data, include: all });
      return [
        await write({ accounts: { create: { number: 'N1' }, connect: { number: 'B1' } } }),
        await write({ accounts: { update: { where: { number: 'N1' }, data: { version: 3 } } } }),
        await write({ accounts: { updateMany: { where: { version: 0 }, data: { status: 'FROZEN' } } } }),
        await write({
          accounts: {
            upsert: [
              { where: { number: 'N1' }, create: { number: 'no' }, update: { balance: 7 } },
              { where: { number: 'N2' }, create: { number: 'N2' }, update: { balance: 8 } },
            ],
          },
        }),
        await write({ accounts: { deleteMany: { status: 'FROZEN' }, create: { number: 'N3' } } }),
        await write({ accounts: { delete: { number: 'N3' } } }),
        await write({
          accounts: { createMany: { data: [{ number: 'N4' }, { number: 'N2' }], skipDuplicates: true } },
        }),
        await failure(() => write({ accounts: { delete: { number: 'N3' } } })),
        await failure(() =>
          write({ accounts: { update: { where: { number: 'B9' }, data: { version: 1 } } } }),
        ),
        await failure(() => write({ accounts: { disconnect: { number: 'N4' } } })),
      ];
    },
  },
  {
    name: 'nested writes to one, from both of its sides',
    async run(prisma) {
      await people(prisma);
      const write = (data: object) => prisma.customer.update({ where: { id: JANE }, data, include: all });
      return [
        await write({ profile: { create: { bio: 'one' } } }),
        await write({ profile: { update: { bio: 'two' } } }),
        await write({ profile: { update: { where: { bio: 'two' }, data: { bio: 'three' } } } }),
        await write({ profile: { upsert: { create: { bio: 'no' }, update: { bio: 'four' } } } }),
        await write({ profile: { create: { bio: 'another' } } }),
        await write({ profile: { disconnect: true } }),
        await write({ profile: { connect: { id: 1 } } }),
        await prisma.profile.update({
          where: { id: 1 },
          data: { customer: { connect: { id: JOHN } } },
          include: { customer: true },
        }),
        await prisma.profile.update({ where: { id: 2 }, data: { customer: { connect: { id: JOHN } } } }),
        await prisma.profile.update({ where: { id: 2 }, data: { customer: { update: { name: 'Johnny' } } } }),
        await prisma.profile.findMany({ orderBy: { id: 'asc' } }),
        await failure(() => write({ profile: { delete: true } })),
        await prisma.customer.update({
          where: { id: JOHN },
          data: { profile: { delete: true } },
          include: all,
        }),
      ];
    },
  },
  {
    name: 'nested writes to many of many',
    async run(prisma) {
      await people(prisma);
      const write = (data: object) => prisma.customer.update({ where: { id: JANE }, data, include: all });
      return [
        await write({ tags: { create: [{ name: 'a' }, { name: 'b' }] } }),
        await write({ tags: { set: [], connectOrCreate: { where: { name: 'c' }, create: { name: 'c' } } } }),
        await write({ tags: { connect: { name: 'a' }, disconnect: { name: 'c' } } }),
        await write({ tags: { update: { where: { name: 'a' }, data: { colour: 'red' } } } }),
        await write({ tags: { delete: { name: 'a' } } }),
        await write({ tags: { set: [{ name: 'b' }, { name: 'c' }] } }),
        await failure(() => write({ tags: { connect: { name: 'no' } } })),
        await prisma.tag.update({ where: { name: 'b' }, data: { customers: { connect: { id: JOHN } } } }),
        await prisma.tag.delete({ where: { name: 'c' } }),
      ];
    },
  },
  {
    name: 'nested writes within nested writes, and to oneself',
    async run(prisma) {
      await accounts(prisma);
      return [
        await prisma.customer.update({
          where: { id: JANE },
          data: {
            reports: { update: { where: { id: JOHN }, data: { manager: { update: { name: 'Boss' } } } } },
            accounts: {
              update: {
                where: { id: 1 },
                data: { entries: { updateMany: { where: {}, data: { note: 'seen' } }, delete: { id: 2n } } },
              },
            },
          },
          include: { reports: true, accounts: { include: { entries: true }, orderBy: { id: 'asc' } } },
        }),
        await prisma.customer.update({ where: { id: JANE }, data: { manager: { connect: { id: JANE } } } }),
        await prisma.customer.update({ where: { id: JANE }, data: { manager: { disconnect: true } } }),
      ];
    },
  },
  {
    name: 'a fluent path behind a write',
    async run(prisma) {
      await accounts(prisma);
      return [
        await prisma.account.update({ where: { id: 1 }, data: { version: 1 } }).customer(),
        await prisma.account
          .update({ where: { id: 1 }, data: { version: 2 } })
          .customer({ select: { name: true } }),
        await prisma.account
          .update({ where: { id: 1 }, data: { version: 3 } })
          .customer()
          .accounts(),
        await prisma.tag.create({ data: { name: 'a' } }).customers(),
        await prisma.account.delete({ where: { id: 2 } }).customer(),
        await prisma.customer.update({ where: { id: JANE }, data: { name: 'J' } }).manager(),
      ];
    },
  },
  {
    name: 'every type of column',
    async run(prisma) {
      const full = {
        text: 'text',
        char: 'char',
        varchar: 'varchar',
        uuid: JANE,
        inet: '10.0.0.1',
        xml: '<a/>',
        bit: '1010',
        int: -1,
        small: 2,
        oid: 3,
        big: 9_007_199_254_740_993n,
        float: 1e17,
        real: 0.1,
        decimal: '123456789012345678901234567890.5',
        money: '2.50',
        flag: true,
        timestamp: TIME,
        timestamptz: TIME,
        date: new Date('2026-01-02'),
        time: new Date('1970-01-01T10:11:12.345Z'),
        timetz: new Date('1970-01-01T10:11:12Z'),
        json: { b: [1, null, 'x'], a: {} },
        jsonb: { b: 1, a: [true] },
        bytes: new Uint8Array([0, 1, 255]),
        status: 'CLOSED',
        texts: ['a', 'b,"c"'],
        ints: [1, -1],
        bigs: [1n],
        floats: [1.5],
        decimals: ['1.50'],
        flags: [true, false],
        times: [TIME],
        jsons: [{ a: 1 }, 2],
        blobs: [new Uint8Array([1])],
        statuses: ['CLOSED', 'OPEN'],
        uuids: [JANE],
      } as const;
      const { texts, ints, bigs, floats, decimals, flags, times, jsons, blobs, statuses, uuids } = full;
      const lists = { texts, ints, bigs, floats, decimals, flags, times, jsons, blobs, statuses, uuids };
      const mutable = structuredClone({ ...full, ...lists }) as never;
      const nothing = Object.fromEntries(Object.keys(full).map((name) => [name, name in lists ? [] : null]));
      const empty = { ...nothing, json: Prisma.DbNull, jsonb: Prisma.JsonNull } as never;
      return [
        await prisma.sample.create({ data: {} }),
        await prisma.sample.create({ data: mutable }),
        await prisma.sample.update({ where: { id: 1 }, data: mutable }),
        await prisma.sample.update({ where: { id: 2 }, data: empty }),
        await prisma.sample.update({
          where: { id: 1 },
          data: { texts: { push: 'more' }, ints: { set: [] } },
        }),
        await prisma.sample.updateMany({
          where: { jsonb: { path: ['b'], equals: 1 } },
          data: { text: 'found' },
        }),
        await prisma.sample.delete({ where: { id: 1 } }),
      ];
    },
  },
  {
    name: 'keys of several columns, under either of their names',
    async run(prisma) {
      await people(prisma);
      await prisma.seat.create({ data: { row: 1, place: 2 } });
      const on = new Date('2026-05-06');
      return [
        await prisma.seat.update({ where: { row_place: { row: 1, place: 2 } }, data: { holderId: JANE } }),
        await prisma.seat.update({
          where: { from_the_aisle: { row: 1, place: 2 } },
          data: { holderId: null },
        }),
        await prisma.seat.update({
          where: { row_place: { row: 1, place: 2 } },
          data: { visits: { create: { on, customerId: JOHN } } },
          include: { visits: true },
        }),
        await prisma.visit.update({ where: { visit: { row: 1, place: 2, on } }, data: { customerId: JANE } }),
        await prisma.visit.updateMany({ where: { on }, data: { customerId: JOHN } }),
        await prisma.seat.delete({ where: { row_place: { row: 1, place: 2 } } }),
        await prisma.visit.count(),
      ];
    },
  },
  {
    name: 'a model without a key',
    async run(prisma) {
      return [
        await prisma.setting.create({ data: { name: 'a', value: { deep: [1] } } }),
        await prisma.setting.upsert({
          where: { name: 'a' },
          create: { name: 'a' },
          update: { value: 'text' },
        }),
        await prisma.setting.updateMany({
          where: { value: { equals: 'text' } },
          data: { value: Prisma.DbNull },
        }),
        await prisma.setting.delete({ where: { name: 'a' } }),
      ];
    },
  },
  {
    name: 'an interactive transaction that is committed',
    async run(prisma) {
      await accounts(prisma);
      return prisma.$transaction(async (tx) => {
        const from = await tx.account.update({ where: { id: 1 }, data: { balance: { decrement: 5 } } });
        const to = await tx.account.update({ where: { id: 3 }, data: { balance: { increment: 5 } } });
        return [from, to, await tx.account.findMany({ orderBy: { id: 'asc' } })];
      });
    },
  },
  {
    name: 'an interactive transaction that is rolled back',
    async run(prisma) {
      await accounts(prisma);
      const work = prisma.$transaction(async (tx) => {
        await tx.account.update({ where: { id: 1 }, data: { version: 1 } });
        throw new TypeError('changed my mind');
      });
      return [await failure(() => work), await prisma.account.findMany({ orderBy: { id: 'asc' } })];
    },
  },
  {
    name: 'an interactive transaction in which something fails',
    async run(prisma) {
      await accounts(prisma);
      return failure(() =>
        prisma.$transaction(async (tx) => {
          const first = await failure(() => tx.account.update({ where: { id: 99 }, data: { version: 1 } }));
          await tx.account.update({ where: { id: 1 }, data: { version: 1 } });
          const second = await failure(() => tx.account.create({ data: { number: 'A1', customerId: JANE } }));
          const third = await failure(() => tx.account.update({ where: { id: 1 }, data: { version: 2 } }));
          return [first, second, third];
        }),
      );
    },
  },
  {
    name: 'a transaction within a transaction',
    async run(prisma) {
      await accounts(prisma);
      return [
        await prisma.$transaction(async (tx) => {
          await tx.account.update({ where: { id: 1 }, data: { version: 1 } });
          const inner = await failure(() =>
            tx.$transaction(async (nested) => {
              await nested.account.update({ where: { id: 1 }, data: { version: 2 } });
              throw new Error('only this much');
            }),
          );
          return [inner, await tx.account.findUnique({ where: { id: 1 } })];
        }),
      ];
    },
  },
  {
    name: 'a transaction that takes too long',
    async run(prisma, { pool }) {
      await accounts(prisma);
      return failure(() =>
        prisma.$transaction(
          async (tx) => {
            await tx.account.update({ where: { id: 1 }, data: { version: 1 } });
            await pool.query('select pg_sleep(1.2)');
            return tx.account.update({ where: { id: 1 }, data: { version: 2 } });
          },
          // Enough for what comes before that, on a busy machine.
          { timeout: 600 },
        ),
      );
    },
  },
  {
    name: 'a transaction that is used when it is over',
    async run(prisma) {
      await accounts(prisma);
      let kept: Parameters<Parameters<typeof prisma.$transaction>[0]>[0] | undefined;
      await prisma.$transaction(async (tx) => {
        kept = tx;
      });
      return failure(() => Promise.resolve(kept?.account.update({ where: { id: 1 }, data: { version: 2 } })));
    },
  },
  {
    name: 'a list of operations',
    async run(prisma) {
      await accounts(prisma);
      return prisma.$transaction([
        prisma.account.update({ where: { id: 1 }, data: { version: 1 }, select: { version: true } }),
        prisma.account.findMany({ orderBy: { id: 'asc' } }),
        prisma.$queryRaw`select count(*) from "accounts" where version = ${1}`,
        prisma.$executeRaw`update "accounts" set version = 9 where id = 3`,
        prisma.tag.create({ data: { name: 'a' } }),
        prisma.account.deleteMany({ where: { version: 9 } }),
        prisma.account.update({ where: { id: 1 }, data: { version: 2 } }).customer(),
      ]);
    },
  },
  {
    name: 'a list of operations of which one fails',
    async run(prisma) {
      await accounts(prisma);
      return [
        await failure(() =>
          prisma.$transaction([
            prisma.account.update({ where: { id: 1 }, data: { version: 1 } }),
            prisma.account.update({ where: { id: 99 }, data: { version: 1 } }),
            prisma.tag.create({ data: { name: 'a' } }),
          ]),
        ),
        await failure(() =>
          prisma.$transaction([prisma.tag.create({ data: { name: 'a' } }), 'nothing' as never]),
        ),
        await prisma.account.findMany({ orderBy: { id: 'asc' } }),
        await prisma.tag.count(),
        await prisma.$transaction([]),
      ];
    },
  },
  {
    name: 'a list of operations at an isolation level',
    async run(prisma) {
      await people(prisma);
      return prisma.$transaction(
        [
          prisma.customer.update({ where: { id: JANE }, data: { name: 'J' } }),
          prisma.$queryRaw`select current_setting('transaction_isolation')`,
        ],
        { isolationLevel: 'Serializable' },
      );
    },
  },
  {
    name: 'an interactive transaction at an isolation level',
    async run(prisma) {
      await people(prisma);
      return prisma.$transaction(
        async (tx) => [
          await tx.customer.update({ where: { id: JANE }, data: { name: 'J' } }),
          await tx.$queryRaw`select current_setting('transaction_isolation')`,
        ],
        { isolationLevel: 'RepeatableRead' },
      );
    },
  },
  {
    name: 'operations outside of transactions are not at the level of transactions',
    options: { transactionOptions: { isolationLevel: 'Serializable' } },
    async run(prisma) {
      await people(prisma);
      const level = `current_setting('transaction_isolation')`;
      await prisma.$executeRawUnsafe(`alter table "Customer" alter column "ssn" set default ${level}`);
      const data = { email: 'x@bank', name: 'X' };
      const made = await prisma.customer.create({ data, select: { ssn: true } });
      await prisma.$executeRaw`alter table "Customer" alter column "ssn" drop default`;
      return made;
    },
  },
  {
    name: 'two transactions that write to the same row',
    async run(prisma) {
      await accounts(prisma);
      const isolationLevel = 'RepeatableRead';
      return failure(() =>
        prisma.$transaction(
          async (slow) => {
            await slow.account.findUnique({ where: { id: 1 } });
            await prisma.account.update({ where: { id: 1 }, data: { version: 5 } });
            return slow.account.update({ where: { id: 1 }, data: { version: 6 } });
          },
          { isolationLevel },
        ),
      );
    },
  },
  {
    name: 'an operation that takes longer than a transaction may',
    options: { transactionOptions: { timeout: 100, maxWait: 100 } },
    async run(prisma, { pool }) {
      await accounts(prisma);
      const other = await pool.connect();
      await other.query('begin');
      await other.query('select from "accounts" where id = 1 for update');
      const waiting = prisma.account.update({ where: { id: 1 }, data: { version: 1 } }).then((row) => row);
      await other.query('select pg_sleep(0.3)');
      await other.query('commit');
      other.release();
      return waiting;
    },
  },
  {
    name: 'many updates of one row at once',
    async run(prisma) {
      await accounts(prisma);
      const one = () => prisma.account.update({ where: { id: 1 }, data: { version: { increment: 1 } } });
      const versions = (await Promise.all(Array.from({ length: 12 }, one))).map(({ version }) => version);
      return versions.sort((a, b) => a - b);
    },
  },
  {
    name: 'many upserts of one row at once',
    async run(prisma) {
      const upsert = () =>
        prisma.tag.upsert({ where: { name: 'a' }, create: { name: 'a' }, update: { colour: 'red' } });
      await Promise.all(Array.from({ length: 8 }, upsert));
      return prisma.tag.findMany();
    },
  },
  {
    name: 'several operations at once in one transaction',
    async run(prisma) {
      await accounts(prisma);
      return prisma.$transaction((tx) =>
        Promise.all([
          tx.account.update({ where: { id: 1 }, data: { version: { increment: 1 } } }),
          tx.account.update({ where: { id: 1 }, data: { version: { increment: 1 } } }),
          tx.tag.create({ data: { name: 'a' } }),
        ]),
      );
    },
  },
  {
    name: 'raw queries and reads',
    async run(prisma) {
      await accounts(prisma);
      return [
        await prisma.$executeRaw`update "accounts" set version = 3`,
        await prisma.$queryRawUnsafe('select version from "accounts" order by id'),
        await prisma.account.findMany({ include: { customer: true }, orderBy: { id: 'asc' } }),
        await prisma.account.aggregate({ _sum: { balance: true }, _count: true }),
        await prisma.account.groupBy({ by: ['customerId'], _count: true, orderBy: { customerId: 'asc' } }),
        await failure(() => prisma.account.findUniqueOrThrow({ where: { id: 99 } })),
      ];
    },
  },
  {
    name: 'a promise that nobody waits for is not run',
    async run(prisma) {
      prisma.tag.create({ data: { name: 'a' } });
      return prisma.tag.count();
    },
  },
  {
    name: 'a client that leaves fields out',
    options: { omit: { customer: { password: true, id: true } } },
    async run(prisma) {
      const data = { email: 'x@bank', name: 'X', password: 'p' };
      return [
        await prisma.customer.create({ data }),
        await prisma.customer.update({ where: { email: 'x@bank' }, data: { password: 'q' } }),
        await prisma.customer.update({
          where: { email: 'x@bank' },
          data: { password: 'r' },
          omit: { password: false },
        }),
        await prisma.customer.update({
          where: { email: 'x@bank' },
          data: { name: 'Y' },
          select: { password: true },
        }),
        await prisma.customer.updateManyAndReturn({ data: { ssn: '5' } }),
        await prisma.customer.delete({ where: { email: 'x@bank' } }),
      ];
    },
  },
  ...(['before', 'after'] as const).map((when) => ({
    name: `computed fields of an extension that is applied ${when} it`,
    [when]: withComputed,
    async run(given: PrismaClient) {
      // Selected like any other field, of which the plain client's types know nothing.
      const prisma = given as unknown as {
        customer: Record<'create' | 'update' | 'delete', (args: object) => Promise<object>>;
      };
      const where = { email: 'x@bank' };
      const seen = async (answer: Promise<object>) => {
        const row = (await answer) as { title?: string };
        return [row.title, { ...row }];
      };
      return [
        await seen(prisma.customer.create({ data: { ...where, name: 'X' } })),
        await seen(prisma.customer.update({ where, data: { name: 'Y' }, select: { title: true } })),
        await seen(
          prisma.customer.update({ where, data: { name: 'Z' }, select: { ssn: true, title: true } }),
        ),
        await seen(prisma.customer.update({ where, data: { name: 'A' }, omit: { name: true } })),
        await seen(prisma.customer.update({ where, data: { name: 'B' }, omit: { title: true, id: true } })),
        await seen(prisma.customer.delete({ where, select: { title: true } })),
      ];
    },
  })),
  ...(['before', 'after'] as const).map((when) => ({
    name: `queries changed by an extension that is applied ${when} it`,
    [when]: withLoudNames,
    async run(prisma: PrismaClient) {
      await people(prisma);
      return [
        await prisma.customer.update({ where: { id: JANE }, data: { name: 'quiet' } }),
        await prisma.customer.update({
          where: { id: JANE },
          data: { name: 'quiet' },
          select: { email: true },
        }),
        await prisma.$transaction([prisma.customer.update({ where: { id: JOHN }, data: { name: 'soft' } })]),
        await prisma.$transaction((tx) => tx.customer.update({ where: { id: JOHN }, data: { name: 'low' } })),
      ];
    },
  })),
  {
    name: 'methods of other extensions',
    after: (client) =>
      client.$extends({
        model: {
          $allModels: {
            async exists(this: unknown, where: object) {
              const context = Prisma.getExtensionContext(this) as unknown as {
                count(args: object): Promise<number>;
              };
              return (await context.count({ where })) > 0;
            },
          },
        },
      }) as unknown as PrismaClient,
    async run(given) {
      return given.$transaction(async (tx) => {
        // A method of which the plain client's types know nothing.
        const tag = tx.tag as unknown as { exists(where: object): Promise<boolean> };
        await tx.tag.create({ data: { name: 'a' } });
        return [await tag.exists({ name: 'a' }), await tag.exists({ name: 'b' })];
      });
    },
  },
  {
    name: 'a write within a transaction by a client outside of it',
    async run(prisma) {
      await accounts(prisma);
      return prisma.$transaction(async (tx) => {
        await tx.account.update({ where: { id: 1 }, data: { version: 1 } });
        const outside = await prisma.account.update({ where: { id: 2 }, data: { version: 1 } });
        expect(outside.version).toBe(1);
        return tx.account.findMany({ orderBy: { id: 'asc' } });
      });
    },
  },
];

function withComputed(client: PrismaClient): PrismaClient {
  return client.$extends({
    result: {
      customer: {
        title: { needs: { name: true, email: true }, compute: ({ name, email }) => `${name} <${email}>` },
      },
    },
  }) as unknown as PrismaClient;
}

function withLoudNames(client: PrismaClient): PrismaClient {
  return client.$extends({
    query: {
      customer: {
        async update({ args, query }) {
          const { name } = args.data;
          const row = await query({
            ...args,
            data: { ...args.data, ...(typeof name === 'string' && { name: name.toUpperCase() }) },
          });
          return { ...row, email: `mailto:${row.email}` };
        },
      },
    },
  }) as unknown as PrismaClient;
}
