/** Counts by facet and over time through the API: of what the viewer sees and nothing else, in one walk, within limits. */
import { execute, parse } from 'graphql';
import { beforeAll, describe, expect, test } from 'vitest';
import { openDatabase } from '../../src/db/database.ts';
import { indexNext } from '../../src/events/index/indexer.ts';
import { openRegistry } from '../../src/events/registry-store.ts';
import { Context, type Core } from '../../src/graphql/context.ts';
import { mostFrequent } from '../../src/graphql/event/statistics.ts';
import { schema } from '../../src/graphql/schema.ts';
import { ROOT } from '../properties/support/heart.ts';
import { unique, worldForFile } from '../support/world.ts';
import { newJournal, recorderOf, refusalOf } from './support/recorder.ts';

const world = worldForFile();
const { record, resource, attribute, type, as } = recorderOf(world);

const FACETS = ['TYPE', 'CATEGORY', 'SEVERITY', 'RESOURCE', 'RESOURCE_TYPE', 'ACTOR'] as const;
const BY_ALL = FACETS.map(
  (facet) =>
    `${facet.toLowerCase()}: facet(by: ${facet}) { values { value count } distinctCount missingCount }`,
).join('\n');
const STATISTICS = `query ($journal: String!, $filter: EventFilter) {
  eventStatistics(journal: $journal, filter: $filter) { totalCount firstOccurredAt lastOccurredAt ${BY_ALL} }
}`;
const SET_ACL =
  'mutation ($ref: ResourceRef!, $acl: AclInput!) { setResourceAcl(ref: $ref, acl: $acl) { ref } }';

interface Counted {
  readonly totalCount: number;
  readonly firstOccurredAt: string | null;
  readonly lastOccurredAt: string | null;
  readonly [facet: string]: unknown;
}

async function statistics(journal: string, token?: { token: string }, filter: object = {}): Promise<Counted> {
  return (await world().ask(STATISTICS, { journal, filter }, token)).eventStatistics;
}

/** What of a facet's values there is, as `value: count`. */
function values(counted: Counted, facet: (typeof FACETS)[number]): Record<string, number> {
  const { values: found } = counted[facet.toLowerCase()] as { values: { value: string; count: number }[] };
  return Object.fromEntries(found.map(({ value, count }) => [value, count]));
}

/** Brings all that was recorded into the index. */
async function index(name: string): Promise<void> {
  const database = openDatabase({
    url: world().databaseUrl,
    poolSize: 2,
    statementTimeoutMs: 10_000,
    onIdleError: () => {},
  });
  try {
    const registry = await openRegistry(database);
    const { rows } = await world().db.query('select id from journal where name = $1', [name]);
    while (await indexNext(database.pool, registry, rows[0].id, 1));
  } finally {
    await database.close();
  }
}

test('count by facet and over time', async () => {
  const journal = newJournal();
  await record([
    { journal, type: 'note', resource: 'page/1', actor: 'user/ann', occurredAt: '2024-01-01T00:00:00.000Z' },
    { journal, type: 'note', resource: 'page/1', severity: 'HIGH', occurredAt: '2024-01-01T00:00:00.999Z' },
    { journal, type: 'call', resource: 'file/2', actor: 'user/ann', occurredAt: '2024-01-01T00:00:01.000Z' },
    { journal, type: 'note', actor: 'user/bob', occurredAt: '2024-01-01T00:00:02.000Z' },
  ]);
  const query = `query ($journal: String!) {
    eventStatistics(journal: $journal) {
      totalCount firstOccurredAt lastOccurredAt
      type: facet(by: TYPE) { values { value count } distinctCount missingCount }
      resource: facet(by: RESOURCE, first: 1) { values { value count } distinctCount missingCount }
      timeline(from: "2024-01-01T00:00:00.000Z", before: "2024-01-01T00:00:02.000Z", intervals: 2, by: SEVERITY) {
        from before count by { value count }
      }
      bare: timeline(from: "2024-01-01T00:00:00.000Z", before: "2024-01-01T00:01:00.000Z") { count by { value } }
    }
  }`;
  const expected = {
    totalCount: 4,
    firstOccurredAt: '2024-01-01T00:00:00.000Z',
    lastOccurredAt: '2024-01-01T00:00:02.000Z',
    type: {
      values: [
        { value: 'note', count: 3 },
        { value: 'call', count: 1 },
      ],
      distinctCount: 2,
      missingCount: 0,
    },
    resource: { values: [{ value: 'page/1', count: 2 }], distinctCount: 2, missingCount: 1 },
    timeline: [
      {
        from: '2024-01-01T00:00:00.000Z',
        before: '2024-01-01T00:00:01.000Z',
        count: 2,
        by: [
          { value: 'HIGH', count: 1 },
          { value: 'LOW', count: 1 },
        ],
      },
      {
        from: '2024-01-01T00:00:01.000Z',
        before: '2024-01-01T00:00:02.000Z',
        count: 1,
        by: [{ value: 'LOW', count: 1 }],
      },
    ],
    bare: [2, 1, 1, ...Array.from({ length: 57 }, () => 0)].map((count) => ({ count, by: [] })),
  };
  const ask = async () => (await world().ask(query, { journal })).eventStatistics;
  const before = await ask();
  expect(before).toEqual(expected);
  await index(journal);
  expect(await ask()).toEqual(before);
});

test('are nothing in a journal that nobody has written to', async () => {
  expect(await statistics(newJournal())).toMatchObject({
    totalCount: 0,
    firstOccurredAt: null,
    lastOccurredAt: null,
    type: { values: [], distinctCount: 0, missingCount: 0 },
  });
});

test('put most frequent values first, and of equals the one that sorts first', () => {
  const counts = new Map([
    ['b', 2],
    ['\u{1f600}', 2],
    ['\ufffd', 2],
    ['a', 1],
    ['z', 9],
  ]);
  expect(mostFrequent(counts, 10).map(({ value }) => value)).toEqual(['z', 'b', '\ufffd', '\u{1f600}', 'a']);
  expect(mostFrequent(counts, 2).map(({ value }) => value)).toEqual(['z', 'b']);
  const many = new Map(
    Array.from({ length: 10_000 }, (_, nth) => [`${(nth * 7_919) % 10_000}`.padStart(4, '0'), nth % 3]),
  );
  const whole = [...many].map(([value, count]) => ({ value, count }));
  whole.sort((a, b) => b.count - a.count || (a.value < b.value ? -1 : 1));
  expect(mostFrequent(many, 1_000)).toEqual(whole.slice(0, 1_000));
});

describe.each([false, true])(
  'what a viewer does not see is neither counted nor named, indexed: %s',
  (isIndexed) => {
    const journal = newJournal();
    const [page, secret] = [unique('page/open'), unique('vault/secret')];
    const name = unique('tone').replace('-', '_');
    const hidden = unique('hush').replace('-', '_');

    beforeAll(async () => {
      await attribute({ name, kind: 'STRING' });
      await attribute({ name: hidden, kind: 'STRING', private: true });
      await type({ name: unique('t'), category: 'ALARM' });
      await type({ name: `${name}.told`, category: 'ALARM', attributes: [{ name }, { name: hidden }] });
      await resource({
        ref: page,
        acl: { owners: ['user/owner'], viewMeta: ['user/glimpser'], viewData: ['user/reader'] },
      });
      await resource({ ref: secret, acl: { owners: ['user/owner'] } });
      const told = (ref: string, actor: string, more: object = {}) => ({
        ...{ journal, type: `${name}.told`, resource: ref, actor: `user/${actor}` },
        ...{ attributes: { [name]: 'soft', [hidden]: 'x' }, ...more },
      });
      await record([
        told(page, 'ann'),
        told(page, 'bob', { severity: 'CRITICAL' }),
        told(secret, 'eve'),
        told(secret, 'ann', { visibleToActor: true }),
        { journal, type: 'note', actor: 'user/ann' },
      ]);
      if (isIndexed) await index(journal);
    });

    test('by who sees nothing', async () => {
      const counted = await statistics(journal, await as('stranger'));
      expect(counted).toMatchObject({ totalCount: 0, firstOccurredAt: null });
      for (const facet of FACETS) {
        expect(counted[facet.toLowerCase()]).toEqual({ values: [], distinctCount: 0, missingCount: 0 });
      }
    });

    test('by who sees the envelope of one resource', async () => {
      const counted = await statistics(journal, await as('glimpser'));
      expect(counted.totalCount).toBe(2);
      expect(values(counted, 'RESOURCE')).toEqual({ [page]: 2 });
      expect(values(counted, 'RESOURCE_TYPE')).toEqual({ page: 2 });
      expect(values(counted, 'ACTOR')).toEqual({ 'user/ann': 1, 'user/bob': 1 });
      expect(values(counted, 'TYPE')).toEqual({ [`${name}.told`]: 2 });
    });

    test('by who filters for what the envelope does not show, or its opposite', async () => {
      const having = { attributes: [{ name, exists: true }] };
      for (const filter of [having, { not: having }, { attributes: [{ name, exists: false }] }]) {
        expect(await statistics(journal, await as('glimpser'), filter)).toMatchObject({ totalCount: 0 });
      }
      expect(await statistics(journal, await as('reader'), having)).toMatchObject({ totalCount: 2 });
    });

    test('by the actor of some of them', async () => {
      const counted = await statistics(journal, await as('ann'));
      expect(counted.totalCount).toBe(2);
      expect(values(counted, 'RESOURCE')).toEqual({ [secret]: 1 });
      expect(counted.resource).toMatchObject({ missingCount: 1 });
      expect(values(counted, 'ACTOR')).toEqual({ 'user/ann': 2 });
    });

    test('by group/admin, who sees all', async () => {
      const counted = await statistics(journal);
      expect(counted.totalCount).toBe(5);
      expect(values(counted, 'RESOURCE')).toEqual({ [page]: 2, [secret]: 2 });
    });

    test('of an attribute, by how much of the events is seen', async () => {
      const query = `query ($journal: String!, $filter: EventFilter) {
      attributes { name eventCount(journal: $journal, filter: $filter) }
    }`;
      const count = async (who: string, of: string, filter?: object) => {
        const { attributes } = await world().ask(query, { journal, filter }, await as(who));
        return attributes.find((one: { name: string }) => one.name === of).eventCount;
      };
      expect(await count('stranger', name)).toBe(0);
      expect(await count('glimpser', name)).toBe(0);
      expect(await count('reader', name)).toBe(2);
      expect(await count('ann', name)).toBe(1);
      expect(await count('reader', hidden)).toBe(0);
      expect(await count('owner', hidden)).toBe(4);
      expect(await count('owner', name, { severity: { eq: 'CRITICAL' } })).toBe(1);
    });
  },
);

test('an attribute that is not indexed is not counted', async () => {
  const name = unique('plain').replace('-', '_');
  await attribute({ name, kind: 'STRING', indexed: false });
  const { attributes } = await world().ask('{ attributes { name eventCount } }');
  expect(attributes.find((one: { name: string }) => one.name === name).eventCount).toBeNull();
});

test.each([false, true])('follow a change of the ACL after recording, indexed: %s', async (isIndexed) => {
  const journal = newJournal();
  const ref = unique('page/changed');
  await resource({ ref, acl: { owners: ['user/owner'], viewMeta: ['user/before'] } });
  await record([1, 2, 3].map(() => ({ journal, type: 'note', resource: ref })));
  if (isIndexed) await index(journal);
  expect(await statistics(journal, await as('before'))).toMatchObject({ totalCount: 3 });

  await world().ask(SET_ACL, { ref, acl: { owners: ['user/owner'], viewData: ['user/after'] } });
  const lost = await statistics(journal, await as('before'));
  expect(lost).toMatchObject({ totalCount: 0, resource: { values: [], distinctCount: 0 } });
  const gained = await statistics(journal, await as('after'));
  expect(values(gained, 'RESOURCE')).toEqual({ [ref]: 3 });
});

test('are refused to who comes with a token that was revoked', async () => {
  const token = await world().token({ subject: 'gone', ageSeconds: 60 });
  await world().ask('mutation { revokeTokens(input: { subject: "user/gone" }) { subject } }');
  const answer = await world().send('{ eventStatistics { totalCount } }', {}, { token });
  expect(refusalOf(answer).code).toBe('UNAUTHENTICATED');
});

test('all fields of one are answered by one walk, each of its own arguments', async () => {
  const asked: unknown[] = [];
  const interval = (from: number) => [{ from, before: from + 1, count: from, by: new Map() }];
  const core = {
    reader: {
      filter: async () => ({ on: 'and', of: [] }),
      statistics: async (_: unknown, wanted: { timelines: { from: number }[]; facets: string[] }) => {
        asked.push(wanted);
        return {
          total: 7,
          firstOccurredAt: null,
          lastOccurredAt: null,
          facets: new Map(
            wanted.facets.map((facet) => [facet, { values: new Map([[facet, 1]]), missing: 0 }]),
          ),
          timelines: wanted.timelines.map(({ from }) => interval(from)),
        };
      },
    },
    journals: { find: async () => null },
    // No more of it is asked for: how often the reader is called is what this is about, and the counts of a
    // real one are held by the tests above.
  } as unknown as Core;
  const text = `{ eventStatistics {
    totalCount firstOccurredAt lastOccurredAt
    type: facet(by: TYPE) { values { value } } actor: facet(by: ACTOR) { values { value } }
    again: facet(by: ACTOR, first: 1) { distinctCount }
    a: timeline(from: "1970-01-01T00:00:00.001Z", before: "1970-01-01T00:00:00.002Z", intervals: 1) { count }
    b: timeline(from: "1970-01-01T00:00:00.005Z", before: "1970-01-01T00:00:00.006Z", intervals: 1) { count }
  } }`;
  const { data, errors } = await execute({
    schema,
    document: parse(text),
    contextValue: new Context(core, ROOT),
  });
  expect(errors).toBeUndefined();
  expect(asked).toHaveLength(1);
  expect(asked[0]).toMatchObject({ facets: ['type', 'actor'], times: true });
  expect(data?.eventStatistics).toMatchObject({
    totalCount: 7,
    type: { values: [{ value: 'type' }] },
    actor: { values: [{ value: 'actor' }] },
    a: [{ count: 1 }],
    b: [{ count: 5 }],
  });
});

describe('what cannot be answered is refused with what to do', () => {
  const DAY = 'from: "2024-01-01T00:00:00.000Z", before: "2024-01-02T00:00:00.000Z"';
  test.each([
    ['facet(by: TYPE, first: 0) { distinctCount }', '`first` is 0: ask for 1 to 1000.'],
    ['facet(by: TYPE, first: 1001) { distinctCount }', '`first` is 1001: ask for 1 to 1000.'],
    [`timeline(${DAY}, intervals: 0) { count }`, '`intervals` is 0: ask for 1 to 500.'],
    [`timeline(${DAY}, intervals: 501) { count }`, '`intervals` is 501: ask for 1 to 500.'],
    [
      'timeline(from: "2024-01-01T00:00:00.000Z", before: "2024-01-01T00:00:00.000Z") { count }',
      'A timeline ends after it begins: give a `before` later than `from`.',
    ],
    [
      'timeline(from: "2024-01-01T00:00:00.000Z", before: "2024-01-01T00:00:00.059Z") { count }',
      'No interval is shorter than a millisecond: ask for at most 59 between these times.',
    ],
  ])('%s', async (field, message) => {
    const refused = refusalOf(await world().send(`{ eventStatistics { ${field} } }`));
    expect(refused).toMatchObject({ code: 'BAD_USER_INPUT', message });
  });
});

describe('what is asked at once', () => {
  const DAY = 'from: "2024-01-01T00:00:00.000Z", before: "2024-01-02T00:00:00.000Z"';
  const overview = (
    name: string,
  ) => `${name}: eventStatistics { totalCount firstOccurredAt lastOccurredAt ${BY_ALL}
    now: timeline(${DAY}, by: SEVERITY) { from before count by { value count } }
    past: timeline(${DAY}, by: CATEGORY) { from before count by { value count } } }`;
  const often = (count: number, one: (nth: number) => string) =>
    Array.from({ length: count }, (_, nth) => one(nth)).join('\n');

  test('may be an overview, and two', async () => {
    await world().ask(`{ ${overview('a')} ${overview('b')} }`);
  });

  test.each([
    ['many walks', `{ ${often(20, (nth) => `a${nth}: eventStatistics { totalCount }`)} }`],
    [
      'many facets',
      `{ eventStatistics { ${often(99, (nth) => `a${nth}: facet(by: ACTOR, first: 1) { distinctCount }`)} } }`,
    ],
    [
      'many timelines',
      `{ eventStatistics { ${often(60, (nth) => `a${nth}: timeline(${DAY}, intervals: 1) { count }`)} } }`,
    ],
    ['many attributes’ counts', `{ ${often(100, (nth) => `a${nth}: attributes { eventCount }`)} }`],
  ])('may not be %s', async (_, query) => {
    const refused = refusalOf(await world().send(query));
    expect(refused).toMatchObject({
      code: 'LIMIT_EXCEEDED',
      message: expect.stringContaining('more than 50000'),
    });
  });
});
