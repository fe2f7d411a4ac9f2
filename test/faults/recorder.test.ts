import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { expect, onTestFinished, test, vi } from 'vitest';
import { pause } from '../../src/base/retry.ts';
import { installOutbox } from '../../src/outbox/install.ts';
import { createRecorder } from '../../src/recorder/index.ts';
import { scratchDatabase } from '../support/database.ts';
import { historyOf, openCursors, startFollower } from '../support/follower.ts';
import { faultsOf, type History, noOutcomes } from '../support/history.ts';
import { openWorld, type World } from '../support/world.ts';
import { limitMs } from './support/scale.ts';

const TRANSFERS = fileURLToPath(new URL('support/transfers.ts', import.meta.url));
const TABLES = new URL('../prisma/support/tables.sql', import.meta.url);
const KILLS = 20;
const AT_A_TIME = 64;
const ACCOUNTS = 40;

interface Change {
  readonly id: string;
  readonly position: number;
  readonly type: string;
  readonly resource: string;
  readonly attribute: string | null;
  readonly values: { readonly note?: string } | null;
  readonly old: string | null;
  readonly new: string | null;
}

test(`a bank with ${AT_A_TIME} transfers at a time that is killed ${KILLS} times has the history that its tables tell`, {
  timeout: limitMs(600_000, 600_000),
}, async () => {
  const world = await openWorld();
  const { url, db } = await openBank();
  const server = world.servers[0]?.url as string;
  const token = await world.token({ groups: ['admin'] });
  const positionOf = await openCursors(world.db);
  const follower = startFollower(world, positionOf, { url: () => server });

  for (let kill = 0; kill < KILLS; kill++) {
    const bank = await startTransfers({ BANK_URL: url, EVENTREE_SERVER: server, EVENTREE_TOKEN: token });
    await pause(Math.random() * 600);
    bank.kill('SIGKILL');
    await once(bank, 'exit');
  }
  const recorder = createRecorder({ url: server, token, outbox: db, leaseMs: 2_000 });
  await untilEmpty(db);
  await recorder.close();

  const changes = await changesOf(world);
  const entries = await db.query<{ id: string; note: string }>('select id::text, note from "Entry"');
  expect(entries.rowCount).toBeGreaterThan(KILLS);
  expect(entries.rows.filter(({ note }) => note.startsWith('void'))).toEqual([]);

  // Each row is what was acknowledged, and the event of its creation what the journal has of it.
  const created = changes.filter(({ type, resource }) => type === 'create' && resource.startsWith('entry/'));
  const ofRow = new Map(created.map(({ id, resource }) => [id, resource]));
  const places = new Map(created.map(({ resource, position }) => [resource, position]));
  const outcomes = noOutcomes();
  for (const { id } of entries.rows) {
    const ref = `entry/${id}`;
    outcomes.acknowledged.push({ id: ref, position: places.get(ref) ?? 0 });
  }
  expect(created.filter(({ values }) => values?.note?.startsWith('void'))).toEqual([]);
  const history = await historyOf(world.db, noOutcomes(), [follower], []);
  expect(faultsOf({ ...named(history, ofRow), outcomes })).toEqual([]);

  // Each balance is where its changes lead, none left out and none told twice.
  const { rows: accounts } = await db.query<{ id: number; balance: string }>(
    'select id, balance::text from accounts',
  );
  for (const { id, balance } of accounts) {
    const steps = changes.filter(
      ({ type, resource, attribute }) =>
        type === 'update' && resource === `account/${id}` && attribute === 'balance',
    );
    expect(endsOf(steps), `account ${id}`).toEqual(
      steps.length === 0 ? [] : [{ from: 0, to: Number(balance) }].filter(({ from, to }) => from !== to),
    );
  }

  // Who was killed left its calls as lost, and what it had committed below them.
  const roots = await world.db.query<{ type: string; count: number }>(
    "select type, count(*)::int from event where path is null or path = '{}' group by type order by type",
  );
  expect(roots.rows.map(({ type }) => type)).toEqual(['call', 'call_lost']);
});

async function openBank(): Promise<{ url: string; db: pg.Pool }> {
  const database = await scratchDatabase();
  const db = new pg.Pool({ connectionString: database.url, max: 4 });
  onTestFinished(async () => {
    await db.end();
    await database.drop();
  });
  await db.query(readFileSync(TABLES, 'utf8'));
  await installOutbox(db);
  await db.query(`
    insert into "Customer" (id, email, name) values ('00000000-0000-4000-8000-000000000001', 'bank@example.com', 'Bank')`);
  await db.query(
    `insert into accounts (account_number, customer_id, "updatedAt")
     select 'N' || n, '00000000-0000-4000-8000-000000000001', now() from generate_series(1, $1::integer) n`,
    [ACCOUNTS],
  );
  return { url: database.url, db };
}

/** Resolves once transfers go through. */
async function startTransfers(environment: Record<string, string>): Promise<ChildProcess> {
  const args = ['--import', 'tsx', TRANSFERS, String(AT_A_TIME), String(ACCOUNTS)];
  const child = spawn(process.execPath, args, {
    env: { PATH: process.env.PATH, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  let said = '';
  child.stderr.on('data', (text: Buffer) => {
    said += text;
  });
  const failed = once(child, 'exit').then(() => {
    throw new Error(`The bank has ended by itself: ${said}`);
  });
  failed.catch(() => {});
  await Promise.race([once(child.stdout, 'data'), failed]);
  return child;
}

/** Resolves when nothing is on its way and no call is open. */
async function untilEmpty(db: pg.Pool): Promise<void> {
  const left = () =>
    db.query<{ error: string | null }>(
      'select null as error from eventree_outbox.marker union all select error from eventree_outbox.parcel',
    );
  await vi
    .waitUntil(async () => (await left()).rowCount === 0, { timeout: 60_000, interval: 100 })
    .catch(async (error) => {
      throw new Error(`It does not become empty: ${JSON.stringify((await left()).rows.slice(0, 3))}`, {
        cause: error,
      });
    });
}

async function changesOf({ db }: World): Promise<Change[]> {
  const { rows } = await db.query<Change>(
    `select id, position::int, type, resource, attributes->>'attribute' as attribute, attributes->'values' as values,
       attributes->>'old' as old, attributes->>'new' as new
     from event where type in ('create', 'update') order by position`,
  );
  return rows;
}

/** The history of the rows: an event that created one goes by its name, others are the recorder's own. */
function named({ log, subscribers }: History, ofRow: ReadonlyMap<string, string>): Omit<History, 'outcomes'> {
  const nameOf = (id: string) => ofRow.get(id) ?? id;
  return {
    log: log.map(({ id, position }) => ({ id: nameOf(id), position, byServer: !ofRow.has(id) })),
    subscribers: subscribers.map((subscriber) => ({
      ...subscriber,
      found: subscriber.found.map(nameOf),
      messages: subscriber.messages.map((message) => ({ ...message, ids: message.ids.map(nameOf) })),
    })),
    readers: [],
  };
}

/**
 * Where a chain of changes begins and ends, whatever order its links came in: a value that one link leads to and
 * another starts from is passed through. One chain without a hole has one beginning and one end, or none where it
 * leads back to where it began.
 */
function endsOf(steps: readonly Change[]): { from: number; to: number }[] {
  const open = new Map<number, number>();
  for (const step of steps) {
    open.set(Number(step.old), (open.get(Number(step.old)) ?? 0) + 1);
    open.set(Number(step.new), (open.get(Number(step.new)) ?? 0) - 1);
  }
  const from = [...open]
    .filter(([, times]) => times > 0)
    .flatMap(([value, times]) => Array(times).fill(value));
  const to = [...open]
    .filter(([, times]) => times < 0)
    .flatMap(([value, times]) => Array(-times).fill(value));
  return from.map((value, nth) => ({ from: value, to: to[nth] }));
}
