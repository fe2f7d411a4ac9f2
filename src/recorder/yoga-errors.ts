/**
 * What the errors in an answer say of the operation: whether it has failed, or could only not show all of what it did.
 * Pure.
 */
import { type ExecutionResult, GraphQLError } from 'graphql';
import { REDACTED } from './secret-texts.ts';

/** An error that has failed nothing, as a call tells of it. */
export interface ToldError {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

/** What the first field threw that was asked for and failed; undefined where all were done. */
export function failureIn(answer: ExecutionResult): unknown {
  const error = answer.errors?.find((each) => isFailure(each, answer));
  if (error === undefined) return undefined;
  return withoutInput(error) ?? error.originalError ?? error;
}

/** Of fields further down, in what was done already. */
export function toldIn(answer: ExecutionResult): ToldError[] {
  const below = answer.errors?.filter((error) => !isFailure(error, answer)) ?? [];
  return below.map(({ path = [], message }) => ({ path, message }));
}

/** One of a field that was asked for, or that has left nothing of it; or of none: nothing was executed. */
function isFailure({ path }: GraphQLError, { data }: ExecutionResult): boolean {
  const [root, ...deeper] = path ?? [];
  if (root === undefined || deeper.length === 0) return true;
  // In a later part of an answer there is no data.
  return data === null || (data !== undefined && data[root] == null);
}

const INVALID = /^Variable "\$\w+" got invalid value /;

/**
 * Null, or what GraphQL says of a variable that does not fit, without the value: parameters would be redacted by their
 * names, and here these are not known. Where it was thrown is in GraphQL itself.
 */
function withoutInput({ message, nodes, path }: GraphQLError): GraphQLError | null {
  const said = path === undefined ? INVALID.exec(message)?.[0] : undefined;
  if (said === undefined) return null;
  const safe = new GraphQLError(`${said}${REDACTED}`, { nodes: nodes ?? null });
  safe.stack = `${safe.name}: ${safe.message}`;
  return safe;
}
