/**
 * A program that stays within a call until it is killed. It says so on its standard output. With an outbox it has
 * committed something below a group before.
 */
import pg from 'pg';
import { createRecorder } from '../../../src/recorder/index.ts';

const { connectionString, ...options } = JSON.parse(String(process.argv[2]));
const pool = connectionString === undefined ? null : new pg.Pool({ connectionString });
const recorder = createRecorder({ ...options, private: ['iban'], ...(pool !== null && { outbox: pool }) });
const params = { amount: 3, password: 'p', iban: 'DE1' };

await recorder.call(
  'stay',
  { params, actor: 'user/jane', session: 's1', correlationId: 'c1' },
  async (call) => {
    call.record({ type: 'note', message: 'never written' });
    if (pool !== null) {
      await call.group({ type: 'note', message: 'group' }, async (group) => {
        const client = await pool.connect();
        await client.query('begin');
        await group.recordIn(client, [{ type: 'note', message: 'committed' }]);
        await client.query('commit');
        client.release();
      });
    }
    process.stdout.write('within\n');
    await new Promise((resolve) => setTimeout(resolve, 60_000));
  },
);
