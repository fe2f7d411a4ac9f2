/** Bars over time, stacked; a range of them is chosen by drawing over it. */
import { useEffect, useRef, useState } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { type Bar, describeBar, ticksOf } from './intervals.ts';
import './chart.css';

export interface Layer {
  readonly name: string;
  /** A CSS variable, e.g. `--high-fill`. */
  readonly color: string;
}

export interface BarsProps {
  /** In s since 1970. */
  readonly starts: readonly number[];
  readonly stepMs: number;
  /** Each with those below it, the whole first. */
  readonly stacked: readonly (readonly number[])[];
  readonly layers: readonly Layer[];
  readonly height: number;
  /** What it shows, in words. */
  readonly label: string;
  readonly onRange?: ((fromMs: number, beforeMs: number) => void) | undefined;
  /** Told which bar the pointer is over; null where it is over none. */
  readonly onOver?: ((index: number | null) => void) | undefined;
}

export function Bars({ starts, stepMs, stacked, layers, height, label, onRange, onOver }: BarsProps) {
  const holder = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const ranged = useRef(onRange);
  ranged.current = onRange;
  const told = useRef(onOver);
  told.current = onOver;
  const [scheme, setScheme] = useState(0);
  const names = layers.map(({ name, color }) => `${name}:${color}`).join();

  useEffect(() => {
    const dark = matchMedia('(prefers-color-scheme: dark)');
    const change = () => setScheme((before) => before + 1);
    dark.addEventListener('change', change);
    return () => dark.removeEventListener('change', change);
  }, []);

  // biome-ignore lint/correctness/useExhaustiveDependencies: drawn anew where its looks change, not its numbers.
  useEffect(() => {
    const element = holder.current as HTMLDivElement;
    const styles = getComputedStyle(element);
    const color = (name: string) => styles.getPropertyValue(name).trim();
    const axis = {
      stroke: color('--soft'),
      font: '11px system-ui, sans-serif',
      grid: { stroke: color('--line'), width: 1 },
      ticks: { show: false },
    };
    const made = new uPlot(
      {
        width: Math.max(120, element.clientWidth),
        height,
        padding: [8, 34, 0, 0],
        legend: { show: false },
        cursor: {
          points: { show: false },
          y: false,
          drag: { x: ranged.current !== undefined, y: false, setScale: false },
        },
        select: { show: ranged.current !== undefined, left: 0, top: 0, width: 0, height: 0 },
        scales: {
          x: { time: true, range: (_, min, max) => [min - stepMs / 2_000, max + stepMs / 2_000] },
          y: { range: (_, __, max) => [0, Math.max(1, max)] },
        },
        axes: [
          {
            ...axis,
            space: 70,
            size: 38,
            values: (_, moments, __, ___, step) =>
              ticksOf(
                moments.map((moment) => moment * 1_000),
                step * 1_000,
              ),
          },
          {
            ...axis,
            space: 26,
            size: 44,
            incrs: [
              1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5, 1e6, 1e7, 1e8,
            ],
            values: (_, ticks) => ticks.map(compact),
          },
        ],
        series: [
          {},
          ...(layers.map((layer) => ({
            label: layer.name,
            fill: color(layer.color),
            width: 0,
            points: { show: false },
            paths: uPlot.paths.bars?.({ size: [0.86, 60], align: 0 }),
          })) as uPlot.Series[]),
        ],
        hooks: {
          setCursor: [({ cursor: { idx } }) => told.current?.(idx ?? null)],
          setSelect: [
            (chart) => {
              const { left, width } = chart.select;
              if (width < 4 || ranged.current === undefined) return;
              const from = chart.posToVal(left, 'x') * 1_000;
              const before = chart.posToVal(left + width, 'x') * 1_000;
              chart.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
              ranged.current(from, before);
            },
          ],
        },
      },
      dataOf(starts, stepMs, stacked),
      element,
    );
    plot.current = made;
    const resized = new ResizeObserver(([entry]) => {
      const width = Math.floor(entry?.contentRect.width ?? 0);
      if (width > 0 && width !== made.width) made.setSize({ width, height });
    });
    resized.observe(element);
    return () => {
      resized.disconnect();
      made.destroy();
      plot.current = null;
      told.current?.(null);
    };
  }, [scheme, names, height, stepMs]);

  useEffect(() => {
    plot.current?.setData(dataOf(starts, stepMs, stacked));
  }, [starts, stepMs, stacked]);

  return <div ref={holder} className="chart" role="img" aria-label={label} style={{ minHeight: height }} />;
}

/** What the bar under the pointer holds. */
export function BarText(bar: Bar) {
  const [from, before] = [bar.fromMs, bar.beforeMs].map((ms) => new Date(ms).toISOString());
  return (
    <span className="bar-text" title={`${from} – ${before} (UTC)`}>
      {describeBar(bar)}
    </span>
  );
}

/** A bar stands over the middle of its interval. */
function dataOf(
  starts: readonly number[],
  stepMs: number,
  stacked: readonly (readonly number[])[],
): uPlot.AlignedData {
  return [starts.map((start) => start + stepMs / 2_000), ...(stacked as number[][])];
}

function compact(value: number): string {
  return value >= 1e6 ? `${value / 1e6}M` : value >= 1e3 ? `${value / 1e3}k` : String(value);
}
