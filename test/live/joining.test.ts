/** Subscribers that join a group while it is told of events as fast as they come. */
import { expect, test } from 'vitest';
import { openWorld, type Stream } from '../support/world.ts';

const RECORD = 'mutation ($input: [RecordEventInput!]!) { recordEvents(input: $input) { events { id } } }';
const NEWCOMERS = 30;
const EVENTS = 2_000;

test.each([
  ['put into words at once', 'id'],
  ['put into words by a look at the database', 'id parentHidden'],
])('miss nothing and get nothing twice, where messages are %s', async (_, selection) => {
  const world = await openWorld();
  const { recordEvent: parent } = await world.ask(
    'mutation { recordEvent(input: { type: "note" }) { event { id } } }',
  );
  const input = [{ type: 'note', parentId: parent.event.id }];
  const recorded: string[] = [parent.event.id];
  let recording = true;
  const write = async () => {
    while (recording && recorded.length < EVENTS) {
      const { recordEvents } = await world.ask(RECORD, { input });
      recorded.push(recordEvents.events[0].id);
    }
  };
  const writers = [write(), write(), write()];

  const query = `subscription { eventStream(from: BEGINNING) { events { ${selection} } } }`;
  const streams: Stream<{ data?: unknown }>[] = [];
  for (let nth = 0; nth < NEWCOMERS; nth++) {
    streams.push(world.watch(query, {}, { by: nth % 2 === 0 ? 'ws' : 'sse' }));
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  recording = false;
  await Promise.all(writers);

  const { events } = await world.ask('{ events(order: OLDEST_FIRST, first: 1) { totalCount } }');
  expect(events.totalCount).toBe(recorded.length);
  const orders = new Set<string>();
  for (const stream of streams) {
    const ids: string[] = [];
    while (ids.length < recorded.length) {
      const { eventStream } = (await stream.next()).data as { eventStream: { events: { id: string }[] } };
      ids.push(...eventStream.events.map(({ id }) => id));
    }
    expect(new Set(ids)).toEqual(new Set(recorded));
    orders.add(ids.join());
  }
  expect(orders.size).toBe(1);
});
