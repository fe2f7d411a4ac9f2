/**
 * Events that the server records by itself, where rights change: each is appended in one transaction with the
 * change that it tells of, so its position is the moment of the change.
 */
import type pg from 'pg';
import type { Acl } from '../access/acl.ts';
import type { Principal } from '../access/principal.ts';
import { nextDelay, pause } from '../base/retry.ts';
import type { Database } from '../db/database.ts';
import { inTransaction } from '../db/transaction.ts';
import { isLostRace } from '../db/trouble.ts';
import { appendWithin, type Entry, StaleJudgement } from './append.ts';
import { type Draft, type DraftLimits, draftEvents, place, type RecordEventInput } from './draft.ts';
import type { Journal } from './journal.ts';
import { retryWithPartition } from './partition.ts';
import type { Announcement } from './record.ts';
import type { Registry } from './registry.ts';
import type { RegistryStore } from './registry-store.ts';

export interface OwnEventOptions {
  readonly database: Database;
  readonly registry: RegistryStore;
  readonly limits: DraftLimits;
  /** Of the installation, the same on all nodes. */
  readonly idKey: Uint8Array;
  readonly announce: (announcement: Announcement) => void;
}

/** What a transaction has changed, and the events that tell of it. */
export interface Changed<T> {
  readonly result: T;
  readonly announcements: readonly Announcement[];
}

const RETRIES = 8;

/** Commits the change, tried again where another one came between, and announces its events. */
export async function commitChange<T>(
  { database: { pool }, announce }: OwnEventOptions,
  change: (client: pg.PoolClient) => Promise<Changed<T>>,
): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      const { result, announcements } = await retryWithPartition(
        pool,
        () => inTransaction(pool, change),
        () => [Date.now()],
      );
      announcements.forEach(announce);
      return result;
    } catch (error) {
      // Another change of rights, or a new version of the registry, came between.
      const race = isLostRace(error) || error instanceof StaleJudgement;
      if (attempt >= RETRIES || !race) throw error;
      await pause(nextDelay(attempt, { firstMs: 10, mostMs: 500 }));
    }
  }
}

export interface OwnEvent {
  readonly journal: Journal;
  readonly input: Omit<RecordEventInput, 'journal'>;
  /** Of its resource, if it has one. */
  readonly acl: Acl | null;
  readonly principal: Principal;
  readonly registry: Registry;
  /** The version that must be in force when it is appended. */
  readonly registryVersion: number;
}

/** Appends one under the journal's lock. @returns what to announce after the commit. @throws StaleJudgement */
export async function appendOwn(
  client: pg.PoolClient,
  { journal, input, acl, principal, registry, registryVersion }: OwnEvent,
  { limits, idKey }: Pick<OwnEventOptions, 'limits' | 'idKey'>,
): Promise<Announcement> {
  const judge = { principal, registry, limits, idKey, nowMs: Date.now() };
  const [draft] = draftEvents([{ ...input, journal: journal.name }], judge);
  const entry: Entry = { draft: draft as Draft, path: [] };
  const batch = { journal, registryVersion, resources: [], entries: [entry] };
  const { firstPosition, recordedAt } = await appendWithin(client, batch);
  const event = place(entry.draft, entry.path, firstPosition, recordedAt);
  return { journal, firstPosition, events: [{ event, acl }], registryVersion };
}
