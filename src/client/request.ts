/** One operation over HTTP, by `fetch` where nothing else is given. */
import { EventreeClientError, fromGraphqlErrors, type GraphqlError, unreachable } from './errors.ts';
import type { Tokens } from './token.ts';

/** Where a server is, and as whom to speak to it. */
export interface Endpoint {
  readonly url: string;
  readonly tokens: Tokens;
  /** `fetch`, where it is left out. */
  readonly post?: Post;
}

export interface Posted {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly signal: AbortSignal;
}

/** Sends a body. @throws what went wrong on the way; the signal's reason when it fires. */
export type Post = (url: string, posted: Posted) => Promise<HttpAnswer>;

export interface Operation {
  readonly query: string;
  readonly variables: Readonly<Record<string, unknown>>;
}

/** An operation that is JSON already. */
export interface WordedOperation {
  readonly body: string;
}

export interface RequestOptions {
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs?: number;
}

export interface HttpAnswer {
  readonly status: number;
  readonly text: string;
}

export const TIMEOUT_MS = 60_000;
/** The door's answer to a token that it does not accept: nothing has been run. */
const REFUSED = 401;

/**
 * Answers the data.
 *
 * @throws EventreeClientError with the code of the first error in the answer, if there is any; the signal's
 *   reason when it fires.
 */
export async function ask<Data>(
  endpoint: Endpoint,
  operation: Operation | WordedOperation,
  { signal, timeoutMs = TIMEOUT_MS }: RequestOptions = {},
): Promise<Data> {
  const { url, tokens } = endpoint;
  const send = (token: string | null) => sendOnce(endpoint, token, operation, signal, timeoutMs);
  const token = await tokens.get(null, signal);
  let answered = await send(token);
  if (answered.status === REFUSED && tokens.renewable) {
    const renewed = await tokens.get(token, signal);
    if (renewed !== token) answered = await send(renewed);
  }
  const answer = parseAnswer(answered.text);
  if (answer?.errors !== undefined) throw fromGraphqlErrors(answer.errors);
  if (answer?.data == null) throw notGraphql(url, answered);
  return answer.data as Data;
}

async function sendOnce(
  { url, post = postByFetch }: Endpoint,
  token: string | null,
  operation: Operation | WordedOperation,
  signal: AbortSignal | undefined,
  timeoutMs: number,
): Promise<HttpAnswer> {
  signal?.throwIfAborted();
  const ending = new AbortController();
  const abort = () => ending.abort(signal?.reason);
  const timer = setTimeout(
    () => ending.abort(new Error(`no answer within ${Math.ceil(timeoutMs / 1_000)} s`)),
    timeoutMs,
  );
  signal?.addEventListener('abort', abort, { once: true });
  try {
    return await post(url, {
      headers: {
        accept: 'application/graphql-response+json, application/json',
        'content-type': 'application/json',
        ...(token !== null && { authorization: `Bearer ${token}` }),
      },
      body: 'body' in operation ? operation.body : JSON.stringify(operation),
      signal: ending.signal,
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw unreachable(url, error);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', abort);
  }
}

async function postByFetch(url: string, posted: Posted): Promise<HttpAnswer> {
  const response = await fetch(url, { method: 'POST', ...posted });
  return { status: response.status, text: await response.text() };
}

interface Answer {
  readonly data?: unknown;
  readonly errors?: readonly GraphqlError[];
}

/** Null for what is no answer of a GraphQL server. */
function parseAnswer(text: string): Answer | null {
  try {
    const answer = JSON.parse(text) as Answer | null;
    return answer?.errors === undefined || Array.isArray(answer.errors) ? answer : null;
  } catch {
    return null;
  }
}

/** Something else answered: a proxy whose server is away, or a server that is not Eventree's. */
function notGraphql(url: string, { status, text }: HttpAnswer): EventreeClientError {
  const code = [408, 500, 502, 503, 504].includes(status)
    ? 'UNAVAILABLE'
    : status === 429
      ? 'RATE_LIMITED'
      : 'BAD_RESPONSE';
  const said = text.slice(0, 200).replace(/\s+/g, ' ').trim();
  return new EventreeClientError(
    code,
    `${url} answered HTTP ${status} and no GraphQL${said && `: ${said}`}.`,
    { facts: { status } },
  );
}
