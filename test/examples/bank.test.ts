/** The bank of examples/bank, as its customers use it; and what is told of them. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { expect, onTestFinished, test, vi } from 'vitest';
import { createCustomer } from '../../examples/bank/customer.ts';
import { openBank } from '../../examples/bank/database.ts';
import types from '../../examples/bank/eventree.types.ts';
import { payInterest } from '../../examples/bank/nightly.ts';
import { startService } from '../../examples/bank/service.ts';
import {
  eventTreeMatchers,
  growTrees,
  readJournal,
  readTree,
  startEventree,
  type TestEventree,
} from '../../src/testing/index.ts';
import { addressOf, startTcpProxy } from '../support/tcp-proxy.ts';

expect.extend(eventTreeMatchers);
// Whoever comes first makes the PostgreSQL that all share, beside other tests.
vi.setConfig({ testTimeout: 120_000 });

const AS_BANK = { subject: 'bank', groups: ['admin'] };

async function eventreeForBank(): Promise<TestEventree> {
  const eventree = await startEventree({ types });
  onTestFinished(() => eventree.close());
  return eventree;
}

async function openedBank() {
  const eventree = await eventreeForBank();
  const databaseUrl = await eventree.database();
  const bank = await openBank({
    databaseUrl,
    eventree: { url: eventree.url, token: await eventree.token(AS_BANK) },
  });
  const service = await startService(bank);
  onTestFinished(async () => {
    await service.close();
    await bank.close();
  });
  /** The trees whose call is this one, in their order. */
  const calls = async (name: string) => {
    await bank.recorder.flush();
    const roots = await eventree.journal({ attributes: [{ name: 'function', eq: name }] });
    return Promise.all(roots.map(({ id }) => readTree(eventree.client(), id)));
  };
  const customer = async (name: string) => {
    const created = createCustomer(service.url, name);
    await created.register();
    await created.signIn();
    return created;
  };
  return { eventree, bank, calls, customer };
}

const balances = async (db: Awaited<ReturnType<typeof openBank>>['db']) =>
  Object.fromEntries((await db.account.findMany()).map(({ id, balance }) => [id, balance]));

test('a transfer is one tree: what was called, and what it changed', async () => {
  const { bank, calls, customer } = await openedBank();
  const [jane, joe] = [await customer('jane'), await customer('joe')];
  const [from, to] = [await jane.openAccount(10_000), await joe.openAccount(0)];
  await jane.transfer(from, to, 2_500);
  const [tree, ...more] = await calls('transfer');
  expect(more).toEqual([]);
  expect(tree).toMatchEventTree(`
    call transfer ✓
      update account/${from}
        update account/${from} balance 10000 → 7500
      update account/${to}
        update account/${to} balance 0 → 2500
      create transfer/*`);
  expect(tree?.map(({ actor }) => actor)).toEqual(tree?.map(() => 'user/jane'));
  expect(tree?.[0]?.attributes).toMatchObject({ params: { from, to, cents: 2_500 } });
  expect(await balances(bank.db)).toEqual({ [from]: 7_500, [to]: 2_500 });
});

test('a transfer that fails leaves the call with its error, and changes nothing', async () => {
  const { bank, calls, customer } = await openedBank();
  const jane = await customer('jane');
  const [from, to] = [await jane.openAccount(10_000), await jane.openAccount(0)];
  await expect(jane.transfer(from, to, 10_001)).rejects.toThrow('INSUFFICIENT_FUNDS');
  const [tree] = await calls('transfer');
  expect(tree).toMatchEventTree('call transfer ✗ InsufficientFunds');
  expect(tree?.[0]?.attributes).toMatchObject({
    where: expect.stringMatching(/^examples\/bank\/accounts\.ts:\d+$/),
  });
  expect(tree?.[0]?.attributes).not.toHaveProperty('stack');
  expect(await balances(bank.db)).toEqual({ [from]: 10_000, [to]: 0 });
});

test('accounts are opened and closed, by who owns them', async () => {
  const { calls, customer } = await openedBank();
  const [jane, joe] = [await customer('jane'), await customer('joe')];
  const account = await jane.openAccount(0);
  await expect(joe.closeAccount(account)).rejects.toThrow('FORBIDDEN');
  await jane.closeAccount(account);
  const [opened] = await calls('openAccount');
  expect(opened).toMatchEventTree(`call openAccount ✓\n  create account/${account}`);
  const [refused, closed] = await calls('closeAccount');
  expect(refused).toMatchEventTree('call closeAccount ✗ NotYours');
  expect(closed).toMatchEventTree(`call closeAccount ✓\n  destroy account/${account}`);
});

test('who signs in has a session, to which all that follows points; no PIN is told to anybody', async () => {
  const { eventree, calls, customer } = await openedBank();
  const jane = await customer('jane');
  await jane.openAccount(0);
  expect(await calls('signIn')).toHaveLength(1);
  const session = await eventree.journal({ resource: { type: 'session' } });
  expect(session).toMatchEventTree('create session/*\nupdate session/* authuser null → user/jane');
  expect(session[0]?.attributes?.values).toEqual({ user_agent: 'bank-app/1.0', address: '127.0.0.1' });
  const id = session[0]?.resource?.ref.slice('session/'.length);
  const [opened] = await calls('openAccount');
  expect(opened?.map(({ sessionId }) => sessionId)).toEqual([id, id]);
  expect(JSON.stringify(await eventree.journal())).not.toContain('27182818');
});

test('customers see what happens to their own accounts, and to no others, also once they are closed', async () => {
  const { eventree, calls, customer } = await openedBank();
  const [jane, joe] = [await customer('jane'), await customer('joe')];
  const [hers, his] = [await jane.openAccount(0), await joe.openAccount(0)];
  await jane.closeAccount(hers);
  expect(await calls('closeAccount')).toHaveLength(1);
  const seenBy = async (subject: string) =>
    readJournal(eventree.client({ subject }), { resource: { type: 'account' } });
  expect(await seenBy('jane')).toMatchEventTree(`create account/${hers}\ndestroy account/${hers}`);
  expect(await seenBy('joe')).toMatchEventTree(`create account/${his}`);
});

test('a query that is handed back, and not waited for, belongs to the call that hands it back', async () => {
  const { bank, calls } = await openedBank();
  await bank.recorder.call('open', () => bank.db.account.create({ data: { owner: 'jane' } }));
  const [tree] = await calls('open');
  expect(tree).toMatchEventTree('call open ✓\n  create account/*');
});

test('the night pays interest in one tree; an account that fails is told of, and stops no other', async () => {
  const { bank, calls, customer } = await openedBank();
  const jane = await customer('jane');
  const most = 2 ** 31 - 1;
  const [poor, rich, full] = [
    await jane.openAccount(100),
    await jane.openAccount(10_000),
    await jane.openAccount(most),
  ];
  expect(await payInterest(bank.db, bank.recorder)).toBe(1);
  expect(await balances(bank.db)).toEqual({ [poor]: 100, [rich]: 10_050, [full]: most });
  const [tree] = await calls('payInterest');
  expect(tree).toMatchEventTree(`
    call payInterest ✓
      interest account/${rich} cents=50
        update account/${rich}
          update account/${rich} balance 10000 → 10050
      interest.failed account/${full} ✗ InterestFailed`);
});

test('a bank outlives that its idle connections are cut', async () => {
  const eventree = await eventreeForBank();
  const databaseUrl = await eventree.database();
  const token = await eventree.token(AS_BANK);
  const { url, child } = await startBankProcess(databaseUrl, eventree.url, token);
  const db = new pg.Pool({ connectionString: databaseUrl, max: 1 });
  onTestFinished(() => db.end());
  const told = once(child.stderr as NodeJS.ReadableStream, 'data');
  const { rows } = await db.query<{ pid: number }>(
    `select pid, pg_terminate_backend(pid) from pg_stat_activity
     where datname = current_database() and pid <> pg_backend_pid()`,
  );
  // The bank hears of it when a connection is gone: one that it took for alive would be handed to who asks next.
  const left = 'select from pg_stat_activity where pid = any($1)';
  const cut = rows.map(({ pid }) => pid);
  await vi.waitUntil(async () => (await db.query(left, [cut])).rowCount === 0, {
    timeout: 20_000,
    interval: 5,
  });
  await told;
  await createCustomer(url, 'jane').register();
  expect(child.exitCode).toBeNull();
}, 120_000);

interface BankProcess {
  readonly url: string;
  readonly child: ChildProcess;
}

async function startBankProcess(databaseUrl: string, server: string, token: string): Promise<BankProcess> {
  const program = fileURLToPath(new URL('../../examples/bank/serve.ts', import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', program], {
    env: {
      PATH: process.env.PATH,
      BANK_DATABASE_URL: databaseUrl,
      EVENTREE_SERVER: server,
      EVENTREE_TOKEN: token,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  let said = '';
  child.stderr.on('data', (text: Buffer) => {
    said += text;
  });
  const ended = once(child, 'exit').then(() => {
    throw new Error(`The bank does not start: ${said}`);
  });
  const [url] = await Promise.race([once(createInterface({ input: child.stdout }), 'line'), ended]);
  // From here on it may end as it likes.
  ended.catch(() => {});
  return { url, child };
}

test('killed between its commit and the journal, it tells all of it when it is there again', async () => {
  const eventree = await eventreeForBank();
  const databaseUrl = await eventree.database();
  const proxy = await startTcpProxy(addressOf(eventree.url));
  const token = await eventree.token(AS_BANK);
  const start = () => startBankProcess(databaseUrl, `http://127.0.0.1:${proxy.port}`, token);
  const db = new pg.Pool({ connectionString: databaseUrl, max: 2 });
  onTestFinished(() => db.end());

  // Nothing reaches the journal; the bank goes on all the same.
  proxy.refuse(true);
  const first = await start();
  const jane = createCustomer(first.url, 'jane');
  await jane.register();
  await jane.signIn();
  const [from, to] = [await jane.openAccount(10_000), await jane.openAccount(0)];
  await jane.transfer(from, to, 2_500);
  await jane.transfer(from, to, 100_000).catch(() => {});
  // A relay that is killed over a parcel keeps it from others for half a minute.
  const claimed = () => db.query('select from eventree_outbox.parcel where claimed_until > now()');
  await vi.waitUntil(async () => (await claimed()).rowCount === 0, { timeout: 20_000, interval: 5 });
  first.child.kill('SIGKILL');
  await once(first.child, 'exit');
  expect(await eventree.journal()).toEqual([]);

  proxy.refuse(false);
  await start();
  const left = () =>
    db.query('select from eventree_outbox.parcel union all select from eventree_outbox.marker');
  await vi.waitUntil(async () => (await left()).rowCount === 0, { timeout: 60_000, interval: 50 });
  const journal = await eventree.journal();
  const transfers = growTrees(journal).filter(({ event }) => event.attributes?.function === 'transfer');
  expect(transfers.map(({ children }) => children.length)).toEqual([3, 0]);

  // What the history says of each account is what stands in its row.
  const { rows } = await db.query('select id, balance from "Account" order by id');
  const told = new Map<string, number>();
  for (const { type, resource, attributes } of journal) {
    const ref = resource?.ref ?? '';
    if (!ref.startsWith('account/')) continue;
    const {
      values,
      attribute,
      old,
      new: after,
    } = (attributes ?? {}) as {
      values: { balance: number };
      attribute?: string;
      old: number;
      new: number;
    };
    if (type.name === 'create') told.set(ref, values.balance);
    if (attribute !== 'balance') continue;
    expect(told.get(ref)).toBe(old);
    told.set(ref, after);
  }
  expect(Object.fromEntries(told)).toEqual(
    Object.fromEntries(rows.map(({ id, balance }) => [`account/${id}`, balance])),
  );
}, 120_000);
