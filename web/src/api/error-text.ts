/** What is said of an error: the server's own sentence, and its code where it has one. */
import type { CombinedError } from 'urql';
import { EventreeClientError } from '../../../src/client/index.ts';

export interface ErrorText {
  readonly sentence: string;
  readonly code: string | null;
}

export function errorText(error: Error | CombinedError): ErrorText {
  const cause = 'networkError' in error && error.networkError ? error.networkError : error;
  if (cause instanceof EventreeClientError) return { sentence: cause.message, code: cause.code };
  return { sentence: cause.message, code: null };
}
