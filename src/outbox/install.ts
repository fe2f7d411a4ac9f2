/**
 * Puts the outbox into an application's own database, by the very files that Eventree's servers migrate theirs by.
 * Each is one statement, takes a lock and passes over what is there, so any number of programs may do this whenever
 * they start.
 */
import { readFile } from 'node:fs/promises';
import { type Queryable, runOn } from './statement.ts';

/** The same two steps up from src/outbox and from dist/outbox. */
const MIGRATIONS = ['20261123000000_outbox', '20261125000000_outbox_in_order'].map(
  (name) => new URL(`../../prisma/migrations/${name}/migration.sql`, import.meta.url),
);

/**
 * Makes the schema `eventree_outbox` with its tables, where it is not there yet, or brings it up to date. Takes the
 * right to create a schema in the database, or to own that one; and no right where it is as it should be. Bringing it
 * up to date waits for transactions that have written to it.
 *
 * @throws what the database says.
 */
export async function installOutbox(on: Queryable): Promise<void> {
  const run = runOn(on);
  for (const migration of MIGRATIONS) await run(await readFile(migration, 'utf8'), []);
}
