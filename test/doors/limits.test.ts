import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getIntrospectionQuery } from 'graphql';
import { afterAll, describe, expect, test } from 'vitest';
import { type Answer, openWorld, unique, type World, worldForFile } from '../support/world.ts';
import {
  ask,
  begin,
  codeOf,
  DOORS,
  type DoorName,
  open,
  openBareSocket,
  openSocket,
  post,
  receive,
  send,
} from './support/doors.ts';

const world = worldForFile();
const server = (of: World = world()) => of.servers[0] as World['servers'][number];
const admin = (of: World = world()) => of.token({ groups: ['admin'] });
const RECORD = 'mutation ($input: RecordEventInput!) { recordEvent(input: $input) { event { id } } }';

/** How many events there are. */
async function recorded(of: World = world()): Promise<number> {
  const { rows } = await of.db.query<{ count: string }>('select count(*) from event');
  return Number(rows[0]?.count);
}

/** That the server still does its work. */
async function expectAlive(of: World = world()): Promise<void> {
  const { recordEvent } = await of.ask(RECORD, { input: { type: 'note' } });
  expect(recordEvent.event.id).toEqual(expect.any(String));
}

/**
 * Variables as they stand on the wire: JSON.stringify would write what JavaScript has made of a number, and
 * goes into lists by recursion.
 */
async function askText(door: DoorName, query: string, variables: string): Promise<Answer> {
  const body = `{"query":${JSON.stringify(query)},"variables":${variables}}`;
  const token = await admin();
  if (door === 'ws') {
    const socket = await openSocket(server(), { token });
    socket.ws.send(`{"type":"subscribe","id":"1","payload":${body}}`);
    const { type, payload } = await socket.next('1');
    socket.ws.close();
    return type === 'error' ? { errors: payload } : payload;
  }
  const accept = door === 'sse' ? 'text/event-stream' : 'application/json';
  const headers = { accept, 'content-type': 'application/json', authorization: `Bearer ${token}` };
  const { text } = await send(server(), { headers, body });
  return JSON.parse(/\{.*/.exec(text)?.[0] as string);
}

/** How an upgrade to a WebSocket is answered: 101, or the status it is refused with. */
async function upgrade(
  at: World['servers'][number],
  headers: Record<string, string>,
  path = '/graphql',
): Promise<number> {
  const request = open(at, {
    method: 'GET',
    path,
    headers: {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
      'sec-websocket-protocol': 'graphql-transport-ws',
      ...headers,
    },
  });
  const answered = Promise.race([once(request, 'upgrade'), once(request, 'response')]);
  request.end();
  const [response] = (await answered) as [IncomingMessage];
  // Upgraded, it is no longer the request's own, and a server that stops would wait for it.
  response.socket.destroy();
  return response.statusCode as number;
}

/** A mutation that would record an event if it were run, and asks for this of it. */
function recordAnd(selection: string, rest = ''): string {
  return `mutation { recordEvent(input: { type: "note" }) { event { ${selection} } } } ${rest}`;
}

/** Fragments of which each asks for the next one twice. */
function doubling(levels: number): string {
  return Array.from({ length: levels }, (_, nth) => {
    const next = nth === levels - 1 ? 'id' : `...f${nth + 1}`;
    return `fragment f${nth} on Event { parent { ${next} } root { ${next} } }`;
  }).join('\n');
}

/** Each asks for two pages of the next one. */
function paging(levels: number): string {
  return Array.from({ length: levels }, (_, nth) => {
    const next = nth === levels - 1 ? 'id' : `...f${nth + 1}`;
    return `fragment f${nth} on Event { children(first: 5) { nodes { ${next} } } tree { ${next} } }`;
  }).join('\n');
}

/** The same with nothing between the levels: the text is two levels deep. */
function doublingSpreads(levels: number): string {
  return Array.from({ length: levels }, (_, nth) => {
    const next = nth === levels - 1 ? 'id' : `...f${nth + 1} ...f${nth + 1}`;
    return `fragment f${nth} on Event { ${next} }`;
  }).join('\n');
}

describe.each(DOORS)('trap 3: what is limited on one door is limited on all: %s', (door) => {
  for (const [what, query] of [
    ['too deep', recordAnd(`${'parent { '.repeat(16)} id ${'}'.repeat(16)}`)],
    [
      'too deep through fragments',
      recordAnd(
        '...a',
        `fragment a on Event { ${'parent { '.repeat(8)} ...b ${'}'.repeat(8)} }
         fragment b on Event { ${'parent { '.repeat(8)} id ${'}'.repeat(8)} }`,
      ),
    ],
    ['too costly', recordAnd('children(first: 500) { nodes { children(first: 500) { nodes { id } } } }')],
    ['of too many aliases', recordAnd(Array.from({ length: 101 }, (_, nth) => `a${nth}: id`).join(' '))],
    ['of too many directives', recordAnd(`id ${'@include(if: true) '.repeat(51)}`)],
    ['too long', recordAnd('id '.repeat(5_000))],
    ['of lists within lists by the thousand', recordAnd(`id attribute(name: ${'['.repeat(2_400)}`)],
    ['of 20 fragments that double at each level', recordAnd('...f0', doubling(20))],
    ['of 6 fragments of which each takes two pages of the next one', recordAnd('...f0', paging(6))],
    ['of 20 fragments that name the next one twice', recordAnd('...f0', doublingSpreads(20))],
  ] as const) {
    test(`an operation ${what} is refused, and not run`, async () => {
      const before = await recorded();
      const answer = await ask(door, server(), query, { token: await admin() });
      expect(codeOf(answer)).toBe('LIMIT_EXCEEDED');
      expect(answer.data).toBeUndefined();
      expect(await recorded()).toBe(before);
    });
  }

  test('a subscription is weighed as well', async () => {
    const watch = (size: number) =>
      `subscription { eventRecorded { children(first: ${size}) { nodes { children(first: 500) { nodes { id } } } } } }`;
    expect(codeOf(await ask(door, server(), watch(500), { token: await admin() }))).toBe('LIMIT_EXCEEDED');
  });

  test('the size of a page counts where it comes as a variable, at the second time too', async () => {
    const query =
      'query ($first: Int!) { events(first: 500) { nodes { children(first: $first) { nodes { id } } } } }';
    const token = await admin();
    expect((await ask(door, server(), query, { variables: { first: 1 }, token })).errors).toBeUndefined();
    expect(codeOf(await ask(door, server(), query, { variables: { first: 500 }, token }))).toBe(
      'LIMIT_EXCEEDED',
    );
  });

  test('a text that was refused is refused again', async () => {
    const query = recordAnd('...f0', paging(6));
    const token = await admin();
    for (let i = 0; i < 3; i++)
      expect(codeOf(await ask(door, server(), query, { token }))).toBe('LIMIT_EXCEEDED');
  });

  test('the whole schema may be asked for, once in a request', async () => {
    const introspection = getIntrospectionQuery({ specifiedByUrl: true, inputValueDeprecation: true });
    const answer = await ask(door, server(), introspection);
    expect(answer.errors).toBeUndefined();
    expect(answer.data.__schema.types.length).toBeGreaterThan(20);
    const often = Array.from({ length: 40 }, (_, nth) => `a${nth}: __schema { types { name } }`);
    expect(codeOf(await ask(door, server(), `{ ${often.join(' ')} }`))).toBe('LIMIT_EXCEEDED');
  });

  test('variables nested by the thousand are refused', async () => {
    const before = await recorded();
    const filter = `${'{"not":'.repeat(5_000)}{}${'}'.repeat(5_000)}`;
    const query = 'query ($filter: EventFilter) { events(filter: $filter) { totalCount } }';
    const answer = await askText(door, query, `{"filter":${filter}}`);
    expect(codeOf(answer)).toBe('LIMIT_EXCEEDED');
    expect(await recorded()).toBe(before);
  });
});

describe('trap 5: fragments that double at each level', () => {
  test.each(DOORS)('are refused by their cost alone where depth is no limit, by %s', async (door) => {
    const own = await openWorld({ environment: { EVENTREE_MAX_QUERY_DEPTH: '1000' } });
    const before = await recorded(own);
    for (const fragments of [doubling(20), doublingSpreads(20), doubling(60)]) {
      const answer = await ask(door, server(own), recordAnd('...f0', fragments), { token: await admin(own) });
      expect(codeOf(answer)).toBe('LIMIT_EXCEEDED');
      expect(answer.data).toBeUndefined();
    }
    expect(await recorded(own)).toBe(before);
  });
});

describe('trap 3: the size of what comes in', () => {
  const small = worldForFile({ environment: { EVENTREE_MAX_REQUEST_BYTES: '20000' } });
  const input = (chars: number) => ({ type: 'note', payload: 'x'.repeat(chars) });
  const json = { 'content-type': 'application/json' };

  test.each([
    ['announced', 'application/json'],
    ['announced', 'text/event-stream'],
    ['in chunks', 'application/json'],
    ['in chunks', 'text/event-stream'],
  ])('a body that is too large, %s, is refused by HTTP, for %s', async (how, accept) => {
    const own = small();
    const before = await recorded(own);
    const body = JSON.stringify({ query: RECORD, variables: { input: input(20_000) } });
    const request = open(server(own), {
      headers: { ...json, accept, authorization: `Bearer ${await admin(own)}` },
    });
    if (how === 'announced') request.setHeader('content-length', Buffer.byteLength(body));
    // The answer comes before all of it has been taken, and then the connection ends.
    request.on('error', () => {});
    const answered = new Promise<Parameters<typeof receive>[0]>((resolve) => request.on('response', resolve));
    for (let at = 0; at < body.length; at += 5_000) request.write(body.slice(at, at + 5_000));
    request.end();
    const { status, answer } = await receive(await answered);
    expect(status).toBe(413);
    expect(codeOf(answer())).toBe('LIMIT_EXCEEDED');
    expect(await recorded(own)).toBe(before);
  });

  test('a body without an end is not read to it', async () => {
    const own = small();
    const request = open(server(own), { headers: json });
    request.on('error', () => {});
    const answered = new Promise<Parameters<typeof receive>[0]>((resolve) => request.on('response', resolve));
    request.write('x'.repeat(20_001));
    expect((await answered).statusCode).toBe(413);
  });

  test('a frame that is too large closes its socket with 1009', async () => {
    const own = small();
    const before = await recorded(own);
    const socket = await openSocket(server(own), { token: await admin(own) });
    const other = await openSocket(server(own), { token: await admin(own) });
    socket.subscribe('1', RECORD, { input: input(20_000) });
    expect((await socket.closed).code).toBe(1009);
    other.subscribe('1', RECORD, { input: input(100) });
    expect((await other.next('1')).payload.data.recordEvent.event.id).toEqual(expect.any(String));
    expect(await recorded(own)).toBe(before + 1);
  });

  test('so does a message of many small frames', async () => {
    const own = small();
    const socket = await openSocket(server(own), { token: await admin(own) });
    for (let i = 0; i < 30 && socket.ws.readyState === socket.ws.OPEN; i++)
      socket.ws.send('x'.repeat(1_000), { fin: false });
    expect((await socket.closed).code).toBe(1009);
  });

  test('and one that comes before the connection is acknowledged', async () => {
    const socket = await openBareSocket(server(small()));
    socket.send({ type: 'connection_init', payload: { filling: 'x'.repeat(20_000) } });
    expect((await socket.closed).code).toBe(1009);
  });

  test('what is just small enough is taken by both', async () => {
    const own = small();
    const token = await admin(own);
    for (const door of DOORS) {
      const answer = await ask(door, server(own), RECORD, { variables: { input: input(19_500) }, token });
      expect(answer.errors).toBeUndefined();
    }
  });

  test('a head that is too large is refused before it is looked at', async () => {
    const answer = await send(server(), { headers: { ...json, 'x-filling': 'x'.repeat(20_000) } });
    expect(answer.status).toBe(431);
    await expectAlive();
  });
});

describe('trap 4: pages of other web sites', () => {
  const FOREIGN = 'https://evil.example';
  const FRIEND = 'https://app.example.com';
  const viewer = { query: '{ viewer { subject } }' };

  const friendly = worldForFile({ environment: { EVENTREE_ALLOWED_ORIGINS: `${FRIEND}, http://x.test` } });

  test.each([
    FOREIGN,
    'null',
    'http://localhost:1',
    `${FRIEND}.evil.example`,
    'https://app.example.com:8443',
    'http://app.example.com',
    'not an origin',
    'file://',
  ])('%s gets no answer, no credentials and no socket', async (origin) => {
    const own = friendly();
    const before = await recorded(own);
    const authorization = `Bearer ${await admin(own)}`;
    const body = { query: recordAnd('id') };
    for (const accept of ['application/json', 'text/event-stream']) {
      const { status, headers } = await post(server(own), body, { origin, authorization, accept });
      expect(status).toBe(403);
      expectNoCors(headers);
    }
    const preflight = await send(server(own), {
      method: 'OPTIONS',
      headers: { origin, 'access-control-request-method': 'POST' },
    });
    expect(preflight.status).toBe(403);
    expectNoCors(preflight.headers);
    for (const path of ['/metrics', '/readyz', '/graphql?query={viewer{subject}}']) {
      const { status, headers } = await send(server(own), { method: 'GET', path, headers: { origin } });
      expect(status).toBe(403);
      expectNoCors(headers);
    }
    expect(await upgrade(server(own), { origin })).toBe(403);
    expect(await recorded(own)).toBe(before);
  });

  function expectNoCors(headers: object): void {
    expect(Object.keys(headers).filter((name) => name.startsWith('access-control-'))).toEqual([]);
  }

  test('one that is allowed is named, and gets no credentials', async () => {
    const own = friendly();
    const { status, headers } = await post(server(own), viewer, { origin: FRIEND });
    expect(status).toBe(200);
    expect(headers['access-control-allow-origin']).toBe(FRIEND);
    expect(headers.vary).toBe('origin');
    expect(headers).not.toHaveProperty('access-control-allow-credentials');
    const preflight = await send(server(own), {
      method: 'OPTIONS',
      headers: { origin: FRIEND, 'access-control-request-method': 'POST' },
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers['access-control-allow-headers']).toContain('authorization');
    expect(preflight.headers).not.toHaveProperty('access-control-allow-credentials');
    expect(await upgrade(server(own), { origin: FRIEND })).toBe(101);
    expect(await upgrade(server(own), { origin: 'http://x.test' })).toBe(101);
  });

  test('our own page, and a program that sends no origin, may call', async () => {
    const origin = server().url;
    expect((await post(server(), viewer, { origin })).status).toBe(200);
    expect((await post(server(), viewer)).status).toBe(200);
    expect(await upgrade(server(), { origin })).toBe(101);
    expect(await upgrade(server(), {})).toBe(101);
  });

  test('a cookie is no token', async () => {
    const { answer } = await post(server(), viewer, { cookie: `authorization=Bearer ${await admin()}` });
    expect(answer().data.viewer.subject).toBe('group/anonymous');
  });

  test('there is no socket but at /graphql', async () => {
    expect(await upgrade(server(), {}, '/metrics')).toBe(404);
  });

  describe('in development mode', () => {
    const dataDir = join(tmpdir(), unique('eventree-development'));
    afterAll(() => rm(dataDir, { recursive: true, force: true }));
    const development = worldForFile({
      environment: { EVENTREE_JWT_SECRET: '', EVENTREE_DATA_DIR: dataDir },
    });

    test.each([
      'evil.example',
      'evil.example:4000',
      'localhost.evil.example',
      '127.0.0.1.evil.example',
      '10.0.0.1',
      '0.0.0.0',
    ])('a name that was bound to this machine, %s, is not answered', async (host) => {
      const own = development();
      const token = server(own).developmentToken as string;
      const page = await send(server(own), { method: 'GET', headers: { host, accept: 'text/html' } });
      expect(page.status).toBe(403);
      expect(page.text).not.toContain(token);
      const before = await recorded(own);
      const body = { query: recordAnd('id') };
      const headers = { host, origin: `http://${host}`, authorization: `Bearer ${token}` };
      expect((await post(server(own), body, headers)).status).toBe(403);
      expect(await upgrade(server(own), { host, origin: `http://${host}` })).toBe(403);
      expect(await recorded(own)).toBe(before);
    });

    test.each(['localhost', 'LOCALHOST:4000', '127.0.0.1:4000', '127.1.2.3', '[::1]:4000'])(
      'this machine’s own name %s is',
      async (host) => {
        const own = development();
        expect((await post(server(own), viewer, { host })).status).toBe(200);
        expect(await upgrade(server(own), { host })).toBe(101);
      },
    );
  });

  test('with keys of its own a server answers to every name', async () => {
    expect((await post(server(), viewer, { host: 'eventree.example' })).status).toBe(200);
    expect(await upgrade(server(), { host: 'eventree.example' })).toBe(101);
  });
});

describe('trap 4: mutations that a browser can be made to send', () => {
  const query = recordAnd('id');
  const multipart = [
    '--b\r\ncontent-disposition: form-data; name="operations"\r\n\r\n',
    JSON.stringify({ query }),
    '\r\n--b\r\ncontent-disposition: form-data; name="map"\r\n\r\n{}\r\n--b--\r\n',
  ].join('');

  test.each([
    ['application/x-www-form-urlencoded', new URLSearchParams({ query }).toString()],
    ['multipart/form-data; boundary=b', multipart],
    ['application/graphql', query],
    ['text/plain', JSON.stringify({ query })],
    ['text/plain;application/json', JSON.stringify({ query })],
    ['application/jsonp', JSON.stringify({ query })],
    ['', JSON.stringify({ query })],
  ])('are refused as %s', async (type, body) => {
    const before = await recorded();
    const authorization = `Bearer ${await admin()}`;
    for (const accept of ['application/json', 'application/graphql-response+json', 'text/event-stream']) {
      const headers = { authorization, accept, ...(type !== '' && { 'content-type': type }) };
      const { status, headers: got } = await send(server(), { headers, body });
      expect([400, 415]).toContain(status);
      expect(got['content-type']).not.toBe('text/event-stream; charset=utf-8');
    }
    expect(await recorded()).toBe(before);
  });

  test('are refused as a list of operations', async () => {
    const before = await recorded();
    const { status } = await post(server(), [{ query }, { query }], {
      authorization: `Bearer ${await admin()}`,
    });
    expect(status).toBe(400);
    expect(await recorded()).toBe(before);
  });

  test.each(['application/json', 'application/graphql-response+json', 'text/event-stream', '*/*'])(
    'are refused by GET, for %s',
    async (accept) => {
      const before = await recorded();
      const headers = { accept, authorization: `Bearer ${await admin()}` };
      for (const parameters of [
        { query },
        {
          query: `query Q { viewer { subject } } ${query.replace('mutation', 'mutation M')}`,
          operationName: 'M',
        },
      ]) {
        const path = `/graphql?${new URLSearchParams(parameters)}`;
        const { status, answer } = await send(server(), { method: 'GET', path, headers });
        expect(status).toBe(405);
        expect(codeOf(answer())).toBe('BAD_USER_INPUT');
      }
      expect(await recorded()).toBe(before);
    },
  );

  test.each(['PUT', 'DELETE', 'PATCH', 'HEAD'])('are refused by %s', async (method) => {
    const before = await recorded();
    const body = JSON.stringify({ query });
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${await admin()}` };
    const response = await begin(server(), {
      method,
      path: `/graphql?${new URLSearchParams({ query })}`,
      ...(method === 'HEAD'
        ? { headers }
        : { headers: { ...headers, 'content-length': String(body.length) }, body }),
    });
    expect(response.statusCode).toBe(405);
    expect(await recorded()).toBe(before);
  });
});

describe.each(DOORS)('trap 9: values that JSON or PostgreSQL cannot hold, by %s', (door) => {
  const size = unique('size').replaceAll('-', '_');
  const type = `sized_${size}`;
  const BEYOND = '9007199254740993';

  async function declare(): Promise<void> {
    await world().ask(
      `mutation ($name: String!, $type: String!) {
        defineAttribute(input: { name: $name, kind: INTEGER }) { name }
        defineEventType(input: { name: $type, category: STATE, attributes: [{ name: $name }] }) { name }
      }`,
      { name: size, type },
    );
  }

  const askWithText = async (variables: string) => codeOf(await askText(door, RECORD, variables));

  const code = async (query: string, variables: object = {}) =>
    codeOf(await ask(door, server(), query, { variables, token: await admin() }));

  test('an integer that would be rounded is refused, as a variable and as a literal', async () => {
    await declare();
    const before = await recorded();
    for (const number of [BEYOND, `-${BEYOND}`, '9007199254740992', '1e16']) {
      expect(await askWithText(`{"input":{"type":"${type}","attributes":{"${size}":${number}}}}`)).toBe(
        'BAD_USER_INPUT',
      );
      expect(
        await code(
          `mutation { recordEvent(input: { type: "${type}", attributes: { ${size}: ${number} } }) { event { id } } }`,
        ),
      ).toBe('BAD_USER_INPUT');
      expect(await askWithText(`{"input":{"type":"note","payload":{"deep":[${number}]}}}`)).toBe(
        'BAD_USER_INPUT',
      );
    }
    expect(
      await code(`{ events(filter: { attributes: [{ name: "${size}", eq: ${BEYOND} }] }) { totalCount } }`),
    ).toBe('BAD_USER_INPUT');
    expect(await recorded()).toBe(before);
  });

  test('nor is one so large that JavaScript would write it with an exponent', async () => {
    await declare();
    const before = await recorded();
    const number = '1000000000000000000000001';
    const attributes = `{"${size}":${number}}`;
    expect(await askWithText(`{"input":{"type":"${type}","attributes":${attributes}}}`)).toBe(
      'ATTRIBUTE_KIND_MISMATCH',
    );
    for (const fields of [
      `type: "${type}", attributes: { ${size}: ${number} }`,
      `type: "note", payload: [${number}]`,
    ])
      expect(await code(`mutation { recordEvent(input: { ${fields} }) { event { id } } }`)).toBe(
        'BAD_USER_INPUT',
      );
    expect(await recorded()).toBe(before);
  });

  test('the last integer that JSON holds exactly is kept to the digit', async () => {
    await declare();
    for (const number of [Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER]) {
      const { recordEvent } = await world().ask(
        `mutation ($input: RecordEventInput!) { recordEvent(input: $input) { event { attribute(name: "${size}") } } }`,
        { input: { type, attributes: { [size]: number } } },
      );
      expect(recordEvent.event.attribute).toBe(number);
    }
    const { data } = await ask(
      door,
      server(),
      `{ events(filter: { attributes: [{ name: "${size}", eq: 9007199254740991 }] }) { nodes { type { name } } } }`,
      { token: await admin() },
    );
    expect(data.events.nodes).not.toEqual([]);
  });

  test.each([
    ['U+0000', '\\u0000'],
    ['a lone high surrogate', '\\ud800'],
    ['a lone low surrogate', '\\udc00x'],
    ['surrogates the wrong way round', '\\udc00\\ud800'],
  ])('%s is refused wherever text is stored or looked for', async (_, text) => {
    const before = await recorded();
    for (const fields of [
      `"message":"a${text}"`,
      `"correlationId":"a${text}"`,
      `"sessionId":"a${text}"`,
      `"journal":"a${text}"`,
      `"resource":"page/a${text}"`,
      `"actor":"user/a${text}"`,
      `"payload":"a${text}"`,
      `"payload":{"deep":[{"a":"${text}"}]}`,
      `"payload":{"a${text}":1}`,
      `"privatePayload":["${text}"]`,
      `"attributes":{"a":"${text}"}`,
      `"children":[{"type":"note","message":"a${text}"}]`,
    ]) {
      expect
        .soft([fields, await askWithText(`{"input":{"type":"note",${fields}}}`)])
        .toEqual([fields, 'BAD_USER_INPUT']);
    }
    expect
      .soft(await askWithText(`{"input":{"type":"a${text}"}}`))
      .toMatch(/^(BAD_USER_INPUT|UNKNOWN_EVENT_TYPE)$/);
    // GraphQL's own text has the same escapes.
    expect
      .soft(
        await code(`mutation { recordEvent(input: { type: "note", message: "a${text}" }) { event { id } } }`),
      )
      .toMatch(/^(BAD_USER_INPUT|GRAPHQL_PARSE_FAILED)$/);
    for (const filter of [
      `{ search: "a${text}" }`,
      `{ type: { eq: "a${text}" } }`,
      `{ type: { startsWith: "a${text}" } }`,
      `{ resource: { type: "a${text}" } }`,
      `{ correlationId: { in: ["a${text}"] } }`,
    ]) {
      expect
        .soft([filter, await code(`{ events(filter: ${filter}) { totalCount nodes { id } } }`)])
        .toEqual([filter, text === '\\u0000' ? 'BAD_USER_INPUT' : 'GRAPHQL_PARSE_FAILED']);
    }
    expect(await recorded()).toBe(before);
    await expectAlive();
  });

  test.each([70, 500, 20_000])(
    'JSON of %d levels is refused, as a variable and as a literal',
    async (levels) => {
      const before = await recorded();
      const nested = (open: string, close: string) => `${open.repeat(levels)}${close.repeat(levels)}`;
      for (const payload of [nested('[', ']'), nested('{"a":', '}').replace(/:\}/, ':1}')]) {
        expect(await askWithText(`{"input":{"type":"note","payload":${payload}}}`)).toBe('LIMIT_EXCEEDED');
        expect(await askWithText(`{"input":{"type":"note","attributes":{"a":${payload}}}}`)).toBe(
          'LIMIT_EXCEEDED',
        );
      }
      for (const payload of [nested('[', ']'), nested('{a:', '}').replace(/:\}/, ':1}')]) {
        expect(
          await code(
            `mutation { recordEvent(input: { type: "note", payload: ${payload} }) { event { id } } }`,
          ),
        ).toBe('LIMIT_EXCEEDED');
      }
      expect(await recorded()).toBe(before);
      await expectAlive();
    },
  );

  test('so it is where a text may be as long as that', async () => {
    const own = await openWorld({ environment: { EVENTREE_MAX_QUERY_TOKENS: '1000000' } });
    const payload = `${'['.repeat(20_000)}${']'.repeat(20_000)}`;
    const query = `mutation { recordEvent(input: { type: "note", payload: ${payload} }) { event { id } } }`;
    expect(codeOf(await ask(door, server(own), query, { token: await admin(own) }))).toBe('LIMIT_EXCEEDED');
    await expectAlive(own);
  });

  test('64 levels are kept as they came', async () => {
    let payload: unknown = 'in the middle';
    for (let i = 0; i < 64; i++) payload = i % 2 === 0 ? [payload] : { a: payload };
    const query = 'mutation ($input: RecordEventInput!) { recordEvent(input: $input) { event { payload } } }';
    const { data } = await ask(door, server(), query, {
      variables: { input: { type: 'note', payload } },
      token: await admin(),
    });
    expect(data.recordEvent.event.payload).toEqual(payload);
  });
});

describe('trap 9: bytes that are no text', () => {
  const broken = Buffer.concat([
    Buffer.from('{"query":"mutation { recordEvent(input: { type: \\"note\\", message: \\"'),
    Buffer.from([0xc3, 0x28]),
    Buffer.from('\\" }) { event { id } } }"}'),
  ]);

  test.each(['application/json', 'text/event-stream'])('are refused by HTTP, for %s', async (accept) => {
    const before = await recorded();
    const headers = {
      accept,
      'content-type': 'application/json',
      authorization: `Bearer ${await admin()}`,
    };
    const { status, answer } = await send(server(), { headers, body: broken });
    expect(status).toBe(400);
    expect(codeOf(answer())).toBe('BAD_USER_INPUT');
    expect(await recorded()).toBe(before);
  });

  test('close the socket that they come by', async () => {
    const before = await recorded();
    const socket = await openSocket(server(), { token: await admin() });
    socket.ws.send(
      Buffer.concat([Buffer.from('{"type":"subscribe","id":"1","payload":'), broken, Buffer.from('}')]),
      {
        binary: false,
      },
    );
    expect((await socket.closed).code).toBe(1007);
    expect(await recorded()).toBe(before);
    await expectAlive();
  });

  test('a JSON text that ends too early is refused', async () => {
    for (const accept of ['application/json', 'text/event-stream']) {
      const headers = { accept, 'content-type': 'application/json' };
      const { status, answer } = await send(server(), { headers, body: '{"query":"{ viewer' });
      expect(status).toBe(400);
      expect(codeOf(answer())).toBe('BAD_USER_INPUT');
    }
  });
});
