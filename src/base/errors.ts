/**
 * What can go wrong, as a code for the machine and a sentence for the person. Thrown where it is noticed,
 * translated once, at the edge (graphql/errors.ts, cli/): nothing between catches and rewords it.
 *
 * The codes are those of the public contract. An error of any other class is a fault of ours: the edge
 * logs it whole and tells the client INTERNAL_SERVER_ERROR.
 */
export const ERROR_CODES = [
  'UNAUTHENTICATED',
  'FORBIDDEN',
  'NOT_FOUND',
  'BAD_USER_INPUT',
  'UNKNOWN_EVENT_TYPE',
  'UNKNOWN_ATTRIBUTE',
  'ATTRIBUTE_KIND_MISMATCH',
  'ATTRIBUTE_REQUIRED',
  'ID_CONFLICT',
  'CURSOR_INVALID',
  'LIMIT_EXCEEDED',
  'RATE_LIMITED',
  'UNAVAILABLE',
] as const;
export type ErrorCode = (typeof ERROR_CODES)[number];

/** Facts beside the sentence, for programs: `{ index: 3, attribute: 'size' }`. Sent to the client. */
export type ErrorFacts = Readonly<Record<string, string | number | boolean | readonly (string | number)[]>>;

export class EventreeError extends Error {
  override readonly name = 'EventreeError';
  readonly code: ErrorCode;
  readonly facts: ErrorFacts;

  /**
   * @param message says what is wrong and what to do about it; it is shown to the client as it stands.
   * @param cause stays here and goes to the log.
   */
  constructor(code: ErrorCode, message: string, facts: ErrorFacts = {}, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.facts = facts;
  }

  /** The same error with further facts, e.g. which event of a batch it was. */
  with(facts: ErrorFacts): EventreeError {
    return new EventreeError(this.code, this.message, { ...this.facts, ...facts }, this.cause);
  }
}

/** Wrong use of the program by whoever starts it: printed as one sentence, without a stack; exit code 2. */
export class StartError extends Error {
  override readonly name = 'StartError';
}

/** Whatever was thrown, for the log. */
export function logged(error: unknown): { error: string; stack?: string } {
  if (!(error instanceof Error)) return { error: String(error) };
  return { error: error.message, ...(error.stack !== undefined && { stack: error.stack }) };
}

/** The message of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
