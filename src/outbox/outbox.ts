/**
 * Writing to the outbox, and marking what is open. Each is one statement: it runs within transactions of
 * applications, where every round trip is one more that their locks are held for.
 *
 *     openMarkers ──▶ marker ──writeParcels──▶ parcel ──relay──▶ journal
 *                        └──── lease ends ──sweep──▶ ┘
 *
 * JSON goes in as text and is never taken apart: what PostgreSQL would refuse of it, as U+0000 in a string, is for
 * the API to judge, and must not fail the transaction of an application.
 */
import type { Author, Marker, Parcel, Writing } from './parcel.ts';
import { putsOf } from './puts.ts';
import type { Run } from './statement.ts';

/** On which relays listen for what was written. */
export const OUTBOX_CHANNEL = 'eventree_outbox';

/** Who writes: the recorder whose lease its markers hang on, and as whom it is recorded. */
export interface Writer {
  /** A UUID of its own for each recorder that runs. */
  readonly recorder: string;
  readonly author: Author | null;
}

/** How long a recorder is taken for alive without a word of it. */
export interface Lease {
  /** The recorder's UUID. */
  readonly id: string;
  readonly leaseMs: number;
}

/**
 * Writes parcels, marks scopes that go on, and removes the markers of those that end; all of it in the transaction
 * that `run` stands in.
 *
 * @returns which of `ends` had no marker any more: they were taken for lost, and are recorded so.
 */
export async function writeParcels(
  run: Run,
  { parcels, ends, marks }: Writing,
  { recorder, author }: Writer,
): Promise<{ readonly swept: string[] }> {
  const by = author === null ? null : JSON.stringify(author);
  const [only] = parcels;
  if (only !== undefined && parcels.length === 1 && ends.length === 0 && marks.length === 0) {
    const { events, resources, waitsFor, above = [], depth } = only;
    const puts = putsOf(resources);
    await run(WRITE_ONE, [
      JSON.stringify(events),
      JSON.stringify(resources),
      by,
      waitsFor,
      above,
      depth,
      puts,
    ]);
    return { swept: [] };
  }
  const swept = await run<{ id: string }>(WRITE, [
    ...columnsOf(parcels),
    ends,
    ...columnsOfMarkers(marks),
    recorder,
    by,
  ]);
  return { swept: swept.map(({ id }) => id) };
}

// What is written within a transaction of an application, mostly, and planned in a quarter of the time.
const WRITE_ONE = `
  insert into eventree_outbox.parcel (events, resources, author, waits_for, above, depth, puts)
  values ($1::json, $2::json, $3::json, $4::uuid, $5::text[]::uuid[], $6::integer, $7::text[])`;

// A marker that another transaction brings at the same time is neither seen nor waited for: the scope is marked twice
// then. A scope that one transaction had marked may have been marked by others that are still open.
const WRITE = `
  with ended as (
    delete from eventree_outbox.marker where id = any($4::text[]::uuid[]) returning id, written_in
  ), remembered as (
    insert into eventree_outbox.ended (id) select distinct id from ended where written_in <> '0'
  ), marked as (
    insert into eventree_outbox.marker (id, recorder, event, author, waits_for, depth, written_in)
    select
      (m.plain->>'id')::uuid, $7::uuid, e.event, $8::json, (m.plain->>'waitsFor')::uuid, (m.plain->>'depth')::integer,
      pg_current_xact_id()
    from json_array_elements($5::json) with ordinality m (plain, nth)
    join json_array_elements($6::json) with ordinality e (event, nth) using (nth)
    where not exists (select from eventree_outbox.marker k where k.id = (m.plain->>'id')::uuid)
  ), written as (
    insert into eventree_outbox.parcel (events, resources, author, waits_for, above, depth, ends, puts)
    select
      e.events, r.resources, $8::json, (p.plain->>'waitsFor')::uuid,
      array(select json_array_elements_text(p.plain->'above'))::uuid[], (p.plain->>'depth')::integer,
      $4::text[]::uuid[], array(select json_array_elements_text(p.plain->'puts'))
    from json_array_elements($1::json) with ordinality p (plain, nth)
    join json_array_elements($2::json) with ordinality e (events, nth) using (nth)
    join json_array_elements($3::json) with ordinality r (resources, nth) using (nth)
    order by nth
  )
  select id from unnest($4::text[]) id where id::uuid not in (select ended.id from ended)`;

/** Plain values apart from JSON of others, which is not looked into. */
function columnsOf(parcels: readonly Parcel[]): [plain: string, events: string, resources: string] {
  return [
    JSON.stringify(
      parcels.map(({ waitsFor, above = [], depth, resources }) => ({
        waitsFor,
        above,
        depth,
        puts: putsOf(resources),
      })),
    ),
    JSON.stringify(parcels.map(({ events }) => events)),
    JSON.stringify(parcels.map(({ resources }) => resources)),
  ];
}

function columnsOfMarkers(markers: readonly Marker[]): [plain: string, events: string] {
  return [
    JSON.stringify(markers.map(({ id, waitsFor, depth }) => ({ id, waitsFor, depth }))),
    JSON.stringify(markers.map(({ event }) => event)),
  ];
}

/** Marks scopes that open, and renews the lease of who runs them. One that is marked already stays as it is. */
export async function openMarkers(
  run: Run,
  { id, leaseMs }: Lease,
  markers: readonly Marker[],
  author: Author | null,
): Promise<void> {
  await run(OPEN, [
    id,
    leaseMs,
    ...columnsOfMarkers(markers),
    author === null ? null : JSON.stringify(author),
  ]);
}

// The lease is renewed once half of it is over: its row would be locked for each call, and calls that open at the
// same time would wait for each other's commits.
const OPEN = `
  with renewed as (
    insert into eventree_outbox.recorder as r (id, expires_at)
    select $1::uuid, now() + $2::integer * interval '1 ms'
    where not exists (
      select from eventree_outbox.recorder r
      where r.id = $1::uuid and r.expires_at > now() + $2::integer * interval '0.5 ms'
    )
    on conflict (id) do update set expires_at = greatest(r.expires_at, excluded.expires_at)
  )
  insert into eventree_outbox.marker (id, recorder, event, author, waits_for, depth)
  select (m.plain->>'id')::uuid, $1::uuid, e.event, $5::json, (m.plain->>'waitsFor')::uuid, (m.plain->>'depth')::integer
  from json_array_elements($3::json) with ordinality m (plain, nth)
  join json_array_elements($4::json) with ordinality e (event, nth) using (nth)
  on conflict (id, written_in) do nothing`;

export async function renewLease(run: Run, { id, leaseMs }: Lease): Promise<void> {
  await run(
    `insert into eventree_outbox.recorder as r (id, expires_at)
     values ($1::uuid, now() + $2::integer * interval '1 ms')
     on conflict (id) do update set expires_at = greatest(r.expires_at, excluded.expires_at)`,
    [id, leaseMs],
  );
}

/** The same for a recorder that has opened markers: one that is not known has none to keep. */
export async function prolongLease(run: Run, { id, leaseMs }: Lease): Promise<void> {
  await run(
    `update eventree_outbox.recorder r
     set expires_at = greatest(r.expires_at, now() + $2::integer * interval '1 ms') where r.id = $1::uuid`,
    [id, leaseMs],
  );
}

/** The recorder ends: what it leaves marked is lost from now on. */
export async function releaseLease(run: Run, recorder: string): Promise<void> {
  await run('delete from eventree_outbox.recorder where id = $1::uuid', [recorder]);
}

/** Those of the scopes that are marked. */
export async function markedAmong(run: Run, ids: readonly string[]): Promise<string[]> {
  const marked = await run<{ id: string }>(
    'select id::text from eventree_outbox.marker where id = any($1::text[]::uuid[]) group by id',
    [ids],
  );
  return marked.map(({ id }) => id);
}

/**
 * Those of the scopes that are marked, and whose marker no open transaction is removing. What was to be removed by a
 * transaction that is over was rolled back.
 */
export async function leftAmong(run: Run, ids: readonly string[]): Promise<string[]> {
  const left = await run<{ id: string }>(
    `with untouched as (
       select id from eventree_outbox.marker where id = any($1::text[]::uuid[]) for update skip locked
     )
     select distinct id::text from untouched`,
    [ids],
  );
  return left.map(({ id }) => id);
}

/**
 * Wakes relays that listen. To be called when what was written has been committed, and not within the transaction:
 * PostgreSQL lets transactions that notify commit one at a time.
 */
export async function wakeRelays(run: Run): Promise<void> {
  // A void result is not read by Prisma.
  await run('select pg_notify($1, $2)::text', [OUTBOX_CHANNEL, '']);
}
