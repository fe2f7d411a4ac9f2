/** A plain graphql-ws client: everything over one WebSocket. */
import { type Client, createClient } from 'graphql-ws';
import { expect, onTestFinished, test } from 'vitest';
import WebSocket from 'ws';
import { STREAM, type StreamData } from './support/resuming.ts';
import { openStage, PAGE, type PageData, RECORD_ONE, type Stage, VIEWER } from './support/stage.ts';

async function open(): Promise<{ stage: Stage; client: Client }> {
  const stage = await openStage();
  const client = createClient({
    url: stage.wsUrl,
    webSocketImpl: WebSocket,
    connectionParams: { authorization: `Bearer ${stage.token}` },
    // It would start again with the cursor of the beginning: the application does it, with the last one.
    retryAttempts: 0,
  });
  onTestFinished(() => void client.dispose());
  return { stage, client };
}

/** The answer to a query or a mutation. */
async function ask<Data>(client: Client, query: string, variables = {}): Promise<Data> {
  for await (const { data, errors } of client.iterate<Data>({ query, variables })) {
    if (errors !== undefined) throw new Error(JSON.stringify(errors));
    return data as Data;
  }
  throw new Error('There was no answer.');
}

test('queries', async () => {
  const { client } = await open();
  expect(await ask(client, VIEWER)).toEqual({ viewer: { subject: 'user/jane' } });
});

test('records', async () => {
  const { client } = await open();
  const answer = await ask(client, RECORD_ONE, { input: { type: 'note', message: 'hello' } });
  expect(answer).toMatchObject({ recordEvent: { event: { message: 'hello' } } });
});

test('pages', async () => {
  const { stage, client } = await open();
  const { journal } = stage;
  const ids = await stage.record(5);
  const first = await ask<PageData>(client, PAGE, { journal });
  const after = first.events.pageInfo.endCursor;
  const second = await ask<PageData>(client, PAGE, { journal, after });
  expect([...first.events.edges, ...second.events.edges].map(({ node }) => node.id)).toEqual(ids);
  expect([first, second].map(({ events }) => events.pageInfo.hasNextPage)).toEqual([true, false]);
});

test('subscribes, and goes on after a cut', async () => {
  const { stage, client } = await open();
  await stage.checkResuming((after, { next, lost }) =>
    client.subscribe<StreamData>(
      { query: STREAM, variables: { journal: stage.journal, after } },
      { next: ({ data }) => data && next(data), error: lost, complete: lost },
    ),
  );
});
