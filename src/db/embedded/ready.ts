/**
 * Waits until PostgreSQL answers, which after a crash is when it has recovered, and creates the database
 * where it is missing: initdb creates only PostgreSQL's own.
 */
import pg from 'pg';
import type { Logger } from '../../base/logger.ts';
import { pause } from '../../base/retry.ts';
import { DATABASE } from './cluster.ts';
import { connectionUrl } from './socket.ts';

/** See https://www.postgresql.org/docs/18/errcodes-appendix.html and errno(3). */
const NOT_YET = new Set([
  ...['ENOENT', 'ECONNREFUSED', 'ECONNRESET', 'EPIPE'],
  ...['57P01', '57P02', '57P03'],
]);
const NO_SUCH_DATABASE = '3D000';
const ALREADY_THERE = '42P04';

/**
 * Resolves when the database answers, or when the signal fires. There is no time limit: a recovery takes
 * as long as there is log to replay, and ending it would only start it again.
 *
 * @throws what PostgreSQL answers, where that is no matter of waiting.
 */
export async function untilReady(socketFolder: string, signal: AbortSignal, logger: Logger): Promise<void> {
  const began = Date.now();
  let told = false;
  // 5, 10, 20, … 160 ms: an ordinary start takes 100 ms or less.
  for (let waitMs = 5; !signal.aborted; waitMs = Math.min(160, waitMs * 2)) {
    const answer = await tryQuery(connectionUrl(socketFolder, DATABASE), 'SELECT 1');
    if (answer === 'done') return;
    if (answer === NO_SUCH_DATABASE) {
      await tryQuery(connectionUrl(socketFolder, 'postgres'), `CREATE DATABASE ${DATABASE}`);
    }
    if (!told && Date.now() - began > 5_000) {
      told = true;
      logger.info('PostgreSQL is recovering from a crash; this may take some minutes');
    }
    await pause(waitMs, signal);
  }
}

type Answer = 'done' | 'not yet' | typeof NO_SUCH_DATABASE;

async function tryQuery(url: string, sql: string): Promise<Answer> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
  // An idle client reports a lost connection as an event, which without a listener ends the process.
  client.on('error', () => {});
  try {
    await client.connect();
    await client.query(sql);
    return 'done';
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === ALREADY_THERE) return 'done';
    if (code === NO_SUCH_DATABASE) return NO_SUCH_DATABASE;
    // pg's own errors, of a connection that ends or takes too long, bear no code.
    if (code === undefined || NOT_YET.has(code)) return 'not yet';
    throw error;
  } finally {
    await client.end().catch(() => {});
  }
}
