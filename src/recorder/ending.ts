/**
 * The end of a call: what of its tree is kept, and what is written of it.
 *
 *     by itself          over the API or to the outbox; what cannot be written is reported
 *     in a transaction   which must not be committed without it; where it is rolled back afterwards, the call is
 *                        recorded as failed by that
 *
 * Scopes below which a transaction has written are kept where that was committed, which is seen by their markers.
 */
import type { PlacedEvent } from '../outbox/parcel.ts';
import type { Queryable } from '../outbox/statement.ts';
import { type Desk, endAttributes, type OpenCall, type OpenScope } from './call.ts';
import { RecorderError } from './errors.ts';
import { failureFacts, type IsExpected } from './failure.ts';
import { Outage } from './outage.ts';
import type { KeepPolicy } from './policy.ts';
import { lengthOf } from './result-length.ts';
import type { Report, Writing } from './sink.ts';
import { letGo, type Tree, treeOf } from './tree.ts';
import type { Watch } from './watch.ts';

/** What became of a function. */
export type Ended<T> = { readonly result: T } | { readonly error: unknown };

export interface Finished {
  readonly ended: Ended<unknown>;
  readonly elapsedMs: number;
  /** Whether the call is worth keeping; always, where nothing is said. */
  readonly keep: KeepPolicy | undefined;
  readonly transaction: Queryable | undefined;
}

export interface EndingOptions {
  readonly desk: Desk;
  readonly watch: Watch;
  readonly isExpected: IsExpected;
  readonly report: Report;
}

export interface Ending {
  /**
   * Writes what is kept of a call that no other encloses. Null where there is nothing to wait for, as over the API.
   *
   * @throws (rejects) RecorderError UNRECORDED where it was to be written in a transaction.
   */
  finish(call: OpenCall, finished: Finished): Promise<void> | null;
  /** Of a call within another: written with that, unless it has a transaction of its own. @throws as `finish`. */
  finishNested(parent: OpenScope, call: OpenCall, finished: Finished): Promise<void> | null;
}

export function createEnding({ desk, watch, isExpected, report }: EndingOptions): Ending {
  const { sink } = desk;
  const lookOutage = new Outage(report);

  function tellEnd(call: OpenCall, ended: Ended<unknown>, elapsedMs: number): void {
    call.tell(
      endAttributes(
        'error' in ended
          ? { elapsedMs, failure: failureFacts(ended.error, call.redactor, isExpected) }
          : { elapsedMs, resultLength: lengthOf(ended.result) },
      ),
    );
  }

  function finish(call: OpenCall, finished: Finished): Promise<void> | null {
    const { ended, elapsedMs, transaction } = finished;
    tellEnd(call, ended, elapsedMs);
    if (transaction !== undefined && !('error' in ended)) return finishWithin(transaction, call, finished);
    const written = finishOutside(call, finished);
    if (written !== null) return written.finally(() => letGo(call.node));
    letGo(call.node);
    return null;
  }

  function finishOutside(call: OpenCall, finished: Finished): Promise<void> | null {
    const unwritten = (error: unknown) => report(error, treeOf(call.node).events);
    if (call.marked.size > 0) return writeMarked(call, finished).catch(unwritten);
    try {
      const writing = writeTree(call, NO_IDS, finished);
      return writing instanceof Promise ? writing.then(ignore, unwritten) : null;
    } catch (error) {
      unwritten(error);
      return null;
    }
  }

  async function finishWithin(transaction: Queryable, call: OpenCall, finished: Finished): Promise<void> {
    try {
      await writeMarked(call, finished, transaction);
    } catch (cause) {
      call.node.outcome = 'failed';
      const error = unrecorded(call, cause);
      await finish(call, { ...finished, ended: { error } });
      throw error;
    }
    if (call.mark === 'committed') watch.rollBack(call.id, rolledBack(call, finished.elapsedMs));
    letGo(call.node);
  }

  async function writeMarked(call: OpenCall, finished: Finished, transaction?: Queryable): Promise<void> {
    const kept = await markedIn(call, transaction);
    await writeTree(call, kept, finished, transaction);
  }

  /** @param kept scopes that are kept because of what was written below them. */
  function writeTree(
    call: OpenCall,
    kept: ReadonlySet<string>,
    finished: Finished,
    transaction?: Queryable,
  ): Promise<unknown> | null {
    const tree = treeOf(call.node, kept);
    const isKept = isWorthKeeping(call, tree, finished);
    const ends = call.mark === 'committed' || call.mark === 'doubtful' ? [call.id] : [];
    for (const scope of call.marked) if (scope !== call || ends.length === 0) ends.push(scope.id);
    if (!isKept && ends.length === 0) return null;
    const { events, resources } = tree;
    const parcels = isKept ? [{ events, resources, waitsFor: null, depth: 0 }] : [];
    const unmarked = sink.write({ parcels, ends, marks: NO_MARKS }, transaction);
    if (!(unmarked instanceof Promise)) return null;
    return call.marked.size === 0 ? unmarked : unmarked.then((ids) => watchMarked(scopesOf(call), tree, ids));
  }

  /** Scopes that are kept because a transaction that wrote below them is committed, as far as can be seen by now. */
  async function markedIn(call: OpenCall, transaction: Queryable | undefined): Promise<ReadonlySet<string>> {
    const isNeeded = [...call.marked].some((scope) => scope !== call && scope.node.outcome !== 'well');
    if (!isNeeded && call.node.outcome === 'well') return NO_IDS;
    const ids = [...call.marked].filter((scope) => scope !== call).map(({ id }) => id);
    if (ids.length === 0) return NO_IDS;
    try {
      const marked = await sink.marked(ids, transaction);
      lookOutage.over();
      return new Set(marked);
    } catch (error) {
      if (transaction !== undefined) throw error;
      // Nobody can say: what may have been committed below them needs them.
      lookOutage.failed(error);
      return new Set(ids);
    }
  }

  /** Transactions that go on may still bring what was marked within them. */
  function watchMarked(scopes: readonly MarkedScope[], { events }: Tree, unmarked: readonly string[]): void {
    for (const { event, depth } of scopes) {
      if (!unmarked.includes(event.id)) continue;
      watch.commit(event.id, events.includes(event) ? null : event, depth);
      desk.keepAlive();
    }
  }

  function isWorthKeeping(call: OpenCall, { events }: Tree, { keep, elapsedMs }: Finished): boolean {
    if (keep === undefined || call.hasTransactional) return true;
    const failed = call.node.outcome === 'failed';
    try {
      return keep({ function: call.function, elapsedMs, failed, events: events.length - 1 });
    } catch (error) {
      report(error);
      return true;
    }
  }

  /** What is recorded of a call whose transaction did not come about. The call itself has let go of it by then. */
  function rolledBack(call: OpenCall, elapsedMs: number): () => Writing {
    call.node.outcome = 'failed';
    const error_value = 'The transaction in which the call was recorded was rolled back.';
    call.tell(endAttributes({ elapsedMs, failure: { error: 'RolledBack', error_value } }));
    const tree = treeOf(call.node);
    const scopes = scopesOf(call);
    const ends = [call.id];
    return () => {
      // Markers of other transactions are there again with it.
      watchMarked(
        scopes,
        tree,
        scopes.map(({ event }) => event.id),
      );
      return { parcels: [{ ...tree, waitsFor: null, depth: 0 }], ends, marks: NO_MARKS };
    };
  }

  async function writeNested(parent: OpenScope, call: OpenCall, transaction: Queryable): Promise<void> {
    if (!parent.isRunning()) throw parentEnded();
    const { root } = call;
    const own = [...root.marked].filter((scope) => scope.chain().includes(call));
    const ids = own.map(({ id }) => id);
    const marked = ids.length === 0 ? NO_IDS : new Set(await sink.marked(ids, transaction));
    // Meanwhile it may have let go of its tree.
    if (!parent.isRunning()) throw parentEnded();
    const parcel = {
      ...treeOf(call.node, marked),
      waitsFor: parent.id,
      above: parent.above(),
      depth: call.depth,
    };
    const above = parent.chain().filter(({ mark }) => mark !== 'committed');
    for (const scope of above) root.willMark(scope);
    root.hasTransactional = true;
    desk.keepAlive();
    await sink.write(
      { parcels: [parcel], ends: [...marked], marks: above.map((scope) => scope.marker()) },
      transaction,
    );
    call.node.isElsewhere = true;
  }

  return {
    finish,

    finishNested(parent, call, { ended, elapsedMs, transaction }) {
      tellEnd(call, ended, elapsedMs);
      if (transaction === undefined || 'error' in ended) return null;
      return writeNested(parent, call, transaction).catch((cause: unknown) => {
        call.node.outcome = 'failed';
        const error = unrecorded(call, cause);
        tellEnd(call, { error }, elapsedMs);
        throw error;
      });
    },
  };
}

/** One that was marked in a transaction, and may come about with it later. */
interface MarkedScope {
  readonly event: PlacedEvent;
  readonly depth: number;
}

function scopesOf({ marked }: OpenCall): MarkedScope[] {
  const inTransaction = [...marked].filter(({ mark }) => mark === 'inTransaction');
  return inTransaction.map(({ node, depth }) => ({ event: node.event, depth }));
}

const NO_IDS: ReadonlySet<string> = new Set();
const NO_MARKS: readonly never[] = Object.freeze([]);

function ignore(): void {}

function unrecorded(call: OpenCall, cause: unknown): RecorderError {
  return new RecorderError(
    'UNRECORDED',
    `The call of ${call.function} could not be recorded in its transaction, which must not be committed without it: roll it back.`,
    { cause },
  );
}

function parentEnded(): RecorderError {
  return new RecorderError('ENDED', 'The call around it has ended before: wait for all that a call does.');
}
