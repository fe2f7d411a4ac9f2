/** docs/codes.md against real servers: what it says happens, and what happens it says. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { CloseCode, createClient } from 'graphql-ws';
import { generateKeyPair, SignJWT } from 'jose';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import WebSocket, { WebSocketServer } from 'ws';
import { ERROR_CODES } from '../../src/base/errors.ts';
import type { RunningServer } from '../../src/server/server.ts';
import { type Answer, unique, type World, worldForFile } from '../support/world.ts';
import {
  ask,
  beginSse,
  open,
  openBareSocket,
  openSocket,
  post,
  receive,
  type Socket,
  send,
} from './support/doors.ts';

interface Row {
  readonly code: string;
  readonly rest: readonly string[];
}

const [CLOSED, BY_CLIENT, ERRORS, STATUSES] = tablesOf(
  readFileSync(new URL('../../docs/codes.md', import.meta.url), 'utf8'),
) as [Row[], Row[], Row[], Row[]];

/** The rows of each table. */
function tablesOf(text: string): Row[][] {
  return [...text.matchAll(/^\|(?: -+ \|)+\n((?:\|.*\n)+)/gm)].map(([, rows]) =>
    (rows as string)
      .trim()
      .split('\n')
      .map((row) => {
        const [code, ...rest] = row.slice(1, -1).split('|');
        return { code: (code as string).trim(), rest: rest.map((cell) => cell.trim()) };
      }),
  );
}

const codesOf = (rows: readonly Row[]) => rows.map(({ code }) => code);

const world = worldForFile({
  environment: {
    EVENTREE_INIT_TIMEOUT_MS: '300',
    EVENTREE_MAX_REQUEST_BYTES: '2000000',
    EVENTREE_MAX_PRINCIPAL_CONNECTIONS: '20',
  },
});
const server = (of: World = world()) => of.servers[0] as RunningServer;
const admin = (of: World = world()) => of.token({ groups: ['admin'] });
const WATCH = 'subscription { eventRecorded { id } }';

/** A server that cannot check a token, because its key set is away, and the token. */
async function withoutKeys(): Promise<{ at: RunningServer; token: string }> {
  const nobody = createServer().listen(0, '127.0.0.1');
  await once(nobody, 'listening');
  const { port } = nobody.address() as AddressInfo;
  nobody.close();
  await once(nobody, 'close');
  const environment = { EVENTREE_JWT_SECRET: '', EVENTREE_JWKS_URL: `http://127.0.0.1:${port}/keys` };
  const at = await world().addServer(environment);
  onTestFinished(() => at.stop());
  const { privateKey } = await generateKeyPair('ES256');
  const token = new SignJWT({ sub: 'jane' }).setProtectedHeader({ alg: 'ES256' }).setExpirationTime('1h');
  return { at, token: await token.sign(privateKey) };
}

/** A server with no place for a second connection. */
async function withOnePlace(): Promise<RunningServer> {
  const own = await world().addServer({
    EVENTREE_MAX_PRINCIPAL_CONNECTIONS: '1',
    EVENTREE_MAX_ADDRESS_CONNECTIONS: '2',
    // Whoever takes a place keeps it, without a word too.
    EVENTREE_INIT_TIMEOUT_MS: '30000',
  });
  onTestFinished(() => own.stop());
  return own;
}

describe('the codes with which a WebSocket closes', () => {
  const bare = () => openBareSocket(server());
  const ready = async () => openSocket(server(), { token: await admin() });
  const afterwards = async (socket: Socket, what: () => unknown) => {
    await what();
    return socket.closed;
  };
  const frame = (socket: Socket, ...bytes: number[]) => {
    // What no WebSocket would send goes straight to the network.
    const { _socket: network } = socket.ws as unknown as { _socket: NodeJS.WritableStream };
    network.write(Buffer.from(bytes));
  };

  const PROVOKED: Readonly<Record<string, () => Promise<{ code: number }>>> = {
    async 1001() {
      const own = await world().addServer();
      const socket = await openSocket(own);
      return afterwards(socket, () => own.stop());
    },
    async 1002() {
      const socket = await ready();
      const FINAL_TEXT_WITHOUT_MASK = [0x81, 0x01, 0x61];
      return afterwards(socket, () => frame(socket, ...FINAL_TEXT_WITHOUT_MASK));
    },
    async 1006() {
      const socket = await ready();
      return afterwards(socket, () => {
        for (let i = 0; i < 200; i++) socket.ws.ping();
      });
    },
    async 1007() {
      const socket = await ready();
      return afterwards(socket, () => socket.ws.send(Buffer.from([0xc3, 0x28]), { binary: false }));
    },
    async 1008() {
      const socket = await ready();
      return afterwards(socket, () => {
        for (let i = 0; i < 16_386; i++) socket.ws.send('x', { fin: false });
      });
    },
    async 1009() {
      const socket = await ready();
      return afterwards(socket, () => socket.ws.send('x'.repeat(2_000_001)));
    },
    async 1013() {
      const own = await withOnePlace();
      const token = await admin();
      await openSocket(own, { token });
      const socket = await openBareSocket(own);
      const payload = { authorization: `Bearer ${token}` };
      return afterwards(socket, () => socket.send({ type: 'connection_init', payload }));
    },
    async 4400() {
      const socket = await ready();
      return afterwards(socket, () => socket.ws.send('no JSON'));
    },
    async 4401() {
      const socket = await bare();
      return afterwards(socket, () => socket.subscribe('1', WATCH));
    },
    async 4403() {
      const socket = await bare();
      const payload = { authorization: 'Bearer a.b.c' };
      return afterwards(socket, () => socket.send({ type: 'connection_init', payload }));
    },
    async 4406() {
      const ws = new WebSocket(`${server().url.replace('http', 'ws')}/graphql`);
      const [code] = await once(ws, 'close');
      return { code };
    },
    async 4408() {
      return (await bare()).closed;
    },
    async 4409() {
      const socket = await ready();
      return afterwards(socket, () => {
        for (let times = 0; times < 2; times++) socket.subscribe('1', WATCH);
      });
    },
    async 4429() {
      const socket = await ready();
      return afterwards(socket, () => socket.send({ type: 'connection_init' }));
    },
    async 4500() {
      const socket = await ready();
      // It is sent back as it came, and too deep to be written: a fault of ours that this socket pays for.
      const deep = `${'{"a":'.repeat(200_000)}1${'}'.repeat(200_000)}`;
      return afterwards(socket, () => socket.ws.send(`{"type":"ping","payload":${deep}}`));
    },
  };

  test('are those of the document', () => {
    expect(Object.keys(PROVOKED)).toEqual(codesOf(CLOSED));
  });

  test.each(Object.entries(PROVOKED))('%s comes when it says', async (code, provoke) => {
    expect((await provoke()).code).toBe(Number(code));
  });

  test('1013 comes when tokens cannot be checked as well', async () => {
    const { at, token } = await withoutKeys();
    const socket = await openBareSocket(at);
    const payload = { authorization: `Bearer ${token}` };
    socket.send({ type: 'connection_init', payload });
    expect((await socket.closed).code).toBe(1013);
  });

  test('leave out none that graphql-ws knows', () => {
    const known = Object.values(CloseCode).filter((code) => typeof code === 'number');
    expect([...codesOf(CLOSED), ...codesOf(BY_CLIENT)]).toEqual(expect.arrayContaining(known.map(String)));
    // Of those that a client gives itself, the server gives none.
    for (const code of codesOf(BY_CLIENT)) expect(codesOf(CLOSED)).not.toContain(code);
  });

  test.each(CLOSED.map(({ code, rest }) => [code, rest.at(-1) as string]))(
    'make graphql-ws do what it says: after %s it %s',
    async (code, does) => {
      const sockets = new WebSocketServer({ port: 0, host: '127.0.0.1' });
      onTestFinished(() => void sockets.close());
      await once(sockets, 'listening');
      let connections = 0;
      sockets.on('connection', (socket) => {
        connections++;
        if (code === '1006') socket.terminate();
        else socket.close(Number(code));
      });
      const client = createClient({
        url: `ws://127.0.0.1:${(sockets.address() as AddressInfo).port}`,
        webSocketImpl: WebSocket,
        retryAttempts: 1,
        retryWait: async () => {},
      });
      await new Promise((resolve) => {
        client.subscribe({ query: WATCH }, { next() {}, error: resolve, complete: () => resolve(null) });
      });
      expect(connections > 1 ? 'connects again' : 'gives up').toBe(does);
    },
  );
});

describe('the codes of errors', () => {
  const own = worldForFile();
  const broken = worldForFile();
  const type = unique('measured');
  const size = unique('size').replaceAll('-', '_');
  const sizes = (attributes: string) =>
    `mutation { recordEvent(input: { type: "${type}" ${attributes} }) { event { id } } }`;
  const asked = async (query: string, token?: string) =>
    ask('http', server(own()), query, { token: token ?? (await admin(own())) });

  beforeAll(async () => {
    await broken().db.query('alter table journal rename column oldest to was_oldest');
    await own().ask(
      `mutation ($size: String!, $type: String!) {
        defineAttribute(input: { name: $size, kind: INTEGER }) { name }
        defineEventType(input: { name: $type, category: STATE, attributes: [{ name: $size, required: true }] }) { name }
      }`,
      { size, type },
    );
  });

  const PROVOKED: Readonly<Record<string, () => Promise<Answer>>> = {
    UNAUTHENTICATED: () => asked('{ viewer { subject } }', 'a.b.c'),
    FORBIDDEN: async () =>
      asked(
        'mutation { defineAttribute(input: { name: "a", kind: JSON }) { name } }',
        await own().token({ subject: 'jane' }),
      ),
    NOT_FOUND: () => asked('mutation { setResourceAcl(ref: "page/nowhere", acl: {}) { ref } }'),
    BAD_USER_INPUT: () => asked('{ events(first: -1) { totalCount } }'),
    UNKNOWN_EVENT_TYPE: () => asked('mutation { recordEvent(input: { type: "nothing" }) { event { id } } }'),
    UNKNOWN_ATTRIBUTE: () => asked(sizes(`, attributes: { ${size}: 1, nothing: 1 }`)),
    ATTRIBUTE_KIND_MISMATCH: () => asked(sizes(`, attributes: { ${size}: "large" }`)),
    ATTRIBUTE_REQUIRED: () => asked(sizes('')),
    async ID_CONFLICT() {
      const record = (message: string, id = '') =>
        `mutation { recordEvent(input: { type: "note", message: "${message}" ${id} }) { event { id } } }`;
      const { id } = (await asked(record('one'))).data.recordEvent.event;
      return asked(record('another', `, id: "${id}"`));
    },
    CURSOR_INVALID: () => asked('{ events(after: "made up") { totalCount } }'),
    LIMIT_EXCEEDED: () => asked(`{ event(id: "1") ${'{ parent '.repeat(20)}{ id }${'}'.repeat(20)} }`),
    async RATE_LIMITED() {
      const at = await withOnePlace();
      const authorization = `Bearer ${await admin()}`;
      await beginSse(at, { query: WATCH }, { authorization });
      return (await receive(await beginSse(at, { query: WATCH }, { authorization }))).answer();
    },
    async UNAVAILABLE() {
      const { at, token } = await withoutKeys();
      return ask('http', at, '{ viewer { subject } }', { token });
    },
    INTERNAL_SERVER_ERROR: async () =>
      ask('http', server(broken()), '{ events { nodes { id } } }', { token: await admin(broken()) }),
    GRAPHQL_PARSE_FAILED: () => asked('{ viewer'),
    GRAPHQL_VALIDATION_FAILED: () => asked('{ nothing }'),
  };

  test('are those of the document, of the source and of the contract', () => {
    const documented = codesOf(ERRORS);
    expect(Object.keys(PROVOKED)).toEqual(documented);
    const beyond = ['INTERNAL_SERVER_ERROR', 'GRAPHQL_PARSE_FAILED', 'GRAPHQL_VALIDATION_FAILED'];
    expect(documented).toEqual([...ERROR_CODES, ...beyond]);
    const contract = readFileSync(new URL('../support/contract.graphql', import.meta.url), 'utf8');
    const promised = contract.slice(
      contract.indexOf('# ── Errors'),
      contract.indexOf('# What a viewer may not'),
    );
    expect(documented.toSorted()).toEqual(
      (
        promised.match(/\b[A-Z]+_[A-Z_]+\b|\bFORBIDDEN\b|\bUNAUTHENTICATED\b|\bUNAVAILABLE\b/g) ?? []
      ).toSorted(),
    );
  });

  test.each(Object.entries(PROVOKED))('%s comes when it says', async (code, provoke) => {
    const answer = await provoke();
    expect(answer.errors?.map(({ extensions }) => extensions.code)).toEqual([code]);
  });
});

describe('the statuses of HTTP', () => {
  const upgrade = { connection: 'Upgrade', upgrade: 'websocket' };
  const json = { 'content-type': 'application/json' };
  const query = { query: '{ viewer { subject } }' };
  const statusOf = async (sent: Parameters<typeof send>[1], at = server()) => (await send(at, sent)).status;

  const PROVOKED: Readonly<Record<string, () => Promise<number>>> = {
    400: () => statusOf({ method: 'GET', headers: upgrade }),
    401: async () => (await post(server(), query, { authorization: 'Bearer a.b.c' })).status,
    403: async () => (await post(server(), query, { origin: 'https://evil.example' })).status,
    404: () => statusOf({ method: 'GET', path: '/nothing' }),
    405: () => statusOf({ method: 'DELETE' }),
    406: async () => (await post(server(), query, { accept: 'text/csv' })).status,
    async 408() {
      const { port, hostname } = new URL(server().url);
      const network = connect(Number(port), hostname);
      onTestFinished(() => void network.destroy());
      network.write('GET /graphql HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\n');
      const [answer] = await once(network.setEncoding('utf8'), 'data');
      return Number(/^HTTP\/1.1 (\d+)/.exec(answer)?.[1]);
    },
    async 413() {
      const request = open(server(), { headers: { ...json, 'content-length': '2000001' } });
      request.on('error', () => {});
      request.flushHeaders();
      const [response] = (await once(request, 'response')) as [IncomingMessage];
      return response.statusCode as number;
    },
    415: () => statusOf({ headers: { 'content-type': 'text/plain' }, body: '{}' }),
    async 429() {
      const own = await withOnePlace();
      for (let i = 0; i < 2; i++) await openBareSocket(own);
      return statusOf({ method: 'GET', headers: upgrade }, own);
    },
    431: () => statusOf({ headers: { ...json, 'x-filling': 'x'.repeat(20_000) } }),
    async 503() {
      const { at, token } = await withoutKeys();
      return (await post(at, query, { authorization: `Bearer ${token}` })).status;
    },
  };

  test('are those of the document, but for a fault that nobody knows of yet', () => {
    expect(Object.keys(PROVOKED)).toEqual(codesOf(STATUSES).filter((status) => status !== '500'));
  });

  test.each(Object.entries(PROVOKED))('%s comes when it says', async (status, provoke) => {
    expect(await provoke()).toBe(Number(status));
  });
});

test('what a client does then is one of three', () => {
  for (const { code, rest } of [...CLOSED, ...ERRORS, ...STATUSES])
    expect([code, rest[1]]).toEqual([code, expect.stringMatching(/^(retry|new token|stop)$/)]);
});
