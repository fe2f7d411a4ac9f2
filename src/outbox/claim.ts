/**
 * Rows of the outbox, as relays take them. A relay claims a row for a while, so that no other takes it; one that is
 * killed leaves the row to whoever comes when the claim has run out.
 *
 *     waiting ──claim──▶ claimed ──recorded──▶ gone
 *        ▲                 │ │
 *        ├──claim runs out─┘ └──refused──▶ refused ──due again──▶ claimed
 *
 * A parcel waits for the scope below which it hangs: while that is marked, and while the parcel that holds it is
 * here. So what lies higher is always moved first, whoever moves it. Only what lies higher is waited for, so none waits
 * for one that waits for it.
 */
import type { Author, PlacedEvent, ResourcePut } from './parcel.ts';
import { type Claimant, HOLD } from './puts.ts';
import type { Run } from './statement.ts';

/** A parcel that a relay has claimed. */
export interface TakenParcel {
  readonly id: string;
  readonly events: readonly PlacedEvent[];
  readonly resources: readonly ResourcePut[];
  readonly author: Author | null;
  /** The scope below which it hangs, and those above that one, nearest first. */
  readonly chain: readonly string[];
  /** Made of a marker: its scope may have been recorded nevertheless. */
  readonly lost: boolean;
  /** How often it was refused before. */
  readonly attempts: number;
}

interface TakenRow {
  readonly id: string;
  readonly events: string;
  readonly resources: string;
  readonly author: string | null;
  readonly chain: string;
  readonly lost: boolean;
  readonly attempts: number;
}

/** Are claimed at once. */
export const MOST_PARCELS = 100;
/** As they are stored, compressed. One that is larger goes alone. */
const MOST_BYTES = 1_000_000;

/** Of those that may be taken so many are looked at: others take some of them at the same moment. */
const MOST_LOOKED_AT = 400;

/** Whether what waits for the scope at the depth waits on. */
const isAwaited = (scope: string, depth: string) => `(
  exists (select from eventree_outbox.marker m where m.id = ${scope} and m.depth < ${depth})
  or exists (
    select from eventree_outbox.parcel h where h.ends <> '{}' and h.ends @> array[${scope}] and h.depth < ${depth}
  )
)`;

/** Scopes that parcels wait for, at which depth: found by one step in an index for each, however many wait for it. */
const ALL_AWAITED = `
  recursive awaited (id, depth) as (
    (
      select p.waits_for, p.depth from eventree_outbox.parcel p
      where p.waits_for is not null and p.error is null order by p.waits_for, p.depth limit 1
    )
    union all
    select n.waits_for, n.depth from awaited a cross join lateral (
      select p.waits_for, p.depth from eventree_outbox.parcel p
      where p.waits_for is not null and p.error is null and (p.waits_for, p.depth) > (a.id, a.depth)
      order by p.waits_for, p.depth limit 1
    ) n
  )`;

/** The same of these scopes only. */
const AWAITED_AMONG = `
  awaited (id, depth) as (
    select f.id, (
      select min(p.depth) from eventree_outbox.parcel p where p.waits_for = f.id and p.error is null
    )
    from unnest($6::text[]::uuid[]) f (id)
  )`;

/**
 * Takes what is due, highest first; nothing where there is none.
 *
 * @param freed scopes that were waited for until now: of all that waits for a scope, only this is looked at. Left out,
 *   all is, which costs a step for each scope.
 */
export async function claimParcels(
  run: Run,
  { relay, claimMs }: Claimant,
  freed?: readonly string[],
): Promise<TakenParcel[]> {
  const values = [relay, claimMs, MOST_LOOKED_AT, MOST_PARCELS, MOST_BYTES];
  const rows = await (freed === undefined
    ? run<TakenRow>(CLAIM, values)
    : run<TakenRow>(CLAIM_FREED, [...values, freed]));
  return rows.map(({ id, events, resources, author, chain, lost, attempts }) => ({
    id,
    events: JSON.parse(events),
    resources: JSON.parse(resources),
    author: author === null ? null : JSON.parse(author),
    chain: JSON.parse(chain),
    lost,
    attempts,
  }));
}

const IS_UNCLAIMED = '(p.claimed_until is null or p.claimed_until <= now())';
const IS_DUE = `coalesce(p.retry_at, '-infinity'::timestamptz) <= now()`;

// What waits for nothing comes first: where there is enough of it, scopes are not looked at. What was refused waits for
// no scope any more.
const claim = (awaited: string) => `
  with ${awaited}, fresh as (
    (
      select p.id from eventree_outbox.parcel p
      where p.waits_for is null and p.error is null and ${IS_UNCLAIMED}
      order by p.depth, p.id limit $3::integer
    )
    union all
    select w.id from awaited a cross join lateral (
      select p.id from eventree_outbox.parcel p
      where p.waits_for = a.id and p.depth = a.depth and p.error is null and ${IS_UNCLAIMED}
      order by p.id limit $3::integer
    ) w
    where not ${isAwaited('a.id', 'a.depth')}
    limit $3::integer
  ), again as (
    select p.id from eventree_outbox.parcel p
    where p.error is not null and ${IS_DUE} and ${IS_UNCLAIMED}
    order by coalesce(p.retry_at, '-infinity'::timestamptz) limit $3::integer
  ), due as (
    select p.id, p.depth, p.puts, pg_column_size(p.events) as bytes
    from eventree_outbox.parcel p
    where p.id = any(array(select id from fresh union all select id from again)) and ${IS_UNCLAIMED} and ${IS_DUE}
    order by p.depth, p.id
    limit $4::integer
    for update of p skip locked
  ), weighed as (
    select id, puts, sum(bytes) over (order by depth, id) - bytes as above from due
  ), fitting as (
    select w.id, w.puts from weighed w
    where w.above < $5::integer and not exists (
      select from eventree_outbox.resource r
      where r.ref = any(w.puts) and r.relay <> $1::uuid and r.held_until > now()
    )
  ), wanted as (
    select distinct unnest(puts) as ref from fitting
  ), held as (${HOLD}), taken as (
    update eventree_outbox.parcel p
    set claimed_until = now() + $2::integer * interval '1 ms'
    from fitting f
    where p.id = f.id and f.puts <@ array(select ref from held)
    returning p.*
  )
  select id::text, events::text, resources::text, author::text,
    to_json(array_remove(waits_for || above, null))::text as chain, lost, attempts
  from taken order by depth, taken.id`;
const CLAIM = claim(ALL_AWAITED);
const CLAIM_FREED = claim(AWAITED_AMONG);

/** They are in the journal. @returns the scopes that ended with them. */
export async function removeParcels(run: Run, ids: readonly string[]): Promise<string[]> {
  const ended = await run<{ id: string }>(
    `with removed as (
       delete from eventree_outbox.parcel where id = any($1::text[]::bigint[]) returning ends
     )
     select unnest(ends)::text as id from removed`,
    [ids],
  );
  return ended.map(({ id }) => id);
}

/**
 * The claim is over: whoever comes may take those of which nothing became, and put what was held. In one, so that what
 * is killed at this moment leaves no resource held of which nobody has a parcel.
 */
export async function giveBack(run: Run, relay: string, ids: readonly string[]): Promise<void> {
  await run(GIVE_BACK, [relay, ids]);
}

const GIVE_BACK = `
  with locked as (
    select ref from eventree_outbox.resource where relay = $1::uuid order by ref for update
  ), let_go as (
    update eventree_outbox.resource r set relay = null from locked l where r.ref = l.ref
  )
  update eventree_outbox.parcel set claimed_until = null where id = any($2::text[]::bigint[])`;

/** It counts as tried, and whoever comes may take it. */
export async function markTried(run: Run, id: string): Promise<void> {
  await run(
    `update eventree_outbox.parcel set claimed_until = null, attempts = attempts + 1
     where id = $1::text::bigint`,
    [id],
  );
}

/** It was refused, and is tried again when `delayMs` have passed. */
export async function markRefused(run: Run, id: string, error: string, delayMs: number): Promise<void> {
  await run(
    `update eventree_outbox.parcel
     set error = $2, attempts = attempts + 1, claimed_until = null, retry_at = now() + $3::integer * interval '1 ms'
     where id = $1::text::bigint`,
    // PostgreSQL has no text with U+0000.
    [id, error.replaceAll('\0', '\uFFFD'), delayMs],
  );
}

export interface ParcelCounts {
  readonly waiting: number;
  readonly refused: number;
}

export async function countParcels(run: Run): Promise<ParcelCounts> {
  const [counts] = await run<ParcelCounts>(
    `select count(*) filter (where error is null)::integer as waiting,
       count(*) filter (where error is not null)::integer as refused
     from eventree_outbox.parcel`,
    [],
  );
  return counts as ParcelCounts;
}

/** Whether nothing is on its way: what is left was refused, or waits for a scope that is open or was refused. */
export async function isSettled(run: Run): Promise<boolean> {
  const [answer] = await run<{ settled: boolean }>(
    `with ${ALL_AWAITED}
     select not exists (select from eventree_outbox.parcel p where p.waits_for is null and p.error is null)
       and not exists (select from awaited a where not ${isAwaited('a.id', 'a.depth')}) as settled`,
    [],
  );
  return answer?.settled === true;
}
