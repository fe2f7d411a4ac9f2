/** Columns hold for each indexed position what its event is counted by, whoever wrote them and in how many steps. */
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { parseClaim } from '../../src/access/claim.ts';
import { parseResourceRef } from '../../src/access/resource-ref.ts';
import type { RecordEventInput } from '../../src/events/draft.ts';
import type { EventId } from '../../src/events/event.ts';
import { CHUNK_SIZE } from '../../src/events/index/bits.ts';
import { COLUMN_FIELDS, decodeCodes, decodeTimes, readColumns } from '../../src/events/index/columns.ts';
import type { Journal } from '../../src/events/journal.ts';
import { heartForFile, ROOT } from '../properties/support/heart.ts';

const heart = heartForFile();
const MIGRATION = 'prisma/migrations/20261127000000_columns/migration.sql';
const TYPES = ['thing', 'thing.plain', 'thing.told'];

function newJournal(): Promise<Journal> {
  return heart().journals.findOrCreate(randomBytes(6).toString('hex'));
}

/** Events of all kinds, some without a resource, all about times before and after 1970. */
async function record(journal: Journal, count: number, first = 0): Promise<EventId[]> {
  const recorded: EventId[] = [];
  for (let done = 0; done < count; done += 1_000) {
    const input = Array.from({ length: Math.min(1_000, count - done) }, (_, i): RecordEventInput => {
      const nth = first + done + i;
      return {
        type: TYPES[nth % 3] as string,
        journal: journal.name,
        resource: nth % 4 === 0 ? null : parseResourceRef(`doc/${journal.name}-${Math.floor(nth / 100)}`),
        occurredAt: (nth % 2 === 0 ? -1 : 1) * nth * 86_400_123,
        severity: nth % 5 === 0 ? 'CRITICAL' : 'LOW',
        actor: parseClaim(`user/${nth % 700}`),
      };
    });
    recorded.push(...(await heart().recording.record(input, ROOT)).map(({ event }) => event.id));
  }
  return recorded;
}

async function stored({ id }: Journal): Promise<object[]> {
  const { rows } = await heart().database.pool.query(
    `select field, chunk, dictionary, encode(codes, 'hex') as codes from event_column
     where journal_id = $1 order by chunk, field`,
    [id],
  );
  return rows;
}

async function forget({ id }: Journal): Promise<void> {
  await heart().database.pool.query('delete from event_index where journal_id = $1', [id]);
  await heart().database.pool.query('delete from event_column where journal_id = $1', [id]);
  await heart().database.pool.query('update journal set indexed = 0 where id = $1', [id]);
}

/** As the migration does for what was indexed before it. */
async function backfill(): Promise<void> {
  const statement = /DO \$columns\$[\s\S]*\$columns\$;/.exec(await readFile(MIGRATION, 'utf8'))?.[0];
  await heart().database.pool.query('truncate event_column');
  await heart().database.pool.query(statement as string);
}

describe('columns are the same', () => {
  test('whether a chunk is indexed at once or in several steps', async () => {
    const journal = await newJournal();
    for (const [nth, count] of [1, 2_000, 2_500, 700].entries()) {
      await record(journal, count, nth * 3_000);
      await heart().index(journal);
    }
    const inSteps = await stored(journal);
    expect(inSteps).toHaveLength(2 * COLUMN_FIELDS.length);

    await forget(journal);
    await heart().index(journal);
    expect(await stored(journal)).toEqual(inSteps);
  });

  test('whether they were written by the indexer or by the migration', async () => {
    const journal = await newJournal();
    await heart().leap(journal, 3_000);
    await record(journal, 3_000);
    await heart().index(journal);
    await record(journal, 10);
    const written = await stored(journal);
    expect(written).toHaveLength(2 * COLUMN_FIELDS.length);

    await backfill();
    expect(await stored(journal)).toEqual(written);
  });

  test('where a server of before there were columns has indexed the first part of a chunk', async () => {
    const journal = await newJournal();
    await record(journal, 100);
    await heart().index(journal);
    await heart().database.pool.query('delete from event_column where journal_id = $1', [journal.id]);
    await record(journal, 100, 100);
    await heart().index(journal);
    const repaired = await stored(journal);

    await forget(journal);
    await heart().index(journal);
    expect(repaired).toEqual(await stored(journal));
  });
});

test('positions without an event have none of the values', async () => {
  const journal = await newJournal();
  await heart().leap(journal, 5);
  await record(journal, 3);
  await heart().index(journal);
  const columns = await readColumns(heart().database.pool, journal.id, ['occurredAt', 'actor'], [0], 8);
  const of = (field: 'occurredAt' | 'actor') => columns.get(0)?.get(field) as never;
  const none = [1, 2, 3, 4, 5].map(() => Number.NaN);
  expect([...decodeTimes(of('occurredAt'))]).toEqual([...none, 0, 86_400_123, -2 * 86_400_123]);
  expect([...decodeCodes(of('actor'))]).toEqual([0, 0, 0, 0, 0, 1, 2, 3]);
});

test('every time that the API takes is kept to the millisecond', async () => {
  const journal = await newJournal();
  const times = ['0001-01-01T00:00:00.000Z', '1969-12-31T23:59:59.999Z', '9999-12-31T23:59:59.999Z'].map(
    Date.parse,
  );
  await heart().recording.record(
    times.map((occurredAt) => ({ type: 'thing', journal: journal.name, occurredAt })),
    ROOT,
  );
  await heart().index(journal);
  const columns = await readColumns(heart().database.pool, journal.id, ['occurredAt'], [0], 3);
  expect([...decodeTimes(columns.get(0)?.get('occurredAt') as never)]).toEqual(times);
  const written = await stored(journal);
  await backfill();
  expect(await stored(journal)).toEqual(written);
});

describe('a filter by when something happened', () => {
  test('is answered from the index, to the millisecond, and asks no event', async () => {
    const journal = await newJournal();
    const count = CHUNK_SIZE + 500;
    await record(journal, count);
    await heart().index(journal);
    const times = Array.from({ length: count }, (_, nth) => (nth % 2 === 0 ? -1 : 1) * nth * 86_400_123);
    // Whoever asked the events would find none.
    await heart().database.pool.query('alter table event rename to event_hidden');
    try {
      const edge = 1_001 * 86_400_123;
      const ask = async (input: object) => {
        const filter = await heart().reader.filter(input);
        return heart().reader.count({ journal, filter }, ROOT);
      };
      const expected = (meets: (time: number) => boolean) => times.filter(meets).length;
      expect(await ask({ occurredAt: { gte: edge } })).toBe(expected((time) => time >= edge));
      expect(await ask({ occurredAt: { gt: edge } })).toBe(expected((time) => time > edge));
      expect(await ask({ occurredAt: { gte: edge, lte: edge } })).toBe(1);
      expect(await ask({ occurredAt: { gt: edge, lt: edge } })).toBe(0);
      expect(await ask({ not: { occurredAt: { gte: edge, lte: edge } } })).toBe(count - 1);
      expect(await ask({ not: { occurredAt: { gt: edge, lt: edge } } })).toBe(count);
      expect(await ask({ not: { occurredAt: { lt: edge } } })).toBe(expected((time) => time >= edge));
      expect(await ask({ or: [{ occurredAt: { lt: -edge } }, { occurredAt: { gt: edge } }] })).toBe(
        expected((time) => time < -edge || time > edge),
      );
    } finally {
      await heart().database.pool.query('alter table event_hidden rename to event');
    }
  });
});

describe('statistics', () => {
  test('divide time at whole milliseconds, and count each event in the interval that is told', async () => {
    const journal = await newJournal();
    const from = Date.parse('1969-12-31T23:59:59.995Z');
    await heart().recording.record(
      Array.from({ length: 12 }, (_, nth) => ({
        type: 'thing',
        journal: journal.name,
        occurredAt: from - 1 + nth,
      })),
      ROOT,
    );
    const filter = await heart().reader.filter({});
    const timelines = [3, 7, 10].map((intervals) => ({ from, before: from + 10, intervals, by: null }));
    const wanted = { facets: [], timelines, times: false };
    const found = await heart().reader.statistics({ journal, filter }, wanted, ROOT);
    for (const intervals of found.timelines) {
      expect(intervals.map(({ count }) => count)).toEqual(intervals.map(({ from, before }) => before - from));
    }
    const ends = found.timelines.map((intervals) => intervals.map(({ before }) => before - from));
    expect(ends).toEqual([
      [3, 6, 10],
      [1, 2, 4, 5, 7, 8, 10],
      [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
    ]);
  });

  test('of what is in the index ask no event', async () => {
    const journal = await newJournal();
    await record(journal, 600);
    await heart().index(journal);
    await heart().database.pool.query('alter table event rename to event_hidden');
    try {
      const filter = await heart().reader.filter({ severity: { eq: 'CRITICAL' } });
      const wanted = { facets: ['type' as const], timelines: [], times: true };
      const { total, facets } = await heart().reader.statistics({ journal, filter }, wanted, ROOT);
      expect(total).toBe(120);
      expect(facets.get('type')?.values).toEqual(new Map(TYPES.map((type) => [type, 40])));
    } finally {
      await heart().database.pool.query('alter table event_hidden rename to event');
    }
  });
});

describe('statistics end', () => {
  const short = heartForFile({ timeoutMs: -1 });
  const few = heartForFile({ maxFacetValues: 3 });
  const wanted = (facet: 'type' | 'actor') => ({ facets: [facet], timelines: [], times: false });
  const notes = ['a', 'b', 'c', 'd'].map((name) => ({
    type: 'thing',
    journal: 'main',
    actor: `user/${name}` as never,
  }));

  test('where they take longer than a read may, indexed or not', async () => {
    await short().recording.record(notes, ROOT);
    const journal = await short().journals.findOrCreate('main');
    const ask = async (input: object) => {
      const filter = await short().reader.filter(input);
      return short().reader.statistics({ journal, filter }, wanted('type'), ROOT);
    };
    const tooLong = { code: 'LIMIT_EXCEEDED', message: expect.stringContaining('took too long') };
    await expect(ask({})).rejects.toMatchObject(tooLong);
    await short().index(journal);
    await expect(ask({ severity: { eq: 'LOW' } })).rejects.toMatchObject(tooLong);
  });

  test('where the token was revoked by way of another node', async () => {
    const { pool } = heart().database;
    const journal = await newJournal();
    const filter = await heart().reader.filter({});
    const who = { ...ROOT, subject: 'user/gone' as never, issuedAt: 1 };
    await heart().reader.statistics({ journal, filter }, wanted('type'), who);
    await pool.query(`with next as (
        update installation set registry_version = registry_version + 1 returning registry_version
      ) insert into token_revocation select 'user/gone', now(), registry_version from next`);
    await expect(heart().reader.statistics({ journal, filter }, wanted('type'), who)).rejects.toMatchObject({
      code: 'UNAUTHENTICATED',
    });
  });

  test('where a facet has more values than are kept', async () => {
    await few().recording.record(notes, ROOT);
    const journal = await few().journals.findOrCreate('main');
    const filter = await few().reader.filter({});
    const ask = (facet: 'type' | 'actor') =>
      few().reader.statistics({ journal, filter }, wanted(facet), ROOT);
    await expect(ask('type')).resolves.toMatchObject({ total: 4 });
    await expect(ask('actor')).rejects.toMatchObject({
      code: 'LIMIT_EXCEEDED',
      message: expect.stringContaining('more than 3 different values'),
    });
  });
});
