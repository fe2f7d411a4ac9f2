/**
 * The server, by its public API only, as `eventree/client` speaks it. Streams come from that client as they are, as it
 * resumes them; queries and mutations go through urql, for its hooks, and are sent by the same client.
 */
import {
  type Exchange,
  makeErrorResult,
  makeResult,
  type OperationResult,
  stringifyDocument,
  Client as UrqlClient,
} from 'urql';
import { filter, fromPromise, mergeMap, pipe, takeUntil } from 'wonka';
import { type Client, createClient, type TokenSource } from '../../../src/client/index.ts';
import { keepLast } from './keep-last.ts';

export interface Api {
  readonly client: Client;
  readonly urql: UrqlClient;
}

/** An event may be 250 kB and more. */
const KEPT = 20;

export function openApi(token: string | null | TokenSource): Api {
  const client = createClient({ url: '/graphql', token });
  const urql = new UrqlClient({
    url: client.url,
    exchanges: [keepLast(KEPT), throughClient(client)],
    requestPolicy: 'cache-and-network',
    preferGetMethod: false,
  });
  return { client, urql };
}

/** Sends what urql asks; an operation that nobody waits for any more is broken off. */
function throughClient(client: Client): Exchange {
  return () => (operations) =>
    pipe(
      operations,
      filter(({ kind }) => kind === 'query' || kind === 'mutation'),
      mergeMap((operation) => {
        const leaving = new AbortController();
        const isLeft = pipe(
          operations,
          filter(({ kind, key }) => {
            if (kind !== 'teardown' || key !== operation.key) return false;
            leaving.abort();
            return true;
          }),
        );
        const answer: Promise<OperationResult> = client
          .query<Record<string, unknown>>(stringifyDocument(operation.query), operation.variables ?? {}, {
            signal: leaving.signal,
          })
          .then(
            (data) => makeResult(operation, { data }),
            (error: Error) => makeErrorResult(operation, error),
          );
        return pipe(fromPromise(answer), takeUntil(isLeft));
      }),
    );
}
