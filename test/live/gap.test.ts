/** A reader whose place no longer exists is told so, and goes on with what there is. */
import { expect, test } from 'vitest';
import { openWorld } from '../support/world.ts';

const RECORD =
  'mutation ($input: [RecordEventInput!]!) { recordEvents(input: $input) { events { cursor } } }';
const STREAM = `subscription ($after: String) {
  eventStream(after: $after, from: BEGINNING) { events { message } live gap { reason oldest } }
}`;

test.each(['ws', 'sse'] as const)('a stream says what it cannot show any more, by %s', async (by) => {
  const world = await openWorld();
  const input = ['a', 'b', 'c', 'd'].map((message) => ({ type: 'note', message }));
  const { recordEvents } = await world.ask(RECORD, { input });
  await world.db.query("update journal set oldest = 3 where name = 'main'");

  const read = async (after: string | null) => {
    const stream = world.watch(STREAM, { after }, { by });
    const messages = await stream.until(({ data }) => data.eventStream.live);
    stream.close();
    return messages.map(({ data }) => data.eventStream);
  };
  const shown = { events: [{ message: 'c' }, { message: 'd' }], gap: null };
  const [gap, next] = await read(recordEvents.events[0].cursor);
  expect(gap).toMatchObject({ events: [], gap: { reason: expect.any(String), oldest: expect.any(String) } });
  expect(next).toMatchObject(shown);
  // Nothing that was asked for is missing here.
  expect((await read(recordEvents.events[1].cursor))[0]).toMatchObject(shown);
  expect((await read(null))[0]).toMatchObject(shown);
});
