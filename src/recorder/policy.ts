/** Which calls are worth keeping. */

/** What is known of a call when it has ended. */
export interface CallSummary {
  readonly function: string;
  readonly elapsedMs: number;
  readonly failed: boolean;
  /** Below it, that would be recorded. */
  readonly events: number;
}

/** Whether a call is kept. Asked when a call that no other one encloses has ended. */
export type KeepPolicy = (summary: CallSummary) => boolean;

/** Drops calls below which nothing was recorded, that succeeded, and were quicker than this. */
export function keepNotable({ quickerThanMs }: { readonly quickerThanMs: number }): KeepPolicy {
  return ({ events, failed, elapsedMs }) => events > 0 || failed || elapsedMs >= quickerThanMs;
}
