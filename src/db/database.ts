/**
 * The connections to PostgreSQL. One pool serves both ways of speaking to it: Prisma for what is cool
 * (registry, resources, journals) and plain SQL for what is hot (events).
 */
import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import { PrismaClient } from '../generated/prisma/client.ts';

export interface Database {
  readonly pool: pg.Pool;
  readonly prisma: PrismaClient;
  close(): Promise<void>;
}

export interface DatabaseOptions {
  readonly url: string;
  readonly poolSize: number;
  /** How long one statement may run. */
  readonly statementTimeoutMs: number;
  /** A connection that broke while idle; the pool replaces it by itself. */
  readonly onIdleError: (error: Error) => void;
}

/**
 * Session settings that the statements here rely on:
 * - acknowledged means on disk, whatever the server's default;
 * - no statement of ours wants a sequential scan, but a plan that was made and kept while a table was
 *   still empty has one;
 * - compiling (JIT) costs more than any of them runs;
 * - a process that stands still within a transaction, as one that is frozen does, loses it: it may hold the
 *   journal's lock, for which all others wait.
 */
const MAX_IDLE_IN_TRANSACTION_MS = 5_000;
const SESSION = [
  '-c synchronous_commit=on -c enable_seqscan=off -c jit=off -c timezone=UTC',
  `-c idle_in_transaction_session_timeout=${MAX_IDLE_IN_TRANSACTION_MS}`,
].join(' ');

export function openDatabase({ url, poolSize, statementTimeoutMs, onIdleError }: DatabaseOptions): Database {
  const pool = new pg.Pool({
    connectionString: url,
    max: poolSize,
    options: SESSION,
    statement_timeout: statementTimeoutMs,
    connectionTimeoutMillis: 10_000,
    idleTimeoutMillis: 60_000,
    keepAlive: true,
    application_name: 'eventree',
  });
  pool.on('error', onIdleError);
  const prisma = new PrismaClient({ adapter: new PrismaPg(pool), errorFormat: 'minimal' });
  let closing: Promise<void> | undefined;
  return {
    pool,
    prisma,
    close() {
      closing ??= prisma.$disconnect().then(() => pool.end());
      return closing;
    },
  };
}
