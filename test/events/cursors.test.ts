/** A cursor says where a reader stands: it stays good as the journal grows, and is good for nothing else. */
import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { worldForFile } from '../support/world.ts';
import { newJournal, recorderOf, refusalOf } from './support/recorder.ts';

const world = worldForFile();
const { record, one, resource, as } = recorderOf(world);

const PAGE = `query ($journal: String!, $order: EventOrder!, $first: Int, $after: String, $last: Int, $before: String) {
  events(journal: $journal, order: $order, first: $first, after: $after, last: $last, before: $before) {
    nodes { message cursor } edges { cursor } pageInfo { hasNextPage endCursor startCursor }
  }
}`;
const WATCH = `subscription ($journal: String!, $after: String) { eventRecorded(journal: $journal, after: $after) { message cursor } }`;
const STREAM = `subscription ($journal: String!, $after: String) {
  eventStream(journal: $journal, after: $after, maxBatch: 1000) { cursor events { message } }
}`;

const notes = (journal: string, from: number, count: number) =>
  Array.from({ length: count }, (_, nth) => ({ journal, type: 'note', message: String(from + nth) }));

const page = async (variables: object) =>
  (await world().ask(PAGE, { order: 'NEWEST_FIRST', ...variables })).events;
const numbers = ({ nodes }: { nodes: { message: string }[] }) => nodes.map(({ message }) => Number(message));

test('a page goes on where it ended, though thousands of events came since', async () => {
  const journal = newJournal();
  await record(notes(journal, 1, 20));
  const newest = await page({ journal, first: 5 });
  expect(numbers(newest)).toEqual([20, 19, 18, 17, 16]);
  const oldest = await page({ journal, order: 'OLDEST_FIRST', first: 5 });
  for (let from = 21; from <= 5_000; from += 1_000) await record(notes(journal, from, 1_000));
  const { endCursor, startCursor } = newest.pageInfo;
  expect(numbers(await page({ journal, first: 5, after: endCursor }))).toEqual([15, 14, 13, 12, 11]);
  expect(numbers(await page({ journal, last: 3, before: startCursor }))).toEqual([23, 22, 21]);
  const next = await page({ journal, order: 'OLDEST_FIRST', first: 5, after: oldest.pageInfo.endCursor });
  expect(numbers(next)).toEqual([6, 7, 8, 9, 10]);
  const again = await page({ journal, order: 'OLDEST_FIRST', first: 20 });
  expect(again.nodes[0].cursor).toBe(oldest.nodes[0].cursor);
  expect(again.edges[4].cursor).toBe(oldest.pageInfo.endCursor);
});

test('of a query goes on as a subscription, and the other way round', async () => {
  const journal = newJournal();
  await record(notes(journal, 1, 10));
  const { pageInfo } = await page({ journal, order: 'OLDEST_FIRST', first: 4 });
  const watching = world().watch(WATCH, { journal, after: pageInfo.endCursor });
  const taken = await watching.until(({ data }) => data.eventRecorded.message === '7');
  expect(taken.map(({ data }) => data.eventRecorded.message)).toEqual(['5', '6', '7']);
  const after = taken.at(-1)?.data.eventRecorded.cursor;
  expect(numbers(await page({ journal, order: 'OLDEST_FIRST', after }))).toEqual([8, 9, 10]);

  const stream = world().watch(STREAM, { journal, after });
  const [message] = await stream.until(({ data }) => data.eventStream.events.length > 0);
  expect(message?.data.eventStream.events).toHaveLength(3);
  await record(notes(journal, 11, 2));
  const cursor = message?.data.eventStream.cursor;
  expect(numbers(await page({ journal, order: 'OLDEST_FIRST', after: cursor }))).toEqual([11, 12]);
});

test('is the same for every viewer and every server, and tells neither journal nor position', async () => {
  const journal = newJournal();
  const ref = `page/${journal}`;
  await resource({ ref, acl: { viewMeta: ['user/ann'] } });
  const { id, cursor } = await one({ journal, type: 'note', resource: ref });
  const query = `query ($id: ID!) { event(id: $id) { cursor } }`;
  const server = await world().addServer();
  expect((await world().ask(query, { id }, { ...(await as('ann')), server })).event.cursor).toBe(cursor);
  const next = await one({ journal, type: 'note' });
  const bytes = [cursor, next.cursor].map((text) => Buffer.from(text, 'base64url'));
  const same = bytes[0]?.filter((byte, nth) => byte === bytes[1]?.[nth]).length;
  expect(bytes[0]).toHaveLength(16);
  expect(same).toBeLessThan(8);
});

test('of another journal, of another epoch, made up, cut or changed is refused as CURSOR_INVALID', async () => {
  const journal = newJournal();
  const { cursor } = await one({ journal, type: 'note' });
  const other = await one({ journal: newJournal(), type: 'note' });
  const flipped = Buffer.from(cursor, 'base64url');
  flipped[0] = (flipped[0] as number) ^ 1;
  const foreign = `It does not belong to the journal ${journal}.`;
  const unknown = 'It is not one that this server gave out: pass on a cursor just as it was received.';
  const wrong: readonly (readonly [string, string])[] = [
    [other.cursor, foreign],
    [flipped.toString('base64url'), foreign],
    [randomBytes(16).toString('base64url'), foreign],
    [Buffer.from('journal 1, aft 5').toString('base64url'), foreign],
    ['', unknown],
    ['1', unknown],
    [cursor.slice(1), unknown],
    [`${cursor}A`, unknown],
    [`${cursor}==`, unknown],
    [cursor.repeat(2), unknown],
  ];
  for (const [made, why] of wrong) {
    const expected = { code: 'CURSOR_INVALID', message: `The cursor is not valid. ${why}` };
    for (const part of [{ after: made }, { before: made, last: 3 }]) {
      expect(refusalOf(await world().send(PAGE, { journal, order: 'NEWEST_FIRST', ...part })), made).toEqual(
        expected,
      );
    }
    for (const query of [WATCH, STREAM]) {
      const first = await world().watch(query, { journal, after: made }, { by: 'sse' }).next();
      expect(refusalOf(first), made).toEqual(expected);
    }
  }
  // As a restore from a backup does, which a server does not outlive.
  await world().db.query('update journal set epoch = gen_random_uuid() where name = $1', [journal]);
  const server = await world().addServer();
  expect(
    refusalOf(await world().send(PAGE, { journal, order: 'NEWEST_FIRST', after: cursor }, { server })),
  ).toEqual({
    code: 'CURSOR_INVALID',
    message:
      'The cursor is not valid. The journal has been restored from a backup since: start again without a cursor.',
  });
});

test('does not tell which journals there are', async () => {
  const nobody = { token: null };
  const cursorOf = async (journal: string) =>
    (await world().watch(STREAM, { journal }, nobody).next()).data.eventStream.cursor;
  const cursors = await Promise.all([newJournal(), newJournal(), 'main'].map(cursorOf));
  expect(new Set(cursors).size).toBe(3);
});

test('of a journal before its first event goes on when there are some', async () => {
  const journal = newJournal();
  const stream = world().watch(STREAM, { journal });
  const { cursor } = (await stream.next()).data.eventStream;
  await record(notes(journal, 1, 3));
  expect(numbers(await page({ journal, order: 'OLDEST_FIRST', after: cursor }))).toEqual([1, 2, 3]);
  const watching = world().watch(WATCH, { journal, after: cursor });
  expect((await watching.next()).data.eventRecorded.message).toBe('1');
});
