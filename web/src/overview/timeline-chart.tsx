/** Events over time, stacked by what they are. */
import { useMemo, useState } from 'react';
import { Bars, BarText } from '../ui/chart.tsx';
import { countsOf, type Interval, stack } from '../ui/intervals.ts';
import { Legend } from '../ui/legend.tsx';
import { formatShort } from '../ui/time.tsx';

export interface TimelineChartProps {
  readonly intervals: readonly Interval[];
  /** All that there can be, in the order in which they are stacked from the top. */
  readonly values: readonly string[];
  readonly palette: 'severity' | 'category';
  readonly onRange: (fromMs: number, beforeMs: number) => void;
  readonly pathOf: (value: string) => string;
}

export function TimelineChart({ intervals, values, palette, onRange, pathOf }: TimelineChartProps) {
  const [over, setOver] = useState<number | null>(null);
  const { layers, stacked, starts, stepMs, label } = useMemo(() => {
    const present = values
      .map((value) => {
        const counts = countsOf(intervals, value);
        return {
          name: value,
          color:
            palette === 'severity' ? `--${value.toLowerCase()}-fill` : `--category-${value.toLowerCase()}`,
          counts,
          total: counts.reduce((sum, count) => sum + count, 0),
        };
      })
      .filter(({ total }) => total > 0);
    const [first] = intervals;
    return {
      layers: present,
      stacked: stack(present.map(({ counts }) => counts)),
      starts: intervals.map(({ from }) => Date.parse(from) / 1_000),
      stepMs: first === undefined ? 1 : Date.parse(first.before) - Date.parse(first.from),
      label: `From ${formatShort(first?.from ?? 0)} to ${formatShort(intervals.at(-1)?.before ?? 0)}: ${present.map(({ name, total }) => `${total.toLocaleString()} ${name}`).join(', ')}`,
    };
  }, [intervals, values, palette]);
  const bar = over === null ? undefined : intervals[over];

  return (
    <figure className="timeline-chart">
      <Bars
        starts={starts}
        stepMs={stepMs}
        stacked={stacked}
        layers={layers}
        height={150}
        label={label}
        onRange={onRange}
        onOver={setOver}
      />
      <figcaption>
        <Legend
          items={layers.map(({ name, color, total }) => ({ name, color, count: total, to: pathOf(name) }))}
        />
        {over === null || bar === undefined ? (
          <span className="hint">Draw over the bars to choose a time</span>
        ) : (
          <BarText
            fromMs={Date.parse(bar.from)}
            beforeMs={Date.parse(bar.before)}
            counts={layers.map(({ name, counts }) => ({ name, count: counts[over] ?? 0 }))}
          />
        )}
      </figcaption>
    </figure>
  );
}
