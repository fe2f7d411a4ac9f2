/** The marker of a call goes with the write of its event: in one commit, and for good. */
import { v7 } from 'uuid';
import { expect, test } from 'vitest';
import { worldForFile } from '../support/world.ts';
import { newJournal, recorderOf } from './support/recorder.ts';

const world = worldForFile();
const { record, refusal } = recorderOf(world);

/** By a recorder that is alive: the server takes those of others for lost. */
async function mark(...ids: string[]): Promise<void> {
  await world().db.query(
    `with alive as (
       insert into eventree_outbox.recorder (id, expires_at) values (gen_random_uuid(), now() + interval '1 hour')
       returning id
     )
     insert into eventree_outbox.marker (id, recorder, event)
     select marked.id, alive.id, '{}' from alive, unnest($1::uuid[]) marked (id)`,
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

test('a marker that a transaction of an application is at work on holds up nobody', async () => {
  const call = v7();
  const journal = newJournal();
  await mark(call);
  const client = await world().db.connect();
  await client.query('begin');
  await client.query('delete from eventree_outbox.marker where id = $1', [call]);
  await record([{ id: call, journal, type: 'call' }]);
  await client.query('rollback');
  client.release();
  expect(await marked(call)).toEqual([call]);
});

test('a call that was marked twice holds up nobody either: the marker that nobody is at work on is removed', async () => {
  const call = v7();
  const journal = newJournal();
  await mark(call);
  const client = await world().db.connect();
  await client.query('begin');
  await client.query('delete from eventree_outbox.marker where id = $1', [call]);
  await world().db.query(
    `insert into eventree_outbox.marker (id, recorder, event, written_in)
     select id, recorder, event, pg_current_xact_id() from eventree_outbox.marker where id = $1`,
    [call],
  );
  await record([{ id: call, journal, type: 'call' }]);
  expect(await marked(call)).toEqual([call]);
  await client.query('commit');
  client.release();
  expect(await marked(call)).toEqual([]);
});
