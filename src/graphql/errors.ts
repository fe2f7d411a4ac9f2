/**
 * The edge where errors are put into the words of the contract: each gets its `extensions.code`. What we
 * did not expect is logged whole and told to nobody.
 */
import { GraphQLError, type GraphQLFormattedError } from 'graphql';
import { type ErrorCode, type ErrorFacts, EventreeError } from '../base/errors.ts';
import { isAway } from '../db/trouble.ts';

/** @param requestId by which the log knows where it happened. */
export type FormatError = (error: unknown, requestId: string | undefined) => GraphQLFormattedError;

/** @param report gets what we did not expect. */
export function createFormatError(
  report: (error: unknown, place: { requestId?: string; path?: string }) => void,
): FormatError {
  return (error, requestId) => {
    const located =
      error instanceof GraphQLError ? error : new GraphQLError('', { originalError: error as Error });
    const { locations, path } = located;
    const cause = originOf(located);
    const place = { ...(locations && { locations }), ...(path && { path }) };

    if (cause instanceof EventreeError) {
      // The text of a variable's or literal's error also says where in the input it stands.
      const message = located.message.includes(cause.message) ? located.message : cause.message;
      return { message, ...place, extensions: { code: cause.code, ...cause.facts } };
    }
    if (cause === null) {
      const { http: _, ...extensions } = located.extensions;
      return { message: located.message, ...place, extensions: { code: 'BAD_USER_INPUT', ...extensions } };
    }
    if (isAway(cause)) {
      const message = 'The database cannot be reached: try again in a moment.';
      return { message, ...place, extensions: { code: 'UNAVAILABLE' } };
    }
    report(cause, { ...(requestId && { requestId }), ...(path && { path: path.join('.') }) });
    return {
      message: 'Something unexpected went wrong.',
      ...place,
      extensions: { code: 'INTERNAL_SERVER_ERROR' },
    };
  };
}

/** Why an operation is not run, where GraphQL expects an error of its own kind. */
export function refusal(code: ErrorCode, sentence: string, facts: ErrorFacts = {}): GraphQLError {
  return new GraphQLError(sentence, { originalError: new EventreeError(code, sentence, facts) });
}

/** What was thrown in the first place; null for an error that GraphQL itself found with the request. */
export function originOf(error: GraphQLError): unknown {
  let origin: unknown = error.originalError;
  while (origin instanceof GraphQLError) origin = origin.originalError;
  return origin ?? null;
}
