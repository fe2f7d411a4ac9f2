/** One action on many resources: each comes to an end of its own, and one says how many came to which. */
import type { NewEvent } from '../../client/event.ts';
import { elapsed, factsOf, settle } from './end.ts';

/** What became of one resource of many. */
export type BulkOutcome<Result> = { readonly resource: string } & PromiseSettledResult<Result>;

/** Named in the event on top of a bulk; the count says how many there are. */
export const MOST_NAMED = 1_000;
/** Of its failures, in the event on its end. */
const MOST_TOLD = 100;

/** Works on a few at a time; one that fails does not stop the others. */
export async function settleAll<Result>(
  resources: readonly string[],
  concurrency: number,
  work: (resource: string) => Promise<Result>,
): Promise<BulkOutcome<Result>[]> {
  const outcomes: BulkOutcome<Result>[] = [];
  const left = resources.entries();
  const takeOver = async () => {
    for (const [i, resource] of left) outcomes[i] = { resource, ...(await settle(() => work(resource))) };
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, resources.length) }, takeOver));
  return outcomes;
}

/** @param what as in `The start of deployment × 3`. */
export function bulkEnd(
  what: string,
  outcomes: readonly BulkOutcome<unknown>[],
  elapsedMs: number,
): Partial<NewEvent> {
  const failures = outcomes
    .filter((outcome) => outcome.status === 'rejected')
    .map(({ resource, reason }) => {
      const { error, error_value } = factsOf(reason);
      return { resource, error, error_value };
    });
  const count = outcomes.length;
  const failed = failures.length;
  const counts = { count, completed: count - failed, failed };
  if (failed === 0) {
    return { message: `${what} has completed`, attributes: elapsed(elapsedMs), payload: { bulk: counts } };
  }
  return {
    message: `${what} has failed for ${failed}`,
    attributes: {
      ...elapsed(elapsedMs),
      error: 'BulkFailure',
      error_value: `${failed} of ${count} failed.`,
    },
    payload: { bulk: { ...counts, failures: failures.slice(0, MOST_TOLD) } },
  };
}
