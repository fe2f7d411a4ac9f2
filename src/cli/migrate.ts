/** `eventree migrate`: what a server does when it starts, without starting one. */
import type { Command } from 'commander';
import pg from 'pg';
import { createLogger, type Logger } from '../base/logger.ts';
import { type Config, loadConfig } from '../config.ts';
import { migrate } from '../db/migrate.ts';
import { print, printJson } from './terminal.ts';

const EXAMPLES = `
A server migrates its database when it starts, one at a time where several start at once. Use this where the
server's own role may not change tables, or to have it done before.

Examples:
  DATABASE_URL=postgresql://owner@db.example/eventree eventree migrate
  eventree migrate                         the embedded database in the data folder; no server may be running there`;

export function declare(command: Command, exitWith: (code: number) => void): void {
  command
    .option('--json', 'print { applied: [name, …] }')
    .addHelpText('after', EXAMPLES)
    .action(async ({ json }: { json?: true }) => {
      const config = loadConfig();
      // What was applied is the answer; only trouble is logged beside it.
      const logger = createLogger(config.logLevel === 'info' ? 'warn' : config.logLevel);
      const { applied } = await migrateDatabase(config, logger);
      if (json) await printJson({ applied });
      else await print(sentence(applied));
      exitWith(0);
    });
}

async function migrateDatabase(config: Config, logger: Logger): Promise<{ applied: readonly string[] }> {
  if (config.databaseUrl !== undefined) return migrateAt(config.databaseUrl, logger);
  const { startEmbedded } = await import('../db/embedded/embedded.ts');
  const embedded = await startEmbedded({ dataDir: config.dataDir, logger });
  try {
    return await migrateAt(embedded.url, logger);
  } finally {
    await embedded.stop();
  }
}

async function migrateAt(url: string, logger: Logger): Promise<{ applied: readonly string[] }> {
  const pool = new pg.Pool({ connectionString: url, max: 1, connectionTimeoutMillis: 10_000 });
  pool.on('error', (error) => logger.warn({ error: error.message }, 'database connection lost'));
  try {
    return await migrate(pool, logger);
  } finally {
    await pool.end();
  }
}

function sentence(applied: readonly string[]): string {
  if (applied.length === 0) return 'The database is up to date.\n';
  return applied.map((name) => `Applied ${name}.\n`).join('');
}
