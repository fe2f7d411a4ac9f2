/** One action on many resources: each comes to an end of its own, and one says how many came to which. */
import type { NewEvent } from '../../client/event.ts';
import type { Redactor } from '../redact.ts';
import type { Inside } from '../work.ts';
import { elapsed, factsOf, settle } from './end.ts';

/** What became of one resource of many. */
export type BulkOutcome<Result> = { readonly resource: string } & PromiseSettledResult<Result>;

/** Named in the event on top of a bulk, as far as a payload has room for them. */
const MOST_NAMED = 1_000;
/** Of its failures, in the event on its end, as far as there is room. */
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

/** The payload of its start. */
export function bulkStart(resources: readonly string[], redactor: Redactor): object {
  const count = resources.length;
  const naming = (named: number) => ({
    bulk: { count, resources: resources.slice(0, named), ...leftOut(count - named) },
  });
  return naming(most(Math.min(count, MOST_NAMED), (named) => redactor.fits(naming(named))));
}

/** @param what as in `The start of deployment × 3`. */
export function bulkEnd(
  what: string,
  outcomes: readonly BulkOutcome<unknown>[],
  elapsedMs: number,
  inside: Inside,
): Partial<NewEvent> {
  const failures = outcomes
    .filter((outcome) => outcome.status === 'rejected')
    .map(({ resource, reason }) => {
      const { error, error_value } = factsOf(reason, inside);
      return { resource, error, error_value };
    });
  const count = outcomes.length;
  const failed = failures.length;
  const counts = { count, completed: count - failed, failed };
  if (failed === 0) {
    return { message: `${what} has completed`, attributes: elapsed(elapsedMs), payload: { bulk: counts } };
  }
  const telling = (told: number, named: number) => ({
    bulk: {
      ...counts,
      failures: failures
        .slice(0, named)
        .map((failure, i) => (i < told ? failure : { resource: failure.resource, error: failure.error })),
      ...leftOut(failed - named),
    },
  });
  const { redactor } = inside;
  // Which ones they are comes before what each has said.
  const named = most(Math.min(failed, MOST_TOLD), (n) => redactor.fits(telling(0, n)));
  const told = most(named, (n) => redactor.fits(telling(n, named)));
  return {
    message: `${what} has failed for ${failed}`,
    attributes: {
      ...elapsed(elapsedMs),
      error: 'BulkFailure',
      error_value: `${failed} of ${count} failed.`,
    },
    payload: telling(told, named),
  };
}

function leftOut(count: number): { readonly left_out?: number } {
  return count === 0 ? {} : { left_out: count };
}

/** The largest number up to the limit that fits: so do all below it. */
function most(limit: number, fits: (number: number) => boolean): number {
  if (fits(limit)) return limit;
  let [fitting, over] = [0, limit];
  while (over - fitting > 1) {
    const middle = Math.floor((fitting + over) / 2);
    if (fits(middle)) fitting = middle;
    else over = middle;
  }
  return fitting;
}
