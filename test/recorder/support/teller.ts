/**
 * A small bank's process: moves an amount in one transaction, with its events, in one of the ways there are, and
 * ends. Dies at the moment that it is told to.
 *
 *     teller.ts <way> <before|during|never> <step>
 *
 * Prints how many steps it took, if it lives.
 */
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { createRecorder, type Recorder } from '../../../src/recorder/index.ts';
import { dieAt } from './mortal.ts';

const [way, when, step] = process.argv.slice(2) as [string, 'before' | 'during' | 'never', string];
const { BANK_URL, EVENTREE_SERVER, EVENTREE_TOKEN } = process.env as Record<string, string>;

const pool = new pg.Pool({ connectionString: BANK_URL as string, max: 4, application_name: 'teller' });
const steps = dieAt(when === 'never' ? null : { when, step: Number(step) });
const recorder = createRecorder({
  url: EVENTREE_SERVER as string,
  token: EVENTREE_TOKEN as string,
  outbox: pool,
  leaseMs: 1_000,
});

/** Each moves money and records it, so that the one is there if and only if the other is. */
const WAYS: Readonly<Record<string, (recorder: Recorder, id: string) => Promise<unknown>>> = {
  /** Events of a transaction within a call that goes on after it. */
  within: (recorder, id) =>
    recorder.call('transfer', { params: { id } }, async (call) => {
      await inTransaction(async (client) => {
        await insert(client, id);
        await call.recordIn(client, [{ type: 'create', resource: `transfer/${id}` }]);
      });
      call.record({ type: 'note', resource: `transfer/${id}`, message: 'A receipt was printed' });
    }),
  /** The same below a group, which is kept for its sake. */
  grouped: (recorder, id) =>
    recorder.call('transfer', { params: { id } }, (call) =>
      call.group({ type: 'note', message: 'Booking' }, (group) =>
        inTransaction(async (client) => {
          await insert(client, id);
          await group.recordIn(client, [{ type: 'create', resource: `transfer/${id}` }]);
        }),
      ),
    ),
  /** A call that is itself part of the transaction. */
  whole: (recorder, id) =>
    inTransaction((client) =>
      recorder.call('transfer', { params: { id }, transaction: client }, async (call) => {
        await insert(client, id);
        call.record({ type: 'create', resource: `transfer/${id}` });
      }),
    ),
  /** Without any call. */
  alone: (recorder, id) =>
    inTransaction(async (client) => {
      await insert(client, id);
      await recorder.record({ type: 'create', resource: `transfer/${id}` }, { transaction: client });
    }),
};

await WAYS[way]?.(recorder, randomUUID());
await recorder.flush();
await recorder.close();
await pool.end();
console.log(steps());

function insert(client: pg.PoolClient, id: string): Promise<unknown> {
  return client.query('insert into transfer (id, amount) values ($1, 100)', [id]);
}

async function inTransaction<T>(work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  await client.query('begin');
  const result = await work(client);
  await client.query('commit');
  client.release();
  return result;
}
