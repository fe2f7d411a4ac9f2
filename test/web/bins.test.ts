/** The histogram's intervals and what arrives in them. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Bins, countAgainAt } from '../../web/src/live/bins.ts';
import { describeBar, spanFor, stack, ticksOf } from '../../web/src/ui/intervals.ts';

const at = (ms: number) => new Date(ms).toISOString();
const interval = (from: number, by: Record<string, number>) => ({
  from: at(from),
  before: at(from + 1_000),
  count: 0,
  by: Object.entries(by).map(([value, count]) => ({ value, count })),
});

describe('intervals', () => {
  it('hold both ends, are as many as they may be, and have a length that people count in', () => {
    const ms = fc.integer({ min: 0, max: 4_000_000_000_000 });
    fc.assert(
      fc.property(ms, ms, (a, b) => {
        const [from, to] = a < b ? [a, b] : [b, a];
        const span = spanFor(from, to, 90);
        expect(span.fromMs).toBeLessThanOrEqual(from);
        expect(span.beforeMs).toBeGreaterThan(to);
        expect(span.intervals).toBeGreaterThanOrEqual(1);
        expect(span.intervals).toBeLessThanOrEqual(92);
        expect((span.beforeMs - span.fromMs) / span.intervals).toBeGreaterThanOrEqual(1_000);
      }),
    );
  });
});

describe('the bins', () => {
  it('count what arrives within, and say what does not', () => {
    const bins = new Bins([interval(0, { LOW: 2 }), interval(1_000, { HIGH: 1, LOW: 1 })]);
    expect(bins.add(1_500, 'HIGH')).toBe(true);
    expect(bins.add(2_000, 'HIGH')).toBe(false);
    expect(bins.add(-1, 'HIGH')).toBe(false);
    expect(bins.counts.HIGH).toEqual([0, 2]);
    expect(bins.total).toBe(5);
    // CRITICAL, HIGH, MEDIUM, LOW from the bottom; the whole first.
    expect(bins.stacked()).toEqual([
      [2, 3],
      [0, 2],
      [0, 2],
      [0, 0],
    ]);
  });
});

describe('counting anew', () => {
  it('waits a little after an arrival, and never comes more often than every ten seconds', () => {
    expect(countAgainAt(100_000, 0)).toBe(105_000);
    expect(countAgainAt(100_000, 99_000)).toBe(109_000);
  });
});

describe('layers', () => {
  it('stand on those below them, the whole first', () => {
    expect(
      stack([
        [1, 2],
        [10, 20],
        [100, 200],
      ]),
    ).toEqual([
      [111, 222],
      [110, 220],
      [100, 200],
    ]);
    expect(stack([])).toEqual([]);
  });
});

describe('times below and over a chart', () => {
  const clock = (day: number, hour: number, minute = 0) => new Date(2026, 10, day, hour, minute).getTime();

  it('are in 24 hours, with the day where it changes', () => {
    const ticks = ticksOf([clock(21, 18), clock(21, 21), clock(22, 0), clock(22, 15)], 10_800_000);
    expect(ticks.map((tick) => tick.split('\n')[0])).toEqual(['18:00', '21:00', '00:00', '15:00']);
    expect(ticks.map((tick) => tick.includes('\n'))).toEqual([true, false, true, false]);
    expect(ticks[2]).toContain('22');
  });

  it('are days where the steps are', () => {
    const ticks = ticksOf([clock(20, 0), clock(21, 0)], 86_400_000);
    expect(ticks[0]).toContain('2026');
    expect(ticks[1]).not.toMatch(/2026|00:00/);
  });

  it('say what a bar holds', () => {
    const bar = { fromMs: clock(21, 15), beforeMs: clock(21, 16) };
    const counts = [
      { name: 'HIGH', count: 3 },
      { name: 'MEDIUM', count: 0 },
      { name: 'LOW', count: 9 },
    ];
    expect(describeBar({ ...bar, counts })).toMatch(/15:00–16:00: 12 events \(3 HIGH, 9 LOW\)$/);
    expect(describeBar({ ...bar, counts: [] })).toMatch(/15:00–16:00: no events$/);
  });
});
