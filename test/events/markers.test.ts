/** The marker of a call goes with the write of its event: in one commit, and for good. */
import { v7 } from 'uuid';
import { expect, test } from 'vitest';
import { worldForFile } from '../support/world.ts';
import { newJournal, recorderOf } from './support/recorder.ts';

const world = worldForFile();
const { record, refusal } = recorderOf(world);

async function mark(...ids: string[]): Promise<void> {
  await world().db.query(
    `insert into eventree_outbox.marker (id, recorder, event) select id, gen_random_uuid(), '{}' from unnest($1::uuid[]) id`,
    [ids],
  );
}

async function marked(...ids: string[]): Promise<string[]> {
  const { rows } = await world().db.query(
    'select id from eventree_outbox.marker where id = any($1) order by id',
    [ids],
  );
  return rows.map(({ id }) => id);
}

test('the markers of events that are recorded are removed, those of others are left', async () => {
  const [call, inner, open] = [v7(), v7(), v7()];
  const journal = newJournal();
  await mark(call, inner, open);
  const children = [{ id: inner, type: 'note' }];
  await record([
    { id: call, journal, type: 'call', children },
    { journal, type: 'note' },
  ]);
  expect(await marked(call, inner, open)).toEqual([open]);
});

test('a marker stays where its event is refused', async () => {
  const [call, taken] = [v7(), v7()];
  const journal = newJournal();
  await record([{ id: taken, journal, type: 'note' }]);
  await mark(call);
  const input = [
    { id: call, journal, type: 'call' },
    { id: taken, journal, type: 'call' },
  ];
  expect(await refusal(input)).toMatchObject({ code: 'ID_CONFLICT' });
  expect(await marked(call)).toEqual([call]);
});
