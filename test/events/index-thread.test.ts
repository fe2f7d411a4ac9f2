/** The index keeps up by itself, in a thread of its own, whoever left something to be indexed. */
import { expect, test, vi } from 'vitest';
import { openWorld, type World } from '../support/world.ts';

const MUTATION = 'mutation ($input: [RecordEventInput!]!) { recordEvents(input: $input) { events { id } } }';
const TIMEOUT_MS = 60_000;

test('indexes what is recorded', { timeout: TIMEOUT_MS }, async () => {
  const world = await openWorld();
  await record(world, 5_000);
  await untilIndexed(world, 4_096);
  const { events } = await world.ask('{ events(filter: { search: "last" }) { totalCount } }');
  expect(events.totalCount).toBe(5);
});

test('indexes what a server that is gone has left', { timeout: TIMEOUT_MS }, async () => {
  const world = await openWorld();
  await record(world, 3_000);
  await untilIndexed(world, 2_000);
  await Promise.all(world.servers.map((server) => server.stop()));
  await world.db.query('truncate event_index');
  await world.db.query('update journal set indexed = 0');

  await world.addServer();
  await untilIndexed(world, 2_000);
});

async function record(world: World, count: number): Promise<void> {
  for (let done = 0; done < count; done += 1_000) {
    const input = Array.from({ length: 1_000 }, (_, i) => ({
      type: 'note',
      message: i === 999 ? 'the last of them' : 'one of many',
    }));
    await world.ask(MUTATION, { input });
  }
}

async function untilIndexed(world: World, least: number): Promise<void> {
  const indexed = async () => {
    const { rows } = await world.db.query("select indexed::int4 from journal where name = 'main'");
    return rows[0].indexed as number;
  };
  await vi.waitUntil(async () => (await indexed()) >= least, { timeout: 40_000, interval: 50 });
}
