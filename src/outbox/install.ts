/**
 * Puts the outbox into an application's own database, by the very file that Eventree's servers migrate theirs by.
 * It is one statement, and takes a lock, so any number of programs may do this whenever they start.
 */
import { readFile } from 'node:fs/promises';
import { type Queryable, runOn } from './statement.ts';

/** The same two steps up from src/outbox and from dist/outbox. */
const MIGRATION = new URL('../../prisma/migrations/20261123000000_outbox/migration.sql', import.meta.url);

/**
 * Makes the schema `eventree_outbox` with its tables, where it is not there yet. Takes the right to create a schema
 * in the database then, and no right where it is there.
 *
 * @throws what the database says.
 */
export async function installOutbox(on: Queryable): Promise<void> {
  await runOn(on)(await readFile(MIGRATION, 'utf8'), []);
}
