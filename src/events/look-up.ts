/**
 * What recording needs to know of the database before it can judge a batch: ACLs, parents, and events
 * that are there already.
 *
 * ACLs are remembered: a remembered one may be old, but `append` confirms its version under the lock, and
 * a refusal is never based on it alone (see record.ts).
 */
import type pg from 'pg';
import { RESOURCE_COLUMNS, type Resource, type ResourceRow, toResource } from '../access/resource.ts';
import type { ResourceRef } from '../access/resource-ref.ts';
import { textArray, uuidArray } from '../db/binary-array.ts';
import type { Known, KnownResource } from './admit.ts';
import type { JudgedResource } from './append.ts';
import type { Draft } from './draft.ts';
import type { Event, EventId } from './event.ts';
import type { Journal } from './journal.ts';
import { EVENT_COLUMNS, EVENT_TYPES, type EventRow, toEvent } from './row.ts';

export interface LookUp {
  /** @param fresh trust nothing remembered, and look whether the drafts themselves are there already. */
  forDrafts(drafts: readonly Draft[], options: { readonly fresh: boolean }): Promise<Known>;
  head(journal: Journal): Promise<number>;
  /** After a commit: these resources are as they were judged. */
  remember(resources: readonly JudgedResource[], known: Known): void;
}

const REMEMBERED_RESOURCES = 10_000;

export function createLookUp(pool: pg.Pool): LookUp {
  const remembered = new Map<ResourceRef, KnownResource>();

  function rememberOne(ref: ResourceRef, resource: KnownResource): void {
    remembered.delete(ref);
    remembered.set(ref, resource);
    if (remembered.size > REMEMBERED_RESOURCES)
      remembered.delete(remembered.keys().next().value as ResourceRef);
  }

  async function resourcesOf(refs: readonly ResourceRef[], fresh: boolean): Promise<Known['resources']> {
    const resources: Known['resources'] = new Map();
    const unknown: ResourceRef[] = [];
    for (const ref of refs) {
      const known = fresh ? undefined : remembered.get(ref);
      if (known === undefined) unknown.push(ref);
      resources.set(ref, known ?? null);
    }
    for (const resource of unknown.length === 0 ? [] : await readResources(pool, unknown)) {
      resources.set(resource.ref, resource);
      rememberOne(resource.ref, resource);
    }
    return resources;
  }

  return {
    async forDrafts(drafts, { fresh }) {
      const own = new Set(drafts.map(({ event }) => event.id));
      const parents = drafts
        .map(({ parentId }) => parentId)
        .filter((id) => id !== null && !own.has(id)) as EventId[];
      const ids = [...new Set(fresh ? [...parents, ...own] : parents)];
      const refs = [...new Set(drafts.map(({ event }) => event.resource).filter((ref) => ref !== null))];
      const resources = await resourcesOf(refs, fresh);
      const events = ids.length === 0 ? new Map() : await readEvents(pool, ids);
      return { resources, events };
    },

    async head(journal) {
      const { rows } = await pool.query<{ head: string }>('select head from journal where id = $1', [
        journal.id,
      ]);
      return Number(rows[0]?.head ?? 0);
    },

    remember(resources, known) {
      for (const { ref, version } of resources) {
        const resource = known.resources.get(ref);
        // Only what was created is news: it has its first version now.
        if (resource != null && version === 0) rememberOne(ref, { ...resource, version: 1 });
      }
    },
  };
}

async function readResources(pool: pg.Pool, refs: readonly ResourceRef[]): Promise<Resource[]> {
  const { rows } = await pool.query<ResourceRow>({
    name: 'look-up-resources',
    text: `select ${RESOURCE_COLUMNS} from resource where ref = any($1)`,
    values: [textArray(refs, (ref) => ref)],
  });
  return rows.map(toResource);
}

type KnownRow = EventRow & { journal: string; acl: ResourceRow | null };

/** By id, each look-up in the one partition that can hold it; nobody's rights are asked here. */
async function readEvents(pool: pg.Pool, ids: readonly EventId[]): Promise<Known['events']> {
  const { rows } = await pool.query<KnownRow>({
    name: 'look-up-events',
    text: `select j.name as journal, ${EVENT_COLUMNS}, to_jsonb(r) as acl
      from unnest($1::uuid[]) as sought (id)
      cross join lateral (select * from event where id = sought.id limit 1) e
      join journal j on j.id = e.journal_id
      left join resource r on r.ref = e.resource`,
    values: [uuidArray(ids)],
    types: EVENT_TYPES,
  });
  return new Map(
    rows.map((row) => {
      const event: Event = toEvent(row, row.journal);
      return [event.id, { event, path: event.path, acl: row.acl === null ? null : toResource(row.acl).acl }];
    }),
  );
}
