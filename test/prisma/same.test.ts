import type pg from 'pg';
import { afterAll, describe, expect, test } from 'vitest';
import { type Bank, extended, openBank, Prisma, type PrismaClient, recorderOf } from './support/bank.ts';
import { CASES, type Case } from './support/cases.ts';

describe('with the extension as without', () => {
  test.for(CASES.map((each) => [each.name, each] as const))('%s', async ([, given]) => {
    const plain = await outcomeOf(given, 'without');

    // One that has connected before is extended: statements go by Prisma, which is slower and otherwise the same.
    for (const how of ['with', 'with, connected'] as const) {
      const recorded = await outcomeOf(given, how);
      expect(recorded, how).toEqual(plain);
      expect(JSON.stringify(recorded), how).toBe(JSON.stringify(plain));
    }
  });

  test('there are cases enough, and a difference would be seen', async () => {
    expect(CASES.length).toBeGreaterThan(55);
    const [first] = CASES as [Case];
    const other: Case = {
      ...first,
      run: (prisma) => prisma.customer.create({ data: { email: 'y', name: 'X' } }),
    };

    expect(await outcomeOf(other, 'without')).not.toEqual(await outcomeOf(first, 'without'));
  });
});

type How = 'without' | 'with' | 'with, connected';

// Emptied for each case: a new one of its own takes ten times as long.
let opening: Promise<Bank> | undefined;
afterAll(async () => (await opening)?.close());

async function emptyBank(): Promise<Bank> {
  opening ??= openBank();
  const bank = await opening;
  await bank.empty();
  return bank;
}

/** All that can be seen of a case: its answer or error, and what all tables hold afterwards. */
async function outcomeOf({ run, options, before, after }: Case, how: How): Promise<unknown> {
  const bank = await emptyBank();
  const plain = bank.plain(options);
  if (how === 'with, connected') await plain.$connect();
  const under = before?.(plain) ?? plain;
  const client: PrismaClient = how === 'without' ? under : extended(under, { recorder: recorderOf(bank) });
  const answer = await run(after?.(client) ?? client, bank).catch((error: unknown) => ({ thrown: error }));
  await plain.$disconnect();
  const seen = canonical({ answer, tables: await contentOf(bank.pool) }) as {
    tables: Record<string, unknown[]>;
  };
  // Rows with ids that were made stand in an order of their own.
  for (const rows of Object.values(seen.tables)) {
    rows.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  }
  return seen;
}

async function contentOf(pool: pg.Pool): Promise<Record<string, unknown>> {
  const { rows } = await pool.query<{ name: string }>(
    `select tablename as name from pg_tables where schemaname = 'public' order by 1`,
  );
  const content: Record<string, unknown> = {};
  for (const { name } of rows) {
    content[name] = (await pool.query(`select to_jsonb(t)::text as row from "${name}" t`)).rows;
  }
  return content;
}

/** Comparable as JSON, with what differs from run to run by its name. */
function canonical(value: unknown, names = new Map<string, string>()): unknown {
  const inner = (each: unknown) => canonical(each, names);
  if (typeof value === 'bigint') return `${value}n`;
  if (value === undefined) return '<undefined>';
  if (typeof value === 'string') return steady(value, names);
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Date) return steady(value.toISOString(), names);
  if (Prisma.Decimal.isDecimal(value)) return `Decimal ${value}`;
  if (ArrayBuffer.isView(value))
    return `${value.constructor.name} ${Buffer.from(value as Uint8Array).toString('hex')}`;
  if (Array.isArray(value)) return value.map(inner);
  if (value instanceof Error) {
    const { name, message, stack: _, ...own } = value as Error & Record<string, unknown>;
    return {
      error: value.constructor.name,
      name,
      message: steady(withoutPlace(message), names),
      own: inner(own),
    };
  }
  const members = Object.entries(value).filter(([key]) => key !== 'timeTaken');
  return Object.fromEntries(members.map(([key, each]) => [key, inner(each)]));
}

const GENERATED = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;
const NOW = /20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+00:00)?/g;

/** Ids that were made, by the order of their first appearance; times of this run as one. */
function steady(text: string, names: Map<string, string>): string {
  return text
    .replace(GENERATED, (id) => {
      if (id.startsWith('10000000-')) return id;
      if (!names.has(id)) names.set(id, `<id ${names.size + 1}>`);
      return names.get(id) as string;
    })
    .replace(NOW, (time) =>
      Math.abs(Date.now() - Date.parse(time.replace(/Z|\+00:00/, '').concat('Z'))) < 600_000 ? '<now>' : time,
    );
}

/** Without how long it took, and without the place in the code: which line it was is no part of an error. */
function withoutPlace(message: string): string {
  return message
    .replace(/\d+ ms passed/g, '<some> ms passed')
    .replace(/`\w+\.(\w+\.\w+\(\)` invocation)[^\n]*\n(?:[^\n]*\n)*?(?:\n\n|→[^\n]*\n)/, '`$1:\n');
}
