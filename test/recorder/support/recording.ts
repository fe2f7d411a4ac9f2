/** What tests of the recorder have in common: a recorder that is closed with the test, and trees as a query shows them. */
import pg from 'pg';
import { onTestFinished } from 'vitest';
import {
  createRecorder,
  type PlacedEvent,
  type Recorder,
  type RecorderOptions,
} from '../../../src/recorder/index.ts';
import { scratchDatabase } from '../../support/database.ts';
import type { Who, World } from '../../support/world.ts';

export interface SeenNode {
  readonly id: string;
  readonly position: number | null;
  readonly type: { readonly name: string };
  readonly message: string;
  readonly occurredAt: string;
  readonly actor: string | null;
  readonly activeClaim: string | null;
  readonly sessionId: string | null;
  readonly correlationId: string | null;
  readonly resource: { readonly ref: string } | null;
  readonly parent: { readonly id: string } | null;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into values of every shape.
  readonly attributes: any;
  readonly payload: unknown;
  readonly privatePayload: unknown;
}

const FIELDS = `id position type { name } message occurredAt actor activeClaim sessionId correlationId resource { ref }
  parent { id } attributes payload privatePayload`;

export interface Reported {
  readonly error: unknown;
  readonly unrecorded: readonly PlacedEvent[];
}

/** A recorder over the API, as an admin. What it reports fails the test, unless that takes it out of `reported`. */
export async function recorderOf(
  world: World,
  options: RecorderOptions & { readonly who?: Who } = {},
): Promise<{ readonly recorder: Recorder; readonly reported: Reported[] }> {
  const { who = { subject: 'bank', groups: ['admin'] }, ...given } = options;
  const api =
    given.database === undefined ? { url: String(world.servers[0]?.url), token: await world.token(who) } : {};
  return recorderWith({ ...api, ...given });
}

export function recorderWith(options: RecorderOptions): {
  readonly recorder: Recorder;
  readonly reported: Reported[];
} {
  const reported: Reported[] = [];
  const recorder = createRecorder({
    closeTimeoutMs: 2_000,
    onError: (error, unrecorded) => reported.push({ error, unrecorded }),
    ...options,
  });
  onTestFinished(async () => {
    await recorder.close();
    if (reported.length > 0)
      throw new Error('The recorder reported a failure.', { cause: reported[0]?.error });
  });
  return { recorder, reported };
}

/** A pool that ends with the test. */
export function poolOf(url: string, max = 4): pg.Pool {
  const pool = new pg.Pool({ connectionString: url, max });
  onTestFinished(() => pool.end());
  return pool;
}

/** A database of an application, with an account in it. */
export async function bankDatabase(): Promise<pg.Pool> {
  const { url, drop } = await scratchDatabase();
  onTestFinished(drop);
  const pool = poolOf(url, 8);
  await pool.query('create table account (name text primary key, balance integer not null)');
  await pool.query(`insert into account values ('jane', 100), ('john', 0)`);
  return pool;
}

export async function balanceOf(pool: pg.Pool, name: string): Promise<number> {
  const { rows } = await pool.query('select balance from account where name = $1', [name]);
  return rows[0].balance;
}

/** Runs within a transaction of the pool: committed if it resolves. */
export async function transact<T>(pool: pg.Pool, work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  try {
    await client.query('begin');
    const result = await work(client);
    await client.query('commit');
    return result;
  } catch (error) {
    await client.query('rollback');
    throw error;
  } finally {
    client.release();
  }
}

/** All events of a journal, oldest first, as `group/admin` sees them. */
export async function eventsIn(world: World, filter: object = {}, journal = 'main'): Promise<SeenNode[]> {
  const { events } = await world.ask(
    `query ($filter: EventFilter, $journal: String!) {
      events(filter: $filter, journal: $journal, order: OLDEST_FIRST, first: 500) { nodes { ${FIELDS} } }
    }`,
    { filter, journal },
  );
  return events.nodes;
}

/** Lines of types and messages, indented by depth. */
export function outlineOf(events: readonly SeenNode[]): string[] {
  const depths = new Map<string, number>();
  return events.map(({ id, parent, type, message }) => {
    const depth = parent === null ? 0 : (depths.get(parent.id) ?? -1) + 1;
    depths.set(id, depth);
    return `${'  '.repeat(depth)}${type.name === 'note' ? message : type.name}`;
  });
}
