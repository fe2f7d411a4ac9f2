/**
 * How long and how often a property is tried. `FC_RUNS=20` tries each twenty times as often; a failure
 * prints its seed and the smallest counterexample that was found in time.
 */
import fc from 'fast-check';

const TIMES = Number(process.env.FC_RUNS ?? 1);
/** Looking for a smaller counterexample ends here, so that it is reported and not cut off by the test's timeout. */
const MOST_MS = 45_000 * TIMES;

export const PROPERTY_TIMEOUT_MS = MOST_MS + 30_000;

/** @param numRuns what takes well below 45 seconds on two cores. */
export async function assertOften<T>(
  arbitrary: fc.Arbitrary<T>,
  holds: (value: T) => Promise<void>,
  numRuns: number,
): Promise<void> {
  let underWay: Promise<void> = Promise.resolve();
  const property = fc.asyncProperty(arbitrary, (value) => {
    underWay = holds(value);
    return underWay;
  });
  try {
    await fc.assert(property, { numRuns: numRuns * TIMES, interruptAfterTimeLimit: MOST_MS });
  } finally {
    // When the time is up, the last run is left as it is: what it works with must outlive it.
    await underWay.catch(() => undefined);
  }
}
