/** An outbox in a database of its own, as applications have it, and what they write to it. */
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { onTestFinished } from 'vitest';
import { createClient, newEventId } from '../../../src/client/index.ts';
import { openDatabase } from '../../../src/db/database.ts';
import { createDeliver, type Deliver } from '../../../src/outbox/deliver.ts';
import { installOutbox } from '../../../src/outbox/install.ts';
import { type Writer, writeParcels } from '../../../src/outbox/outbox.ts';
import type { Marker, Parcel, PlacedEvent, Writing } from '../../../src/outbox/parcel.ts';
import { type Relay, type RelayOptions, startRelay } from '../../../src/outbox/relay.ts';
import { type Queryable, type Run, runOn } from '../../../src/outbox/statement.ts';
import { scratchDatabase } from '../../support/database.ts';
import type { Who, World } from '../../support/world.ts';

export interface Outbox {
  readonly url: string;
  readonly pool: pg.Pool;
  readonly run: Run;
}

export async function openOutbox(): Promise<Outbox> {
  const { url, drop } = await scratchDatabase();
  onTestFinished(drop);
  const pool = new pg.Pool({ connectionString: url, max: 10 });
  onTestFinished(() => pool.end());
  await installOutbox(pool);
  return { url, pool, run: runOn(pool) };
}

/** What an application may have at hand to speak to a database. */
export const DRIVERS: readonly (readonly [string, (url: string) => Queryable])[] = [
  [
    'pg',
    (url) => {
      const pool = new pg.Pool({ connectionString: url });
      onTestFinished(() => pool.end());
      return pool;
    },
  ],
  [
    'Prisma',
    (url) => {
      const database = openDatabase({ url, poolSize: 4, statementTimeoutMs: 10_000, onIdleError() {} });
      onTestFinished(() => database.close());
      return database.prisma;
    },
  ],
];

export const writer = (subject: string | null = null): Writer => ({
  recorder: randomUUID(),
  author: subject === null ? null : { subject, claims: [subject] },
});

export function call(more: Partial<PlacedEvent> = {}): PlacedEvent {
  return { id: newEventId(), type: 'call', attributes: { function: 'transfer' }, ...more };
}

export function note(message: string, more: Partial<PlacedEvent> = {}): PlacedEvent {
  return { id: newEventId(), type: 'note', message, ...more };
}

/** A parcel that waits for nothing. */
export function parcel(events: readonly PlacedEvent[], more: Partial<Parcel> = {}): Parcel {
  return { events, resources: [], waitsFor: null, depth: 0, ...more };
}

/** For a call under way. */
export function markerOf({ id, type: _, ...event }: PlacedEvent, more: Partial<Marker> = {}): Marker {
  return { id, event: { ...event, id, type: 'call_lost' }, waitsFor: null, depth: 0, ...more };
}

export function write(run: Run, writing: Partial<Writing>, by: Writer = writer()) {
  return writeParcels(run, { parcels: [], ends: [], marks: [], ...writing }, by);
}

/** As programs outside record: over HTTP, as one user. */
export async function deliverTo(world: World, who: Who = { subject: 'teller' }): Promise<Deliver> {
  const client = createClient({ url: String(world.servers[0]?.url), token: await world.token(who) });
  return createDeliver({
    async record(events) {
      await client.record(events, { fields: 'id', withinMs: 0 });
    },
    async put(input) {
      await client.query('mutation ($input: PutResourceInput!) { putResource(input: $input) { ref } }', {
        input,
      });
    },
  });
}

export interface TestRelay extends Relay {
  /** Each with the parcel's id. */
  readonly refused: readonly (readonly [id: string, error: string])[];
  readonly failures: readonly unknown[];
}

/** One that looks often, stopped when the test is over. */
export function openRelay(
  database: Queryable,
  options: Partial<RelayOptions> & Pick<RelayOptions, 'deliver'>,
): TestRelay {
  const refused: [string, string][] = [];
  const failures: unknown[] = [];
  const relay = startRelay({
    database,
    intervalMs: 20,
    onRefused: (error, { id }) => void refused.push([id, String(error)]),
    onError: (error) => void failures.push(error),
    ...options,
  });
  onTestFinished(() => relay.stop());
  return { ...relay, refused, failures };
}

export interface ToldEvent {
  readonly id: string;
  readonly type: string;
  readonly message: string;
  readonly parent: string | null;
}

/** The first 500 of the journal, in its order. */
export async function journalOf(world: World): Promise<ToldEvent[]> {
  const { events } = await world.ask(
    '{ events(order: OLDEST_FIRST, first: 500) { nodes { id type { name } message parent { id } } } }',
  );
  return events.nodes.map(
    ({
      id,
      type,
      message,
      parent,
    }: {
      id: string;
      type: { name: string };
      message: string;
      parent: { id: string } | null;
    }) => ({
      id,
      type: type.name,
      message,
      parent: parent?.id ?? null,
    }),
  );
}

export interface ParcelRow {
  readonly id: string;
  readonly attempts: number;
  readonly error: string | null;
}

export function parcelsIn(run: Run): Promise<ParcelRow[]> {
  return run('select id::text, attempts, error from eventree_outbox.parcel order by parcel.id', []);
}

export async function markersIn(run: Run): Promise<string[]> {
  const rows = await run<{ id: string }>(
    'select id::text from eventree_outbox.marker order by opened_at',
    [],
  );
  return rows.map(({ id }) => id);
}
