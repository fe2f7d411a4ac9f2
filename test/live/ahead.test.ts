/** A reader that comes from a node that is ahead of the one it comes to. */
import { expect, test } from 'vitest';
import type { RunningServer } from '../../src/server/server.ts';
import { openWorld, type Stream } from '../support/world.ts';

const RECORD = 'mutation ($input: [RecordEventInput!]!) { recordEvents(input: $input) { events { id } } }';
const STREAM = 'subscription ($after: String) { eventStream(after: $after) { events { id } } }';

test('is told what comes after its cursor, and nothing again', async () => {
  // Two nodes that hear nothing of each other, and look at the journal once a minute.
  const world = await openWorld({ servers: 2, environment: { EVENTREE_POLL_INTERVAL_MS: '60000' } });
  const [ahead, behind] = world.servers as readonly [RunningServer, RunningServer];
  const record = async (server: RunningServer, count: number): Promise<string[]> => {
    const input = Array.from({ length: count }, () => ({ type: 'note' }));
    const { recordEvents } = await world.ask(RECORD, { input }, { server });
    return recordEvents.events.map(({ id }: { id: string }) => id);
  };
  const read = async (stream: Stream<{ data?: unknown }>, count: number): Promise<string[]> => {
    const ids: string[] = [];
    while (ids.length < count) {
      const { eventStream } = (await stream.next()).data as { eventStream: { events: { id: string }[] } };
      ids.push(...eventStream.events.map(({ id }) => id));
    }
    return ids;
  };

  const resident = world.watch(STREAM, {}, { server: behind });
  await resident.next();
  const before = await record(ahead, 10);
  const { event } = await world.ask('query ($id: ID!) { event(id: $id) { cursor } }', { id: before[4] });

  const newcomer = world.watch(STREAM, { after: event.cursor }, { server: behind });
  expect(await read(newcomer, 5)).toEqual(before.slice(5));
  const unheard = await record(ahead, 2);
  const heard = await record(behind, 1);
  expect(await read(newcomer, 3)).toEqual([...unheard, ...heard]);
  expect(await read(resident, 13)).toEqual([...before, ...unheard, ...heard]);
});
