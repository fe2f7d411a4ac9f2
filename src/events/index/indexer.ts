/**
 * Brings what has been recorded into the index, some way behind the head.
 *
 *     1 ─────────────── indexed │ ────── head
 *        in event_index         │  read directly
 *        and event_column
 *
 * Positions up to `journal.indexed` stand in the index and in its columns (columns.ts), whole; the few after it are read from the events
 * themselves, so a search finds an event as soon as it is committed and an append pays for no index. One
 * term's row then takes the bits of hundreds of events at once, which is what makes many terms affordable.
 *
 * It is work for the processor as much as for the database, so it is done in a thread of its own
 * (thread.ts, worker.ts): live readers must not wait for it.
 *
 * Whoever changes rows of a journal's index holds its lock (`lockIndex`): this, a change of an ACL
 * (../acl-change.ts) and a newly indexed attribute (`indexAttribute`).
 */
import type pg from 'pg';
import type { Acl } from '../../access/acl.ts';
import { ACL_COLUMNS, type AclRow, toAcl } from '../../access/resource.ts';
import type { ResourceRef } from '../../access/resource-ref.ts';
import { type Loop, startLoop } from '../../base/loop.ts';
import { byteaArray, textArray } from '../../db/binary-array.ts';
import type { Database } from '../../db/database.ts';
import { inTransaction } from '../../db/transaction.ts';
import { retryWithPartition } from '../partition.ts';
import type { Registry } from '../registry.ts';
import type { RegistryStore } from '../registry-store.ts';
import { EVENT_TYPES, type EventRow } from '../row.ts';
import { type Bits, CHUNK_SIZE, chunkOf, decodeBits, encodeBits, unite } from './bits.ts';
import { TermCollection } from './collection.ts';
import { type ColumnEvent, writeColumns } from './columns.ts';
import { type IndexedEvent, presenceTerm, type Term, valuePrefix } from './term.ts';

/** Below this many, events are left to be read directly. */
export const INDEX_BEHIND = 1_024;
const INTERVAL_MS = 1_000;
/**
 * A chunk that is not full yet is indexed at most so often by one server. Each time most of its rows are written anew, which at
 * thousands of events a second takes as long as recording them.
 */
const PART_EVERY_MS = 500;

/** Indexes whatever journal has grown, by nudge or interval; runs in worker.ts. */
export function startIndexing(
  { pool }: Database,
  registry: RegistryStore,
  onError: (error: unknown) => void,
): Loop {
  let partsAt = Number.NEGATIVE_INFINITY;
  return startLoop({
    intervalMs: INTERVAL_MS,
    onError,
    work: async () => {
      const now = performance.now();
      const takesParts = now - partsAt >= PART_EVERY_MS;
      let progress = false;
      for (const { id, hasFullChunk } of await findGrown(pool)) {
        if (!takesParts && !hasFullChunk) continue;
        progress = (await indexNext(pool, registry, id, INDEX_BEHIND)) || progress;
      }
      if (takesParts) partsAt = now;
      return progress;
    },
  });
}

interface Grown {
  readonly id: number;
  /** All of a chunk has been recorded, and not all of it indexed. */
  readonly hasFullChunk: boolean;
}

/** Journals of which more is left to be indexed than may be. */
export async function findGrown(pool: pg.Pool): Promise<Grown[]> {
  const { rows } = await pool.query<Grown>(
    `select id, head / $2 > indexed / $2 as "hasFullChunk" from journal where head - indexed >= $1`,
    [INDEX_BEHIND, CHUNK_SIZE],
  );
  return rows;
}

/** Held to the end of the transaction by whoever changes a journal's index. */
export async function lockIndex(client: pg.PoolClient, journalId: number): Promise<void> {
  await client.query("select pg_advisory_xact_lock(hashtext('eventree index'), $1)", [journalId]);
}

/**
 * Indexes what follows `indexed`, up to the end of a chunk.
 *
 * @param least do nothing while fewer events wait.
 * @returns whether it did something.
 */
export function indexNext(
  pool: pg.Pool,
  store: RegistryStore,
  journalId: number,
  least: number,
): Promise<boolean> {
  return retryWithPartition(pool, () =>
    inTransaction(pool, async (client) => {
      await lockIndex(client, journalId);
      const state = await client.query<{ head: string; indexed: string }>(
        'select head, indexed from journal where id = $1',
        [journalId],
      );
      const head = Number(state.rows[0]?.head ?? 0);
      const indexed = Number(state.rows[0]?.indexed ?? 0);
      if (head - indexed < least) return false;
      // Under the lock: a registry that changes after this finds these events indexed by the old one and
      // adds to them, see indexAttribute.
      const registry = await store.refresh();
      const chunk = chunkOf(indexed + 1);
      const to = Math.min(head, (chunk + 1) * CHUNK_SIZE);
      const events = await readEvents(client, journalId, indexed + 1, to);
      const sets = await collectTerms(client, events, registry);
      await writeRows(client, journalId, chunk, sets, indexed % CHUNK_SIZE !== 0);
      await writeColumns(client, journalId, events, indexed + 1, to);
      await client.query('update journal set indexed = $2 where id = $1', [journalId, to]);
      return true;
    }),
  );
}

/**
 * Adds an attribute that was declared indexed after events with it had been recorded. New events carry it
 * from the registry's change on; what was indexed before is gone through here, chunk by chunk.
 */
export async function indexAttribute(pool: pg.Pool, store: RegistryStore, name: string): Promise<void> {
  const registry = store.current();
  const belongs = (term: Term) => term === presenceTerm(name) || term.startsWith(valuePrefix(name));
  const { rows: journals } = await pool.query<{ id: number }>('select id from journal order by id');
  for (const { id } of journals) {
    for (let chunk = 0; ; chunk++) {
      const more = await retryWithPartition(pool, () =>
        inTransaction(pool, async (client) => {
          await lockIndex(client, id);
          const state = await client.query<{ indexed: string }>('select indexed from journal where id = $1', [
            id,
          ]);
          const indexed = Number(state.rows[0]?.indexed ?? 0);
          const from = chunk * CHUNK_SIZE + 1;
          if (from > indexed) return false;
          const events = await readEvents(client, id, from, Math.min(indexed, from + CHUNK_SIZE - 1));
          const sets = await collectTerms(client, events, registry);
          for (const term of sets.keys()) if (!belongs(term)) sets.delete(term);
          await writeRows(client, id, chunk, sets, false);
          return true;
        }),
      );
      if (!more) break;
    }
  }
  await store.indexIsReady(name);
}

/** The terms of events of one chunk, with the positions that have them. */
async function collectTerms(
  client: pg.PoolClient,
  events: readonly IndexedEvent[],
  registry: Registry,
): Promise<Map<Term, Bits>> {
  const acls = await readAcls(client, events);
  const collection = new TermCollection(registry);
  for (const event of events) {
    collection.add(event, event.resource === null ? null : (acls.get(event.resource) ?? null));
  }
  return collection.sets;
}

/** What of an event its terms and its entries in columns are made from. */
const INDEXED_COLUMNS =
  'e.position, e.occurred_at, e.type, e.category, e.severity, e.words, e.resource, e.actor, e.session_id, e.correlation_id, e.path, e.attributes, e.visible_to_actor';

/** From one position to another, of one chunk, in their order. */
async function readEvents(
  client: pg.PoolClient,
  journalId: number,
  from: number,
  to: number,
): Promise<(IndexedEvent & ColumnEvent)[]> {
  const { rows } = await client.query<EventRow>({
    name: 'index-events',
    text: `select ${INDEXED_COLUMNS} from event e
      where e.journal_id = $1 and e.position between $2 and $3
        and e.id >= (select min_id from journal_chunk where journal_id = $1 and chunk = $4)
        and e.id <= (select max_id from journal_chunk where journal_id = $1 and chunk = $4)
      order by e.position`,
    values: [journalId, from, to, chunkOf(from)],
    types: EVENT_TYPES,
  });
  // Spelt out: taking a row apart and putting the rest together again costs as much as making its terms.
  return rows.map((row) => ({
    position: row.position,
    occurredAt: row.occurred_at,
    type: row.type,
    category: row.category,
    severity: row.severity,
    words: row.words,
    resource: row.resource,
    actor: row.actor,
    sessionId: row.session_id,
    correlationId: row.correlation_id,
    path: row.path ?? [],
    attributes: row.attributes,
    visibleToActor: row.visible_to_actor,
  }));
}

/** Resources with the same ACL share one object. */
async function readAcls(
  client: pg.PoolClient,
  events: readonly IndexedEvent[],
): Promise<Map<ResourceRef, Acl>> {
  const refs = [...new Set(events.map(({ resource }) => resource).filter((ref) => ref !== null))];
  const { rows } = await client.query<AclRow & { refs: ResourceRef[] }>({
    name: 'index-acls',
    text: `select to_json(array_agg(ref)) as refs, ${ACL_COLUMNS} from resource
      where ref = any($1) group by ${ACL_COLUMNS}`,
    values: [textArray(refs, (ref) => ref)],
  });
  const acls = new Map<ResourceRef, Acl>();
  for (const row of rows) {
    const acl = toAcl(row);
    for (const ref of row.refs) acls.set(ref, acl);
  }
  return acls;
}

/** @param merge whether the chunk has rows already, to which these bits are added. */
export async function writeRows(
  client: pg.PoolClient,
  journalId: number,
  chunk: number,
  sets: ReadonlyMap<Term, Bits>,
  merge: boolean,
): Promise<void> {
  const terms = [...sets.keys()];
  if (terms.length === 0) return;
  if (merge) {
    for (const [term, bits] of await readRows(client, journalId, chunk, terms))
      unite(sets.get(term) as Bits, bits);
  }
  await client.query({
    name: 'index-write',
    text: `insert into event_index (journal_id, term, chunk, bits)
      select $1, row.term, $2, row.bits from unnest($3::text[], $4::bytea[]) as row (term, bits)
      order by row.term collate "C"
      on conflict (journal_id, term, chunk) do update set bits = excluded.bits`,
    values: [
      journalId,
      chunk,
      textArray(terms, (term) => term),
      byteaArray([...sets.values()].map(encodeBits)),
    ],
  });
}

export async function readRows(
  client: pg.PoolClient,
  journalId: number,
  chunk: number,
  terms: readonly Term[],
): Promise<Map<Term, Bits>> {
  const { rows } = await client.query<{ term: Term; bits: Buffer }>({
    name: 'index-read',
    text: 'select term, bits from event_index where journal_id = $1 and term = any($2) and chunk = $3',
    values: [journalId, textArray(terms, (term) => term), chunk],
  });
  return new Map(rows.map(({ term, bits }) => [term, decodeBits(bits)]));
}
