import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { signToken } from '../src/access/authenticate.ts';
import { connectionUrl } from '../src/db/embedded/socket.ts';
import type { RunningServer } from '../src/server/server.ts';
import {
  addServerWithLog,
  ask,
  beginSse,
  codeOf,
  eventsOf,
  metric,
  open,
  openBareSocket,
  openSocket,
  post,
  receive,
  send,
  until,
} from './doors/support/doors.ts';
import { copiesOfOneCluster, runningOn, startHere } from './embedded/embedded-world.ts';
import { type RunningCli, startEventree } from './support/cli.ts';
import { migratedDatabase } from './support/database.ts';
import { databaseUrlThrough, socketOf, startTcpProxy } from './support/tcp-proxy.ts';
import { openWorld, type World, worldForFile } from './support/world.ts';

const dataFolder = copiesOfOneCluster();
const SECRET = 'a secret of tests that is long enough for HS256';
const RECORD = 'mutation ($input: RecordEventInput!) { recordEvent(input: $input) { event { id } } }';
const STREAM = 'subscription { eventStream { live events { id } } }';
const NOTE = { type: 'note', message: 'under way' };

const server = (of: World) => of.servers[0] as RunningServer;
const get = (at: RunningServer, path: string) => send(at, { method: 'GET', path });
const json = ({ text }: { text: string }) => JSON.parse(text);

function adminToken(): Promise<string> {
  const request = { subject: 'root', groups: ['admin'], lifetimeSeconds: 3_600 };
  return signToken(SECRET, request, { issuer: undefined, audience: undefined });
}

interface ServerProcess {
  readonly at: RunningServer;
  readonly cli: RunningCli;
  /** All that it has said to a person. */
  said(): string;
}

/** `eventree serve`, when it is ready. */
async function serve(environment: Readonly<Record<string, string>>): Promise<ServerProcess> {
  const cli = await startEventree(['serve'], {
    environment: { EVENTREE_PORT: '0', EVENTREE_JWT_SECRET: SECRET, ...environment },
  });
  const said = () => cli.lines.join('\n');
  const url = () => /GraphQL\s+(http:\S+)\/graphql/.exec(said())?.[1];
  const ended = cli.ended.then(({ stderr }) => {
    if (url() === undefined) throw new Error(`The server does not start: ${stderr}`);
  });
  await Promise.race([vi.waitUntil(url, { timeout: 40_000, interval: 20 }), ended]);
  // The doors look at nothing but its address.
  return { at: { url: url() } as RunningServer, cli, said };
}

/** Nothing is recorded until it is released: an append waits for its lock, and readers do not. */
async function holdBackWriters(databaseUrl: string) {
  const client = new pg.Client({ connectionString: databaseUrl });
  client.on('error', () => {});
  await client.connect();
  onTestFinished(() => client.end().catch(() => {}));
  await client.query('begin');
  await client.query('lock table event in share row exclusive mode');
  return {
    /** Until a statement waits for it. */
    async untilWaiting(): Promise<void> {
      const waiting = async () =>
        Number((await client.query('select count(*) from pg_locks where not granted')).rows[0].count);
      await until(waiting, (count) => count > 0);
    },
    release: () => client.query('rollback'),
  };
}

/** The URL of a server's embedded database. */
async function embeddedUrl(dataDir: string): Promise<string> {
  const socketFolder = (await readFile(join(dataDir, 'postgres/postmaster.pid'), 'utf8')).split('\n')[4];
  return connectionUrl(socketFolder as string, 'eventree');
}

describe('/healthz', () => {
  test('says that the process answers, whatever its database does', async () => {
    const world = await openWorld();
    const proxy = await startTcpProxy(socketOf(world.databaseUrl));
    const behind = await world.addServer({ DATABASE_URL: databaseUrlThrough(proxy, world.databaseUrl) });
    proxy.refuse(true);
    const { status, text } = await get(behind, '/healthz');
    expect([status, JSON.parse(text)]).toEqual([200, { status: 'ok' }]);
    expect((await get(behind, '/metrics')).status).toBe(200);
    proxy.refuse(false);
  });
});

describe('/readyz', () => {
  test('says that the server can do its work, and through what', async () => {
    const world = await openWorld();
    const { status, text } = await get(server(world), '/readyz');
    expect(status).toBe(200);
    expect(JSON.parse(text)).toEqual({
      ready: true,
      draining: false,
      database: { ok: true, ms: expect.any(Number) },
      signals: { ok: true, through: expect.any(String) },
      lag: { ok: true, events: 0, ms: expect.any(Number) },
    });
  });

  test('turns 503 when the database is gone, says so, and turns back when it is there again', async () => {
    const dataDir = await dataFolder();
    const database = await startHere(dataDir);
    const world = await openWorld({
      environment: { DATABASE_URL: database.url, EVENTREE_LOG_LEVEL: 'fatal' },
    });
    expect((await get(server(world), '/readyz')).status).toBe(200);

    await database.stop();
    const gone = await until(
      () => get(server(world), '/readyz'),
      ({ status }) => status === 503,
    );
    expect(json(gone)).toMatchObject({ ready: false, database: { ok: false } });
    const answer = await post(server(world), { query: '{ events { totalCount } }' });
    expect(codeOf(answer.answer())).toBe('UNAVAILABLE');

    await startHere(dataDir);
    const back = await until(
      () => get(server(world), '/readyz'),
      ({ status }) => status === 200,
    );
    expect(json(back)).toMatchObject({ ready: true, database: { ok: true }, lag: { ok: true } });
    expect((await world.ask(RECORD, { input: NOTE })).recordEvent.event.id).toEqual(expect.any(String));
  });

  test('turns 503 within seconds when the database does not answer, and turns back', async () => {
    const world = await openWorld();
    const proxy = await startTcpProxy(socketOf(world.databaseUrl));
    const behind = await world.addServer({
      DATABASE_URL: databaseUrlThrough(proxy, world.databaseUrl),
      EVENTREE_LOG_LEVEL: 'fatal',
    });
    expect((await get(behind, '/readyz')).status).toBe(200);
    proxy.stall(true);
    const stalled = await get(behind, '/readyz');
    expect(stalled.status).toBe(503);
    expect(json(stalled)).toMatchObject({ ready: false, database: { ok: false } });
    expect(json(stalled).database.ms).toBeLessThan(5_000);
    proxy.stall(false);
    await until(
      () => get(behind, '/readyz'),
      ({ status }) => status === 200,
    );
  });
});

describe('/metrics', () => {
  const world = worldForFile();
  const SAMPLE =
    /^[a-zA-Z_:][a-zA-Z0-9_:]*(\{[a-zA-Z_]\w*="([^"\\\n]|\\[\\"n])*"(,[a-zA-Z_]\w*="([^"\\\n]|\\[\\"n])*")*\})? (-?\d+(\.\d+)?(e[+-]?\d+)?|[+-]Inf|NaN|Nan)$/;

  test('is Prometheus’ text, line by line', async () => {
    await ask('ws', server(world()), '{ viewer { subject } }');
    await ask('http', server(world()), '{ nothing }');
    const { status, headers, text } = await get(server(world()), '/metrics');
    expect(status).toBe(200);
    expect(headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
    const lines = text.split('\n').filter((line) => line !== '');
    expect(lines.filter((line) => !/^# (HELP|TYPE) \w+ \S/.test(line) && !SAMPLE.test(line))).toEqual([]);
    // Each is declared once, and before its first sample.
    const declared = lines.filter((line) => line.startsWith('# TYPE ')).map((line) => line.split(' ')[2]);
    expect(new Set(declared).size).toBe(declared.length);
  });

  test.each([
    ['eventree_pending_events', 'gauge'],
    ['eventree_outbox_parcels', 'gauge'],
    ['eventree_live_readers', 'gauge'],
    ['eventree_database_connections', 'gauge'],
    ['eventree_events_recorded_total', 'counter'],
    ['eventree_messages_delivered_total', 'counter'],
    ['eventree_operation_seconds', 'histogram'],
    ['eventree_errors_total', 'counter'],
    ['eventree_sockets', 'gauge'],
    ['process_cpu_seconds_total', 'counter'],
    ['nodejs_eventloop_lag_seconds', 'gauge'],
  ])('%s is a %s, and explained', async (name, type) => {
    const { text } = await get(server(world()), '/metrics');
    expect(text).toContain(`# TYPE ${name} ${type}\n`);
    expect(text).toMatch(new RegExp(`^# HELP ${name} \\S.*\\.?$`, 'm'));
  });

  test('what happens is counted', async () => {
    const own = await openWorld();
    const at = server(own);
    await own.ask(RECORD, { input: { ...NOTE, children: [NOTE, NOTE] } });
    expect(await metric(at, 'eventree_events_recorded_total')).toBe(3);
    expect(await metric(at, 'eventree_operation_seconds_count', 'door="http"')).toBe(1);
    await own.send(RECORD, { input: { type: 'never-declared' } });
    expect(await metric(at, 'eventree_errors_total', 'code="UNKNOWN_EVENT_TYPE"')).toBe(1);
    expect(await metric(at, 'eventree_database_connections')).toBeGreaterThan(0);

    const socket = await openSocket(at, { token: await adminToken() });
    socket.subscribe('1', STREAM);
    await socket.next('1');
    expect(await metric(at, 'eventree_sockets')).toBe(1);
    expect(await metric(at, 'eventree_live_readers')).toBe(1);
    expect(await metric(at, 'eventree_messages_delivered_total')).toBe(1);
    socket.subscribe('2', '{ __typename }');
    await socket.next('2');
    // An answer is no message of a subscription.
    expect(await metric(at, 'eventree_messages_delivered_total')).toBe(1);
    expect(await metric(at, 'eventree_operation_seconds_count', 'door="ws"')).toBe(1);
    socket.ws.close();
    await until(
      () => metric(at, 'eventree_sockets'),
      (open) => open === 0,
    );
  });

  test('events that wait are counted', async () => {
    const own = await openWorld();
    const writers = await holdBackWriters(own.databaseUrl);
    const recording = Array.from({ length: 3 }, () => own.ask(RECORD, { input: NOTE }));
    await until(
      () => metric(server(own), 'eventree_pending_events'),
      (pending) => pending === 3,
    );
    await writers.release();
    await Promise.all(recording);
    expect(await metric(server(own), 'eventree_pending_events')).toBe(0);
  });
});

describe('the log', () => {
  test('knows each request by the id that its client got, or gave', async () => {
    const world = await openWorld();
    const { server: at, log } = await addServerWithLog(world);
    const ids = [
      (await post(at, { query: '{ viewer { subject } }' })).headers['x-request-id'],
      (await post(at, { query: '{ nothing }' }, { 'x-request-id': 'mine.1_2-3' })).headers['x-request-id'],
      (await get(at, '/nothing/there')).headers['x-request-id'],
      (await get(at, '/readyz')).headers['x-request-id'],
    ];
    expect(ids[1]).toBe('mine.1_2-3');
    expect(new Set(ids).size).toBe(4);
    const answered = () => log.filter(({ msg }) => msg === 'request answered');
    await until(
      async () => answered().length,
      (count) => count === 4,
    );
    expect(
      answered().map(({ requestId, method, path, status }) => [requestId, method, path, status]),
    ).toEqual([
      [ids[0], 'POST', '/graphql', 200],
      [ids[1], 'POST', '/graphql', 200],
      [ids[2], 'GET', '/nothing/there', 404],
      [ids[3], 'GET', '/readyz', 200],
    ]);
  });

  test.each(['x'.repeat(65), 'two words', 'quo"te', 'a/b', ''])(
    'takes no id like %j from a client',
    async (id) => {
      const world = await openWorld();
      const { headers } = await post(
        server(world),
        { query: '{ viewer { subject } }' },
        { 'x-request-id': id },
      );
      expect(headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
    },
  );

  test('holds no token and no secret, at the least level there is', async () => {
    const database = await migratedDatabase();
    onTestFinished(() => database.drop());
    const url = new URL(database.url);
    url.password = 'pass-of-the-database';
    const { at, cli, said } = await serve({ DATABASE_URL: url.href, EVENTREE_LOG_LEVEL: 'trace' });
    const token = await adminToken();
    const authorization = `Bearer ${token}`;
    const other = await signToken(
      'another secret, which is no good here',
      { subject: 'eve', groups: [], lifetimeSeconds: 60 },
      { issuer: undefined, audience: undefined },
    );
    const recorded = 'said-by-a-client';

    await post(
      at,
      { query: RECORD, variables: { input: { ...NOTE, payload: recorded } } },
      { authorization },
    );
    await post(at, { query: '{ viewer { subject } }' }, { authorization: `Bearer ${other}` });
    await post(
      at,
      { query: '{ viewer { subject } }' },
      { authorization: 'Basic c2VjcmV0', cookie: 'session=cookie-of-a-browser' },
    );
    await get(at, `/graphql?query={viewer{subject}}&token=${token}`);
    await get(at, `/nothing?token=${token}`);
    const stream = await beginSse(at, { query: STREAM }, { authorization });
    await eventsOf(stream).next();
    stream.destroy();
    expect((await ask('ws', at, '{ viewer { subject } }', { token })).data.viewer.subject).toBe('user/root');
    const refused = await openBareSocket(at);
    refused.send({ type: 'connection_init', payload: { authorization: `Bearer ${other}` } });
    await refused.closed;
    const odd = await openSocket(at, { token });
    odd.ws.send(`{ no json ${token}`);
    await odd.closed;
    cli.process.kill('SIGTERM');
    const { code, stderr } = await cli.ended;

    expect(code).toBe(0);
    const lines = stderr.split('\n').filter((line) => line !== '');
    expect(
      lines.map((line) => JSON.parse(line)).filter(({ msg }) => msg === 'request answered').length,
    ).toBeGreaterThanOrEqual(5);
    for (const secret of [
      token,
      other,
      token.split('.')[2],
      other.split('.')[2],
      SECRET,
      url.password,
      'c2VjcmV0',
      'cookie-of-a-browser',
      recorded,
    ])
      expect(`${stderr}${said()}`).not.toContain(secret);
  });

  test('cuts secrets out wherever a line holds them', () => {
    const logger = fileURLToPath(new URL('../src/base/logger.ts', import.meta.url));
    const held = { authorization: 'x1', token: 'x2', secret: 'x3', password: 'x4', cookie: 'x5' };
    const script = `const { createLogger } = await import(${JSON.stringify(logger)});
      createLogger('debug').info(${JSON.stringify({ ...held, request: { ...held, headers: held } })}, 'hello')`;
    const { stderr } = spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
      encoding: 'utf8',
    });
    const { level, msg, authorization, request } = JSON.parse(stderr.trim().split('\n').at(-1) as string);
    expect([level, msg, authorization, request.headers.cookie]).toEqual([
      'info',
      'hello',
      '[hidden]',
      '[hidden]',
    ]);
    expect(stderr).not.toMatch(/"x\d"/);
  });
});

describe('a server that is told to stop', { timeout: 60_000 }, () => {
  test('answers what is under way, sends its streams away, and leaves nothing running', async () => {
    const dataDir = await dataFolder();
    const { at, cli, said } = await serve({ EVENTREE_DATA_DIR: dataDir });
    const token = await adminToken();
    const authorization = `Bearer ${token}`;
    const watching = await openSocket(at, { token });
    watching.subscribe('1', STREAM);
    expect((await watching.next('1')).payload.data.eventStream.live).toBe(true);
    const sse = await beginSse(at, { query: STREAM }, { authorization });
    const sseEvents = eventsOf(sse);
    expect((await sseEvents.next()).value?.event).toBe('next');
    const idle = await openSocket(at);

    const writers = await holdBackWriters(await embeddedUrl(dataDir));
    const byHttp = post(at, { query: RECORD, variables: { input: NOTE } }, { authorization });
    await writers.untilWaiting();
    const mutating = await openSocket(at, { token });
    mutating.subscribe('1', RECORD, { input: NOTE });
    const bySse = beginSse(at, { query: RECORD, variables: { input: NOTE } }, { authorization });
    await until(
      () => metric(at, 'eventree_pending_events'),
      (pending) => pending === 3,
    );

    cli.process.kill('SIGTERM');
    await cli.untilLine(/SIGTERM: finishing what is under way/);
    // A stream is broken off without `complete`, after which its client would not come back.
    expect((await sseEvents.next()).done).toBe(true);
    await until(
      () => get(at, '/healthz').catch(() => null),
      (answer) => answer === null,
    );
    expect(said()).not.toContain('Stopped.');

    await writers.release();
    const answered = await byHttp;
    expect(answered.status).toBe(200);
    const ids = [answered.answer().data.recordEvent.event.id];
    ids.push((await mutating.next('1')).payload.data.recordEvent.event.id);
    for await (const { event, data } of eventsOf(await bySse))
      if (event === 'next') ids.push(JSON.parse(data).data.recordEvent.event.id);
    for (const socket of [watching, mutating, idle]) {
      expect(await socket.closed).toEqual({ code: 1001, reason: 'The server is stopping: connect again.' });
    }
    expect(await cli.ended).toMatchObject({ code: 0, signal: null });
    expect(said()).toContain('Stopped.');
    expect(await runningOn(dataDir)).toEqual([]);

    // Acknowledged is committed.
    const again = await serve({ EVENTREE_DATA_DIR: dataDir });
    const { data } = await ask('http', again.at, '{ events { nodes { id } } }', { token });
    expect(data.events.nodes.map(({ id }: { id: string }) => id).toSorted()).toEqual(ids.toSorted());
    again.cli.process.kill('SIGINT');
    expect(await again.cli.ended).toMatchObject({ code: 0, signal: null });
    expect(await runningOn(dataDir)).toEqual([]);
  });

  test('does not wait longer than EVENTREE_DRAIN_TIMEOUT_MS for them', async () => {
    const dataDir = await dataFolder();
    const { at, cli } = await serve({
      EVENTREE_DATA_DIR: dataDir,
      EVENTREE_DRAIN_TIMEOUT_MS: '200',
      EVENTREE_QUERY_TIMEOUT_MS: '2000',
      EVENTREE_LOG_LEVEL: 'fatal',
    });
    const token = await adminToken();
    const writers = await holdBackWriters(await embeddedUrl(dataDir));
    const request = open(at, {
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    });
    const cutOff = once(request, 'error');
    request.end(JSON.stringify({ query: RECORD, variables: { input: NOTE } }));
    await writers.untilWaiting();
    // One that would never say goodbye.
    const socket = await openSocket(at, { token });
    socket.ws.pause();

    cli.process.kill('SIGTERM');
    expect((await cutOff)[0]).toBeInstanceOf(Error);
    expect(await cli.ended).toMatchObject({ code: 0, signal: null });
    expect(await runningOn(dataDir)).toEqual([]);
  });

  test('ends at once when it is told so twice, and its database with it', async () => {
    const dataDir = await dataFolder();
    const { at, cli } = await serve({ EVENTREE_DATA_DIR: dataDir });
    const writers = await holdBackWriters(await embeddedUrl(dataDir));
    const lost = post(
      at,
      { query: RECORD, variables: { input: NOTE } },
      { authorization: `Bearer ${await adminToken()}` },
    ).catch(() => 'lost');
    await writers.untilWaiting();
    cli.process.kill('SIGTERM');
    await cli.untilLine(/finishing what is under way/);
    cli.process.kill('SIGTERM');
    expect(await cli.ended).toMatchObject({ code: 1, signal: null });
    expect(await lost).toBe('lost');
    await until(
      () => runningOn(dataDir),
      (left) => left.length === 0,
    );
  });

  test('is not held up by connections that are kept open for later', async () => {
    const world = await openWorld({ environment: { EVENTREE_DRAIN_TIMEOUT_MS: '600000' } });
    const kept = open(server(world), {
      method: 'GET',
      path: '/healthz',
      headers: { connection: 'keep-alive' },
    });
    kept.end();
    const [response] = (await once(kept, 'response')) as [IncomingMessage];
    await receive(response);
    await server(world).stop();
    await server(world).stop();
    await expect(get(server(world), '/healthz')).rejects.toThrow('ECONNREFUSED');
  });

  test('refuses what a socket asks for from then on', async () => {
    const world = await openWorld();
    const socket = await openSocket(server(world), { token: await world.token({ groups: ['admin'] }) });
    const writers = await holdBackWriters(world.databaseUrl);
    socket.subscribe('1', RECORD, { input: NOTE });
    await writers.untilWaiting();
    const stopped = server(world).stop();
    socket.subscribe('2', RECORD, { input: NOTE });
    expect(await socket.next('2')).toMatchObject({
      type: 'error',
      payload: [{ extensions: { code: 'UNAVAILABLE' } }],
    });
    await writers.release();
    expect((await socket.next('1')).payload.data.recordEvent.event.id).toEqual(expect.any(String));
    await stopped;
  });
});

describe('a path that is none', () => {
  const world = worldForFile();

  test.each(['/nothing', '/graphql/', '/Graphql', '//graphql', '/__proto__', '/constructor'])(
    '%s is 404',
    async (path) => {
      expect((await get(server(world()), path)).status).toBe(404);
    },
  );
});
