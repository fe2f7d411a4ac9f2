/** A transaction on one connection: committed when the work is done, rolled back when it fails. */
import type pg from 'pg';

export async function inTransaction<T>(
  pool: pg.Pool,
  work: (client: pg.PoolClient) => Promise<T>,
): Promise<T> {
  const client = await pool.connect();
  // A connection that breaks while no statement is under way is reported as an event, which without a
  // listener ends the process. The next statement fails by itself.
  client.on('error', ignore);
  const release = (broken?: Error) => {
    client.off('error', ignore);
    client.release(broken);
  };
  try {
    await client.query('begin');
    const result = await work(client);
    await client.query('commit');
    release();
    return result;
  } catch (error) {
    // A connection that cannot even roll back is broken: it must not go back to the pool.
    const broken = await client.query('rollback').then(
      () => undefined,
      (reason: Error) => reason,
    );
    release(broken);
    throw error;
  }
}

function ignore(): void {}
