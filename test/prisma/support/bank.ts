/** A small bank's database, new for each test, and clients of it with and without the extension. */
import { readFile } from 'node:fs/promises';
import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import { afterAll, onTestFinished } from 'vitest';
import { createRecorder, installOutbox, type Recorder } from '../../../src/recorder/index.ts';
import { type EventreeOptions, eventree } from '../../../src/recorder/prisma/index.ts';
import { copyOfDatabase, type ScratchDatabase, scratchDatabase } from '../../support/database.ts';
import { PrismaClient } from './generated/client.ts';

export { Prisma, PrismaClient } from './generated/client.ts';

export interface Bank {
  readonly url: string;
  readonly pool: pg.Pool;
  /** A client without the extension. */
  plain(options?: object): PrismaClient;
  /** Its tables and its outbox, as they were at first. */
  empty(): Promise<void>;
  close(): Promise<void>;
}

/** An event as it waits in the outbox, with what hangs below it in the same parcel. */
export interface Written {
  readonly id: string;
  readonly type: string;
  readonly resource?: string;
  readonly message?: string;
  readonly actor?: string;
  readonly parentId?: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into values of every shape.
  readonly attributes?: any;
  readonly privatePayload?: unknown;
}

let template: Promise<ScratchDatabase> | undefined;
afterAll(async () => (await template)?.drop());

/** Empty tables, and an empty outbox, for one test. */
export async function bankForTest(): Promise<Bank> {
  const bank = await openBank();
  onTestFinished(() => bank.close());
  return bank;
}

export async function openBank(): Promise<Bank> {
  template ??= makeTemplate();
  const { url, drop } = await copyOfDatabase((await template).url);
  const pool = new pg.Pool({ connectionString: url, max: 12 });
  return {
    url,
    pool,
    plain: (options = {}) => new PrismaClient({ adapter: new PrismaPg(pool), ...options }),
    async empty() {
      await pool.query(TRUNCATE);
    },
    async close() {
      await pool.end();
      await drop();
    },
  };
}

/** Servers that tell how a row was before it is changed, and servers that do not. */
export const SERVERS = [
  ['that tells old values', 180_000],
  ['that does not tell old values', 170_006],
] as const;

/** An adapter of a server that says it is of this version. */
export function adapterOf({ pool }: Bank, version: number): PrismaPg {
  const factory = new PrismaPg(pool);
  const connect = factory.connect.bind(factory);
  factory.connect = async () => {
    const adapter = await connect();
    const startTransaction = adapter.startTransaction.bind(adapter);
    adapter.startTransaction = async (...given) => {
      const transaction = await startTransaction(...given);
      const queryRaw = transaction.queryRaw.bind(transaction);
      transaction.queryRaw = async (query) => {
        const answer = await queryRaw(query);
        return query.sql.includes('server_version_num') ? { ...answer, rows: [[String(version)]] } : answer;
      };
      return transaction;
    };
    return adapter;
  };
  return factory;
}

const TRUNCATE = `do $$ begin
  execute (
    select 'truncate ' || string_agg(format('%I.%I', schemaname, tablename), ', ') || ' restart identity cascade'
    from pg_tables where schemaname in ('public', 'eventree_outbox')
  );
end $$`;

async function makeTemplate(): Promise<ScratchDatabase> {
  const database = await scratchDatabase();
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  await client.query(await readFile(new URL('tables.sql', import.meta.url), 'utf8'));
  await installOutbox(client);
  await client.end();
  return database;
}

/** One whose parcels stay in the bank's own outbox: nobody moves them. */
export function recorderOf({ pool }: Bank): Recorder {
  const recorder = createRecorder({ database: pool, as: 'user/bank', onError: fail });
  onTestFinished(() => recorder.close());
  return recorder;
}

function fail(error: unknown): void {
  throw new Error('The recorder reported a failure.', { cause: error });
}

/** A client with the extension, and its recorder. */
export function recording(
  bank: Bank,
  options: Omit<EventreeOptions, 'recorder'> = {},
  clientOptions: object = {},
): { readonly prisma: PrismaClient; readonly recorder: Recorder } {
  const recorder = recorderOf(bank);
  return { prisma: extended(bank.plain(clientOptions), { recorder, ...options }), recorder };
}

/** To the compiler the same client: the extension adds nothing that is to be called. */
export function extended(client: PrismaClient, options: EventreeOptions): PrismaClient {
  return client.$extends(eventree(options)) as unknown as PrismaClient;
}

/** All that was written in transactions so far, in its order. */
export async function written({ pool }: Bank): Promise<Written[]> {
  const { rows } = await pool.query<{ events: Written[] }>(
    'select events from eventree_outbox.parcel order by id',
  );
  return rows.flatMap(({ events }) => events).filter(({ type }) => type !== 'call');
}

export async function resourcesPut({ pool }: Bank): Promise<unknown[]> {
  const { rows } = await pool.query<{ resources: unknown[] }>(
    'select resources from eventree_outbox.parcel order by id',
  );
  return rows.flatMap(({ resources }) => resources);
}

/** `create account/1`, `update account/1 balance: "1" → "2"`: one line for each event but those on top of others. */
export async function history(bank: Bank): Promise<string[]> {
  const events = await written(bank);
  return events
    .filter(({ id }) => !events.some(({ parentId }) => parentId === id))
    .map(({ type, resource, attributes }) => {
      if (type !== 'update') return `${type} ${resource}`;
      const { attribute, old, new: fresh } = attributes;
      return `${type} ${resource} ${attribute}: ${JSON.stringify(old)} → ${JSON.stringify(fresh)}`;
    });
}
