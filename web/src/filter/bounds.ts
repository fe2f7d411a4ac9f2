/** From when to when a chart goes. */

import { spanFor } from '../ui/intervals.ts';
import type { TimeRange } from './view.ts';

/** When the first and the last of what is counted happened. */
export interface Held {
  readonly firstOccurredAt: string | null;
  readonly lastOccurredAt: string | null;
}

export type Bounds = ReturnType<typeof spanFor>;

/** As variables of a query; of one that is not sent, where there are none. */
export function boundsVariables(bounds: Bounds | null) {
  const { fromMs, beforeMs, intervals } = bounds ?? { fromMs: 0, beforeMs: 1, intervals: 1 };
  return { from: new Date(fromMs).toISOString(), before: new Date(beforeMs).toISOString(), intervals };
}

/** Null where there is nothing to count. @param wanted how many intervals, about. */
export function boundsOf(
  time: TimeRange,
  { firstOccurredAt, lastOccurredAt }: Held,
  wanted: number,
): Bounds | null {
  if (firstOccurredAt === null || lastOccurredAt === null) return null;
  switch (time.is) {
    case 'between':
      return spanFor(Date.parse(time.from), Date.parse(time.before) - 1, wanted);
    case 'last':
      return spanFor(Date.now() - time.ms, Date.now(), wanted);
    case 'all':
      return spanFor(Date.parse(firstOccurredAt), Date.parse(lastOccurredAt), wanted);
  }
}
