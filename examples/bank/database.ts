/** The bank's database: its own tables, with the outbox beside them, and a client that records what it writes. */
import { readFile } from 'node:fs/promises';
import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import { createRecorder, type Recorder } from '../../src/recorder/index.ts';
import { eventree } from '../../src/recorder/prisma/index.ts';
import { PrismaClient } from './generated/client.ts';

export interface BankOptions {
  /** Of the bank's own PostgreSQL. */
  readonly databaseUrl: string;
  /** Where Eventree is, and as whom the bank records there. */
  readonly eventree: { readonly url: string; readonly token: string };
}

export type BankDatabase = ReturnType<typeof extend>;

export interface Bank {
  readonly db: BankDatabase;
  readonly recorder: Recorder;
  close(): Promise<void>;
}

export async function openBank({ databaseUrl, eventree }: BankOptions): Promise<Bank> {
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 10 });
  // Idle connections that PostgreSQL has cut: others are opened when they are needed. The outbox's the recorder hears of.
  pool.on('error', (error) => console.error('bank:', error.message));
  await pool.query(await readFile(new URL('tables.sql', import.meta.url), 'utf8'));
  // Beside the one of the transactions: whoever waits for a connection there must not wait for its own marker.
  const outbox = new pg.Pool({ connectionString: databaseUrl, max: 4 });
  const recorder = createRecorder({ ...eventree, outbox });
  const prisma = new PrismaClient({ adapter: new PrismaPg(pool) });
  return {
    db: extend(prisma, recorder),
    recorder,
    async close() {
      await recorder.close();
      await prisma.$disconnect();
      await Promise.all([pool.end(), outbox.end()]);
    },
  };
}

function extend(prisma: PrismaClient, recorder: Recorder) {
  return prisma.$extends(
    eventree({
      recorder,
      models: {
        Customer: true,
        // Customers see what happens to their accounts.
        Account: { acl: ({ owner }) => ({ owners: ['group/bank', `user/${owner}`] }) },
        Transfer: true,
      },
    }),
  );
}
