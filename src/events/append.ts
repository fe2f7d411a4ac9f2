/**
 * Gives each event its position. Positions rise in commit order: nothing ever appears behind a reader.
 * Tells nobody; see live/.
 *
 * The work is done by the function `eventree_append` (prisma/migrations), under the lock of the journal's
 * row. What is passed to it was judged outside that lock, so it is told by which version of the registry
 * and of each ACL; where one has changed it refuses (`StaleJudgement`) and the batch is judged again.
 */
import pg from 'pg';
import type { Claim } from '../access/claim.ts';
import type { ResourceRef } from '../access/resource-ref.ts';
import { boolArray, int4Array, textArray, timestamptzArray, uuidArray } from '../db/binary-array.ts';
import type { Draft } from './draft.ts';
import type { EventId, Position } from './event.ts';
import { timeOf } from './id.ts';
import type { Journal } from './journal.ts';
import { retryWithPartition } from './partition.ts';

/** A draft whose ancestors are known. */
export interface Entry {
  readonly draft: Draft;
  readonly path: readonly EventId[];
}

/** A resource by whose ACL entries were judged. */
export interface JudgedResource {
  readonly ref: ResourceRef;
  /** 0: there was none; it is created, owned by `owner`. */
  readonly version: number;
  readonly owner: Claim;
}

export interface Batch {
  readonly journal: Journal;
  readonly registryVersion: number;
  readonly resources: readonly JudgedResource[];
  /** At least one. */
  readonly entries: readonly Entry[];
}

export interface Appended {
  readonly firstPosition: Position;
  readonly recordedAt: number;
}

/** What a batch was judged by has changed. */
export class StaleJudgement extends Error {
  override readonly name = 'StaleJudgement';
}

/** Commits the batch. @throws StaleJudgement, or what PostgreSQL says: an id that is there already is 23505. */
export function append(pool: pg.Pool, batch: Batch): Promise<Appended> {
  return retryWithPartition(
    pool,
    () => appendWithin(pool, batch),
    () => batch.entries.map(({ draft }) => timeOf(draft.event.id)),
  );
}

/** The same within a transaction that does more than append. */
export async function appendWithin(client: pg.Pool | pg.PoolClient, batch: Batch): Promise<Appended> {
  try {
    const { rows } = await client.query<AppendedRow>(appendQuery(batch));
    const { first_position, recorded_at } = rows[0] as AppendedRow;
    return { firstPosition: Number(first_position) as Position, recordedAt: recorded_at.getTime() };
  } catch (error) {
    const stale = error instanceof pg.DatabaseError && (error.code === 'ET001' || error.code === 'ET002');
    throw stale ? new StaleJudgement(error.message, { cause: error }) : error;
  }
}

interface AppendedRow {
  first_position: string;
  recorded_at: Date;
}

function appendQuery({ journal, registryVersion, resources, entries }: Batch): pg.QueryConfig {
  const events = entries.map(({ draft }) => draft.event);
  const ids = events.map(({ id }) => id);
  const times = events.map(({ occurredAt }) => occurredAt);
  return {
    name: 'append',
    text: `select * from eventree_append(
      $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26)`,
    values: [
      journal.id,
      registryVersion,
      textArray(resources, ({ ref }) => ref),
      int4Array(resources.map(({ version }) => version)),
      textArray(resources, ({ owner }) => owner),
      uuidArray(ids),
      textArray(events, ({ type }) => type),
      textArray(events, ({ category }) => category),
      textArray(events, ({ severity }) => severity),
      textArray(events, ({ message }) => message),
      textArray(events, ({ maskedMessage }) => maskedMessage),
      textArray(events, ({ words }) => words),
      timestamptzArray(times),
      textArray(events, ({ resource }) => resource),
      textArray(events, ({ actor }) => actor),
      textArray(events, ({ activeClaim }) => activeClaim),
      textArray(events, ({ sessionId }) => sessionId),
      textArray(events, ({ correlationId }) => correlationId),
      textArray(entries, ({ path }) => (path.length === 0 ? null : `{${path.join(',')}}`)),
      textArray(entries, ({ draft }) => draft.attributesText),
      textArray(events, ({ payload }) => payload),
      textArray(events, ({ privatePayload }) => privatePayload),
      textArray(events, ({ recordedBy }) => recordedBy),
      boolArray(events.map(({ visibleToActor }) => visibleToActor)),
      uuidArray(spanOf(ids)),
      timestamptzArray([Math.min(...times), Math.max(...times)]),
    ],
  };
}

// Written UUIDs sort as their bytes do.
function spanOf(ids: readonly EventId[]): [least: EventId, greatest: EventId] {
  let [least] = ids as [EventId];
  let greatest = least;
  for (const id of ids) {
    if (id < least) least = id;
    else if (id > greatest) greatest = id;
  }
  return [least, greatest];
}
