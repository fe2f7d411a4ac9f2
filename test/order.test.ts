import pg from 'pg';
import { v7 } from 'uuid';
import { describe, expect, test } from 'vitest';
import { startRedis } from './support/redis.ts';
import { openWorld, type World } from './support/world.ts';

const RECORD = `mutation ($input: [RecordEventInput!]!) { recordEvents(input: $input) { events { id position } } }`;
const STREAM = `subscription { eventStream(from: BEGINNING, maxBatch: 500) { live events { id position } } }`;
const NOBODYS_ID = '01900000-0000-7000-8000-000000000000';

interface Placed {
  readonly id: string;
  readonly position: number;
}

interface Outcome {
  readonly acknowledged: readonly Placed[];
  readonly refused: readonly unknown[];
}

/** Writers on all servers, each sending one batch after the other; every seventh is refused as a whole. */
async function writeAll(world: World, writers: number, total: number): Promise<Outcome> {
  const acknowledged: Placed[] = [];
  const refused: unknown[] = [];
  const perBatch = 25;
  let left = total;
  let batches = 0;
  await Promise.all(
    Array.from({ length: writers }, async (_, writer) => {
      const server = world.servers[writer % world.servers.length] as (typeof world.servers)[number];
      while (left > 0) {
        const bad = batches++ % 7 === 3;
        if (!bad) left -= perBatch;
        const input = Array.from({ length: perBatch }, (_, i) => ({
          type: 'note',
          message: `${writer} ${i}`,
          resource: `page/${i % 5}`,
          ...(bad && i === perBatch - 1 && { parentId: NOBODYS_ID }),
        }));
        const { data, errors } = await world.send(RECORD, { input }, { server });
        if (data?.recordEvents) acknowledged.push(...data.recordEvents.events);
        else refused.push(errors?.[0]?.extensions.code);
      }
    }),
  );
  return { acknowledged, refused };
}

/** Takes places in the journal, holds them for a moment, and rolls back. */
async function rollBackAgainAndAgain(world: World, signal: AbortSignal): Promise<number> {
  const client = new pg.Client({ connectionString: world.databaseUrl });
  await client.connect();
  await client.query('select eventree_add_event_partition(now())');
  let rolledBack = 0;
  for (; !signal.aborted; rolledBack++) {
    await client.query('begin');
    await client.query(
      `select eventree_append(1, (select registry_version from installation), '{}', '{}', '{}',
        array[$1::uuid], '{note}', '{USER}', '{LOW}', '{never}', '{null}', '{never}', array[now()], '{null}',
        '{null}', '{null}', '{null}', '{null}', '{null}', '{"{}"}', '{null}', '{null}', '{user/nobody}', '{false}',
        array[$1::uuid, $1::uuid], array[now(), now()])`,
      [v7()],
    );
    await client.query('rollback');
  }
  await client.end();
  return rolledBack;
}

async function checkOrder(world: World, total: number): Promise<void> {
  const watchers = world.servers.flatMap((server) =>
    (['ws', 'sse'] as const).map((by) => world.watch(STREAM, {}, { server, by })),
  );
  await Promise.all(watchers.map((watcher) => watcher.until(({ data }) => data.eventStream.live)));
  const seen = watchers.map(async (watcher) => {
    const events: Placed[] = [];
    while (events.length < total) events.push(...(await watcher.next()).data.eventStream.events);
    return events;
  });
  // A reader that never gets all its events must not keep the checks of the journal from failing first.
  for (const reading of seen) reading.catch(() => {});

  const done = new AbortController();
  const rollingBack = rollBackAgainAndAgain(world, done.signal);
  rollingBack.catch(() => {});
  const { acknowledged, refused } = await writeAll(world, 8, total).finally(() => done.abort());
  expect(await rollingBack).toBeGreaterThan(20);
  expect(refused.length).toBeGreaterThan(total / 25 / 10);
  expect(new Set(refused)).toEqual(new Set(['NOT_FOUND']));

  const { rows } = await world.db.query<Placed>('select id, position::int from event order by position');
  expect(rows.map(({ position }) => position)).toEqual(Array.from({ length: total }, (_, i) => i + 1));
  const byId = new Map(rows.map(({ id, position }) => [id, position]));
  expect(byId.size).toBe(total);
  expect(acknowledged).toHaveLength(total);
  for (const { id, position } of acknowledged) expect(byId.get(id)).toBe(position);
  for (const events of await Promise.all(seen)) expect(events).toEqual(rows);
}

describe('the order of the journal', () => {
  test('is dense and the same for every subscriber: 8 writers, 2 servers, 50,000 events, rollbacks between', {
    timeout: 180_000,
  }, async () => {
    const redis = await startRedis();
    const world = await openWorld({ servers: 2, environment: { REDIS_URL: redis.url } });
    await checkOrder(world, 50_000);
  });

  test('is seen to be broken where positions come from a plain sequence', { timeout: 60_000 }, async () => {
    const redis = await startRedis();
    const world = await openWorld({ servers: 2, environment: { REDIS_URL: redis.url } });
    const { rows } = await world.db.query(
      "select pg_get_functiondef('eventree_append'::regproc) as definition",
    );
    const numbering = /UPDATE journal j\s+SET head[\s\S]+?INTO base, taken_at;/;
    expect(rows[0].definition).toMatch(numbering);
    await world.db.query('create sequence plain start 1');
    await world.db.query(
      rows[0].definition.replace(
        numbering,
        `base := (SELECT min(n) FROM (SELECT nextval('plain') AS n FROM generate_series(1, cardinality(ids))) s) - 1;
         taken_at := clock_timestamp();
         UPDATE journal SET head = greatest(head, base + cardinality(ids)) WHERE id = journal_of;`,
      ),
    );
    await expect(checkOrder(world, 2_000)).rejects.toMatchObject({ name: 'AssertionError' });
  });
});
