/** What an action has come to, and what is told of it. */
import { EventreeClientError, mayPass } from '../../client/errors.ts';
import type { NewEvent } from '../../client/event.ts';
import { RecorderError } from '../errors.ts';
import { type FailureFacts, failureFacts } from '../failure.ts';
import type { Inside } from '../work.ts';

/** The end of what was not begun. */
export const UNRECORDED: Partial<NewEvent> = {
  attributes: { error: 'Unrecorded', error_value: 'Nothing was done, for the start could not be recorded.' },
};

/** What the function comes to, also where it throws at once. */
export async function settle<T>(work: () => T | Promise<T>): Promise<PromiseSettledResult<T>> {
  const [outcome] = await Promise.allSettled([(async () => work())()]);
  return outcome;
}

/** To the microsecond. */
export function elapsed(elapsedMs: number): { readonly elapsed_ms: number } {
  return { elapsed_ms: Math.round(elapsedMs * 1_000) / 1_000 };
}

/** As of a call that fails by it. */
export function factsOf(error: unknown, { redactor, isExpected }: Inside): FailureFacts {
  return failureFacts(error, redactor, isExpected);
}

export function failureOf(error: unknown, elapsedMs: number, inside: Inside): Partial<NewEvent> {
  return { attributes: { ...elapsed(elapsedMs), ...factsOf(error, inside) } };
}

/** Why a server would not have an event; null where it may have been recorded, or may yet be. */
export function refusalOf(error: unknown): EventreeClientError | null {
  const cause = error instanceof RecorderError ? error.cause : error;
  if (!(cause instanceof EventreeClientError) || mayPass(cause) || 'ids' in cause.facts) return null;
  return cause;
}

/** Whether an event that could not be acknowledged may be there, or come there yet. */
export function mayBeThere(error: unknown): boolean {
  return error instanceof RecorderError && error.code === 'UNRECORDED' && refusalOf(error) === null;
}

/** Whether another event has the id: the end was recorded by somebody else, with what they had to say. */
export function isTaken(error: unknown, id: string): boolean {
  const refusal = refusalOf(error);
  // Said again with it, its start may be in conflict as well: that of a recorder with another subject.
  return refusal?.code === 'ID_CONFLICT' && refusal.message.includes(id);
}
