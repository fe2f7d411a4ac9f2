/**
 * The rooms below the API, put together on a database of their own: what a property test asks thousands of
 * times is asked there directly.
 */
import { afterAll, beforeAll } from 'vitest';
import type { Claim } from '../../../src/access/claim.ts';
import type { Principal } from '../../../src/access/principal.ts';
import { createResources, type Resources } from '../../../src/access/resources.ts';
import { type Database, openDatabase } from '../../../src/db/database.ts';
import { parseDeclarations } from '../../../src/events/declaration.ts';
import { indexNext } from '../../../src/events/index/indexer.ts';
import { createJournals, type Journal, type Journals } from '../../../src/events/journal.ts';
import { createReader, type Reader, type ReaderOptions } from '../../../src/events/read.ts';
import { createRecording, type Recording } from '../../../src/events/record.ts';
import { openRegistry, type RegistryStore } from '../../../src/events/registry-store.ts';
import { migratedDatabase } from '../../support/database.ts';
import { ATTRIBUTES, TYPES } from './vocabulary.ts';

export interface Heart {
  readonly database: Database;
  readonly registry: RegistryStore;
  readonly journals: Journals;
  readonly resources: Resources;
  readonly recording: Recording;
  readonly reader: Reader;
  /** Brings the next so many chunks of the journal into the index. */
  index(journal: Journal, chunks?: number): Promise<void>;
  /** Lets the journal go on so many positions later, as if what stood there had been removed. */
  leap(journal: Journal, positions: number): Promise<void>;
}

export const ROOT = principal(['user/root', 'group/admin']);

export function principal(claims: readonly string[]): Principal {
  return { subject: claims[0] as Claim, claims: new Set(claims as Claim[]), expiresAt: null, issuedAt: null };
}

export function heartForFile(readerOptions: Partial<ReaderOptions> = {}): () => Heart {
  let heart: Heart;
  let close: () => Promise<void>;
  beforeAll(async () => {
    const scratch = await migratedDatabase();
    const database = openDatabase({
      url: scratch.url,
      poolSize: 6,
      statementTimeoutMs: 20_000,
      onIdleError: () => {},
    });
    close = async () => {
      await database.close();
      await scratch.drop();
    };
    const registry = await openRegistry(database);
    await registry.synchronize(
      parseDeclarations({ attributes: ATTRIBUTES, eventTypes: TYPES }),
      'of this test',
    );
    const journals = createJournals(database, { maxJournals: 100_000 });
    const limits = {
      maxBatchEvents: 1_000,
      maxTreeEvents: 10_000,
      maxTreeDepth: 256,
      maxEventBytes: 1_048_576,
      maxMessageChars: 10_000,
      maxClockSkewMs: 10_000,
      maxPendingEvents: 100_000,
    };
    heart = {
      database,
      registry,
      journals,
      resources: createResources(database),
      recording: createRecording({
        database,
        registry,
        journals,
        limits,
        idKey: new Uint8Array(32),
        announce: () => {},
      }),
      reader: createReader({ database, registry, timeoutMs: 20_000, ...readerOptions }),
      async index(journal, chunks = Number.POSITIVE_INFINITY) {
        for (let done = 0; done < chunks; done++) {
          if (!(await indexNext(database.pool, registry, journal.id, 1))) break;
        }
      },
      async leap(journal, positions) {
        // Before the first event the journal simply begins there.
        await database.pool.query(
          `update journal set head = head + $2,
             oldest = case when head + 1 = oldest then oldest + $2 else oldest end,
             indexed = case when head + 1 = oldest then indexed + $2 else indexed end
           where id = $1`,
          [journal.id, positions],
        );
      },
    };
  });
  afterAll(() => close());
  return () => heart;
}
