/** urql, as its documentation wires it: queries and mutations over HTTP, subscriptions by graphql-ws. */
import { Client, cacheExchange, fetchExchange, gql, subscriptionExchange } from '@urql/core';
import { createClient, type Sink } from 'graphql-ws';
import { expect, onTestFinished, test } from 'vitest';
import WebSocket from 'ws';
import { STREAM, type StreamData } from './support/resuming.ts';
import { openStage, PAGE, type PageData, RECORD_ONE, type Stage, VIEWER } from './support/stage.ts';

async function open(): Promise<{ stage: Stage; client: Client; types: string[] }> {
  const stage = await openStage();
  const authorization = `Bearer ${stage.token}`;
  const socket = createClient({
    url: stage.wsUrl,
    webSocketImpl: WebSocket,
    connectionParams: { authorization },
    // It would start again with the cursor of the beginning: the application does it, with the last one.
    retryAttempts: 0,
  });
  onTestFinished(() => void socket.dispose());
  const types: string[] = [];
  const client = new Client({
    url: stage.httpUrl,
    fetchOptions: { headers: { authorization } },
    async fetch(...request) {
      const response = await fetch(...request);
      types.push(String(response.headers.get('content-type')));
      return response;
    },
    exchanges: [
      cacheExchange,
      fetchExchange,
      subscriptionExchange({
        forwardSubscription: ({ query = '', variables }) => ({
          subscribe(sink) {
            const operation = { query, variables: { ...variables } };
            // urql's type of a result says less of errors than graphql-ws's; it reads them all the same.
            return { unsubscribe: socket.subscribe(operation, sink as Sink) };
          },
        }),
      }),
    ],
  });
  return { stage, client, types };
}

test('queries, and is answered in JSON although it would take a stream too', async () => {
  const { client, types } = await open();
  const { data, error } = await client.query(gql(VIEWER), {}).toPromise();
  expect({ data, error }).toMatchObject({ data: { viewer: { subject: 'user/jane' } }, error: undefined });
  expect(types).toEqual([expect.stringMatching(/^application\/(graphql-response\+)?json/)]);
});

test('records', async () => {
  const { client } = await open();
  const input = { type: 'note', message: 'hello' };
  const { data } = await client.mutation(gql(RECORD_ONE), { input }).toPromise();
  expect(data).toMatchObject({ recordEvent: { event: { message: 'hello' } } });
});

test('is told why it is refused', async () => {
  const { client } = await open();
  const { error } = await client.mutation(gql(RECORD_ONE), { input: { type: 'nope' } }).toPromise();
  expect(error?.graphQLErrors[0]?.extensions).toMatchObject({ code: 'UNKNOWN_EVENT_TYPE' });
});

test('pages', async () => {
  const { stage, client } = await open();
  const { journal } = stage;
  const ids = await stage.record(5);
  const page = async (after: string | null) =>
    (await client.query<PageData>(gql(PAGE), { journal, after }).toPromise()).data?.events;
  const first = await page(null);
  const second = await page(String(first?.pageInfo.endCursor));
  expect([first, second].flatMap((events) => events?.edges.map(({ node }) => node.id))).toEqual(ids);
  expect([first, second].map((events) => events?.pageInfo.hasNextPage)).toEqual([true, false]);
});

test('subscribes, and goes on after a cut', async () => {
  const { stage, client } = await open();
  await stage.checkResuming((after, { next, lost }) => {
    const variables = { journal: stage.journal, after };
    const { unsubscribe } = client
      .subscription<StreamData>(gql(STREAM), variables)
      .subscribe(({ data, error, hasNext }) => {
        if (error !== undefined) lost();
        else if (data != null) next(data);
        if (!hasNext) lost();
      });
    return unsubscribe;
  });
});
