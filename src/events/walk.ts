/**
 * Walking a whole journal for one viewer: what a count and statistics have in common, and a page in part. Each event
 * that the viewer sees and the filter lets through is met once:
 *
 *     not indexed yet          positions in a row, whose events are to be asked
 *     in the index, exactly    chunks with the positions that are the answer
 *     in the index, or not     positions whose events are to be asked, larger and larger helpings at a time
 */
import type pg from 'pg';
import { EventreeError } from '../base/errors.ts';
import { isTimeout } from '../db/trouble.ts';
import type { Position } from './event.ts';
import { ordinalsOf, positionOf } from './index/bits.ts';
import type { Plan } from './index/plan.ts';
import type { RangeLimits } from './index/resolve.ts';
import { type ChunkHits, openSearch, type Search } from './index/search.ts';
import type { Direction } from './index/term-rows.ts';
import type { Question } from './select.ts';

/** One page, count or statistics, from its beginning on. */
export interface Task extends Question {
  readonly deadline: number;
  readonly plan: Plan;
  /** The journal as it was at the task's first statement. */
  readonly head: Position;
  readonly indexed: number;
  readonly oldest: number;
}

export interface Visitor {
  between(first: number, last: number): Promise<void>;
  hits(round: readonly ChunkHits[]): Promise<void>;
  at(positions: readonly number[]): Promise<void>;
}

/** Positions looked at in one statement where the index leaves the rest to the events. */
export const FIRST_LOOK = 200;
export const LARGEST_LOOK = 20_000;

/** @throws LIMIT_EXCEEDED where it takes too long */
export async function walk(
  pool: pg.Pool,
  task: Task,
  visitor: Visitor,
  rangeLimits?: RangeLimits,
): Promise<void> {
  const { plan, journal, head, indexed, oldest } = task;
  if (indexed < head) await visitor.between(Math.max(oldest, indexed + 1), head);
  if (oldest > indexed || plan.set.set === 'none') return;
  const span = { from: oldest, to: indexed };
  const search = await openSearch(pool, journal.id, plan, span, 'falling', rangeLimits);
  if (search.exact) {
    for await (const round of search.rounds()) {
      await visitor.hits(round);
      checkTime(task);
    }
  } else {
    for await (const helping of lookThrough(task, search, 'falling')) await visitor.at(helping);
  }
}

/** Walks the index and has the events looked at, larger and larger helpings at a time. */
export async function* lookThrough(
  task: Task,
  search: Search,
  direction: Direction,
  first = FIRST_LOOK,
): AsyncGenerator<number[]> {
  let helping: number[] = [];
  let size = first;
  for await (const round of search.rounds()) {
    for (const hits of round) {
      helping.push(...positionsOf(hits, direction));
      if (helping.length < size) continue;
      yield helping;
      helping = [];
      size = Math.min(size * 4, LARGEST_LOOK);
      checkTime(task);
    }
  }
  if (helping.length > 0) yield helping;
}

/** Cuts a span into pieces in the direction of the walk, each four times as long as the one before. */
export function* windows(
  from: number,
  to: number,
  direction: Direction,
  first: number,
): Generator<[number, number]> {
  let length = first;
  for (let done = 0; done < to - from + 1; done += length, length = Math.min(length * 4, LARGEST_LOOK)) {
    yield direction === 'falling'
      ? [Math.max(from, to - done - length + 1), to - done]
      : [from + done, Math.min(to, from + done + length - 1)];
  }
}

/** @throws LIMIT_EXCEEDED */
export function checkTime({ deadline }: Task): void {
  if (Date.now() > deadline) throw tooMuch();
}

/** Does the work; what the database breaks off is too much, as what runs past a task's deadline. @throws LIMIT_EXCEEDED */
export async function inTime<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw isTimeout(error) ? tooMuch(error) : error;
  }
}

function tooMuch(cause?: unknown): EventreeError {
  return new EventreeError(
    'LIMIT_EXCEEDED',
    'The query took too long: narrow the filter by an indexed attribute, a type, a resource, an actor or a time.',
    {},
    cause,
  );
}

function positionsOf({ chunk, bits }: ChunkHits, direction: Direction): Position[] {
  const positions = ordinalsOf(bits).map((ordinal) => positionOf(chunk, ordinal));
  return direction === 'falling' ? positions.reverse() : positions;
}
