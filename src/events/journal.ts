/**
 * Journals by name. One is created when something is first recorded in it; a journal that nobody has
 * written to is empty, not an error.
 */
import { createHash } from 'node:crypto';
import { EventreeError } from '../base/errors.ts';
import type { Database } from '../db/database.ts';

export interface Journal {
  readonly id: number;
  readonly name: string;
  /** Random, renewed when the journal is restored from a backup. */
  readonly epoch: string;
}

export interface Journals {
  /** One that was found before, without asking the database. */
  known(name: string): Journal | undefined;
  /** @throws BAD_USER_INPUT for what cannot name a journal. */
  find(name: string): Promise<Journal | null>;
  /** @throws BAD_USER_INPUT, LIMIT_EXCEEDED */
  findOrCreate(name: string): Promise<Journal>;
}

/**
 * Stands for a journal that nothing has been recorded in, so that a reader can wait for it. Each has an epoch
 * of its own: if all such cursors were alike, they would tell which journals there are.
 */
export function unwritten(name: string): Journal {
  return { id: UNWRITTEN, name, epoch: createHash('sha256').update(name).digest('hex') };
}

/** No journal's id. */
const UNWRITTEN = 0;

const FORM = /^[a-z0-9][a-z0-9._-]{0,62}$/;

export function createJournals(
  { prisma }: Database,
  { maxJournals }: { readonly maxJournals: number },
): Journals {
  const known = new Map<string, Journal>();

  const remember = <T extends Journal | null>(journal: T): T => {
    if (journal !== null) known.set(journal.name, journal);
    return journal;
  };
  const select = { id: true, name: true, epoch: true } as const;

  const journals: Journals = {
    known: (name) => known.get(name),

    async find(name) {
      if (!FORM.test(name)) throw badName(name);
      return known.get(name) ?? remember(await prisma.journal.findUnique({ where: { name }, select }));
    },

    async findOrCreate(name) {
      const found = await journals.find(name);
      if (found !== null) return found;
      if ((await prisma.journal.count()) >= maxJournals) {
        throw new EventreeError(
          'LIMIT_EXCEEDED',
          `There are ${maxJournals} journals, the most there may be.`,
        );
      }
      // Two at once: one creates it, both find it. The lock waits for who changes something in all journals
      // (token-revocation.ts): none comes to be meanwhile.
      await prisma.$executeRaw`
        INSERT INTO journal (name) SELECT ${name} FROM installation FOR SHARE ON CONFLICT (name) DO NOTHING`;
      return remember(await prisma.journal.findUniqueOrThrow({ where: { name }, select }));
    },
  };
  return journals;
}

function badName(name: string): EventreeError {
  return new EventreeError(
    'BAD_USER_INPUT',
    `${JSON.stringify(name.slice(0, 80))} cannot name a journal: use small letters, digits, dots, _ and -, at most 63.`,
  );
}
