/** A server of its own for a test: real, with a journal that is empty, on a free port. */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { signToken } from '../access/authenticate.ts';
import { createLogger } from '../base/logger.ts';
import { type Client, createClient } from '../client/client.ts';
import type { EventNode } from '../client/event.ts';
import type { EventFilter } from '../client/filter.ts';
import { loadConfig } from '../config.ts';
import type { DeclarationsInput } from '../events/declaration.ts';
import { createRecorder, type Recorder, type RecorderOptions } from '../recorder/index.ts';
import { type RunningServer, startServer } from '../server/server.ts';
import { sharedDatabases } from './databases.ts';
import { readJournal } from './read.ts';

export interface EventreeOptions {
  /** Attributes and event types of the application. Left out: those of `eventree.types.ts` in the working folder, if it is there. */
  readonly types?: DeclarationsInput;
  /** Further settings of the server, e.g. `{ EVENTREE_MAX_JOURNALS: '2' }`. The environment is not read. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** Left out: somebody of group/admin, who sees all. */
export interface Who {
  readonly subject?: string;
  readonly groups?: readonly string[];
}

export interface TestEventree {
  /** e.g. http://127.0.0.1:41523 */
  readonly url: string;
  /** Of Eventree's own database, for a recorder that writes there. */
  readonly databaseUrl: string;
  /** Good for a day. */
  token(who?: Who): Promise<string>;
  client(who?: Who): Client;
  /** One that records over the API, as somebody of group/admin; it is closed with the rest. */
  recorder(options?: Omit<RecorderOptions, 'url' | 'token' | 'database' | 'as' | 'claims'>): Recorder;
  /** All that was recorded in `main`, oldest first. */
  journal(filter?: EventFilter | null): Promise<EventNode[]>;
  /** An empty database on the same PostgreSQL, for the application's own tables; gone with the rest. @returns its URL. */
  database(): Promise<string>;
  /** Stops the server and removes the databases. May be called more than once. */
  close(): Promise<void>;
}

const ADMIN: Who = { subject: 'tests', groups: ['admin'] };
const LIFETIME_SECONDS = 86_400;

/**
 * Starts an Eventree whose journal is empty. The first one of a run takes some seconds, in which PostgreSQL is
 * created; those after it take less than one.
 *
 * @throws StartError where PostgreSQL cannot be started, or for types or settings that are not valid.
 */
export async function startEventree(options: EventreeOptions = {}): Promise<TestEventree> {
  const databases = await sharedDatabases();
  const stops: (() => Promise<void>)[] = [];
  let closed: Promise<void> | undefined;
  const close = () => {
    closed ??= inReverse(stops);
    return closed;
  };
  const create = async (kind: 'eventree' | 'empty') => {
    const { url, drop } = await databases.create(kind);
    stops.push(drop);
    return url;
  };
  try {
    const databaseUrl = await create('eventree');
    const secret = randomBytes(32).toString('base64url');
    const server = await start(databaseUrl, secret, options);
    stops.push(() => server.stop());
    const token = ({ subject = 'jane', groups = [] }: Who = ADMIN) =>
      signToken(secret, { subject, groups, lifetimeSeconds: LIFETIME_SECONDS }, NO_RULES);
    const client = (who?: Who) => createClient({ url: server.url, token: () => token(who) });
    return {
      url: server.url,
      databaseUrl,
      token,
      client,
      recorder(given) {
        const recorder = createRecorder({ url: server.url, token: () => token(), ...given });
        stops.push(() => recorder.close());
        return recorder;
      },
      journal: (filter) => readJournal(client(), filter),
      database: () => create('empty'),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

const NO_RULES = { issuer: undefined, audience: undefined };

async function start(
  databaseUrl: string,
  secret: string,
  { types, settings }: EventreeOptions,
): Promise<RunningServer> {
  const folder = await mkdtemp(join(tmpdir(), 'eventree-types-'));
  try {
    const file = join(folder, 'eventree.types.json');
    if (types !== undefined) await writeFile(file, JSON.stringify(types));
    const config = loadConfig({
      DATABASE_URL: databaseUrl,
      EVENTREE_PORT: '0',
      EVENTREE_JWT_SECRET: secret,
      EVENTREE_LOG_LEVEL: 'error',
      EVENTREE_DATABASE_POOL_SIZE: '8',
      ...(types !== undefined && { EVENTREE_TYPES_FILE: file }),
      ...settings,
    });
    return await startServer(config, createLogger(config.logLevel));
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function inReverse(stops: readonly (() => Promise<void>)[]): Promise<void> {
  for (const stop of stops.toReversed()) await stop();
}
