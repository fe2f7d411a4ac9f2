/** Apollo Client, as its documentation wires it: queries and mutations over HTTP, subscriptions by graphql-ws. */
import {
  ApolloClient,
  ApolloLink,
  CombinedGraphQLErrors,
  gql,
  HttpLink,
  InMemoryCache,
} from '@apollo/client';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import { relayStylePagination } from '@apollo/client/utilities';
import { OperationTypeNode } from 'graphql';
import { createClient } from 'graphql-ws';
import { expect, onTestFinished, test } from 'vitest';
import WebSocket from 'ws';
import { STREAM, type StreamData } from './support/resuming.ts';
import { openStage, PAGE, type PageData, RECORD_ONE, type Stage, VIEWER } from './support/stage.ts';

async function open(): Promise<{ stage: Stage; client: ApolloClient }> {
  const stage = await openStage();
  const authorization = `Bearer ${stage.token}`;
  const socket = createClient({
    url: stage.wsUrl,
    webSocketImpl: WebSocket,
    connectionParams: { authorization },
    // It would start again with the cursor of the beginning: the application does it, with the last one.
    retryAttempts: 0,
  });
  const client = new ApolloClient({
    link: ApolloLink.split(
      ({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION,
      new GraphQLWsLink(socket),
      new HttpLink({ uri: stage.httpUrl, headers: { authorization } }),
    ),
    cache: new InMemoryCache({
      typePolicies: {
        Query: { fields: { events: relayStylePagination(['journal', 'filter', 'order']) } },
        // What a stream says is news and belongs to nobody.
        EventStreamMessage: { keyFields: false },
      },
    }),
  });
  onTestFinished(() => {
    client.stop();
    void socket.dispose();
  });
  return { stage, client };
}

test('queries', async () => {
  const { client } = await open();
  const { data } = await client.query({ query: gql(VIEWER) });
  expect(data).toMatchObject({ viewer: { subject: 'user/jane' } });
});

test('records', async () => {
  const { client } = await open();
  const variables = { input: { type: 'note', message: 'hello' } };
  const { data } = await client.mutate({ mutation: gql(RECORD_ONE), variables });
  expect(data).toMatchObject({ recordEvent: { event: { message: 'hello' } } });
});

test('is told why it is refused', async () => {
  const { client } = await open();
  const variables = { input: { type: 'nope' } };
  const refused = await client.mutate({ mutation: gql(RECORD_ONE), variables }).catch((error) => error);
  expect(CombinedGraphQLErrors.is(refused) && refused.errors[0]?.extensions?.code).toBe('UNKNOWN_EVENT_TYPE');
});

test('pages, into one list', async () => {
  const { stage, client } = await open();
  const ids = await stage.record(5);
  const pages = client.watchQuery<PageData>({ query: gql(PAGE), variables: { journal: stage.journal } });
  const subscription = pages.subscribe(() => {});
  onTestFinished(() => subscription.unsubscribe());
  const idsShown = () => pages.getCurrentResult().data?.events?.edges?.map((edge) => edge?.node?.id);
  await expect.poll(idsShown, { timeout: 20_000 }).toEqual(ids.slice(0, 3));
  const after = pages.getCurrentResult().data?.events?.pageInfo?.endCursor;
  await pages.fetchMore({ variables: { after } });
  await expect.poll(idsShown, { timeout: 20_000 }).toEqual(ids);
  expect(pages.getCurrentResult().data?.events?.pageInfo?.hasNextPage).toBe(false);
});

test('subscribes, and goes on after a cut', async () => {
  const { stage, client } = await open();
  await stage.checkResuming((after, { next, lost }) => {
    const variables = { journal: stage.journal, after };
    const subscription = client.subscribe<StreamData>({ query: gql(STREAM), variables }).subscribe({
      next: ({ data, error }) => (error === undefined && data ? next(data) : lost()),
      error: lost,
      complete: lost,
    });
    return () => subscription.unsubscribe();
  });
});
