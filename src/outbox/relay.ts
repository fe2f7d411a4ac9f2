/**
 * Moves parcels from the outbox into the journal. Several relays may work on one outbox: a parcel is claimed by one
 * of them at a time, and events are recorded under their own ids, so nothing is moved twice, also where a relay is
 * killed between recording a parcel and removing it.
 *
 * What goes wrong for the moment stops the round, which is tried again, later each time. A parcel that is refused is
 * kept with the reason, reported and tried again by itself, while the others go on: what refuses it, as a type that
 * is not declared yet, may be mended. Nothing is ever dropped.
 */
import { randomUUID } from 'node:crypto';
import { messageOf } from '../base/errors.ts';
import { startLoop } from '../base/loop.ts';
import { type Backoff, nextDelay } from '../base/retry.ts';
import {
  claimParcels,
  giveBack,
  isSettled,
  MOST_PARCELS,
  markRefused,
  markTried,
  removeParcels,
  type TakenParcel,
} from './claim.ts';
import { codeOf, type Deliver } from './deliver.ts';
import type { ResourcePut } from './parcel.ts';
import { holdPuts, notePuts } from './puts.ts';
import { type Queryable, runOn } from './statement.ts';
import { sweepLost } from './sweep.ts';

export interface RelayOptions {
  /** A pool, or a Prisma client; no transaction. */
  readonly database: Queryable;
  readonly deliver: Deliver;
  /** A parcel was refused. It is tried again after up to five minutes, and reported again if it is refused again. */
  readonly onRefused: (error: unknown, parcel: TakenParcel) => void;
  /** The database or the API cannot be reached, or something else went wrong that may pass. */
  readonly onError: (error: unknown) => void;
  /** Whether a failure to deliver says nothing of what was delivered; by its code where this is left out. */
  readonly isPassing?: (error: unknown) => boolean;
  /** How often to look without a nudge; 1 s. */
  readonly intervalMs?: number;
  /** How often to look for markers of recorders that are gone; 5 s. */
  readonly sweepIntervalMs?: number;
  /** How long other relays leave a parcel alone that this one has taken; 30 s. */
  readonly claimMs?: number;
}

export interface Relay {
  /** Something was written: do not wait for the interval. */
  nudge(): void;
  /**
   * Resolves when all that was committed before is in the journal, but for what was refused or waits for a scope
   * that is still open. Rejects when the relay is stopped.
   */
  settled(): Promise<void>;
  /** Ends after the work under way. May be called more than once. */
  stop(): Promise<void>;
}

const PASSING = ['UNAVAILABLE', 'UNREACHABLE', 'RATE_LIMITED', 'INTERNAL_SERVER_ERROR', 'TOKEN_UNAVAILABLE'];
/** What upsets the server so often is taken for refused: it must not hold up the others for ever. */
const MOST_UPSETS = 5;
const MOST_GROUPED_EVENTS = 200;
/** Scopes that are looked at by name; where more have ended, all are looked at. */
const MOST_FREED = 1_000;
/** The wait before a refused parcel is tried again lies below 2, 4, 8, … s, and 5 minutes at most. */
const REFUSED: Backoff = { firstMs: 2_000, mostMs: 300_000 };
const INTERVAL_MS = 1_000;
const SWEEP_INTERVAL_MS = 5_000;
const CLAIM_MS = 30_000;

export function startRelay({
  database,
  deliver,
  onRefused,
  onError,
  isPassing = passesByCode,
  intervalMs = INTERVAL_MS,
  sweepIntervalMs = SWEEP_INTERVAL_MS,
  claimMs = CLAIM_MS,
}: RelayOptions): Relay {
  const run = runOn(database);
  const claimant = { relay: randomUUID(), claimMs };
  /** Scopes that have ended with what was moved here last: what waited for them may be free. */
  const freed = new Set<string>();
  const waiting = new Set<{ resolve(): void; reject(error: Error): void }>();
  let sweepAt = Number.POSITIVE_INFINITY;
  /** Until the database answers for the first time, or again. */
  let isAway = true;
  let lookAtAllAt = 0;
  let stopped: Promise<void> | undefined;

  const loop = startLoop({
    intervalMs,
    work: round,
    onError(error) {
      isAway = true;
      onError(error);
    },
  });

  /** @returns whether there may be more. */
  async function round(stopping: AbortSignal): Promise<boolean> {
    const asking = [...waiting];
    if (!isAway && performance.now() >= sweepAt) {
      await sweepLost(run);
      sweepAt = performance.now() + sweepIntervalMs;
    }
    const taken = await take(asking.length > 0);
    if (isAway) {
      // Recorders that could not reach the database are given time to say that they are alive.
      isAway = false;
      sweepAt = performance.now() + sweepIntervalMs * 2;
    }
    if (taken.length > 0) {
      await moveAll(taken, stopping);
      return true;
    }
    if (asking.length > 0 && (await isSettled(run))) {
      for (const asker of asking) {
        waiting.delete(asker);
        asker.resolve();
      }
    }
    return false;
  }

  /**
   * Looks at what waits for scopes that have ended here. At what waits for any scope it looks once in an interval, and
   * as long as that may bring more: who else ends a scope tells nobody.
   */
  async function take(isAsked: boolean): Promise<TakenParcel[]> {
    const isAll = isAsked || performance.now() >= lookAtAllAt;
    const taken = await claimParcels(run, claimant, isAll ? undefined : [...freed]);
    const isFruitful = taken.some(({ chain: [scope] }) => scope !== undefined && !freed.has(scope));
    if (isAll && !isFruitful && taken.length < MOST_PARCELS) lookAtAllAt = performance.now() + intervalMs;
    if (taken.length === 0) freed.clear();
    return taken;
  }

  /** @throws what passes; what is not moved is given back. */
  async function moveAll(taken: readonly TakenParcel[], stopping: AbortSignal): Promise<void> {
    const left = new Set(taken.map(({ id }) => id));
    try {
      for (const group of groupsOf(taken)) {
        if (stopping.aborted) break;
        for (const part of await inOne(group)) await moveOne(part, left);
        for (const { id } of group) left.delete(id);
      }
    } finally {
      const isOver = left.size === 0 && taken.every(isPlain);
      if (!isOver) await giveBack(run, claimant.relay, [...left]).catch(onError);
    }
  }

  async function remove(ids: readonly string[]): Promise<void> {
    for (const scope of await removeParcels(run, ids)) freed.add(scope);
    if (freed.size <= MOST_FREED) return;
    freed.clear();
    lookAtAllAt = 0;
  }

  /** Moves a group at once. @returns those that are to be tried one by one. */
  async function inOne(group: readonly TakenParcel[]): Promise<readonly TakenParcel[]> {
    if (group.length === 1) return group;
    try {
      await deliver(group);
    } catch (error) {
      if (isPassing(error) && !isUpset(error)) throw error;
      return group;
    }
    await remove(group.map(({ id }) => id));
    return [];
  }

  /**
   * Puts the parcel's resources, each once: put again with what was refused, it would undo what has been said of it
   * since. Null where another relay is at them: by the time that the claim has run out, it is done.
   */
  async function withoutResources(parcel: TakenParcel): Promise<TakenParcel | null> {
    if (isPlain(parcel)) return parcel;
    const wanted = await holdPuts(run, parcel, claimant);
    if (wanted === null) return null;
    const put: ResourcePut[] = [];
    try {
      for (const resource of wanted) {
        await deliver([{ ...parcel, events: [], resources: [resource] }]);
        put.push(resource);
      }
    } finally {
      if (put.length > 0) await notePuts(run, parcel.id, put, wanted.slice(put.length));
    }
    return { ...parcel, resources: [] };
  }

  async function moveOne(parcel: TakenParcel, left: Set<string>): Promise<void> {
    const { id, attempts } = parcel;
    try {
      const plain = await withoutResources(parcel);
      if (plain === null) return;
      await deliver([plain]);
    } catch (error) {
      if (isPassing(error) && !(isUpset(error) && attempts + 1 >= MOST_UPSETS)) {
        if (isUpset(error)) {
          await markTried(run, id);
          left.delete(id);
        }
        throw error;
      }
      await markRefused(run, id, reasonOf(error), Math.ceil(nextDelay(attempts, REFUSED)));
      left.delete(id);
      onRefused(error, parcel);
      return;
    }
    await remove([id]);
    left.delete(id);
  }

  return {
    nudge: loop.nudge,
    settled() {
      if (stopped !== undefined) return Promise.reject(hasStopped());
      return new Promise((resolve, reject) => {
        waiting.add({ resolve, reject });
        loop.nudge();
      });
    },
    stop() {
      stopped ??= loop.stop().then(() => {
        for (const { reject } of waiting) reject(hasStopped());
        waiting.clear();
      });
      return stopped;
    },
  };
}

function passesByCode(error: unknown): boolean {
  return PASSING.includes(codeOf(error) ?? '');
}

/** The server has met something that it did not expect, for which what it was sent may be the reason. */
function isUpset(error: unknown): boolean {
  return codeOf(error) === 'INTERNAL_SERVER_ERROR';
}

function reasonOf(error: unknown): string {
  const code = codeOf(error);
  return code === undefined ? messageOf(error) : `${code}: ${messageOf(error)}`;
}

function hasStopped(): Error {
  return new Error('The relay was stopped before all was moved: what is left is moved by the next one.');
}

/**
 * Neighbours that are recorded as one: of the same author, and few events together. One that changes a resource goes
 * alone, so that what stands before it is recorded before the change.
 */
function groupsOf(taken: readonly TakenParcel[]): TakenParcel[][] {
  const groups: TakenParcel[][] = [];
  let events = 0;
  for (const parcel of taken) {
    const group = groups.at(-1);
    events += parcel.events.length;
    const fits =
      group !== undefined &&
      events <= MOST_GROUPED_EVENTS &&
      isPlain(group[0] as TakenParcel) &&
      isPlain(parcel) &&
      JSON.stringify(group[0]?.author) === JSON.stringify(parcel.author);
    if (fits) {
      group.push(parcel);
    } else {
      groups.push([parcel]);
      events = parcel.events.length;
    }
  }
  return groups;
}

function isPlain({ resources }: TakenParcel): boolean {
  return resources.length === 0;
}
