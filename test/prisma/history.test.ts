import { describe, expect, test } from 'vitest';
import { createRecorder } from '../../src/recorder/index.ts';
import { type EventreeOptions, eventree } from '../../src/recorder/prisma/index.ts';
import type { RuntimeModels } from '../../src/recorder/prisma/internals.ts';
import { type Row, readModels } from '../../src/recorder/prisma/models.ts';
import { blocksOf } from '../../src/recorder/prisma/schema-text.ts';
import { readSettings } from '../../src/recorder/prisma/settings.ts';
import {
  adapterOf,
  type Bank,
  bankForTest,
  extended,
  history,
  type PrismaClient,
  recorderOf,
  recording,
  resourcesPut,
  SERVERS,
  type Written,
  written,
} from './support/bank.ts';

const JANE = '10000000-0000-4000-8000-000000000001';
const JOHN = '10000000-0000-4000-8000-000000000002';

/** Not beside what is called with it: Prisma's errors show those lines. */
const REFUSED = { email: 'jack@bank', name: 'nobody', password: 'hunter2', ssn: 'XYZZY' };

/** Of many to many, with no model between them. */
const LINKED =
  'model ApiToken { token String @id\n services Service[] }\nmodel Service { id Int @id\n keys ApiToken[] }';

/** What `$extends` finds of a schema that no client was generated for. */
function settingsFor(bank: Bank, schema: string, models: EventreeOptions['models']) {
  const blocks = blocksOf(schema);
  const runtime = Object.fromEntries(
    blocks.map(({ name, lines }) => [
      name,
      {
        dbName: null,
        fields: lines
          .filter((line) => line.name !== '')
          .map((line) => {
            const isModel = blocks.some((block) => block.name === line.type);
            return {
              name: line.name,
              type: line.type,
              kind: isModel ? 'object' : 'scalar',
              ...(isModel && { relationName: 'Linked' }),
            };
          }),
      },
    ]),
  );
  // Only what is read of it.
  const read = readModels(schema, { models: runtime } as unknown as RuntimeModels);
  const given = Object.keys(models ?? {}).length === 0 ? {} : { models };
  return readSettings({ recorder: recorderOf(bank), ...given } as EventreeOptions, read);
}

/** Jane with an account, of whom nothing is recorded yet. */
async function withJane(options: Parameters<typeof recording>[1] = {}, version = 180_000) {
  const bank = await bankForTest();
  const plain = bank.plain();
  await plain.customer.create({ data: { id: JANE, email: 'jane@bank', name: 'Jane', ssn: '123' } });
  await plain.account.create({ data: { number: 'A1', balance: '10.50', customerId: JANE } });
  return { bank, plain, ...recording(bank, options, { adapter: adapterOf(bank, version) }) };
}

describe('an operation leaves', () => {
  test('a create with all values, in the forms that JSON has', async () => {
    const { bank, prisma } = await withJane();
    await prisma.entry.create({ data: { accountId: 1, amount: 9_007_199_254_740_993n } });
    await prisma.sample.create({
      data: {
        id: 5,
        decimal: '1.50',
        date: new Date('2026-01-02'),
        bytes: new Uint8Array(3),
        jsonb: { a: [1] },
      },
    });

    const [entry, sample] = await written(bank);
    expect(entry).toMatchObject({ type: 'create', resource: 'entry/1' });
    expect(entry?.attributes).toEqual({
      values: { id: '1', accountId: 1, amount: '9007199254740993', note: null, approverId: null },
    });
    expect(sample?.attributes.values).toMatchObject({
      id: 5,
      decimal: '1.5',
      date: '2026-01-02T00:00:00.000Z',
      bytes: '<3 bytes>',
      jsonb: { a: [1] },
      texts: [],
    });
  });

  test('an update on top, and a child for each field that changed', async () => {
    const { bank, prisma } = await withJane();
    await prisma.account.update({
      where: { number: 'A1' },
      data: { balance: { increment: 2 }, status: 'CLOSED', version: 0 },
      select: { id: true },
    });

    const [top, ...children] = await written(bank);
    expect(top).toMatchObject({
      type: 'update',
      resource: 'account/1',
      message: 'account/1 was changed: balance, status, updatedAt',
    });
    expect(top?.attributes).toBeUndefined();
    expect(children.map(({ parentId }) => parentId)).toEqual(children.map(() => top?.id));
    expect(children.map(({ type, resource, attributes }) => [type, resource, attributes])).toEqual([
      ['update', 'account/1', { attribute: 'balance', old: '10.5', new: '12.5' }],
      ['update', 'account/1', { attribute: 'status', old: 'OPEN', new: 'CLOSED' }],
      ['update', 'account/1', { attribute: 'updatedAt', old: expect.any(String), new: expect.any(String) }],
    ]);
  });

  test('nothing where nothing changed, though Prisma set the time of the update', async () => {
    const { bank, prisma } = await withJane();
    await prisma.account.update({ where: { id: 1 }, data: { number: 'A1', balance: '10.500' } });
    await prisma.account.updateMany({ data: { status: 'OPEN' } });
    await prisma.account.upsert({
      where: { id: 1 },
      create: { number: 'no', customerId: JANE },
      update: { version: { increment: 0 } },
    });
    await prisma.sample.create({
      data: { jsonb: { a: 1, b: 2 }, times: [new Date(5)], blobs: [new Uint8Array(2)] },
    });
    await prisma.sample.update({
      where: { id: 1 },
      data: { jsonb: { b: 2, a: 1 }, times: [new Date(5)], blobs: [new Uint8Array(2)] },
    });
    await prisma.sample.updateMany({ data: {} });

    expect(await history(bank)).toEqual(['create sample/1']);
  });

  test('an update where the caller sets the time of it', async () => {
    const { bank, prisma } = await withJane({ models: { Account: { fields: ['updatedAt'] } } });
    const where = { id: 1 };
    const at = (ms: number) => ({ updatedAt: new Date(ms) });
    const create = { number: 'no', customerId: JANE };
    await prisma.account.update({ where, data: at(0) });
    await prisma.account.updateMany({ data: at(1) });
    await prisma.account.upsert({ where, create, update: at(2) });
    for (const accounts of [
      { update: { where, data: at(3) } },
      { updateMany: { where, data: at(4) } },
      { upsert: { where, create: { number: 'no' }, update: at(5) } },
    ]) {
      await prisma.customer.update({ where: { id: JANE }, data: { accounts } });
    }
    // By Prisma alone.
    await prisma.account.upsert({ where, create: { ...create, ...at(6) }, update: { version: 1 } });
    await prisma.account.update({ where, data: { version: 2, updatedAt: undefined } as object });

    const times = (await history(bank)).map((line) => /→ "(.*)"/.exec(line)?.[1]);
    expect(times).toEqual([0, 1, 2, 3, 4, 5].map((ms) => new Date(ms).toISOString()));
  });

  test.each(SERVERS)('amounts of money and odd times as they are, of a server %s', async (_, version) => {
    const { bank, prisma } = await withJane({ models: { Sample: true } }, version);
    await bank.pool.query(`
      insert into "Sample" (money, timestamp, timestamptz, date) values
        ('-1234.56', 'infinity', '-infinity', 'infinity'),
        ('5', '0044-03-15 12:00 BC', '0044-03-15 12:00+00 BC', '0044-03-15 BC'),
        ('1', '12026-01-02 03:04:05.6', '12026-01-02 03:04:05.6+00', '12026-01-02')`);
    for (const id of [1, 2, 3]) await prisma.sample.update({ where: { id }, data: { small: 1 } });
    await prisma.sample.updateMany({ data: { int: 1 } });
    expect(await history(bank)).toEqual([
      ...[1, 2, 3].map((id) => `update sample/${id} small: null → 1`),
      ...[1, 2, 3].map((id) => `update sample/${id} int: null → 1`),
    ]);

    await bank.pool.query('truncate eventree_outbox.parcel');
    const usual = new Date('2026-01-02');
    const data = { money: '-2.50', timestamp: usual, date: usual };
    for (const id of [1, 2, 3]) await prisma.sample.update({ where: { id }, data });
    await prisma.sample.update({ where: { id: 3 }, data: { timestamp: new Date('+012026-01-02') } });
    await prisma.sample.updateMany({ where: { id: 1 }, data: { timestamp: new Date('+012026-01-02') } });
    const day = '2026-01-02T00:00:00.000Z';
    expect(await history(bank)).toEqual([
      'update sample/1 money: "-1234.56" → "-2.5"',
      `update sample/1 timestamp: "infinity" → "${day}"`,
      `update sample/1 date: "infinity" → "${day}"`,
      'update sample/2 money: "5" → "-2.5"',
      `update sample/2 timestamp: "-000043-03-15T12:00:00.000Z" → "${day}"`,
      `update sample/2 date: "-000043-03-15T00:00:00.000Z" → "${day}"`,
      'update sample/3 money: "1" → "-2.5"',
      `update sample/3 timestamp: "+012026-01-02T03:04:05.600Z" → "${day}"`,
      `update sample/3 date: "+012026-01-02T00:00:00.000Z" → "${day}"`,
      `update sample/3 timestamp: "${day}" → "+012026-01-02T00:00:00.000Z"`,
      `update sample/1 timestamp: "${day}" → "+012026-01-02T00:00:00.000Z"`,
    ]);
  });

  test('a destroy with the values that were', async () => {
    const { bank, prisma } = await withJane();
    await prisma.account.delete({ where: { id: 1 }, select: { id: true } });

    expect(await written(bank)).toMatchObject([
      { type: 'destroy', resource: 'account/1', attributes: { values: { number: 'A1', balance: '10.5' } } },
    ]);
  });

  test('one event for each row of createMany, updateMany and deleteMany', async () => {
    const { bank, prisma } = await withJane();
    await prisma.tag.createMany({
      data: [{ name: 'a' }, { name: 'b' }, { name: 'a' }],
      skipDuplicates: true,
    });
    await prisma.tag.createManyAndReturn({ data: [{ name: 'c' }], select: { colour: true } });
    await prisma.tag.updateMany({ where: { name: { not: 'b' } }, data: { colour: 'red' } });
    await prisma.tag.updateManyAndReturn({
      where: { name: 'c' },
      data: { colour: 'blue' },
      select: { name: true },
    });
    await prisma.tag.deleteMany({ where: { colour: { not: 'grey' } } });

    expect(await history(bank)).toEqual([
      'create tag/a',
      'create tag/b',
      'create tag/c',
      'update tag/a colour: "grey" → "red"',
      'update tag/c colour: "grey" → "red"',
      'update tag/c colour: "red" → "blue"',
      'destroy tag/a',
      'destroy tag/c',
    ]);
  });

  test('a create or an update for an upsert', async () => {
    const { bank, prisma } = await withJane();
    for (const colour of ['red', 'blue']) {
      await prisma.tag.upsert({ where: { name: 'a' }, create: { name: 'a' }, update: { colour } });
    }

    expect(await history(bank)).toEqual(['create tag/a', 'update tag/a colour: "grey" → "blue"']);
  });

  test.each([
    ['selected', { select: { version: true } }],
    ['omitted', { omit: { id: true, version: true } }],
    ['by a relation only', { select: { customer: { select: { name: true } } } }],
  ] as const)('the true values however little is answered: %s', async (_, answer) => {
    const { bank, prisma } = await withJane({ models: { Account: { fields: ['version'] } } });
    await prisma.account.update({
      where: { id: 1 },
      data: { version: { increment: 3 } },
      ...(answer as object),
    });
    await prisma.account.update({
      where: { id: 1 },
      data: { version: { increment: 3 } },
      ...(answer as object),
    });

    expect(await history(bank)).toEqual([
      'update account/1 version: 0 → 3',
      'update account/1 version: 3 → 6',
    ]);
  });

  test.each(SERVERS)(
    'true values of every type of column of a server %s: each as it is changed, and none but that',
    async (_, version) => {
      const { bank, plain, prisma } = await withJane({}, version);
      const at = (second: number) => new Date(Date.UTC(2026, 0, 2, 3, 4, second));
      const before = {
        text: 'a',
        char: 'a',
        varchar: 'a',
        uuid: JANE,
        inet: '10.0.0.1',
        xml: '<a/>',
        bit: '1010',
        int: 1,
        small: 1,
        oid: 1,
        big: 1n,
        float: 0.1,
        real: 0.1,
        decimal: '1.10',
        money: '1.10',
        flag: true,
        timestamp: at(1),
        timestamptz: at(1),
        date: new Date('2026-01-02'),
        time: at(1),
        timetz: at(1),
        json: { b: 1, a: [null] },
        jsonb: { b: 1, a: [null] },
        bytes: new Uint8Array([1, 2]),
        status: 'CLOSED',
        texts: ['a', 'b,"c"'],
        ints: [1],
        bigs: [1n],
        floats: [0.1],
        decimals: ['1.10'],
        flags: [true],
        times: [at(1)],
        jsons: [{ a: 1 }],
        blobs: [new Uint8Array([1])],
        statuses: ['CLOSED'],
        uuids: [JANE],
      } as const;
      const after = {
        text: 'b',
        char: 'b',
        varchar: 'b',
        uuid: JOHN,
        inet: '10.0.0.2',
        xml: '<b/>',
        bit: '1011',
        int: 2,
        small: 2,
        oid: 2,
        big: 2n,
        float: 0.2,
        real: 0.2,
        decimal: '1.11',
        money: '1.11',
        flag: false,
        timestamp: at(2),
        timestamptz: at(2),
        date: new Date('2026-01-03'),
        time: at(2),
        timetz: at(2),
        json: { b: 1, a: [] },
        jsonb: { b: 1, a: [] },
        bytes: new Uint8Array([1, 3]),
        status: 'FROZEN',
        texts: ['a'],
        ints: [2],
        bigs: [2n],
        floats: [0.2],
        decimals: ['1.11'],
        flags: [],
        times: [at(2)],
        jsons: [{ a: 2 }],
        blobs: [new Uint8Array([2])],
        statuses: ['CLOSED', 'OPEN'],
        uuids: [],
      } as const;
      await plain.sample.create({ data: { id: 1, ...(before as object) } });
      for (const [name, value] of Object.entries(after)) {
        await prisma.sample.update({
          where: { id: 1 },
          data: { [name]: before[name as keyof typeof before] },
        });
        await prisma.sample.update({ where: { id: 1 }, data: { [name]: value } });
      }

      const changes = (await history(bank)).map((line) => / (\w+): (.*) → (.*)$/.exec(line)?.slice(1));
      expect(changes.map((change) => change?.[0])).toEqual(Object.keys(after));
      const shown = Object.fromEntries(changes.map((change) => [change?.[0], change?.slice(1)]));
      expect(shown).toMatchObject({
        decimal: ['"1.1"', '"1.11"'],
        status: ['"CLOSED"', '"FROZEN"'],
        statuses: ['["CLOSED"]', '["CLOSED","OPEN"]'],
        bytes: ['"<2 bytes>"', '"<2 bytes>"'],
        big: ['"1"', '"2"'],
        jsonb: ['{"a":[null],"b":1}', '{"a":[],"b":1}'],
      });
    },
  );

  test('the resource that it was known as, where its key changes, and what followed it', async () => {
    const { bank, prisma } = await withJane({ models: { Seat: true, Visit: true } });
    await prisma.seat.create({ data: { row: 1, place: 2 } });
    await prisma.visit.create({ data: { row: 1, place: 2, customerId: JANE, on: new Date('2026-05-06') } });
    await prisma.seat.update({ where: { from_the_aisle: { row: 1, place: 2 } }, data: { place: 9 } });
    await prisma.seat.updateMany({ data: { row: 4 } });

    expect((await history(bank)).slice(2)).toEqual([
      'update seat/1/2 place: 2 → 9',
      'update visit/1/2/2026-05-06 place: 2 → 9',
      'update seat/1/9 row: 1 → 4',
      'update visit/1/9/2026-05-06 row: 1 → 4',
    ]);
  });
});

describe('related rows', () => {
  test('that are made, changed and removed by nested writes', async () => {
    const { bank, prisma } = await withJane();
    await prisma.customer.update({
      where: { id: JANE },
      data: {
        profile: { create: { bio: 'about' } },
        accounts: {
          update: { where: { id: 1 }, data: { entries: { create: [{ amount: 1n }] }, version: 1 } },
          create: { number: 'A2', entries: { createMany: { data: [{ amount: 2n }, { amount: 3n }] } } },
          upsert: { where: { number: 'A3' }, create: { number: 'A3' }, update: {} },
        },
        reports: {
          connectOrCreate: { where: { id: JOHN }, create: { id: JOHN, email: 'john', name: 'John' } },
        },
      },
    });
    await prisma.customer.update({
      where: { id: JANE },
      data: {
        profile: { update: { bio: 'more' } },
        accounts: { deleteMany: { number: { not: 'A1' } } },
        reports: { disconnect: { id: JOHN } },
      },
    });

    const lines = (await history(bank)).filter((line) => !line.includes('updatedAt'));
    expect(lines.slice(0, 9).sort()).toEqual([
      'create account/2',
      'create account/3',
      `create customer/${JOHN}`,
      'create entry/1',
      'create entry/2',
      'create entry/3',
      'create profile/1',
      'update account/1 version: 0 → 1',
      `update profile/1 bio: "about" → "more"`,
    ]);
    expect(lines.slice(9).sort()).toEqual([
      'destroy account/2',
      'destroy account/3',
      'destroy entry/2',
      'destroy entry/3',
      `update customer/${JOHN} managerId: "${JANE}" → null`,
    ]);
  });

  test('that are moved from one to another, from either side', async () => {
    const { bank, plain, prisma } = await withJane();
    await plain.customer.create({ data: { id: JOHN, email: 'john', name: 'John' } });
    await plain.profile.createMany({ data: [{ customerId: JANE }, { customerId: JOHN }] });
    await prisma.customer.update({ where: { id: JOHN }, data: { accounts: { connect: { number: 'A1' } } } });
    await prisma.profile.update({ where: { id: 1 }, data: { customer: { connect: { id: JOHN } } } });
    await prisma.customer.update({ where: { id: JANE }, data: { profile: { create: { bio: 'new' } } } });
    await prisma.customer.update({ where: { id: JANE }, data: { profile: { connect: { id: 2 } } } });

    const lines = (await history(bank)).filter((line) => !line.includes('updatedAt'));
    expect(lines.slice(0, 1)).toEqual([`update account/1 customerId: "${JANE}" → "${JOHN}"`]);
    expect(lines.slice(1, 3).sort()).toEqual([
      `update profile/1 customerId: "${JANE}" → "${JOHN}"`,
      `update profile/2 customerId: "${JOHN}" → null`,
    ]);
    expect(lines.slice(3).sort()).toEqual([
      'create profile/3',
      `update profile/2 customerId: null → "${JANE}"`,
      `update profile/3 customerId: "${JANE}" → null`,
    ]);
  });

  test('of many to many, as what a row is linked to', async () => {
    const { bank, prisma } = await withJane();
    const tags = (write: object) => prisma.customer.update({ where: { id: JANE }, data: { tags: write } });
    await tags({ create: [{ name: 'a' }, { name: 'b' }] });
    await tags({ set: [{ name: 'a' }] });
    await tags({ connect: { name: 'a' } });
    await tags({
      connectOrCreate: { where: { name: 'c' }, create: { name: 'c' } },
      disconnect: { name: 'c' },
    });
    await prisma.customer.create({
      data: { email: 'x', name: 'X', id: JOHN, tags: { connect: { name: 'b' } } },
    });

    const lines = await history(bank);
    expect(lines).toEqual([
      `update customer/${JANE} tags: [] → ["tag/a","tag/b"]`,
      'create tag/a',
      'create tag/b',
      `update customer/${JANE} tags: ["tag/a","tag/b"] → ["tag/a"]`,
      'create tag/c',
      `create customer/${JOHN}`,
    ]);
    expect((await written(bank)).at(-1)?.attributes.values.tags).toEqual(['tag/b']);
  });

  test('that go with what is removed, or lose it', async () => {
    const { bank, plain, prisma } = await withJane();
    await plain.customer.create({ data: { id: JOHN, email: 'john', name: 'John', managerId: JANE } });
    await plain.profile.create({ data: { customerId: JANE } });
    await plain.seat.create({ data: { row: 1, place: 1, holderId: JANE } });
    await plain.entry.create({ data: { accountId: 1, amount: 1n } });
    await prisma.customer.delete({ where: { id: JANE } });
    await plain.account.create({
      data: { number: 'B1', customerId: JOHN, entries: { create: { amount: 1n } } },
    });
    await prisma.account.deleteMany({ where: { customer: { name: 'John' } } });

    const lines = await history(bank);
    expect(lines[0]).toBe(`destroy customer/${JANE}`);
    expect(lines.slice(1, 6).sort()).toEqual([
      'destroy account/1',
      'destroy entry/1',
      'destroy profile/1',
      `update customer/${JOHN} managerId: "${JANE}" → null`,
      `update seat/1/1 holderId: "${JANE}" → null`,
    ]);
    expect(lines.slice(6)).toEqual(['destroy account/2', 'destroy entry/2']);
  });

  test('also by way of a model that is not recorded itself', async () => {
    const { bank, prisma } = await withJane({ models: { Account: { fields: ['number'] }, Entry: true } });
    await prisma.customer.update({ where: { id: JANE }, data: { name: 'J' } });
    await prisma.customer.update({ where: { id: JANE }, data: { accounts: { create: { number: 'A2' } } } });
    await prisma.customer.update({ where: { id: JANE }, data: { id: JOHN } });
    await prisma.customer.delete({ where: { id: JOHN } });

    expect(await history(bank)).toEqual(['create account/2', 'destroy account/1', 'destroy account/2']);
  });

  test.each([
    ['made and let go at once', { accounts: { create: { number: 'A2' }, set: [] } }, /write set first/],
    [
      'of which the key changes',
      { accounts: { update: { where: { id: 1 }, data: { id: 7 } } } },
      /changes the key of Account/,
    ],
  ])('are refused before anything is done: %s', async (_, data, sentence) => {
    const { bank, prisma } = await withJane();
    const refused = prisma.customer.update({ where: { id: JANE }, data });

    await expect(refused).rejects.toMatchObject({
      code: 'BAD_INPUT',
      message: expect.stringMatching(sentence),
    });
    expect(await prisma.account.findMany({ select: { id: true } })).toEqual([{ id: 1 }]);
    expect(await history(bank)).toEqual([]);
  });
});

describe('who and where', () => {
  test('the call that runs, with its actor and session; by itself where none does', async () => {
    const { bank, prisma, recorder } = await withJane();
    const session = '0192f0c0-0000-7000-8000-000000000001';
    let callId: string | undefined;
    await recorder.call('raise', { actor: 'user/teller', session }, async (call) => {
      callId = call.id;
      await prisma.account.update({ where: { id: 1 }, data: { version: 1 } });
      await call.group({ type: 'note', message: 'inside' }, async (group) => {
        await prisma.tag.create({ data: { name: 'a' } });
        const { rows } = await bank.pool.query(
          `select waits_for from eventree_outbox.parcel where events->0->>'resource' = 'tag/a'`,
        );
        expect(rows).toEqual([{ waits_for: group.id }]);
      });
    });
    await prisma.tag.create({ data: { name: 'b' } });

    const events = await written(bank);
    expect(events.find(({ resource }) => resource === 'account/1')).toMatchObject({
      parentId: callId,
      actor: 'user/teller',
      sessionId: session,
    });
    expect(events.find(({ resource }) => resource === 'tag/b')?.parentId).toBeUndefined();
  });

  test('nothing of what is rolled back, alone, in a transaction and in a list', async () => {
    const { bank, prisma, recorder } = await withJane();
    await expect(prisma.customer.create({ data: { email: 'jane@bank', name: 'X' } })).rejects.toThrow(
      'Unique',
    );
    await expect(
      recorder.call('fails', () =>
        prisma.$transaction(async (tx) => {
          await tx.tag.create({ data: { name: 'a' } });
          throw new Error('no');
        }),
      ),
    ).rejects.toThrow('no');
    await expect(
      prisma.$transaction([
        prisma.tag.create({ data: { name: 'a' } }),
        prisma.tag.update({ where: { name: 'b' }, data: { colour: 'red' } }),
      ]),
    ).rejects.toMatchObject({ code: 'P2025' });

    expect(await history(bank)).toEqual([]);
  });

  test('what was committed within a call that then failed', async () => {
    const { bank, prisma, recorder } = await withJane();
    const failing = recorder.call('fails', async () => {
      await prisma.tag.create({ data: { name: 'a' } });
      throw new Error('too late');
    });

    await expect(failing).rejects.toThrow('too late');
    expect(await history(bank)).toEqual(['create tag/a']);
  });

  test('a row and its events together or neither: no outbox, no row', async () => {
    const { bank, prisma } = await withJane();
    await bank.pool.query('alter table eventree_outbox.parcel rename to elsewhere');

    await expect(prisma.tag.create({ data: { name: 'a' } })).rejects.toThrow('eventree_outbox');
    expect(await prisma.tag.count()).toBe(0);
  });

  test('a recorder without an outbox is refused, and nothing written', async () => {
    const bank = await bankForTest();
    const recorder = createRecorder({ url: 'http://127.0.0.1:9', markers: false });
    const prisma = extended(bank.plain(), { recorder });

    await expect(prisma.tag.create({ data: { name: 'a' } })).rejects.toMatchObject({ code: 'NO_OUTBOX' });
    expect(await prisma.tag.count()).toBe(0);
    await recorder.close();
  });

  test('several operations at once in one transaction, one after another', async () => {
    const { bank, prisma } = await withJane({ models: { Account: { fields: ['version'] } } });
    const increment = { where: { id: 1 }, data: { version: { increment: 1 } } };
    await prisma.$transaction((tx) => Promise.all([1, 2, 3].map(() => tx.account.update(increment))));

    expect(await history(bank)).toEqual(
      [0, 1, 2].map((old) => `update account/1 version: ${old} → ${old + 1}`),
    );
  });
});

describe('by configuration', () => {
  test('only models that are named, and fields that are chosen', async () => {
    const { bank, prisma } = await withJane({
      models: {
        Tag: true,
        Profile: false,
        Account: { type: 'bank.account', fields: { except: ['updatedAt', 'number'] } },
      },
    });
    await prisma.tag.create({ data: { name: 'a' } });
    await prisma.profile.create({ data: {} });
    await prisma.customer.update({
      where: { id: JANE },
      data: { name: 'J', accounts: { create: { number: 'A2' } } },
    });
    await prisma.account.update({ where: { id: 1 }, data: { number: 'A3' } });

    const events = await written(bank);
    expect(events.map(({ resource }) => resource)).toEqual(['tag/a', 'bank.account/2']);
    expect(Object.keys(events[1]?.attributes.values)).toEqual([
      'id',
      'balance',
      'status',
      'version',
      'customerId',
    ]);
  });

  test('private fields for owners alone, secret ones for nobody', async () => {
    const { bank, prisma } = await withJane({
      models: {
        Customer: {
          private: ['ssn', 'password'],
          secret: ['email'],
          fields: ['id', 'ssn', 'password', 'email'],
        },
      },
    });
    await prisma.customer.create({
      data: { id: JOHN, email: 'hidden@bank', name: 'J', ssn: '777', password: 'geheim' },
    });
    await prisma.customer.update({
      where: { id: JOHN },
      data: { ssn: '888', password: 'anders', email: 'gone@bank' },
    });
    await prisma.customer.delete({ where: { id: JOHN } });

    const events = await written(bank);
    const [created, , ...rest] = events;
    expect(created?.attributes.values).toEqual({
      id: JOHN,
      ssn: '[private]',
      password: '[redacted]',
      email: '[redacted]',
    });
    expect(created?.privatePayload).toEqual({ values: { ssn: '777', password: '[redacted]' } });
    expect(rest.slice(0, 3).map(({ attributes, privatePayload }) => [attributes, privatePayload])).toEqual([
      [
        { attribute: 'ssn', old: '[private]', new: '[private]' },
        { old: { ssn: '777' }, new: { ssn: '888' } },
      ],
      [
        { attribute: 'password', old: '[redacted]', new: '[redacted]' },
        { old: { password: '[redacted]' }, new: { password: '[redacted]' } },
      ],
      [{ attribute: 'email', old: '[redacted]', new: '[redacted]' }, undefined],
    ]);
    const text = JSON.stringify(events);
    for (const secret of ['hidden@bank', 'gone@bank', 'geheim', 'anders']) expect(text).not.toContain(secret);
    expect(JSON.stringify(events.map(({ attributes }) => attributes))).not.toMatch(/777|888/);
  });

  test('the resource’s name and ACL: when made, when changed, and before it is gone', async () => {
    const { bank, prisma, plain } = await withJane({
      models: {
        Account: {
          resource: ({ number }) => `account/no-${number}`,
          name: ({ number }) => `Account ${number}`,
          async acl({ id, customerId }, transaction) {
            // What hangs on the row can be read: before a delete it is there still.
            const reads = transaction as PrismaClient;
            const entries = await reads.entry.count({ where: { accountId: id as number } });
            return {
              owners: ['group/bank'],
              viewData: [`user/${customerId}`],
              viewMeta: [`group/${entries}`],
            };
          },
        },
      },
    });
    await plain.customer.create({ data: { id: JOHN, email: 'john', name: 'John' } });
    await prisma.account.create({
      data: { id: 7, number: 'A7', customerId: JANE, entries: { create: { amount: 1n } } },
    });
    await prisma.account.update({ where: { id: 7 }, data: { version: 1 } });
    await prisma.account.update({ where: { id: 7 }, data: { customerId: JOHN } });
    await prisma.customer.delete({ where: { id: JOHN } });

    const acl = (who: string) => ({
      owners: ['group/bank'],
      viewData: [`user/${who}`],
      viewMeta: ['group/1'],
    });
    const ref = 'account/no-A7';
    expect(await resourcesPut(bank)).toEqual([
      { ref, name: 'Account A7', acl: acl(JANE) },
      { ref, acl: acl(JOHN) },
      { ref, acl: acl(JOHN) },
    ]);
    expect((await history(bank)).at(-1)).toBe('destroy account/no-A7');
  });

  test('but rows from which nothing recorded is reached are neither read nor counted', async () => {
    const { bank, plain, prisma } = await withJane({ models: { Customer: true }, maxRows: 2 });
    const many = (start: string) =>
      Array.from({ length: 4 }, (_, i) => ({ number: `${start}${i}`, customerId: JANE }));
    await plain.account.createMany({ data: many('B') });
    const where = { id: JANE };
    const moved = '10000000-0000-4000-8000-000000000009';
    await prisma.customer.update({
      where,
      data: { accounts: { updateMany: { where: {}, data: { version: 1 } } } },
    });
    await prisma.customer.update({ where, data: { accounts: { create: { number: 'C' } } } });
    await prisma.customer.update({ where, data: { accounts: { deleteMany: { version: 0 } } } });
    expect((await prisma.account.deleteMany({ where: { number: 'A1' } })).count).toBe(1);
    await prisma.customer.update({ where, data: { id: moved } });
    expect(await plain.account.count({ where: { customerId: moved } })).toBe(4);
    expect((await prisma.account.deleteMany({ where: { number: { in: ['B0', 'B1', 'B2'] } } })).count).toBe(
      3,
    );
    await plain.account.createMany({ data: many('D').map((each) => ({ ...each, customerId: moved })) });
    await prisma.customer.delete({ where: { id: moved } });

    expect(await plain.account.count()).toBe(0);
    expect(await history(bank)).toEqual([
      `update customer/${JANE} id: "${JANE}" → "${moved}"`,
      `destroy customer/${moved}`,
    ]);
  });

  test('while what is recorded is reached through rows that are not', async () => {
    const { bank, plain, prisma } = await withJane({ models: { Entry: { fields: ['amount'] } } });
    await plain.entry.createMany({ data: [1n, 2n].map((amount) => ({ accountId: 1, amount })) });
    await prisma.customer.update({
      where: { id: JANE },
      data: {
        accounts: {
          update: {
            where: { id: 1 },
            data: { entries: { updateMany: { where: { amount: 1n }, data: { amount: 3n } } } },
          },
        },
      },
    });
    await prisma.customer.delete({ where: { id: JANE } });

    expect(await history(bank)).toEqual([
      'update entry/1 amount: "1" → "3"',
      'destroy entry/1',
      'destroy entry/2',
    ]);
  });

  test('no more rows than are allowed: the operation is refused before it is done', async () => {
    const { bank, prisma } = await withJane({ maxRows: 2 });
    const three = ['a', 'b', 'c'].map((name) => ({ name }));
    const refusal = { code: 'BAD_INPUT', message: expect.stringContaining('maxRows') };
    await expect(prisma.tag.createMany({ data: three })).rejects.toMatchObject(refusal);
    await bank.plain().tag.createMany({ data: three });
    await expect(prisma.tag.updateMany({ data: { colour: 'red' } })).rejects.toMatchObject(refusal);
    await expect(
      prisma.tag.updateMany({ where: { name: { not: '' } }, data: { colour: 'red' } }),
    ).rejects.toMatchObject(refusal);
    await expect(prisma.tag.deleteMany()).rejects.toMatchObject(refusal);
    await expect(prisma.tag.deleteMany({ limit: 2 })).resolves.toEqual({ count: 2 });
    await prisma.tag.updateMany({ data: { colour: 'red' } });

    expect(await bank.plain().tag.findMany()).toMatchObject([{ colour: 'red' }]);
    expect(await history(bank)).toHaveLength(3);
  });

  test.each([
    [{ Acount: true }, /no model Acount/],
    [{ Account: { fields: ['colour'] } }, /Account has no field colour/],
    [{ Account: { private: ['colour'] } }, /Account has no field colour/],
    [{ Account: { type: 'no type' } }, /no type of resources/],
    [{ Tag: { secret: ['name'] } }, /Tag is known by name, which is secret .* give `resource` for Tag/],
    [{ Tag: { private: ['name'] } }, /Tag is known by name, which is private .* give `resource` for Tag/],
    [{ Seat: { secret: ['place'] } }, /Seat is known by place/],
  ])('that does not fit the schema is refused: %j', async (models, sentence) => {
    const bank = await bankForTest();
    const recorder = recorderOf(bank);

    expect(() => bank.plain().$extends(eventree({ recorder, models }))).toThrow(sentence);
  });

  test.each([
    ['model ApiToken { token String @id\n name String }', {}, /ApiToken is known by token, which is secret/],
    [
      'model Login { user Int\n sessionId String\n @@id([user, sessionId]) }',
      {},
      /Login is known by sessionId/,
    ],
    [LINKED, { Service: true }, /Service\.keys leads to ApiToken, which is known by token/],
  ])('by which a secret would stand in references is refused: %s', async (schema, models, sentence) => {
    const bank = await bankForTest();
    expect(() => settingsFor(bank, schema, models)).toThrow(sentence);
    expect(() => settingsFor(bank, schema, models)).toThrow(expect.objectContaining({ code: 'BAD_INPUT' }));
  });

  test.each([
    [LINKED, { ApiToken: { resource: () => 'token/1' }, Service: true }],
    [LINKED, { Service: { fields: ['id'] } }],
    [LINKED, { Service: { secret: ['keys'] } }],
    ['model ApiToken { token String @id\n name String }', { ApiToken: false }],
  ])('by which none would is taken: %s %j', async (schema, models) => {
    const bank = await bankForTest();
    expect(() => settingsFor(bank, schema, models)).not.toThrow();
  });

  test('rows with a secret key are told of by what the application says', async () => {
    const models = {
      Tag: { secret: ['name'], resource: ({ colour }: Row) => `tag/${colour}` },
      Customer: true,
    };
    const { bank, prisma } = await withJane({ models });
    await prisma.tag.create({ data: { name: 'sk_live_abcdef' } });
    const where = { name: 'sk_live_abcdef' };
    await prisma.customer.update({ where: { id: JANE }, data: { tags: { connect: where } } });
    await prisma.tag.update({ where, data: { colour: 'red' } });

    expect(await history(bank)).toHaveLength(3);
    expect(JSON.stringify(await written(bank))).not.toContain('sk_live');
  });

  test('a reference that is none is refused, and the row not written', async () => {
    const { bank, prisma } = await withJane({ models: { Tag: { resource: ({ name }) => String(name) } } });

    await expect(prisma.tag.create({ data: { name: 'a' } })).rejects.toMatchObject({ code: 'BAD_INPUT' });
    expect(await bank.plain().tag.count()).toBe(0);
  });

  test('keys that no reference can hold are encoded, and long ones shortened', async () => {
    const { bank, prisma } = await withJane();
    const long = 'x'.repeat(600);
    for (const name of [' a b ', 'tab\there', 'a/b', long]) await prisma.tag.create({ data: { name } });

    const refs = (await written(bank)).map(({ resource }) => resource as string);
    expect(refs.slice(0, 3)).toEqual(['tag/%20a%20b%20', 'tag/tab%09here', 'tag/a/b']);
    expect(refs[3]).toMatch(/^tag\/x{336}[0-9a-f]{64}$/);
  });

  test('what is no client, and no PostgreSQL, is refused', async () => {
    const bank = await bankForTest();
    const extension = eventree({ recorder: recorderOf(bank) });

    expect(() => extension({})).toThrow(/extends a client of Prisma 7/);
    const other = Object.create(bank.plain(), {
      _engineConfig: { value: { inlineSchema: '', activeProvider: 'mysql' } },
    });
    expect(() => extension(other)).toThrow(/PostgreSQL/);
  });
});

test('a list of a client below the extension is refused, and nothing of it done', async () => {
  const { bank, plain, prisma } = await withJane();
  const list = [plain.tag.create({ data: { name: 'a' } }), prisma.tag.create({ data: { name: 'b' } })];

  await expect(plain.$transaction(list)).rejects.toMatchObject({ code: 'BAD_INPUT' });
  expect(await plain.tag.count()).toBe(0);
  expect(await history(bank)).toEqual([]);
});

test('an error tells nothing of the row that the database refuses', async () => {
  const { bank, prisma, recorder } = await withJane();
  await bank.pool.query(`alter table "Customer" add check (name <> 'nobody')`);
  const byPrisma = recorder.call('prisma', () => prisma.customer.create({ data: REFUSED }));
  await expect(byPrisma).rejects.toThrow();
  const text = 'insert into "Customer" (id, email, name, password) values ($1, $2, $3, $4)';
  for (const name of ['nobody', null]) {
    const byPg = recorder.call('pg', () => bank.pool.query(text, [JOHN, 'jack@bank', name, 'hunter2']));
    await expect(byPg).rejects.toMatchObject({ detail: expect.stringContaining('hunter2') });
  }

  const { rows } = await bank.pool.query<{ events: Written[] }>('select events from eventree_outbox.parcel');
  const calls = rows.flatMap(({ events }) => events).map(({ attributes }) => attributes);
  expect(calls.map(({ function: name }) => name)).toEqual(['prisma', 'pg', 'pg']);
  expect(JSON.stringify(calls)).not.toMatch(/hunter2|XYZZY/);
  const detail = 'Failing row contains [redacted]';
  expect(calls[0].error_value).toMatchObject({ meta: { driverAdapterError: { cause: { detail } } } });
  expect(calls[1].error_value).toMatchObject({ code: '23514', detail });
  expect(calls[2].error_value).toMatchObject({ code: '23502', detail });
});

test('reads, raw queries and the client’s types are as they were', async () => {
  const bank = await bankForTest();
  const queries: string[] = [];
  const plain = bank.plain({ log: [{ emit: 'event', level: 'query' }] });
  plain.$on('query' as never, ({ query }: { query: string }) => queries.push(query));
  const prisma = plain.$extends(eventree({ recorder: recorderOf(bank) }));
  await prisma.tag.create({ data: { name: 'a' } });
  queries.length = 0;

  const found: { name: string; colour: string } | null = await prisma.tag.findFirst();
  await prisma.$queryRaw`select 1 as one`;
  await prisma.$transaction([prisma.tag.findMany()]);

  expect(found).toEqual({ name: 'a', colour: 'grey' });
  expect(queries).toHaveLength(3);
  // @ts-expect-error: there is no such field.
  await expect(prisma.tag.findFirst({ where: { size: 1 } })).rejects.toThrow('size');
});
