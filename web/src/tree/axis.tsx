/** Time along the top of a tree: how long after its start. */
import { formatDuration } from '../ui/time.tsx';
import { ticksOf } from './outline.ts';

/** What the bars are drawn on. */
export interface Scale {
  readonly startMs: number;
  /** 1 or more. */
  readonly lengthMs: number;
}

export function Axis({ scale }: { readonly scale: Scale }) {
  return (
    <div className="tree-axis" aria-hidden="true">
      {ticksOf(scale.lengthMs).map((ms) => (
        <span
          key={ms}
          className={ms / scale.lengthMs > 0.85 ? 'late' : undefined}
          style={{ left: percent(ms, scale) }}
        >
          {tickLabel(ms)}
        </span>
      ))}
    </div>
  );
}

/** The marks of the axis through all rows. */
export function AxisLines({ scale }: { readonly scale: Scale }) {
  return (
    <div className="tree-lines" aria-hidden="true">
      <div>
        {ticksOf(scale.lengthMs).map((ms) => (
          <span key={ms} style={{ left: percent(ms, scale) }} />
        ))}
      </div>
    </div>
  );
}

/** @param ms from the start. */
export function percent(ms: number, { lengthMs }: Scale): string {
  return `${((ms / lengthMs) * 100).toFixed(3)}%`;
}

/** As short as it is exact: marks are round. */
function tickLabel(ms: number): string {
  if (ms === 0) return '0';
  if (ms < 1_000) return `${ms} ms`;
  return ms < 60_000 ? `${ms / 1_000} s` : formatDuration(ms);
}
