/**
 * What a client is told when something goes wrong: the server's own code, sentence and facts, or one of
 * those that only a client can know.
 */
import type { ErrorCode } from '../base/errors.ts';
import { type Backoff, nextDelay } from '../base/retry.ts';

/** The codes of the contract, and what the client itself finds out. Newer servers may know further ones. */
export type ClientErrorCode =
  | ErrorCode
  | 'INTERNAL_SERVER_ERROR'
  | 'GRAPHQL_PARSE_FAILED'
  | 'GRAPHQL_VALIDATION_FAILED'
  /** No answer came: the server cannot be reached, or the connection broke. */
  | 'UNREACHABLE'
  /** An answer came, and it is none of Eventree's. */
  | 'BAD_RESPONSE'
  /** The function that gives the token has failed. */
  | 'TOKEN_UNAVAILABLE'
  /** Events after the cursor no longer exist, and nobody was there to be told. */
  | 'GAP'
  | (string & {});

export type ClientErrorFacts = Readonly<Record<string, unknown>>;

export class EventreeClientError extends Error {
  override readonly name = 'EventreeClientError';
  readonly code: ClientErrorCode;
  /** Facts beside the sentence: `{ index: 3, at: 'input[3]', attribute: 'size' }`. */
  readonly facts: ClientErrorFacts;
  /** All errors of the answer, this one first. */
  readonly all: readonly EventreeClientError[];

  constructor(
    code: ClientErrorCode,
    message: string,
    {
      facts = {},
      others = [],
      cause,
    }: { facts?: ClientErrorFacts; others?: readonly EventreeClientError[]; cause?: unknown } = {},
  ) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.facts = facts;
    this.all = [this, ...others];
  }

  /** The same error with further facts. */
  with(facts: ClientErrorFacts): EventreeClientError {
    const { code, message, all, cause } = this;
    const others = all.slice(1);
    return new EventreeClientError(code, message, { facts: { ...this.facts, ...facts }, others, cause });
  }
}

/** An error as GraphQL sends it. */
export interface GraphqlError {
  readonly message: string;
  readonly extensions?: Readonly<Record<string, unknown>> | null;
}

/** @param errors at least one. */
export function fromGraphqlErrors(errors: readonly GraphqlError[]): EventreeClientError {
  const [first, ...rest] = errors.map(({ message, extensions }) => {
    const { code, ...facts } = extensions ?? {};
    return { code: typeof code === 'string' ? code : 'BAD_RESPONSE', message, facts };
  });
  if (first === undefined) return new EventreeClientError('BAD_RESPONSE', 'The server names no error.');
  const others = rest.map(({ code, message, facts }) => new EventreeClientError(code, message, { facts }));
  return new EventreeClientError(first.code, first.message, { facts: first.facts, others });
}

/** Whether the same request may succeed if it is sent again, unchanged. */
export function isPassing({ code }: EventreeClientError): boolean {
  return PASSING.includes(code);
}

const PASSING: readonly ClientErrorCode[] = [
  'UNREACHABLE',
  'UNAVAILABLE',
  'RATE_LIMITED',
  'TOKEN_UNAVAILABLE',
];

/**
 * The same for what may be tried again without harm, as following, or recording under given ids: what the
 * server did not expect may be a moment's trouble.
 */
export function mayPass(error: EventreeClientError): boolean {
  return isPassing(error) || error.code === 'INTERNAL_SERVER_ERROR';
}

/** How long to wait before attempt `attempt`, beside what the server asks for. */
export function delayBefore(attempt: number, backoff: Backoff, { facts }: EventreeClientError): number {
  const { retryAfterMs } = facts;
  const askedMs = typeof retryAfterMs === 'number' ? Math.min(retryAfterMs, MOST_ASKED_MS) : 0;
  return askedMs + nextDelay(attempt, backoff);
}

const MOST_ASKED_MS = 60_000;

/** Why a request got no answer: `connect ECONNREFUSED 127.0.0.1:4000`. */
export function unreachable(url: string, cause: unknown): EventreeClientError {
  const sentence = `The server at ${url} cannot be reached: ${innermost(cause)}.`;
  return new EventreeClientError('UNREACHABLE', sentence, { cause });
}

/** `fetch` and sockets wrap what happened, some of them in an error without a message. */
export function innermost(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return innermost(error.errors[0]);
  if (error instanceof Error && error.cause !== undefined) return innermost(error.cause);
  const { message } = (error ?? {}) as { message?: unknown };
  if (typeof message === 'string' && message !== '') return message;
  // What a browser tells of a WebSocket that has failed: nothing.
  const isEvent = typeof error === 'object' && error !== null && 'target' in error;
  return isEvent ? 'the connection failed' : String(error);
}
