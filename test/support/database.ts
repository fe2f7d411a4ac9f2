/**
 * A database of its own for each test, on the PostgreSQL that global-setup.ts started.
 */
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { inject } from 'vitest';

const OBJECT_IN_USE = '55006';

export interface ScratchDatabase {
  readonly url: string;
  /** Cuts off whoever is still connected. */
  drop(): Promise<void>;
}

/** An empty database with a random name. */
export function scratchDatabase(): Promise<ScratchDatabase> {
  return createDatabase('');
}

/** One that is migrated already: a copy of a template, made in a fraction of the time. */
export function migratedDatabase(): Promise<ScratchDatabase> {
  return createDatabase(`TEMPLATE ${inject('migratedTemplate')}`);
}

/** A copy of another, to which nobody may be connected. */
export function copyOfDatabase(url: string): Promise<ScratchDatabase> {
  return createDatabase(`TEMPLATE ${new URL(url).pathname.slice(1)}`);
}

async function createDatabase(how: string): Promise<ScratchDatabase> {
  const name = `scratch_${randomBytes(8).toString('hex')}`;
  await onServer(`CREATE DATABASE ${name} ${how}`);
  const url = new URL(inject('postgresUrl'));
  url.pathname = name;
  return {
    url: url.href,
    drop: () => dropDatabase(name),
  };
}

async function dropDatabase(name: string): Promise<void> {
  try {
    // Waits up to 5 s for connections that are just being closed: cut off, they would report an error.
    await onServer(`DROP DATABASE ${name}`);
  } catch (error) {
    if ((error as { code?: string }).code !== OBJECT_IN_USE) throw error;
    await onServer(`DROP DATABASE ${name} WITH (FORCE)`);
  }
}

async function onServer(sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: inject('postgresUrl') });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
