/**
 * One PostgreSQL for the whole run of tests, the embedded one: nothing that runs on this machine is used
 * or disturbed. It listens on a socket in a folder of its own, and both are gone afterwards.
 *
 * Tests reach it through database.ts only.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import type { TestProject } from 'vitest/node';
import { createLogger } from '../../src/base/logger.ts';
import { startEmbedded } from '../../src/db/embedded/embedded.ts';
import { migrate } from '../../src/db/migrate.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** URL of the server's own database, as a superuser. */
    readonly postgresUrl: string;
    /** Name of a database that is migrated and otherwise empty. */
    readonly migratedTemplate: string;
  }
}

const TEMPLATE = 'migrated_template';

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const dataDir = await mkdtemp(join(tmpdir(), 'eventree-test-'));
  const logger = createLogger('warn');
  const embedded = await startEmbedded({
    dataDir,
    logger,
    // Several servers of several tests at once, each with a pool.
    settings: { max_connections: '300', shared_buffers: '128MB' },
  });
  project.provide('postgresUrl', embedded.url);
  await migrateTemplate(embedded.url);
  project.provide('migratedTemplate', TEMPLATE);
  return async () => {
    await embedded.stop();
    await rm(dataDir, { recursive: true });
  };

  async function migrateTemplate(url: string): Promise<void> {
    const admin = new pg.Client({ connectionString: url });
    await admin.connect();
    await admin.query(`CREATE DATABASE ${TEMPLATE}`);
    await admin.end();
    const template = new URL(url);
    template.pathname = TEMPLATE;
    const pool = new pg.Pool({ connectionString: template.href });
    await migrate(pool, logger);
    await pool.end();
  }
}
