/** What a recorder refuses, by a code for the program and a sentence for the person. */

export type RecorderErrorCode =
  /** The scope has ended: what is added now would never be written. */
  | 'ENDED'
  /** The event would be kept where the one above it is not. */
  | 'ORPHAN'
  /** A transaction was given, and there is no outbox in its database. */
  | 'NO_OUTBOX'
  /** More waits to be sent than may. */
  | 'BUFFER_FULL'
  /** The recorder has been closed. */
  | 'CLOSED'
  /** What was configured or given does not fit together. */
  | 'BAD_INPUT'
  /** The end of the action has been recorded before, by this process or by another. */
  | 'ALREADY_ENDED'
  /** Events cannot be recorded, and by its configuration nothing is done without them. */
  | 'UNRECORDED';

export class RecorderError extends Error {
  override readonly name = 'RecorderError';
  readonly code: RecorderErrorCode;

  constructor(code: RecorderErrorCode, message: string, options?: { readonly cause: unknown }) {
    super(message, options);
    this.code = code;
  }
}
