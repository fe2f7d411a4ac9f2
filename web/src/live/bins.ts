/** The histogram's numbers: counts by severity per interval, as the server gave them, and what came since. */
import type { Severity } from '../../../src/client/index.ts';
import { countsOf, type Interval, stack } from '../ui/intervals.ts';

/** From the one that is drawn at the bottom up. */
export const STACK: readonly Severity[] = ['CRITICAL', 'HIGH', 'MEDIUM', 'LOW'];

export class Bins {
  /** In ms since 1970: where each interval begins. */
  readonly starts: readonly number[];
  readonly stepMs: number;
  readonly endMs: number;
  readonly counts: Readonly<Record<Severity, number[]>>;

  constructor(intervals: readonly Interval[]) {
    this.starts = intervals.map(({ from }) => Date.parse(from));
    this.endMs = Date.parse(intervals.at(-1)?.before ?? '');
    this.stepMs = intervals.length === 0 ? 0 : (this.endMs - (this.starts[0] as number)) / intervals.length;
    const of = (severity: Severity) => countsOf(intervals, severity);
    this.counts = { LOW: of('LOW'), MEDIUM: of('MEDIUM'), HIGH: of('HIGH'), CRITICAL: of('CRITICAL') };
  }

  /** @returns whether it lies within. */
  add(at: number, severity: Severity): boolean {
    const [first] = this.starts;
    if (first === undefined || at < first || at >= this.endMs) return false;
    const index = Math.min(this.starts.length - 1, Math.floor((at - first) / this.stepMs));
    (this.counts[severity] as number[])[index] = (this.counts[severity][index] as number) + 1;
    return true;
  }

  get total(): number {
    return STACK.reduce((sum, severity) => sum + this.totalOf(severity), 0);
  }

  totalOf(severity: Severity): number {
    return this.counts[severity].reduce((sum, count) => sum + count, 0);
  }

  /** For a chart: the whole first. */
  stacked(): number[][] {
    return stack([...STACK].reverse().map((severity) => this.counts[severity]));
  }
}

/** How long after something has arrived all is counted anew. */
export const SETTLE_MS = 5_000;
/** Never more often than this. */
export const COUNT_EVERY_MS = 10_000;

/**
 * When to count anew, for what arrives at `now`: some seconds later, so that a burst is counted once, and not too soon
 * after the last time. Arrivals that come in between are in that count.
 */
export function countAgainAt(now: number, countedAt: number): number {
  return Math.max(now + SETTLE_MS, countedAt + COUNT_EVERY_MS);
}
