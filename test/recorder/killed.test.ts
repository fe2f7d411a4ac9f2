import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { expect, onTestFinished, test, vi } from 'vitest';
import { installOutbox } from '../../src/outbox/install.ts';
import { createRecorder } from '../../src/recorder/index.ts';
import { isFull } from '../faults/support/scale.ts';
import { scratchDatabase } from '../support/database.ts';
import { openWorld, type World } from '../support/world.ts';

const TELLER = fileURLToPath(new URL('support/teller.ts', import.meta.url));
const WAYS = ['within', 'grouped', 'whole', 'alone'];
/** What had been sent is carried out or not: short of that, the database is as it was a step before. */
const MOMENTS = isFull ? ['before', 'during'] : ['during'];
/** More than any way takes: it is an error to need them all. */
const MOST_STEPS = 60;

interface Bank {
  readonly world: World;
  readonly db: pg.Pool;
  /** Runs a teller. @returns what it printed, and whether it was killed. */
  teller(way: string, when: string, step: number): Promise<{ printed: string; killed: boolean }>;
  /** As another process of the bank does when the first is gone: what was left behind is recorded. */
  settle(): Promise<void>;
}

async function openBank(): Promise<Bank> {
  const world = await openWorld();
  const database = await scratchDatabase();
  const db = new pg.Pool({ connectionString: database.url, max: 4 });
  onTestFinished(async () => {
    await db.end();
    await database.drop();
  });
  await installOutbox(db);
  await db.query('create table transfer (id uuid primary key, amount integer not null)');
  const url = world.servers[0]?.url as string;
  const token = await world.token({ groups: ['admin'] });
  const env = { PATH: process.env.PATH, BANK_URL: database.url, EVENTREE_SERVER: url, EVENTREE_TOKEN: token };

  return {
    world,
    db,
    teller: (way, when, step) =>
      new Promise((resolve, reject) => {
        const args = ['--import', 'tsx', TELLER, way, when, String(step)];
        const child = execFile(process.execPath, args, { env }, (error, printed, said) => {
          const killed = child.signalCode === 'SIGKILL';
          if (error !== null && !killed) reject(new Error(said));
          else resolve({ printed, killed });
        });
      }),
    async settle() {
      // What a process had sent when it was killed is still carried out.
      await untilNone(db, "select from pg_stat_activity where application_name = 'teller'");
      const recorder = createRecorder({ url, token, outbox: db, leaseMs: 1_000 });
      await untilNone(db, LEFT);
      await recorder.close();
    },
  };
}

/** What is open, or on its way. */
const LEFT = 'select from eventree_outbox.marker union all select from eventree_outbox.parcel';

function untilNone(db: pg.Pool, query: string): Promise<unknown> {
  const isNone = async () => (await db.query(query)).rowCount === 0;
  return vi.waitUntil(isNone, { timeout: 40_000, interval: 20 });
}

interface Node {
  readonly id: string;
  readonly type: { readonly name: string };
  readonly resource: { readonly ref: string } | null;
  readonly parent: { readonly id: string } | null;
}

async function journalOf({ ask }: World): Promise<Node[]> {
  const { events } = await ask(
    '{ events(order: OLDEST_FIRST, first: 500) { nodes { id type { name } resource { ref } parent { id } } } }',
  );
  return events.nodes;
}

const ROOTS = ['call', 'call_lost'];

test.each(WAYS)(
  'a process that is killed at every step leaves no row without its event and no event without its row: %s',
  {
    timeout: 240_000,
  },
  async (way) => {
    const bank = await openBank();
    const endings = new Set<string>();
    let step = 0;
    for (let isAlive = false; !isAlive; ) {
      step++;
      for (const when of MOMENTS) {
        const before = (await journalOf(bank.world)).length;
        const { killed } = await bank.teller(way, when, step);
        isAlive ||= !killed;
        const { rowCount: evidence } = await bank.db.query(LEFT);
        await bank.settle();

        const journal = await journalOf(bank.world);
        const { rows } = await bank.db.query<{ id: string }>('select id from transfer');
        const created = journal
          .filter(({ type }) => type.name === 'create')
          .map(({ resource }) => resource?.ref);
        expect(created.sort(), `${when} step ${step}`).toEqual(rows.map(({ id }) => `transfer/${id}`).sort());

        const added = journal.slice(before);
        const roots = added.filter(({ type }) => ROOTS.includes(type.name));
        endings.add(roots.map(({ type }) => type.name).join());
        if (way === 'alone') expect(roots).toEqual([]);
        else if (added.length > 0 || evidence !== 0) expect(roots, `${when} step ${step}`).toHaveLength(1);
        const known = new Set(added.map(({ id }) => id));
        for (const { parent } of added) if (parent !== null) expect(known).toContain(parent.id);
      }
      expect(step).toBeLessThan(MOST_STEPS);
    }
    expect(endings).toEqual(new Set(way === 'alone' ? [''] : ['', 'call', 'call_lost']));
  },
);
