/**
 * Over time, by severity: what the filter lets through; draw over it to choose a range.
 *
 * The server counts, and what arrives is added at once. What arrives while the server counts may be in its answer or
 * not, and what lies after the last interval finds no bar: so all is counted anew a little after something arrived.
 */
import { useEffect, useMemo, useState } from 'react';
import { type Client, type EventFilter, isPassing, type Severity } from '../../../src/client/index.ts';
import { errorText } from '../api/error-text.ts';
import { boundsOf, boundsVariables, type Held } from '../filter/bounds.ts';
import type { TimeRange } from '../filter/view.ts';
import { useApp } from '../session/app-context.ts';
import { Bars, BarText } from '../ui/chart.tsx';
import type { Interval } from '../ui/intervals.ts';
import { Legend } from '../ui/legend.tsx';
import { formatShort } from '../ui/time.tsx';
import { Bins, COUNT_EVERY_MS, countAgainAt, STACK } from './bins.ts';
import type { Stream } from './use-stream.ts';

const SPAN = `query Span($journal: String!, $filter: EventFilter) {
  eventStatistics(journal: $journal, filter: $filter) { firstOccurredAt lastOccurredAt }
}`;
const TIMELINE = `query Timeline($journal: String!, $filter: EventFilter, $from: DateTime!, $before: DateTime!, $intervals: Int!) {
  eventStatistics(journal: $journal, filter: $filter) {
    timeline(from: $from, before: $before, intervals: $intervals, by: SEVERITY) { from before count by { value count } }
  }
}`;

const WANTED = 90;
const DRAW_MS = 500;
const FILL: Readonly<Record<Severity, string>> = {
  LOW: '--low-fill',
  MEDIUM: '--medium-fill',
  HIGH: '--high-fill',
  CRITICAL: '--critical-fill',
};
const LAYERS = [...STACK].reverse().map((severity) => ({ name: severity, color: FILL[severity] }));

export interface HistogramProps {
  readonly journal: string;
  readonly filter: EventFilter | null;
  readonly time: TimeRange;
  readonly stream: Stream;
  readonly onRange: (fromMs: number, beforeMs: number) => void;
}

export function Histogram({ journal, filter, time, stream, onRange }: HistogramProps) {
  const counted = useCounted({ journal, filter, time }, stream.onArrival);
  const [over, setOver] = useState<number | null>(null);
  switch (counted.is) {
    case 'counting':
      return <div className="histogram" aria-busy="true" />;
    case 'failed':
      return <p className="histogram hint">There is no histogram: {errorText(counted.error).sentence}</p>;
    case 'nothing':
      return null;
    case 'counted': {
      const { bins, starts, stacked } = counted;
      const from = over === null ? undefined : bins.starts[over];
      return (
        <figure className="histogram">
          <Bars
            starts={starts}
            stepMs={bins.stepMs}
            stacked={stacked}
            layers={LAYERS}
            height={108}
            label={`${bins.total.toLocaleString()} events from ${formatShort(bins.starts[0] ?? 0)} to ${formatShort(bins.endMs)}: ${STACK.map((severity) => `${bins.totalOf(severity).toLocaleString()} ${severity}`).join(', ')}`}
            onRange={onRange}
            onOver={setOver}
          />
          <figcaption>
            <Legend
              items={STACK.map((severity) => ({
                name: severity,
                color: FILL[severity],
                count: bins.totalOf(severity),
              }))}
            />
            {over === null || from === undefined ? (
              <span className="hint">Draw over the bars to choose a time</span>
            ) : (
              <BarText
                fromMs={from}
                beforeMs={from + bins.stepMs}
                counts={STACK.map((name) => ({ name, count: bins.counts[name][over] ?? 0 }))}
              />
            )}
          </figcaption>
        </figure>
      );
    }
  }
}

interface Asked {
  readonly journal: string;
  readonly filter: EventFilter | null;
  readonly time: TimeRange;
}

type Counted =
  | { readonly is: 'counting' }
  | { readonly is: 'nothing' }
  | { readonly is: 'failed'; readonly error: Error }
  | {
      readonly is: 'counted';
      readonly bins: Bins;
      /** As a chart takes them; in s since 1970. */
      readonly starts: readonly number[];
      readonly stacked: readonly (readonly number[])[];
    };

/** Whatever is shown was counted for what is asked now. */
function useCounted({ journal, filter, time }: Asked, onArrival: Stream['onArrival']): Counted {
  const { client } = useApp();
  // By its text: the same question is counted once.
  const question = JSON.stringify({ journal, filter, time } satisfies Asked);
  const [state, setState] = useState<{ readonly of: string; readonly counted: Counted } | null>(null);
  useEffect(
    () =>
      keepCounting(client, JSON.parse(question) as Asked, onArrival, (counted) =>
        setState({ of: question, counted }),
      ),
    [client, question, onArrival],
  );
  return useMemo(() => (state?.of === question ? state.counted : { is: 'counting' }), [state, question]);
}

/** Counts, adds what arrives, and counts anew after it. @returns how to stop. */
function keepCounting(
  client: Client,
  asked: Asked,
  onArrival: Stream['onArrival'],
  tell: (counted: Counted) => void,
): () => void {
  const leaving = new AbortController();
  let bins: Bins | null = null;
  let isCounting = false;
  let isEmpty = false;
  let countedAt = 0;
  let drawing: ReturnType<typeof setTimeout> | null = null;
  let waiting: ReturnType<typeof setTimeout> | null = null;

  const draw = (of: Bins) =>
    tell({ is: 'counted', bins: of, starts: of.starts.map((ms) => ms / 1_000), stacked: of.stacked() });

  const countAt = (at: number) => {
    waiting ??= setTimeout(() => {
      waiting = null;
      void countNow();
    }, at - Date.now());
  };

  async function countNow(): Promise<void> {
    // Where counting takes long, the server has its rest between two of them.
    if (isCounting) return countAt(Date.now() + COUNT_EVERY_MS);
    isCounting = true;
    try {
      bins = await countBins(client, asked, leaving.signal);
      if (leaving.signal.aborted) return;
      isEmpty = bins === null;
      if (bins === null) tell({ is: 'nothing' });
      else draw(bins);
    } catch (error) {
      if (leaving.signal.aborted) return;
      // What stands stays: the next count mends it.
      if (bins === null) tell({ is: 'failed', error: error as Error });
      if (isPassing(error as Parameters<typeof isPassing>[0])) countAt(Date.now() + COUNT_EVERY_MS);
    } finally {
      isCounting = false;
      countedAt = Date.now();
    }
  }

  const leave = onArrival((events) => {
    // The first of all has no bar to be added to.
    countAt(isEmpty ? Date.now() : countAgainAt(Date.now(), countedAt));
    isEmpty = false;
    for (const { occurredAt, severity } of events) bins?.add(Date.parse(occurredAt), severity);
    drawing ??= setTimeout(() => {
      drawing = null;
      if (bins !== null) draw(bins);
    }, DRAW_MS);
  });
  void countNow();
  return () => {
    leave();
    leaving.abort();
    for (const timer of [drawing, waiting]) if (timer !== null) clearTimeout(timer);
  };
}

/** Null where there is nothing to count. */
async function countBins(
  client: Client,
  { journal, filter, time }: Asked,
  signal: AbortSignal,
): Promise<Bins | null> {
  const span = await client.query<{ eventStatistics: Held }>(SPAN, { journal, filter }, { signal });
  const bounds = boundsOf(time, span.eventStatistics, WANTED);
  if (bounds === null) return null;
  const { eventStatistics } = await client.query<{ eventStatistics: { timeline: Interval[] } }>(
    TIMELINE,
    { journal, filter, ...boundsVariables(bounds) },
    { signal },
  );
  return new Bins(eventStatistics.timeline);
}
