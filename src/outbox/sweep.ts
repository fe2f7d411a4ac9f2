/**
 * Turns markers into evidence: the event that a marker holds is written as a parcel when its recorder's lease has
 * ended, which is when its process is gone, or has stood still for as long. And removes what is left over.
 */
import { forgetPuts } from './puts.ts';
import type { Run } from './statement.ts';

/** How many were lost. Several may sweep at once: each marker is taken by one of them. */
export async function sweepLost(run: Run): Promise<number> {
  await run(REMOVE_LATE, []);
  await run(FORGET_SILENT, []);
  await forgetPuts(run);
  const lost = await run<{ id: string }>(SWEEP, []);
  return lost.length;
}

// A marker that is being removed by a transaction is locked, and passed over: its call has ended. One that came twice
// is recorded twice, under one id.
const SWEEP = `
  with orphaned as (
    select m.id, m.written_in from eventree_outbox.marker m
    where not exists (
      select from eventree_outbox.recorder r where r.id = m.recorder and r.expires_at > now()
    )
    for update of m skip locked
  ), lost as (
    delete from eventree_outbox.marker m using orphaned o
    where m.id = o.id and m.written_in = o.written_in
    returning m.*
  )
  insert into eventree_outbox.parcel (events, resources, author, waits_for, depth, ends, lost)
  select json_build_array(event), '[]', author, waits_for, depth, array[id], true
  from lost
  order by depth, id
  returning id::text`;

// Of a scope that has ended, by transactions that were open then. Until the end is seen to be committed, more may come;
// after that, all that may are over when no transaction is open that was begun before.
const REMOVE_LATE = `
  with late as (
    select m.id, m.written_in from eventree_outbox.marker m
    where m.id in (select id from eventree_outbox.ended)
    for update of m skip locked
  ), removed as (
    delete from eventree_outbox.marker m using late l where m.id = l.id and m.written_in = l.written_in
  ), unseen as (
    select e.ctid as place from eventree_outbox.ended e where e.open_before is null for update skip locked
  ), seen as (
    update eventree_outbox.ended e set open_before = pg_snapshot_xmax(pg_current_snapshot())
    from unseen u where e.ctid = u.place
  ), over as (
    select e.ctid as place from eventree_outbox.ended e
    where e.open_before <= pg_snapshot_xmin(pg_current_snapshot())
      and not exists (select from eventree_outbox.marker m where m.id = e.id)
    for update skip locked
  )
  delete from eventree_outbox.ended e using over o where e.ctid = o.place`;

// One that is silent and has marked nothing has nothing to lose: its lease begins anew with its next marker.
const FORGET_SILENT = `
  with silent as (
    select r.id from eventree_outbox.recorder r
    where r.expires_at <= now() and not exists (select from eventree_outbox.marker m where m.recorder = r.id)
    for update skip locked
  )
  delete from eventree_outbox.recorder r using silent s where r.id = s.id`;
