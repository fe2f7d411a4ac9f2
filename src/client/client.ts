/**
 * A client of one server: requests over HTTP, streams over WebSocket. Knows the public API only, and runs
 * wherever there is `fetch`.
 */
import { EventreeClientError, fromGraphqlErrors, type GraphqlError, unreachable } from './errors.ts';
import { type FollowRequest, follow, type StreamMessage } from './follow.ts';

/** Called for each request and each connection, so that what it answers may be renewed. */
export type TokenSource = () => string | null | Promise<string | null>;

export interface ClientOptions {
  /** e.g. `http://127.0.0.1:4000/graphql`; the path may be left out. */
  readonly url: string;
  /** Left out or null: `group/anonymous`. */
  readonly token?: string | null | TokenSource;
}

export interface RequestOptions {
  readonly signal?: AbortSignal;
}

export interface Client {
  readonly url: string;
  /**
   * Runs a query or a mutation and answers its data.
   *
   * @throws EventreeClientError with the code of the first error in the answer, if there is any.
   */
  request<Data>(
    query: string,
    variables?: Readonly<Record<string, unknown>>,
    options?: RequestOptions,
  ): Promise<Data>;
  /** Reads a journal to its end and goes on live; see follow.ts. */
  follow<Node>(request: FollowRequest): AsyncGenerator<StreamMessage<Node>, void>;
}

const TIMEOUT_MS = 60_000;

/** @throws TypeError for a URL that is none. */
export function createClient({ url: given, token = null }: ClientOptions): Client {
  const url = withPath(given);
  const currentToken = async () => (typeof token === 'function' ? await token() : token);

  return {
    url,
    async request<Data>(
      query: string,
      variables: Readonly<Record<string, unknown>> = {},
      { signal }: RequestOptions = {},
    ) {
      const { status, text } = await post(url, await currentToken(), { query, variables }, signal);
      const answer = parseAnswer(text);
      if (answer?.errors !== undefined) throw fromGraphqlErrors(answer.errors);
      if (answer?.data == null) throw notGraphql(url, status, text);
      return answer.data as Data;
    },
    follow: (request) =>
      follow({ url, token: currentToken, renewable: typeof token === 'function' }, request),
  };
}

async function post(
  url: string,
  token: string | null,
  body: unknown,
  signal: AbortSignal | undefined,
): Promise<{ status: number; text: string }> {
  const inTime = AbortSignal.timeout(TIMEOUT_MS);
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: {
        accept: 'application/graphql-response+json, application/json',
        'content-type': 'application/json',
        ...(token !== null && { authorization: `Bearer ${token}` }),
      },
      body: JSON.stringify(body),
      signal: signal === undefined ? inTime : AbortSignal.any([signal, inTime]),
    });
    return { status: response.status, text: await response.text() };
  } catch (error) {
    if (signal?.aborted) throw error;
    throw unreachable(url, inTime.aborted ? new Error(`no answer within ${TIMEOUT_MS / 1_000} s`) : error);
  }
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
function notGraphql(url: string, status: number, text: string): EventreeClientError {
  const code = [502, 503, 504].includes(status)
    ? 'UNAVAILABLE'
    : status === 429
      ? 'RATE_LIMITED'
      : 'BAD_RESPONSE';
  const said = text.slice(0, 200).replace(/\s+/g, ' ').trim();
  return new EventreeClientError(
    code,
    `${url} answered HTTP ${status} and no GraphQL${said && `: ${said}`}.`,
    {
      facts: { status },
    },
  );
}

function withPath(given: string): string {
  const url = new URL(given);
  if (url.pathname === '/') url.pathname = '/graphql';
  return url.href;
}
