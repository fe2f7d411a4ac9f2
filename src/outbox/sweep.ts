/**
 * Turns markers into evidence: the event that a marker holds is written as a parcel when its recorder's lease has
 * ended, which is when its process is gone, or has stood still for as long.
 */
import type { Run } from './statement.ts';

/** How many were lost. Several may sweep at once: each marker is taken by one of them. */
export async function sweepLost(run: Run): Promise<number> {
  const lost = await run<{ id: string }>(SWEEP, []);
  return lost.length;
}

// A marker that is being removed by a transaction is locked, and passed over: its call has ended.
const SWEEP = `
  with forgotten as (
    delete from eventree_outbox.recorder where expires_at < now() - interval '1 day'
  ), orphaned as (
    select m.id from eventree_outbox.marker m
    where not exists (
      select from eventree_outbox.recorder r where r.id = m.recorder and r.expires_at > now()
    )
    for update of m skip locked
  ), lost as (
    delete from eventree_outbox.marker m using orphaned o where m.id = o.id returning m.*
  )
  insert into eventree_outbox.parcel (events, resources, author, waits_for, depth, ends, lost)
  select json_build_array(event), '[]', author, waits_for, depth, array[id], true
  from lost
  order by depth, id
  returning id::text`;
