/**
 * Partitions, made when they are first needed. An insert that finds none for a row fails; the partition
 * is then made and the whole transaction is run again.
 */
import pg from 'pg';

const CHECK_VIOLATION = '23514';
const RETRIES = 5;

/**
 * @param work a transaction of its own: a failed one has left nothing behind.
 * @param times of all ids that the work inserts, so that an import of many years fails once and not once
 *   a month.
 */
export async function retryWithPartition<T>(
  pool: pg.Pool,
  work: () => Promise<T>,
  times: () => readonly number[] = () => [],
): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      const statement = attempt < RETRIES ? addPartition(error, times) : null;
      if (statement === null) throw error;
      await pool.query(statement);
    }
  }
}

/** The statement that makes the partition whose absence the error tells; null for any other error. */
function addPartition(error: unknown, times: () => readonly number[]): pg.QueryConfig | null {
  if (!(error instanceof pg.DatabaseError) || error.code !== CHECK_VIOLATION) return null;
  if (!error.message.startsWith('no partition of relation')) return null;
  if (error.table === 'event') {
    const months = new Set(times().map((time) => new Date(time).toISOString().slice(0, 7)));
    return {
      text: 'select eventree_add_event_partition(moment) from unnest($1::timestamptz[]) as moment',
      values: [[...months].map((month) => `${month}-01T00:00:00Z`)],
    };
  }
  const chunk = /= \((\d+)\)/.exec(error.detail ?? '')?.[1];
  if (error.table !== 'event_index' || chunk === undefined) return null;
  return { text: 'select eventree_add_index_partition($1)', values: [Number(chunk)] };
}
