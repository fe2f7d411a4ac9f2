import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getIntrospectionQuery } from 'graphql';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { readPersistedOperations } from '../../src/graphql/persisted.ts';
import type { RunningServer } from '../../src/server/server.ts';
import { type Answer, unique, type World, worldForFile } from '../support/world.ts';
import {
  askFor,
  beginSse,
  codeOf,
  DOORS,
  eventsOf,
  openBareSocket,
  openSocket,
  post,
  send,
} from './support/doors.ts';

const VIEWER = '{ viewer { subject } }';
const RECORD = 'mutation ($input: RecordEventInput!) { recordEvent(input: $input) { event { id } } }';
const STREAM = 'subscription { eventStream { live } }';
const TOO_DEEP = `{ event(id: "1") ${'{ parent '.repeat(20)}{ id }${'}'.repeat(20)} }`;
const UNLISTED = '{ viewer { claims } }';

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
const listOf = (...texts: string[]) => Object.fromEntries(texts.map((text) => [sha256(text), text]));

const LIST = join(tmpdir(), `${unique('eventree-operations')}.json`);
writeFileSync(LIST, JSON.stringify(listOf(VIEWER, RECORD, STREAM, TOO_DEEP)));
afterAll(() => rm(LIST));

const worldThat = (mode: 'allow' | 'only') =>
  worldForFile({
    environment: { EVENTREE_PERSISTED_OPERATIONS: mode, EVENTREE_PERSISTED_OPERATIONS_FILE: LIST },
  });
const allowing = worldThat('allow');
const strict = worldThat('only');
const without = worldForFile();

const server = (of: World) => of.servers[0] as RunningServer;
const admin = (of: World) => of.token({ groups: ['admin'] });

/** The ways to name a text. */
const NAMINGS: readonly (readonly [string, (hash: string) => object])[] = [
  ['documentId', (hash) => ({ documentId: `sha256:${hash}` })],
  ['persistedQuery', (hash) => ({ extensions: { persistedQuery: { version: 1, sha256Hash: hash } } })],
];
const WAYS = [...DOORS, 'get'] as const;

/** An operation by a door or, as a link would be, by GET. */
async function run(way: (typeof WAYS)[number], of: World, payload: object): Promise<Answer> {
  const token = await admin(of);
  // The protocol of a WebSocket wants a text: an empty one.
  if (way === 'ws') return askFor(way, server(of), { query: '', ...payload }, token);
  if (way !== 'get') return askFor(way, server(of), payload, token);
  const parameters = Object.entries(payload).map(([name, value]) => [
    name,
    typeof value === 'string' ? value : JSON.stringify(value),
  ]);
  const { answer } = await send(server(of), {
    method: 'GET',
    path: `/graphql?${new URLSearchParams(parameters)}`,
    headers: { authorization: `Bearer ${token}` },
  });
  return answer();
}

async function recorded(of: World): Promise<number> {
  const { rows } = await of.db.query<{ count: string }>('select count(*) from event');
  return Number(rows[0]?.count);
}

describe.each(NAMINGS)('an operation that is named by %s', (_, by) => {
  describe.each(WAYS)('by %s', (way) => {
    test.each([
      ['allow', allowing],
      ['only', strict],
    ])('is run, where the list is for “%s”', async (_, world) => {
      const answer = await run(way, world(), by(sha256(VIEWER)));
      expect(answer).toEqual({ data: { viewer: { subject: 'user/root' } } });
    });

    test.each([
      ['allow', allowing],
      ['only', strict],
    ])('that nobody knows is not found, in the words that clients wait for: “%s”', async (_, world) => {
      const { errors } = await run(way, world(), by(sha256(UNLISTED)));
      expect(errors).toEqual([
        {
          message: 'PersistedQueryNotFound',
          extensions: { code: 'NOT_FOUND', hint: 'No persisted operation has this hash.' },
        },
      ]);
    });

    test('is told that there is no list, in the words that clients wait for', async () => {
      const { errors } = await run(way, without(), by(sha256(VIEWER)));
      expect(errors?.[0]).toMatchObject({
        message: 'PersistedQueryNotSupported',
        extensions: { code: 'BAD_USER_INPUT' },
      });
    });

    test.each(['', 'abc', sha256(VIEWER).toUpperCase(), `${sha256(VIEWER)}0`])(
      'by a hash that is none, “%s”, is refused',
      async (hash) => {
        expect(codeOf(await run(way, strict(), by(hash)))).toBe('BAD_USER_INPUT');
      },
    );

    test('is not run where the text beside the hash is another', async () => {
      for (const world of [allowing(), strict()]) {
        const answer = await run(way, world, { query: VIEWER, ...by(sha256(RECORD)) });
        expect(answer.data).toBeUndefined();
        expect(codeOf(answer)).toBe('BAD_USER_INPUT');
      }
    });

    test('is run where the text beside the hash is its own', async () => {
      for (const world of [allowing(), strict(), without()])
        expect((await run(way, world, { query: VIEWER, ...by(sha256(VIEWER)) })).errors).toBeUndefined();
    });

    test('is not put on the list by a client', async () => {
      const payload = { query: UNLISTED, ...by(sha256(UNLISTED)) };
      expect((await run(way, allowing(), payload)).errors).toBeUndefined();
      expect(codeOf(await run(way, strict(), payload))).toBe('FORBIDDEN');
      for (const world of [allowing(), strict()])
        expect(codeOf(await run(way, world, by(sha256(UNLISTED))))).toBe('NOT_FOUND');
    });

    test('is held to the same limits as any other', async () => {
      expect(codeOf(await run(way, strict(), by(sha256(TOO_DEEP))))).toBe('LIMIT_EXCEEDED');
    });
  });

  test('takes its variables', async () => {
    const before = await recorded(strict());
    for (const door of DOORS) {
      const variables = { input: { type: 'note' } };
      const answer = await run(door, strict(), { ...by(sha256(RECORD)), variables });
      expect(answer.data.recordEvent.event.id).toEqual(expect.any(String));
    }
    expect(await recorded(strict())).toBe(before + DOORS.length);
  });

  test('is not run by GET where it is a mutation', async () => {
    const before = await recorded(strict());
    const answer = await run('get', strict(), {
      ...by(sha256(RECORD)),
      variables: { input: { type: 'note' } },
    });
    expect(codeOf(answer)).toBe('BAD_USER_INPUT');
    expect(await recorded(strict())).toBe(before);
  });

  test('may be a subscription', async () => {
    const authorization = `Bearer ${await admin(strict())}`;
    const socket = await openSocket(server(strict()), { params: { authorization } });
    socket.send({ type: 'subscribe', id: '1', payload: { query: '', ...by(sha256(STREAM)) } });
    expect((await socket.next('1')).payload.data.eventStream.live).toBe(true);
    const events = eventsOf(await beginSse(server(strict()), by(sha256(STREAM)), { authorization }));
    const { value } = await events.next();
    expect(JSON.parse(value?.data as string).data.eventStream.live).toBe(true);
  });
});

describe('where nothing else is run', () => {
  test.each(WAYS)('another text is refused by %s, and not even parsed', async (way) => {
    const before = await recorded(strict());
    for (const query of [
      UNLISTED,
      ` ${VIEWER}`,
      STREAM.replace('live', 'cursor'),
      RECORD.replace('$input)', '{ type: "note" })').replace('($input: RecordEventInput!)', ''),
      getIntrospectionQuery(),
      '{ no graphql',
    ]) {
      const { data, errors } = await run(way, strict(), { query });
      expect(data).toBeUndefined();
      expect(errors).toEqual([
        {
          message: 'This server runs persisted operations only: name one by its hash.',
          extensions: { code: 'FORBIDDEN' },
        },
      ]);
    }
    expect(await recorded(strict())).toBe(before);
  });

  test.each(WAYS)('a text on the list may be sent as a text, by %s', async (way) => {
    expect((await run(way, strict(), { query: VIEWER })).errors).toBeUndefined();
  });
});

test.each(WAYS)('where others are run as well, they are, by %s', async (way) => {
  expect((await run(way, allowing(), { query: UNLISTED })).errors).toBeUndefined();
});

test('over a WebSocket a text is needed, by its protocol, though it is empty', async () => {
  const socket = await openBareSocket(server(strict()));
  socket.send({ type: 'connection_init' });
  await socket.next();
  socket.send({ type: 'subscribe', id: '1', payload: { documentId: `sha256:${sha256(VIEWER)}` } });
  expect((await socket.closed).code).toBe(4400);
});

test.each([
  ['{ "query"', 'BAD_USER_INPUT'],
  ['null', 'BAD_USER_INPUT'],
  ['[]', 'BAD_USER_INPUT'],
  ['"text"', 'BAD_USER_INPUT'],
  ['{}', 'BAD_USER_INPUT'],
  ['{"extensions":{}}', 'BAD_USER_INPUT'],
  ['{"extensions":{"persistedQuery":1}}', 'BAD_USER_INPUT'],
  [`{"extensions":{"persistedQuery":{"version":2,"sha256Hash":"${sha256(VIEWER)}"}}}`, 'BAD_USER_INPUT'],
  ['{"documentId":7}', 'BAD_USER_INPUT'],
])('a request that names nothing, %s, is refused', async (body, code) => {
  const headers = { 'content-type': 'application/json' };
  for (const world of [strict(), without()]) {
    expect(codeOf((await send(server(world), { headers, body })).answer())).toBe(code);
  }
});

describe('the list', () => {
  async function write(content: string): Promise<string> {
    const file = join(tmpdir(), `${unique('eventree-operations')}.json`);
    await writeFile(file, content);
    onTestFinished(() => rm(file));
    return file;
  }

  test('holds texts by their hash, with its prefix or without', async () => {
    const list = { [sha256(VIEWER)]: VIEWER, [`sha256:${sha256(STREAM)}`]: STREAM };
    const texts = await readPersistedOperations(await write(JSON.stringify(list)));
    expect([...texts]).toEqual(Object.entries(listOf(VIEWER, STREAM)));
  });

  test.each([
    ['no JSON', 'cannot be read: '],
    ['[]', 'must be a JSON object of texts by their hash.'],
    ['{"a":1}', 'must be a JSON object of texts by their hash.'],
    [JSON.stringify({ [sha256(VIEWER)]: STREAM }), `${sha256(VIEWER)} is not the SHA-256 hash of its text.`],
    [JSON.stringify({ viewer: VIEWER }), 'viewer is not the SHA-256 hash of its text.'],
  ])('stops the start where it is not valid: %s', async (content, sentence) => {
    const file = await write(content);
    const environment = {
      EVENTREE_PERSISTED_OPERATIONS: 'only',
      EVENTREE_PERSISTED_OPERATIONS_FILE: file,
    };
    await expect(without().addServer(environment)).rejects.toThrow(sentence);
    await expect(without().addServer(environment)).rejects.toThrow(file);
  });

  test('stops the start where it is not there', async () => {
    await expect(readPersistedOperations('/nowhere.json')).rejects.toThrow('/nowhere.json cannot be read');
  });
});

test('the text of GraphQL over HTTP’s own example has the hash that stands there', async () => {
  const text = 'query ($id: ID!) {\n  user(id: $id) {\n    name\n  }\n}';
  const hash = '7dba4bd717b41f10434822356a93c32b1fb4907b983e854300ad839f84cdcd6e';
  const list = join(tmpdir(), `${unique('eventree-operations')}.json`);
  await writeFile(list, JSON.stringify({ [hash]: text }));
  onTestFinished(() => rm(list));
  expect((await readPersistedOperations(list)).get(hash)).toBe(text);
  // And so a wrong prefix is no other way to say it.
  const answer = (await post(server(strict()), { documentId: `md5:${sha256(VIEWER)}` })).answer();
  expect(codeOf(answer)).toBe('BAD_USER_INPUT');
});
