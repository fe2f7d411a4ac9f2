/** An Eventree for an application's own tests: real, empty, by itself, and with nothing to wait for. */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { expect, onTestFinished, test, vi } from 'vitest';
import { type EventreeOptions, eventTreeMatchers, readTree, startEventree } from '../../src/testing/index.ts';

expect.extend(eventTreeMatchers);
// Whoever comes first makes the PostgreSQL that all share, beside other tests.
vi.setConfig({ testTimeout: 120_000 });

async function eventree(options?: EventreeOptions) {
  const started = await startEventree(options);
  onTestFinished(() => started.close());
  return started;
}

async function ask(databaseUrl: string, sql: string) {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  const { rows } = await client.query(sql);
  await client.end();
  return rows;
}

test('starts with an empty journal, whatever stands in others', async () => {
  const [one, other] = await Promise.all([eventree(), eventree()]);
  expect(one.url).not.toBe(other.url);
  await one.client().record({ type: 'note', message: 'Only here' });
  expect(await one.journal()).toMatchObject([{ message: 'Only here' }]);
  expect(await other.journal()).toEqual([]);
});

test('starts from a copy of a database that is migrated: only the first migrates', async () => {
  const [one, other] = [await eventree(), await eventree()];
  const migrations = 'select migration_name, finished_at from _prisma_migrations order by 1';
  const done = await ask(one.databaseUrl, migrations);
  expect(done.length).toBeGreaterThan(0);
  expect(await ask(other.databaseUrl, migrations)).toEqual(done);
  const cluster = 'select system_identifier from pg_control_system()';
  expect(await ask(other.databaseUrl, cluster)).toEqual(await ask(one.databaseUrl, cluster));
});

test('knows the types that it is given, and its own settings', async () => {
  const { client, journal } = await eventree({
    types: {
      attributes: { cents: { kind: 'INTEGER' } },
      eventTypes: { payment: { category: 'ACTION', attributes: { cents: {} } } },
    },
    settings: { EVENTREE_MAX_JOURNALS: '1' },
  });
  await client().record({ type: 'payment', attributes: { cents: 5 } });
  expect(await journal()).toMatchEventTree('payment cents=5');
  await expect(client().record({ type: 'note', journal: 'second' })).rejects.toMatchObject({
    code: 'LIMIT_EXCEEDED',
  });
});

test('leaves no file behind', async () => {
  // What all of them share is there before.
  await eventree();
  const folder = await mkdtemp(join(tmpdir(), 'eventree-temporary-'));
  vi.stubEnv('TMPDIR', folder);
  onTestFinished(async () => {
    vi.unstubAllEnvs();
    await rm(folder, { recursive: true });
  });
  await eventree({ types: { eventTypes: { payment: { category: 'ACTION' } } } });
  expect(await readdir(folder)).toEqual([]);
});

test('is spoken to as anybody', async () => {
  const { client, journal } = await eventree();
  await client({ subject: 'jane' }).record({ type: 'note', resource: 'diary/1' });
  await client().query(
    `mutation { putResource(input: { ref: "diary/1", acl: { owners: ["group/readers"] } }) { ref } }`,
  );
  const read = async (...groups: string[]) =>
    (await client({ subject: 'joe', groups }).events({ type: { eq: 'note' } })).nodes.length;
  expect(await read()).toBe(0);
  expect(await read('readers')).toBe(1);
  expect(await journal({ type: { eq: 'note' } })).toMatchObject([{ actor: 'user/jane' }]);
});

test('shows the tree below an id', async () => {
  const { client } = await eventree();
  const { id } = await client().record({
    type: 'call',
    attributes: { function: 'pay' },
    children: [{ type: 'update', resource: 'account/1', children: [{ type: 'note' }] }, { type: 'note' }],
  });
  const outline = 'call pay\n  update account/1\n    note\n  note';
  await expect(id).toMatchEventTree(outline, { client: client() });
  expect(await readTree(client(), id)).toMatchEventTree(outline);
  await expect(expect(id).toMatchEventTree('call', { client: client() })).rejects.toThrow('update account/1');
  await expect(readTree(client(), '01890000-0000-7000-8000-000000000000')).rejects.toThrow(
    'There is no event',
  );
});

test('has a recorder, whose calls are there once it is flushed', async () => {
  const { recorder, journal, close } = await eventree();
  const { call, flush } = recorder({ actor: 'user/jane' });
  await call('pay', (pay) => pay.record({ type: 'update', resource: 'account/1' }));
  await call('pay', () => Promise.reject(new RangeError('Too much'))).catch(() => {});
  await flush();
  expect(await journal()).toMatchEventTree('call pay ✓\n  update account/1\ncall pay ✗ RangeError');
  await close();
  await expect(call('pay', () => {})).rejects.toMatchObject({ code: 'CLOSED' });
});

test('reads a journal of any length', async () => {
  const { client, journal } = await eventree();
  for (let batch = 0; batch < 6; batch++)
    await client().record(
      Array.from({ length: 100 }, (_, nth) => ({ type: 'note', message: `${batch * 100 + nth}` })),
    );
  const messages = (await journal()).map(({ message }) => Number(message));
  expect(messages).toEqual(Array.from({ length: 600 }, (_, nth) => nth));
});

test('has an empty database for the application, and takes both away', async () => {
  const started = await eventree();
  const url = await started.database();
  expect(
    await ask(url, "select * from pg_tables where schemaname not in ('pg_catalog', 'information_schema')"),
  ).toEqual([]);
  await started.close();
  await started.close();
  for (const gone of [url, started.databaseUrl])
    await expect(ask(gone, 'select 1')).rejects.toMatchObject({ code: '3D000' });
  await expect(fetch(started.url)).rejects.toThrow();
});

test('says what is wrong with what it is given', async () => {
  await expect(startEventree({ settings: { EVENTREE_POTR: '1' } })).rejects.toThrow(
    'EVENTREE_POTR is not a variable',
  );
  // @ts-expect-error there is no such category
  await expect(startEventree({ types: { eventTypes: { a: { category: 'X' } } } })).rejects.toThrow(
    'eventTypes.a.category',
  );
});
