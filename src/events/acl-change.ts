/**
 * Changes who may see and change a resource, and gives the change its place in every journal that has
 * events of the resource: what is recorded after it is seen by the new rights only.
 *
 * One transaction, in this order:
 *   1. the index of each such journal is locked, and the resource's events there are moved from the
 *      claims that lost them to those that gained them (a few bit operations per 4,096 events);
 *   2. the resource gets its new ACL and version;
 *   3. an event of type `acl_change` is appended, under the journal's lock.
 * Events that are not in the index yet are judged by the resource's ACL directly, so from the commit on
 * every reader judges by the new one; an append judged by the old one is refused and judged again.
 */
import type pg from 'pg';
import { type Acl, aclEquals, holds, RIGHTS, type Right, sameClaims } from '../access/acl.ts';
import { isAdmin, type Principal } from '../access/principal.ts';
import {
  ACL_COLUMN,
  RESOURCE_COLUMNS,
  type Resource,
  type ResourceRow,
  toResource,
} from '../access/resource.ts';
import type { ResourceRef } from '../access/resource-ref.ts';
import { mayNot } from '../access/resources.ts';
import { checkToken } from '../access/revocation.ts';
import { EventreeError } from '../base/errors.ts';
import { textArray } from '../db/binary-array.ts';
import { ACL_CHANGE } from './builtin.ts';
import { type Bits, intersect, isEmpty, noBits, subtract, unite } from './index/bits.ts';
import { lockIndex, readRows, writeRows } from './index/indexer.ts';
import { lastingUnder, resourceTerm, type Term, typeTerm, viewerTerms } from './index/term.ts';
import type { Journal } from './journal.ts';
import { appendOwn, type Changed, commitChange, type OwnEventOptions } from './own-event.ts';
import type { Announcement } from './record.ts';

/** @param name the resource's new name, which takes editMeta; left out, it keeps the one it has. */
export type ChangeAcl = (
  ref: ResourceRef,
  acl: Acl,
  principal: Principal,
  name?: string | null,
) => Promise<Resource>;

/**
 * @returns changes the ACL as a whole; answers the resource as it is then.
 * @throws (from it) NOT_FOUND for a resource that the principal may not see, FORBIDDEN without the right.
 */
export function createAclChange(options: OwnEventOptions): ChangeAcl {
  const { registry } = options;

  return (ref, acl, principal, name) =>
    commitChange(options, (client) => change(client, ref, acl, principal, name));

  async function change(
    client: pg.PoolClient,
    ref: ResourceRef,
    acl: Acl,
    principal: Principal,
    name: string | null | undefined,
  ): Promise<Changed<Resource>> {
    // Moving the bits of a resource with millions of events takes longer than a request may otherwise.
    await client.query('set local statement_timeout = 0');
    const found = await lockResource(client, ref);
    if (found === null) throw new EventreeError('NOT_FOUND', `There is no resource ${ref}.`);
    const needed: Right[] = ['editAcl'];
    if (name !== undefined) needed.push('editMeta');
    // Owners see what is private. Who may change the other rights does not for that reason become one.
    if (!sameClaims(found.acl.owners, acl.owners)) needed.push('owners');
    for (const right of needed) {
      if (isAdmin(principal) || holds(principal.claims, found.acl, right)) continue;
      throw mayNot(principal, ref, found.acl, right);
    }
    const resource: Resource = { ...found, name: name === undefined ? found.name : name };
    if (name !== undefined) await client.query('update resource set name = $2 where ref = $1', [ref, name]);
    if (aclEquals(resource.acl, acl)) return { result: resource, announcements: [] };

    const journals = await journalsOf(client, ref);
    for (const journal of journals) await moveBits(client, journal, ref, resource.acl, acl);
    await saveAcl(client, ref, acl);
    const changed: Resource = { ...resource, acl, version: resource.version + 1 };
    const announcements: Announcement[] = [];
    for (const journal of journals) {
      announcements.push(await appendChange(client, journal, resource, changed, principal));
    }
    return { result: changed, announcements };
  }

  async function appendChange(
    client: pg.PoolClient,
    journal: Journal,
    before: Resource,
    after: Resource,
    principal: Principal,
  ): Promise<Announcement> {
    const current = await registry.refresh();
    checkToken(principal, current.revocations);
    const input = {
      type: ACL_CHANGE,
      resource: after.ref,
      attributes: { old_acl: before.acl, new_acl: after.acl },
    };
    const judged = { principal, registry: current, registryVersion: current.version };
    return appendOwn(client, { journal, input, acl: after.acl, ...judged }, options);
  }
}

async function lockResource(client: pg.PoolClient, ref: ResourceRef): Promise<Resource | null> {
  const { rows } = await client.query<ResourceRow>(
    `select ${RESOURCE_COLUMNS} from resource where ref = $1 for update`,
    [ref],
  );
  return rows[0] === undefined ? null : toResource(rows[0]);
}

/** The journals that hold events of the resource, their index locked, in one order for everybody. */
async function journalsOf(client: pg.PoolClient, ref: ResourceRef): Promise<Journal[]> {
  const { rows } = await client.query<Journal>(
    'select id, name, epoch from journal where head > 0 order by id',
  );
  const journals: Journal[] = [];
  for (const journal of rows) {
    await lockIndex(client, journal.id);
    const found = await client.query(
      `select from event_index where journal_id = $1 and term = $2
       union all
       select from event e join journal j on j.id = e.journal_id
       where j.id = $1 and e.position > j.indexed and e.resource = $3
       limit 1`,
      [journal.id, resourceTerm(ref), ref],
    );
    if (found.rowCount !== 0) journals.push(journal);
  }
  return journals;
}

/**
 * Takes the resource's indexed events from the viewers of the old ACL and gives them to those of the new. What a
 * claim sees whatever the ACL says, it keeps.
 */
async function moveBits(
  client: pg.PoolClient,
  journal: Journal,
  ref: ResourceRef,
  before: Acl,
  after: Acl,
): Promise<void> {
  const ofChanges = moveBetween(ACL_CHANGE, ref, before, after);
  const ofOthers = moveBetween('any other', ref, before, after);
  const touched = [...new Set([ofChanges, ofOthers].flatMap(({ lost, gained }) => [...lost, ...gained]))];
  const lasting = touched.map(lastingUnder).filter((term) => term !== null);

  const { rows } = await client.query<{ chunk: number }>(
    'select chunk from event_index where journal_id = $1 and term = $2 order by chunk',
    [journal.id, resourceTerm(ref)],
  );
  for (const { chunk } of rows) {
    const known = await readRows(client, journal.id, chunk, [
      ...touched,
      ...lasting,
      resourceTerm(ref),
      typeTerm(ACL_CHANGE),
    ]);
    const events = known.get(resourceTerm(ref)) ?? noBits();
    const changes = intersect(known.get(typeTerm(ACL_CHANGE)) ?? noBits(), events);
    const others = subtract(events.slice(), changes);
    const sets = new Map(touched.map((term) => [term, known.get(term) ?? noBits()]));
    for (const [members, { lost, gained }] of [
      [changes, ofChanges],
      [others, ofOthers],
    ] as const) {
      for (const term of lost) {
        const under = lastingUnder(term);
        const kept = under === null ? undefined : known.get(under);
        const leaving = kept === undefined ? members : subtract(members.slice(), kept);
        subtract(sets.get(term) as Bits, leaving);
      }
      for (const term of gained) unite(sets.get(term) as Bits, members);
    }
    for (const [term, bits] of sets) if (isEmpty(bits) && !known.has(term)) sets.delete(term);
    await writeRows(client, journal.id, chunk, sets, false);
  }
}

/** Terms of viewers that events of a type lose and gain. */
interface Move {
  readonly lost: readonly Term[];
  readonly gained: readonly Term[];
}

function moveBetween(type: string, resource: ResourceRef, before: Acl, after: Acl): Move {
  const old = new Set(viewerTerms({ type, resource }, before));
  const now = new Set(viewerTerms({ type, resource }, after));
  return {
    lost: [...old].filter((term) => !now.has(term)),
    gained: [...now].filter((term) => !old.has(term)),
  };
}

async function saveAcl(client: pg.PoolClient, ref: ResourceRef, acl: Acl): Promise<void> {
  const lists = RIGHTS.map((right, nth) => `${ACL_COLUMN[right]} = $${nth + 2}`).join(', ');
  await client.query(`update resource set version = version + 1, ${lists} where ref = $1`, [
    ref,
    ...RIGHTS.map((right) => textArray(acl[right], (claim) => claim)),
  ]);
}
