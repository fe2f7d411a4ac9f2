/**
 * A world for a test: a database of its own, one or more servers on it, and clients that speak to them as
 * programs outside do. All of it is gone when the test (or, opened in `beforeAll`, the file) is over.
 */
import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { createClient } from 'graphql-ws';
import pg from 'pg';
import { afterAll, beforeAll, onTestFinished } from 'vitest';
import WebSocket from 'ws';
import { signToken } from '../../src/access/authenticate.ts';
import { createLogger } from '../../src/base/logger.ts';
import { loadConfig } from '../../src/config.ts';
import { type RunningServer, startServer } from '../../src/server/server.ts';
import { migratedDatabase } from './database.ts';

// biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape, and fail where it is another.
type Loose = any;

/** As GraphQL sends it. */
export interface Answer<Data = Loose> {
  readonly data?: Data | null;
  readonly errors?: readonly {
    message: string;
    path?: (string | number)[];
    extensions: Record<string, unknown>;
  }[];
}

export interface Who {
  readonly subject?: string;
  readonly groups?: readonly string[];
  readonly lifetimeSeconds?: number;
  /** How long ago the token was issued; now. */
  readonly ageSeconds?: number;
}

export interface World {
  readonly servers: readonly RunningServer[];
  /** Straight to the database, as its owner. */
  readonly db: pg.Pool;
  readonly databaseUrl: string;
  /** The environment that further servers of this world start with. */
  readonly environment: Readonly<Record<string, string>>;
  token(who: Who): Promise<string>;
  /** An operation over HTTP; `token` null for nobody. By default `group/admin` asks the first server. */
  send<Data = Loose>(query: string, variables?: object, options?: SendOptions): Promise<Answer<Data>>;
  /** The same where no error is expected: answers the data. */
  ask<Data = Loose>(query: string, variables?: object, options?: SendOptions): Promise<Data>;
  /** A subscription over WebSocket or SSE. */
  watch<Data = Loose>(query: string, variables?: object, options?: WatchOptions): Stream<Answer<Data>>;
  /** One more server on the same database. */
  addServer(environment?: Record<string, string>): Promise<RunningServer>;
  close(): Promise<void>;
}

export interface SendOptions {
  readonly token?: string | null;
  readonly server?: RunningServer;
}

export interface WatchOptions extends SendOptions {
  readonly by?: 'ws' | 'sse';
}

export interface Stream<T> extends AsyncIterable<T> {
  /** The next message. */
  next(): Promise<T>;
  /** Messages until one meets the test, that one included. */
  until(test: (message: T) => boolean): Promise<T[]>;
  close(): void;
}

export interface WorldOptions {
  /** Further variables for every server. */
  readonly environment?: Record<string, string>;
  readonly servers?: number;
}

const NO_TYPES = fileURLToPath(new URL('no-types.json', import.meta.url));
const SECRET = 'a secret of tests that is long enough for HS256';

/** A world for all tests of a file. */
export function worldForFile(options: WorldOptions = {}): () => World {
  let world: World;
  beforeAll(async () => {
    world = await createWorld(options);
  });
  afterAll(() => world.close());
  return () => world;
}

/** A world for one test. */
export async function openWorld(options: WorldOptions = {}): Promise<World> {
  const world = await createWorld(options);
  onTestFinished(() => world.close());
  return world;
}

async function createWorld({ environment = {}, servers: count = 1 }: WorldOptions): Promise<World> {
  const database = await migratedDatabase();
  const db = new pg.Pool({ connectionString: database.url, max: 4 });
  const variables = {
    DATABASE_URL: database.url,
    EVENTREE_PORT: '0',
    EVENTREE_JWT_SECRET: SECRET,
    EVENTREE_LOG_LEVEL: 'error',
    // One in the working folder is whoever's works there.
    EVENTREE_TYPES_FILE: NO_TYPES,
    EVENTREE_DATABASE_POOL_SIZE: '8',
    ...environment,
  };
  const servers: RunningServer[] = [];
  const streams = new Set<Stream<unknown>>();

  const world: World = {
    servers,
    db,
    databaseUrl: database.url,
    environment: variables,

    async addServer(more = {}) {
      const config = loadConfig({ ...variables, ...more });
      const server = await startServer(config, createLogger(config.logLevel));
      servers.push(server);
      return server;
    },

    token({ subject = 'root', groups = [], lifetimeSeconds = 3_600, ageSeconds = 0 }) {
      return signToken(
        SECRET,
        { subject, groups, lifetimeSeconds },
        { issuer: undefined, audience: undefined },
        Date.now() - ageSeconds * 1_000,
      );
    },

    async send(query, variables = {}, { token, server = servers[0] as RunningServer } = {}) {
      const response = await fetch(`${server.url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...(await authorization(token)) },
        body: JSON.stringify({ query, variables }),
      });
      return (await response.json()) as never;
    },

    async ask(query, variables, options) {
      const { data, errors } = await world.send(query, variables, options);
      if (errors !== undefined || data == null) throw new Error(JSON.stringify(errors));
      return data as never;
    },

    watch(query, variables = {}, { token, server = servers[0] as RunningServer, by = 'ws' } = {}) {
      const payload = { query, variables: variables as Record<string, unknown> };
      const stream =
        by === 'ws'
          ? byWs(server, payload, () => authorization(token))
          : bySse(server, payload, () => authorization(token));
      streams.add(stream);
      return stream as never;
    },

    async close() {
      for (const stream of streams) stream.close();
      await Promise.all(servers.map((server) => server.stop()));
      await db.end();
      await database.drop();
    },
  };

  async function authorization(token: string | null | undefined): Promise<Record<string, string>> {
    if (token === null) return {};
    return { authorization: `Bearer ${token ?? (await world.token({ groups: ['admin'] }))}` };
  }

  try {
    for (let i = 0; i < count; i++) await world.addServer();
  } catch (error) {
    await world.close();
    throw error;
  }
  return world;
}

interface Payload {
  readonly query: string;
  readonly variables: Record<string, unknown>;
}

type Headers = () => Promise<Record<string, string>>;

function byWs(server: RunningServer, payload: Payload, headers: Headers): Stream<unknown> {
  const client = createClient({
    url: `${server.url.replace('http', 'ws')}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams: headers,
    retryAttempts: 0,
  });
  // Closing one that is still connecting waits for the connection, which may fail.
  const close = () => void Promise.resolve(client.dispose()).catch(() => {});
  return streamOf(client.iterate(payload), close);
}

function bySse(server: RunningServer, payload: Payload, headers: Headers): Stream<unknown> {
  const leaving = new AbortController();
  async function* messages(): AsyncGenerator<unknown> {
    const response = await fetch(`${server.url}/graphql`, {
      method: 'POST',
      headers: { accept: 'text/event-stream', 'content-type': 'application/json', ...(await headers()) },
      body: JSON.stringify(payload),
      signal: leaving.signal,
    });
    let text = '';
    for await (const part of response.body as AsyncIterable<Uint8Array>) {
      text += Buffer.from(part).toString();
      for (let end = text.indexOf('\n\n'); end !== -1; end = text.indexOf('\n\n')) {
        const block = text.slice(0, end);
        text = text.slice(end + 2);
        if (block.startsWith('event: complete')) return;
        const data = /^event: next\ndata: (.*)$/s.exec(block)?.[1];
        if (data !== undefined) yield JSON.parse(data);
      }
    }
  }
  return streamOf(messages(), () => leaving.abort());
}

function streamOf<T>(messages: AsyncIterator<T>, close: () => void): Stream<T> {
  const stream: Stream<T> = {
    async next() {
      const { value, done } = await messages.next();
      if (done) throw new Error('The stream has ended.');
      return value;
    },
    async until(test) {
      const taken: T[] = [];
      do taken.push(await stream.next());
      while (!test(taken.at(-1) as T));
      return taken;
    },
    close,
    async *[Symbol.asyncIterator]() {
      for (let result = await messages.next(); !result.done; result = await messages.next())
        yield result.value;
    },
  };
  return stream;
}

/** A name that no other test uses. */
export function unique(prefix: string): string {
  return `${prefix}-${randomBytes(4).toString('hex')}`;
}
