import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createClient, EventreeClientError, isPassing } from '../../src/client/index.ts';
import { freePort } from '../support/redis.ts';
import { worldForFile } from '../support/world.ts';

describe('a query', () => {
  const world = worldForFile();
  const url = () => String(world().servers[0]?.url);

  test('answers the data, as who its token says', async () => {
    const token = await world().token({ subject: 'jane' });
    const VIEWER = '{ viewer { subject } }';
    expect(await createClient({ url: url(), token }).query(VIEWER)).toEqual({
      viewer: { subject: 'user/jane' },
    });
    expect(await createClient({ url: `${url()}/graphql` }).query(VIEWER)).toEqual({
      viewer: { subject: 'group/anonymous' },
    });
  });

  test('asks for the token each time', async () => {
    const subjects = ['jane', 'john'];
    const client = createClient({
      url: url(),
      token: () => world().token({ subject: subjects.shift() as string }),
    });
    const answers = [];
    for (let n = 0; n < 2; n++) answers.push(await client.query('{ viewer { subject } }'));
    expect(answers).toEqual([{ viewer: { subject: 'user/jane' } }, { viewer: { subject: 'user/john' } }]);
  });

  test('fails with the server’s code, sentence and facts', async () => {
    const client = createClient({ url: url(), token: await world().token({ groups: ['admin'] }) });
    const record =
      'mutation ($input: [RecordEventInput!]!) { recordEvents(input: $input) { events { id } } }';
    const error = await failureOf(client.query(record, { input: [{ type: 'note' }, { type: 'nope' }] }));
    expect(error).toMatchObject({ code: 'UNKNOWN_EVENT_TYPE', facts: { index: 1, type: 'nope' } });
    expect(error.message).toContain('nope');
    expect(isPassing(error)).toBe(false);
    const two = await failureOf(client.query('{ a: nope b: nope }'));
    expect(two.all.map(({ code }) => code)).toEqual(Array(2).fill('GRAPHQL_VALIDATION_FAILED'));
  });

  test('is UNAUTHENTICATED by a token that is not accepted', async () => {
    const error = await failureOf(
      createClient({ url: url(), token: 'nope' }).query('{ viewer { subject } }'),
    );
    expect(error.code).toBe('UNAUTHENTICATED');
  });

  test('is UNREACHABLE where nobody listens, and may be sent again', async () => {
    const error = await failureOf(
      createClient({ url: `http://127.0.0.1:${await freePort()}` }).query('{ x }'),
    );
    expect(error.code).toBe('UNREACHABLE');
    expect(error.message).toContain('ECONNREFUSED');
    expect(isPassing(error)).toBe(true);
  });

  test.each([
    [502, '<h1>Bad Gateway</h1>', 'UNAVAILABLE', true],
    [503, '', 'UNAVAILABLE', true],
    [408, '', 'UNAVAILABLE', true],
    [500, 'oops', 'UNAVAILABLE', true],
    [429, 'slow down', 'RATE_LIMITED', true],
    [404, 'nothing\n here', 'BAD_RESPONSE', false],
    [200, '<html>', 'BAD_RESPONSE', false],
    [200, '{}', 'BAD_RESPONSE', false],
    [200, 'null', 'BAD_RESPONSE', false],
    [200, '{"errors":"nope"}', 'BAD_RESPONSE', false],
    [200, '{"errors":[{"message":"no","extensions":null}]}', 'BAD_RESPONSE', false],
  ])('that is answered by something else, HTTP %i %j, is %s', async (status, body, code, passing) => {
    const at = await startStranger((_, response) => response.writeHead(status).end(body));
    const error = await failureOf(createClient({ url: at }).query('{ x }'));
    expect({ code: error.code, passing: isPassing(error) }).toEqual({ code, passing });
  });

  test('ends when its signal fires', async () => {
    const leaving = new AbortController();
    // Never answers.
    const at = await startStranger(() => leaving.abort());
    const asked = createClient({ url: at }).query('{ x }', {}, { signal: leaving.signal });
    await expect(asked).rejects.toMatchObject({ name: 'AbortError' });
  });
});

async function failureOf(work: Promise<unknown>): Promise<EventreeClientError> {
  const error = await work.then(
    () => new Error('It did not fail.'),
    (reason: unknown) => reason,
  );
  if (error instanceof EventreeClientError) return error;
  throw error;
}

async function startStranger(answer: RequestListener): Promise<string> {
  const server = createServer(answer).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
