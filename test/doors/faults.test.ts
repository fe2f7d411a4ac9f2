import { describe, expect, test } from 'vitest';
import { openWorld, type World, worldForFile } from '../support/world.ts';
import {
  addServerWithLog,
  ask,
  beginSse,
  codeOf,
  DOORS,
  eventsOf,
  openBareSocket,
  openSocket,
  post,
  type Socket,
  until,
} from './support/doors.ts';

const world = worldForFile();
const server = (of: World = world()) => of.servers[0] as World['servers'][number];
const WATCH = 'subscription ($filter: EventFilter) { eventRecorded(filter: $filter) { id message } }';
const STREAM =
  'subscription ($filter: EventFilter) { eventStream(filter: $filter) { live events { id message } } }';
const RECORD = 'mutation ($input: RecordEventInput!) { recordEvent(input: $input) { event { id } } }';

async function admin(of: World = world(), lifetimeSeconds = 3_600): Promise<string> {
  return of.token({ groups: ['admin'], lifetimeSeconds });
}

/** A socket with one subscription that works, `sound`, which has come to the live end. */
async function openWithSound(of: World = world()): Promise<Socket> {
  const socket = await openSocket(server(of), { token: await admin(of) });
  socket.subscribe('sound', STREAM, { filter: { type: { eq: 'note' } } });
  expect((await socket.next('sound')).payload.data.eventStream.live).toBe(true);
  return socket;
}

/** Whether `sound` still gets what is recorded. */
async function expectSound(socket: Socket, of: World = world()): Promise<void> {
  const { recordEvent } = await of.ask(RECORD, { input: { type: 'note', message: 'still there?' } });
  const { payload } = await socket.next('sound');
  expect(payload.data.eventStream.events).toEqual([{ id: recordEvent.event.id, message: 'still there?' }]);
}

describe('trap 2: on a WebSocket, what is wrong with one operation leaves the others alone', () => {
  for (const [what, query, code] of [
    ['a syntax error', 'subscription { eventRecorded {', 'GRAPHQL_PARSE_FAILED'],
    ['a character that GraphQL does not know', '{ viewer ? }', 'GRAPHQL_PARSE_FAILED'],
    ['a validation error', '{ nothingOfThatName }', 'GRAPHQL_VALIDATION_FAILED'],
    ['an empty text', '', 'GRAPHQL_PARSE_FAILED'],
    [
      'an operation that is too deep',
      `{ event(id: "1") ${'{ parent '.repeat(20)}{ id }${'}'.repeat(20)} }`,
      'LIMIT_EXCEEDED',
    ],
    [
      'two operations and no name',
      'query A { viewer { subject } } query B { viewer { subject } }',
      'BAD_USER_INPUT',
    ],
    [
      'lists in lists in lists, by the thousand',
      `{ events(filter: { attributes: [{ name: "a", eq: ${'['.repeat(2_400)}${']'.repeat(2_400)} }] }) { totalCount } }`,
      'LIMIT_EXCEEDED',
    ],
    [
      'a subscription whose arguments are refused',
      'subscription { eventRecorded(after: "x") { id } }',
      'CURSOR_INVALID',
    ],
  ] as const) {
    test(`${what} is answered by an error of its own`, async () => {
      const socket = await openWithSound();
      socket.subscribe('faulty', query);
      const { type, payload } = await socket.next('faulty');
      const errors = type === 'error' ? payload : payload.errors;
      expect(errors[0].extensions.code).toBe(code);
      await expectSound(socket);
      // And the id is free again.
      socket.subscribe('faulty', '{ viewer { subject } }');
      await until(
        () => socket.next('faulty'),
        ({ type }) => type === 'next',
      );
    });
  }

  test('variables that are not what the operation declares', async () => {
    const socket = await openWithSound();
    socket.subscribe('faulty', RECORD, { input: { type: 7 } });
    expect((await socket.next('faulty')).payload.errors[0].extensions.code).toBe('BAD_USER_INPUT');
    await expectSound(socket);
  });

  test('a resolver’s error', async () => {
    const socket = await openWithSound();
    socket.subscribe('faulty', RECORD, { input: { type: 'never-declared' } });
    expect((await socket.next('faulty')).payload.errors[0].extensions.code).toBe('UNKNOWN_EVENT_TYPE');
    expect((await socket.next('faulty')).type).toBe('complete');
    await expectSound(socket);
  });

  test('an error of one field of a stream’s message does not even end that stream', async () => {
    const socket = await openWithSound();
    socket.subscribe('faulty', 'subscription { eventStream { live events { tree(maxDepth: -1) { id } } } }');
    expect((await socket.next('faulty')).payload.data.eventStream.live).toBe(true);
    for (let i = 0; i < 2; i++) {
      await world().ask(RECORD, { input: { type: 'update' } });
      expect((await socket.next('faulty')).payload.errors[0].extensions.code).toBe('BAD_USER_INPUT');
    }
    await expectSound(socket);
  });

  test('an error in mid-stream ends that stream and no other', async () => {
    const own = await openWorld();
    const { recordEvent } = await own.ask(RECORD, { input: { type: 'update' } });
    const root = recordEvent.event.id;
    const socket = await openWithSound(own);
    // Filters that name an event are answered from the journal, and that is broken now; `sound` is live.
    socket.subscribe('faulty', STREAM, { filter: { within: root } });
    expect((await socket.next('faulty')).payload.data.eventStream.live).toBe(true);
    await own.db.query('alter table journal rename column oldest to was_oldest');
    await own.ask(RECORD, { input: { type: 'update', parentId: root } });
    expect((await socket.next('faulty')).payload.errors[0].extensions.code).toBe('INTERNAL_SERVER_ERROR');
    expect((await socket.next('faulty')).type).toBe('complete');
    await expectSound(socket, own);
  });

  test('the end of a token ends the streams, and the socket stays open', async () => {
    const socket = await openSocket(server(), { token: await admin(world(), 3) });
    socket.subscribe('1', STREAM);
    socket.subscribe('2', WATCH);
    expect((await socket.next('1')).payload.data.eventStream.live).toBe(true);
    for (const id of ['1', '2']) {
      expect((await socket.next(id)).payload.errors[0].extensions.code).toBe('UNAUTHENTICATED');
      expect((await socket.next(id)).type).toBe('complete');
    }
    socket.send({ type: 'ping' });
    expect((await socket.next()).type).toBe('pong');
  });

  test('an id that is in use closes the socket, however long the id is', async () => {
    const { server, log } = await addServerWithLog(world());
    const socket = await openSocket(server, { token: await admin() });
    const id = 'ü'.repeat(300);
    socket.subscribe(id, WATCH);
    socket.subscribe(id, WATCH);
    const { code, reason } = await socket.closed;
    expect(code).toBe(4409);
    expect(reason).toMatch(/^Subscriber for üüü/);
    expect(log.filter(({ level }) => level === 50)).toEqual([]);
  });

  test('a socket holds a thousand operations and no more', { timeout: 60_000 }, async () => {
    const socket = await openSocket(server(), { token: await admin() });
    for (let i = 0; i < 1_001; i++) socket.subscribe(`${i}`, WATCH);
    const refused = await socket.next('1000');
    expect(refused).toMatchObject({ type: 'error', payload: [{ extensions: { code: 'LIMIT_EXCEEDED' } }] });
    socket.send({ type: 'complete', id: '7' });
    socket.subscribe('1001', '{ viewer { subject } }');
    expect((await socket.next('1001')).type).toBe('next');
  });
});

describe('trap 7: what we did not expect is told to the log and to nobody else', () => {
  const BROKEN = '{ events { nodes { id } } }';

  async function broken() {
    const own = await openWorld();
    const { server, log } = await addServerWithLog(own);
    await own.db.query('alter table journal rename column oldest to was_oldest');
    return { own, server, log, token: await admin(own) };
  }

  for (const door of DOORS) {
    test(`INTERNAL_SERVER_ERROR says nothing, and the log says it, by ${door}`, async () => {
      const { server, log, token } = await broken();
      const answer = await ask(door, server, BROKEN, { token });
      expect(answer.errors).toEqual([
        {
          message: 'Something unexpected went wrong.',
          locations: [{ line: 1, column: 12 }],
          path: ['events', 'nodes'],
          extensions: { code: 'INTERNAL_SERVER_ERROR' },
        },
      ]);
      const line = log.find(({ msg }) => msg === 'unexpected error');
      expect(line).toMatchObject({
        level: 50,
        path: 'events.nodes',
        error: expect.stringContaining('oldest'),
      });
      expect(line?.stack).toContain('read.ts');
      expect(line?.requestId).toEqual(expect.any(String));
    });
  }

  test('the log knows the request by the id that the client was told, or gave', async () => {
    const { server, log, token } = await broken();
    const authorization = `Bearer ${token}`;
    const told = await post(server, { query: BROKEN }, { authorization });
    const gave = await post(server, { query: BROKEN }, { authorization, 'x-request-id': 'mine-1' });
    const odd = await post(server, { query: BROKEN }, { authorization, 'x-request-id': 'not "plain"' });
    expect(gave.headers['x-request-id']).toBe('mine-1');
    expect(odd.headers['x-request-id']).not.toContain('plain');
    const lines = log.filter(({ msg }) => msg === 'unexpected error');
    expect(lines.map(({ requestId }) => requestId)).toEqual([
      told.headers['x-request-id'],
      'mine-1',
      odd.headers['x-request-id'],
    ]);
  });

  test('a stream that fails as it is opened says nothing', async () => {
    const { server, token } = await broken();
    const byWs = await ask('ws', server, WATCH, { token });
    const bySse = await ask('sse', server, WATCH, { token });
    for (const answer of [byWs, bySse]) {
      expect(codeOf(answer)).toBe('INTERNAL_SERVER_ERROR');
      expect(JSON.stringify(answer)).not.toContain('oldest');
    }
  });

  test('the reason of a close frame is in our own words', async () => {
    const { server, log } = await addServerWithLog(world());
    const reasons: string[] = [];
    const socket = await openBareSocket(server);
    socket.ws.send('{ no json');
    reasons.push((await socket.closed).reason);
    const token = await openBareSocket(server);
    token.send({ type: 'connection_init', payload: { authorization: 'Bearer a.b.c' } });
    reasons.push((await token.closed).reason);
    const early = await openBareSocket(server);
    early.subscribe('1', WATCH);
    reasons.push((await early.closed).reason);
    const odd = await openBareSocket(server);
    odd.send({ type: 'next', id: '1', payload: {} });
    reasons.push((await odd.closed).reason);
    const twice = await openSocket(server);
    twice.send({ type: 'connection_init' });
    reasons.push((await twice.closed).reason);
    expect(reasons).toEqual([
      'Invalid message received',
      'The token is not one that this server trusts.',
      'Unauthorized',
      'Invalid message received',
      'Too many initialisation requests',
    ]);
    // What a client does wrong is no error of ours.
    expect(log.filter(({ level }) => level === 50)).toEqual([]);
  });

  test('an error is counted by its code', async () => {
    const { server, token } = await broken();
    await ask('http', server, BROKEN, { token });
    await ask('ws', server, '{ nothing }', { token });
    const response = await beginSse(server, { query: '{ nothing }' }, { authorization: `Bearer ${token}` });
    for await (const _ of eventsOf(response));
    const { text } = await fetch(`${server.url}/metrics`).then(async (answer) => ({
      text: await answer.text(),
    }));
    expect(text).toContain('eventree_errors_total{code="INTERNAL_SERVER_ERROR"} 1');
    expect(text).toContain('eventree_errors_total{code="GRAPHQL_VALIDATION_FAILED"} 2');
  });
});
