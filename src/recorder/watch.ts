/**
 * What only time can tell of transactions, which an application commits or rolls back after a call has ended:
 *
 *     a call that was written in a transaction    its marker is still there when the transaction is over: rolled
 *                                                 back. It is recorded as failed by that.
 *     a group that a transaction had marked       was not to be seen when the tree was written. It is there later:
 *                                                 committed. The group is recorded, as what hangs below it needs it.
 */
import type { PlacedEvent } from '../outbox/parcel.ts';
import { type Report, type Sink, type Writing, writeOrReport } from './sink.ts';

export interface Watch {
  /** @param failed what to write where the transaction was rolled back. */
  rollBack(id: string, failed: () => Writing): void;
  /** @param event null where it was written with the tree. */
  commit(id: string, event: PlacedEvent | null, depth: number): void;
  /** Looks once, at what there is. */
  look(): Promise<void>;
}

interface Late {
  readonly event: PlacedEvent | null;
  readonly depth: number;
  readonly until: number;
}

/** No transaction is taken to last longer. What it had marked is recorded when this process has ended. */
const LATEST_MS = 600_000;
/** Those beyond are not watched. A call that was rolled back is then recorded as lost when the process has ended. */
const MOST_WATCHED = 10_000;

export function createWatch(sink: Sink, report: Report, now: () => number = Date.now): Watch {
  const written = new Map<string, () => Writing>();
  const late = new Map<string, Late>();

  async function lookAtWritten(): Promise<void> {
    const ids = [...written.keys()];
    if (ids.length === 0) return;
    // In this order: one that was being removed at first, and is no more to be seen then, is gone for good.
    const left = new Set(await sink.left(ids));
    const marked = new Set(await sink.marked(ids));
    for (const id of ids) {
      const failed = written.get(id);
      if (left.has(id) && failed !== undefined) await writeOrReport(sink, report, failed());
      if (left.has(id) || !marked.has(id)) written.delete(id);
    }
  }

  async function lookAtLate(): Promise<void> {
    for (const [id, { until }] of late) if (until < now()) late.delete(id);
    if (late.size === 0) return;
    const marked = await sink.marked([...late.keys()]);
    const found = marked.map((id) => ({ id, ...(late.get(id) as Late) })).sort((a, b) => a.depth - b.depth);
    if (found.length === 0) return;
    const events = found.map(({ event }) => event).filter((event) => event !== null);
    const depth = found[0]?.depth ?? 0;
    const parcels = events.length === 0 ? [] : [{ events, resources: [], waitsFor: null, depth }];
    await writeOrReport(sink, report, { parcels, ends: found.map(({ id }) => id), marks: [] });
    for (const { id } of found) late.delete(id);
  }

  return {
    rollBack(id, failed) {
      if (written.size < MOST_WATCHED) written.set(id, failed);
    },
    commit(id, event, depth) {
      if (late.size < MOST_WATCHED) late.set(id, { event, depth, until: now() + LATEST_MS });
    },
    async look() {
      await lookAtWritten();
      await lookAtLate();
    },
  };
}
