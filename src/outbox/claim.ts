/**
 * Rows of the outbox, as relays take them. A relay claims a row for a while, so that no other takes it; one that is
 * killed leaves the row to whoever comes when the claim has run out.
 *
 *     waiting ──claim──▶ claimed ──recorded──▶ gone
 *        ▲                 │ │
 *        ├──claim runs out─┘ └──refused──▶ refused ──due again──▶ claimed
 *
 * A parcel waits for the scope below which it hangs: while that is marked, and while the parcel that holds it is
 * here. So what lies higher is always moved first, whoever moves it.
 */
import type { Author, PlacedEvent, ResourcePut } from './parcel.ts';
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

const MOST_PARCELS = 100;
/** As they are stored, compressed. One that is larger goes alone. */
const MOST_BYTES = 1_000_000;

/** Whether a row `p` may be moved, but for its claim. */
const FREE = `(
  p.waits_for is null
  or not exists (select from eventree_outbox.marker m where m.id = p.waits_for)
  and not exists (
    select from eventree_outbox.parcel h where h.ends <> '{}' and h.ends @> array[p.waits_for]
  )
)`;

/** Takes what is due, highest first; nothing where there is none. */
export async function claimParcels(run: Run, claimMs: number): Promise<TakenParcel[]> {
  const rows = await run<TakenRow>(CLAIM, [claimMs, MOST_PARCELS, MOST_BYTES]);
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

const CLAIM = `
  with due as (
    select p.id, p.depth, pg_column_size(p.events) as bytes
    from eventree_outbox.parcel p
    where (p.retry_at is null or p.retry_at <= now()) and ${FREE}
    order by p.depth, p.id
    limit $2::integer
    for update of p skip locked
  ), weighed as (
    select id, sum(bytes) over (order by depth, id) - bytes as above from due
  ), taken as (
    update eventree_outbox.parcel p
    set retry_at = now() + $1::integer * interval '1 ms'
    from weighed w
    where p.id = w.id and w.above < $3::integer
    returning p.*
  )
  select id::text, events::text, resources::text, author::text,
    to_json(array_remove(waits_for || above, null))::text as chain, lost, attempts
  from taken order by depth, taken.id`;

/** They are in the journal. */
export async function removeParcels(run: Run, ids: readonly string[]): Promise<void> {
  await run('delete from eventree_outbox.parcel where id = any($1::text[]::bigint[])', [ids]);
}

/** They are put. */
export async function forgetResources(run: Run, id: string): Promise<void> {
  await run("update eventree_outbox.parcel set resources = '[]' where id = $1::text::bigint", [id]);
}

/** Nothing became of it: whoever comes may take them. @param tried those that count as tried. */
export async function returnParcels(
  run: Run,
  ids: readonly string[],
  tried: readonly string[],
): Promise<void> {
  await run(
    `update eventree_outbox.parcel
     set retry_at = null, attempts = attempts + (id = any($2::text[]::bigint[]))::integer
     where id = any($1::text[]::bigint[])`,
    [ids, tried],
  );
}

/** It was refused, and is tried again when `delayMs` have passed. */
export async function markRefused(run: Run, id: string, error: string, delayMs: number): Promise<void> {
  await run(
    `update eventree_outbox.parcel
     set error = $2, attempts = attempts + 1, retry_at = now() + $3::integer * interval '1 ms'
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
    `select not exists (
       select from eventree_outbox.parcel p where p.error is null and ${FREE}
     ) as settled`,
    [],
  );
  return answer?.settled === true;
}
