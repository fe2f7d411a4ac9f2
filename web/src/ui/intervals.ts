/** Equal intervals of time, as the server counts in them, and how they are stacked and said. */

export interface Interval {
  readonly from: string;
  readonly before: string;
  readonly count: number;
  readonly by: readonly { readonly value: string; readonly count: number }[];
}

const STEPS_MS = [
  1_000, 2_000, 5_000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000, 600_000, 900_000, 1_800_000,
  3_600_000, 7_200_000, 10_800_000, 21_600_000, 43_200_000, 86_400_000, 172_800_000, 604_800_000,
  2_592_000_000,
];

const FEWEST = 30;

/** A span that holds both moments, cut into equal intervals of a length that people count in; about `wanted` of them. */
export function spanFor(
  fromMs: number,
  toMs: number,
  wanted: number,
): { fromMs: number; beforeMs: number; intervals: number } {
  const least = Math.max(1, toMs - fromMs) / wanted;
  const largest = STEPS_MS.at(-1) as number;
  const step = STEPS_MS.find((each) => each >= least) ?? Math.ceil(least / largest) * largest;
  const start = Math.floor(fromMs / step) * step;
  const needed = Math.ceil((toMs + 1 - start) / step);
  // A moment has something around it: what came before.
  const intervals = Math.max(FEWEST, needed);
  const beforeMs = start + needed * step;
  return { fromMs: beforeMs - intervals * step, beforeMs, intervals };
}

/** How many of one value each interval holds. */
export function countsOf(intervals: readonly Interval[], value: string): number[] {
  return intervals.map(({ by }) => by.find((each) => each.value === value)?.count ?? 0);
}

/**
 * Each layer on top of those below it, the whole first, so that it is drawn behind.
 *
 * @param layers counts per interval, from the top layer to the one at the bottom.
 */
export function stack(layers: readonly (readonly number[])[]): number[][] {
  const stacked: number[][] = [];
  for (const counts of [...layers].reverse()) {
    const [below] = stacked;
    stacked.unshift(counts.map((count, i) => count + (below?.[i] ?? 0)));
  }
  return stacked;
}

const DAY_MS = 86_400_000;
const HOURS = { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' } as const;
const MINUTE = new Intl.DateTimeFormat(undefined, HOURS);
const SECOND = new Intl.DateTimeFormat(undefined, { ...HOURS, second: '2-digit' });
const DAY = new Intl.DateTimeFormat(undefined, { month: 'short', day: 'numeric' });
const DAY_OF_YEAR = new Intl.DateTimeFormat(undefined, { year: 'numeric', month: 'short', day: 'numeric' });

/** What stands below an axis of time: the hour, in 24 of them, and the day where another begins. */
export function ticksOf(momentsMs: readonly number[], stepMs: number): string[] {
  const clock = stepMs < 60_000 ? SECOND : MINUTE;
  return momentsMs.map((ms, i) => {
    const before = momentsMs[i - 1];
    const isNewYear = before === undefined || new Date(ms).getFullYear() !== new Date(before).getFullYear();
    const day = (isNewYear ? DAY_OF_YEAR : DAY).format(ms);
    if (stepMs >= DAY_MS) return day;
    const isNewDay = before === undefined || DAY_OF_YEAR.format(ms) !== DAY_OF_YEAR.format(before);
    return isNewDay ? `${clock.format(ms)}\n${day}` : clock.format(ms);
  });
}

export interface Bar {
  readonly fromMs: number;
  readonly beforeMs: number;
  readonly counts: readonly { readonly name: string; readonly count: number }[];
}

/** `Nov 21, 15:00–16:00: 12 events (3 HIGH, 9 LOW)`, by the clock here. */
export function describeBar({ fromMs, beforeMs, counts }: Bar): string {
  const present = counts.filter(({ count }) => count > 0);
  const total = present.reduce((sum, { count }) => sum + count, 0);
  const parts = present.map(({ name, count }) => `${count.toLocaleString()} ${name}`).join(', ');
  const said = `${total.toLocaleString()} ${total === 1 ? 'event' : 'events'}`;
  return `${describeSpan(fromMs, beforeMs)}: ${total === 0 ? 'no events' : `${said} (${parts})`}`;
}

function describeSpan(fromMs: number, beforeMs: number): string {
  const stepMs = beforeMs - fromMs;
  if (stepMs === DAY_MS) return DAY_OF_YEAR.format(fromMs);
  if (stepMs > DAY_MS) return `${DAY_OF_YEAR.format(fromMs)} – ${DAY_OF_YEAR.format(beforeMs)}`;
  const clock = stepMs < 60_000 ? SECOND : MINUTE;
  return `${DAY.format(fromMs)}, ${clock.format(fromMs)}–${clock.format(beforeMs)}`;
}
