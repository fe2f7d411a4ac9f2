/**
 * How long and how often a property is tried. `FC_RUNS=20` tries each twenty times as often; a failure
 * prints its seed and the smallest counterexample that was found in time.
 */
import type fc from 'fast-check';

const TIMES = Number(process.env.FC_RUNS ?? 1);
/** Looking for a smaller counterexample ends here, so that it is reported and not cut off by the test's timeout. */
const MOST_MS = 45_000 * TIMES;

export const PROPERTY_TIMEOUT_MS = MOST_MS + 15_000;

/** @param numRuns what takes well below 45 seconds on two cores. */
export function often<T>(numRuns: number): fc.Parameters<T> {
  return { numRuns: numRuns * TIMES, interruptAfterTimeLimit: MOST_MS };
}
