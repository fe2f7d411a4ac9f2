import { expect, onTestFinished, test } from 'vitest';
import { createRecorder } from '../../src/recorder/index.ts';
import { openWorld } from '../support/world.ts';
import { bankForTest, extended } from './support/bank.ts';

const JANE = '10000000-0000-4000-8000-000000000001';

interface Seen {
  readonly nodes: readonly {
    readonly type: { readonly name: string };
    readonly resource: { readonly ref: string } | null;
    readonly actor: string | null;
    readonly message: string;
    readonly privatePayload: unknown;
    readonly parent: { readonly type: { readonly name: string } } | null;
  }[];
}

test('writes arrive in the journal below their call, seen by who could see the row, and its end too', async () => {
  const world = await openWorld();
  const bank = await bankForTest();
  const plain = bank.plain();
  await plain.customer.create({ data: { id: JANE, email: 'jane', name: 'Jane' } });
  const recorder = createRecorder({
    url: String(world.servers[0]?.url),
    token: await world.token({ subject: 'bank', groups: ['admin'] }),
    outbox: bank.pool,
  });
  onTestFinished(() => recorder.close());
  const prisma = extended(plain, {
    recorder,
    models: {
      Account: {
        private: ['number'],
        name: ({ number }) => `Account ${number}`,
        // As for any one, not for the bank: it stands nowhere but on the row.
        acl: ({ version }) => ({
          owners: ['group/owners'],
          viewMeta: ['group/tellers'],
          viewData: version === 0 ? [] : ['group/tellers'],
        }),
      },
    },
  });

  await recorder.call('trade', { actor: 'user/jane' }, async () => {
    await prisma.account.create({ data: { number: 'A1', customerId: JANE } });
    await prisma.$transaction((tx) =>
      tx.account.update({ where: { id: 1 }, data: { version: 1, number: 'A2' } }),
    );
    await prisma.account.delete({ where: { id: 1 } });
  });
  await recorder.flush();

  const see = async (group: string) => {
    const { events } = await world.ask<{ events: Seen }>(
      `{ events(order: OLDEST_FIRST, filter: { type: { in: ["create", "update", "destroy"] } }) {
          nodes { type { name } resource { ref } actor message privatePayload parent { type { name } } } } }`,
      {},
      { token: await world.token({ groups: [group] }) },
    );
    return events.nodes;
  };
  const tellers = await see('tellers');
  expect(tellers.map(({ type, resource, actor }) => [type.name, resource?.ref, actor])).toEqual(
    ['create', 'update', 'update', 'update', 'update', 'destroy'].map((type) => [
      type,
      'account/1',
      'user/jane',
    ]),
  );
  expect(tellers.map(({ privatePayload }) => privatePayload)).toEqual(tellers.map(() => null));
  expect(tellers.map(({ message }) => message)).toContain('user/jane changed version of account/1: 0 → 1');
  expect(tellers.at(-1)?.message).toBe('user/jane destroyed account/1');

  const owners = await see('owners');
  expect(owners.map(({ privatePayload }) => privatePayload)).toContainEqual({
    old: { number: 'A1' },
    new: { number: 'A2' },
  });
  expect(await see('strangers')).toEqual([]);
  const admins = await see('admin');
  expect(admins.filter(({ parent }) => parent?.type.name === 'call')).toHaveLength(3);
});
