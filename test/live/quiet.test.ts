/** A stream says nothing by which its reader could tell that something hidden has happened. */
import { expect, test } from 'vitest';
import { openWorld } from '../support/world.ts';

const RECORD = 'mutation ($input: RecordEventInput!) { recordEvent(input: $input) { event { id } } }';
const PUT = 'mutation ($input: PutResourceInput!) { putResource(input: $input) { ref } }';
const STREAM = `subscription ($filter: EventFilter) {
  eventStream(filter: $filter) { events { message } live }
}`;

test('below a hidden event, as below one that is not there', async () => {
  const world = await openWorld();
  await world.ask(PUT, { input: { ref: 'page/hidden', acl: { owners: ['user/root'] } } });
  await world.ask(PUT, { input: { ref: 'page/open', acl: { viewData: ['user/bob'] } } });
  const record = async (input: object): Promise<string> =>
    (await world.ask(RECORD, { input: { type: 'note', ...input } })).recordEvent.event.id;
  const hidden = await record({ resource: 'page/hidden' });
  const bob = { token: await world.token({ subject: 'bob' }) };
  const below = world.watch(STREAM, { filter: { within: hidden } }, bob);
  const all = world.watch(STREAM, {}, bob);
  for (const stream of [below, all]) expect((await stream.next()).data.eventStream.live).toBe(true);

  await record({ resource: 'page/open', parentId: hidden, message: 'a child' });
  const next = below.next();
  expect((await all.next()).data.eventStream.events).toEqual([{ message: 'a child' }]);
  // Long enough for a stream to look at the journal once more and to say so.
  const silence = new Promise((resolve) => setTimeout(resolve, 300, 'silence'));
  expect(await Promise.race([next, silence])).toBe('silence');
});

test('by when it says where it stands', async () => {
  const world = await openWorld({ environment: { EVENTREE_CHECKPOINT_INTERVAL_MS: '100' } });
  await world.ask(PUT, { input: { ref: 'page/hidden', acl: { owners: ['user/root'] } } });
  const bob = { token: await world.token({ subject: 'bob' }) };
  const stream = world.watch(STREAM, {}, bob);
  expect((await stream.next()).data.eventStream).toEqual({ events: [], live: true });
  // Where nothing happens at all, and where something does that bob may not see.
  for (let nth = 0; nth < 5; nth++) {
    expect((await stream.next()).data.eventStream).toEqual({ events: [], live: true });
  }
  await world.ask(RECORD, { input: { type: 'note', resource: 'page/hidden' } });
  for (let nth = 0; nth < 5; nth++) {
    expect((await stream.next()).data.eventStream).toEqual({ events: [], live: true });
  }
});
