/**
 * The order in which parcels put a resource: what the later one says stays, whoever moves them and whenever.
 *
 *     claimed, resources held ──▶ put ──▶ noted, by which parcel ──▶ let go
 *                                  └──refused──────────────────────▶ let go
 *
 * A relay holds the resources of the parcels that it has claimed: no other puts them meanwhile. A parcel that was
 * refused, or waits for a scope that is open, holds up nobody. When its turn comes, what a later one has put is left out.
 */
import type { TakenParcel } from './claim.ts';
import type { ResourcePut } from './parcel.ts';
import type { Run } from './statement.ts';

/** Who claims, and for how long others leave it alone. */
export interface Claimant {
  /** A UUID of its own for each relay that runs. */
  readonly relay: string;
  readonly claimMs: number;
}

/** Others no API takes, and they might not fit into an index. */
const PUTTABLE = /^[^\p{Cc}\p{Cs}]{1,500}$/u;

/** Which resources a parcel puts, each once. */
export function putsOf(resources: readonly ResourcePut[]): string[] {
  return [...new Set(resources.map(({ ref }) => ref).filter((ref) => PUTTABLE.test(ref)))];
}

/**
 * Takes hold of the resources in rows `wanted (ref)`, as far as no other relay has: `$1` is the relay, `$2` for how many
 * ms. All that lock several do it in this order, so that none waits for one that waits for it.
 */
export const HOLD = `
  insert into eventree_outbox.resource as r (ref, relay, held_until)
  select ref, $1::uuid, now() + $2::integer * interval '1 ms' from wanted order by ref
  on conflict (ref) do update set relay = excluded.relay, held_until = excluded.held_until
  where r.relay is null or r.relay = excluded.relay or r.held_until <= now()
  returning ref, name_put_by, acl_put_by`;

/** Refs of those that are held, and of those of them whose name and whose ACL a later parcel has put. */
interface Held {
  /** As they stand in the parcel by now, as JSON; null where it is gone. */
  readonly resources: string | null;
  readonly held: readonly string[];
  readonly named: readonly string[];
  readonly shared: readonly string[];
}

/**
 * What the parcel is still to put. Its resources are held anew, and it is read anew: the claim may have run out.
 *
 * @returns null where another relay is at it, or has moved it.
 */
export async function holdPuts(
  run: Run,
  { id, resources }: TakenParcel,
  { relay, claimMs }: Claimant,
): Promise<readonly ResourcePut[] | null> {
  const wanted = putsOf(resources);
  const [row] = await run<Held>(HOLD_PUTS, [relay, claimMs, wanted, id]);
  if (row === undefined || row.resources === null || row.held.length < wanted.length) return null;
  const [named, shared] = [new Set(row.named), new Set(row.shared)];
  const left: readonly ResourcePut[] = JSON.parse(row.resources);
  return left.map((put) => withoutLater(put, named, shared)).filter((put) => put !== null);
}

const HOLD_PUTS = `
  with wanted as (
    select ref from unnest($3::text[]) ref
  ), held as (${HOLD})
  select (select p.resources::text from eventree_outbox.parcel p where p.id = $4::text::bigint) as resources,
    array(select ref from held) as held,
    array(select ref from held where name_put_by > $4::text::bigint) as named,
    array(select ref from held where acl_put_by > $4::text::bigint) as shared`;

/** Without what a later parcel has put of it; null where nothing is left to say. */
function withoutLater(
  put: ResourcePut,
  named: ReadonlySet<string>,
  shared: ReadonlySet<string>,
): ResourcePut | null {
  const { name, acl, ...rest } = put;
  const [isNamed, isShared] = [named.has(put.ref), shared.has(put.ref)];
  if (!isNamed && !isShared) return put;
  const left = {
    ...rest,
    ...(name !== undefined && !isNamed && { name }),
    ...(acl !== undefined && !isShared && { acl }),
  };
  return 'name' in left || 'acl' in left ? left : null;
}

/** Some are put: the parcel is left with the others, and no earlier one puts the same again. */
export async function notePuts(
  run: Run,
  id: string,
  put: readonly ResourcePut[],
  left: readonly ResourcePut[],
): Promise<void> {
  const named = putsOf(put.filter(({ name }) => name !== undefined));
  const shared = putsOf(put.filter(({ acl }) => acl !== undefined));
  await run(NOTE, [id, named, shared, JSON.stringify(left), putsOf(left)]);
}

const NOTE = `
  with locked as (
    select ref from eventree_outbox.resource where ref = any($2::text[] || $3::text[]) order by ref for update
  ), noted as (
    update eventree_outbox.resource r set
      name_put_by = case when r.ref = any($2::text[]) then greatest(r.name_put_by, $1::text::bigint) else r.name_put_by end,
      acl_put_by = case when r.ref = any($3::text[]) then greatest(r.acl_put_by, $1::text::bigint) else r.acl_put_by end
    from locked l where r.ref = l.ref
  )
  update eventree_outbox.parcel set resources = $4::json, puts = $5::text[] where id = $1::text::bigint`;

/** Forgets by which parcels resources were put, where no earlier one is left to put anything. */
export async function forgetPuts(run: Run): Promise<void> {
  await run(FORGET, []);
}

const FORGET = `
  with past as (
    select r.ref from eventree_outbox.resource r
    where greatest(r.name_put_by, r.acl_put_by) < coalesce(
        (select min(p.id) from eventree_outbox.parcel p where p.puts <> '{}'), 9223372036854775807
      )
      and (r.relay is null or r.held_until <= now())
    for update skip locked
  )
  delete from eventree_outbox.resource r using past p where r.ref = p.ref`;
