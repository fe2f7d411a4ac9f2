/**
 * Statistics count what a query finds: for every filter and viewer, whatever part of the journal is in the index, and
 * by columns that are there, too short or missing.
 */
import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { v7 } from 'uuid';
import { expect, test } from 'vitest';
import type { Acl } from '../../src/access/acl.ts';
import type { ResourceRef } from '../../src/access/resource-ref.ts';
import type { RecordEventInput } from '../../src/events/draft.ts';
import type { Event } from '../../src/events/event.ts';
import type { Journal } from '../../src/events/journal.ts';
import type { Facet, Statistics, Timeline } from '../../src/events/statistics.ts';
import {
  acl,
  CLAIMS,
  type EventRecipe,
  eventRecipe,
  type FilterRecipe,
  filterRecipe,
  RESOURCES,
  resolved,
  viewer,
} from './support/arbitraries.ts';
import { type Heart, heartForFile, principal, ROOT } from './support/heart.ts';
import { assertOften, PROPERTY_TIMEOUT_MS } from './support/runs.ts';

const FACETS: readonly Facet[] = ['type', 'category', 'severity', 'resource', 'resourceType', 'actor'];

const edge = fc
  .tuple(
    fc
      .constantFrom(
        '0001-01-01T00:00:00.000Z',
        '1970-01-01T00:00:00.000Z',
        '2009-07-01T00:00:00.000Z',
        '2024-02-29T22:00:00.000Z',
        '2024-06-01T00:00:00.000Z',
        '9999-12-31T23:59:59.998Z',
      )
      .map((text) => Date.parse(text)),
    fc.integer({ min: 0, max: 1 }),
  )
  .map(([time, plus]) => time + plus);

const timeline: fc.Arbitrary<Timeline> = fc
  .record({
    from: edge,
    before: edge,
    intervals: fc.integer({ min: 1, max: 500 }),
    by: fc.constantFrom(null, 'category' as const, 'severity' as const),
  })
  .filter(({ from, before, intervals }) => before - from >= intervals);

const occurredAt = fc
  .uniqueArray(fc.constantFrom('gte', 'gt', 'lt', 'lte'), { minLength: 1, maxLength: 2 })
  .chain((bounds) => fc.record(Object.fromEntries(bounds.map((bound) => [bound, edge]))));
/** Of a time alone, for the index cuts chunks by it. */
const byTime: fc.Arbitrary<FilterRecipe> = fc.oneof(
  fc.record({ occurredAt }),
  fc.record({ not: fc.record({ occurredAt }) }),
  fc.record({ or: fc.tuple(fc.record({ occurredAt }), filterRecipe) }),
  fc.record({ not: fc.record({ or: fc.tuple(fc.record({ occurredAt }), filterRecipe) }) }),
  fc.record({ occurredAt, not: filterRecipe }),
);

const question = fc.record({
  filter: fc.oneof(byTime, filterRecipe, fc.constant({})),
  claims: viewer,
  facets: fc.subarray([...FACETS]),
  timelines: fc.array(timeline, { maxLength: 3 }),
  times: fc.boolean(),
});

const scenario = fc.record({
  acls: fc.array(acl(CLAIMS), { minLength: RESOURCES, maxLength: RESOURCES }),
  parts: fc.array(
    fc.record({
      leap: fc.constantFrom(0, 0, 4_090, 3 * 4_096),
      events: fc.array(eventRecipe, { minLength: 1, maxLength: 16, size: 'max' }),
    }),
    { minLength: 1, maxLength: 3, size: 'max' },
  ),
  /** Columns that an older server has left out, or left too short. */
  columns: fc.constantFrom('there', 'there', 'missing', 'short'),
  questions: fc.array(question, { minLength: 1, maxLength: 12, size: 'max' }),
});
type Scenario = typeof scenario extends fc.Arbitrary<infer T> ? T : never;

const heart = heartForFile();
const narrow = heartForFile({ rangeLimits: { rows: 3, terms: 2 } });

test('statistics count what a query finds', { timeout: PROPERTY_TIMEOUT_MS }, () =>
  assertOften(scenario, (made) => check(heart(), made), 50),
);

test(
  'and so they do where ranges of terms are too large to be looked at',
  {
    timeout: PROPERTY_TIMEOUT_MS,
  },
  () => assertOften(scenario, (made) => check(narrow(), made), 25),
);

async function check(heart: Heart, { acls, parts, columns, questions }: Scenario): Promise<void> {
  const name = randomBytes(6).toString('hex');
  const refs = acls.map((_, nth) => `doc${nth === 2 ? '.b' : ''}/${nth} ${name}`);
  for (const [nth, ref] of refs.entries()) {
    await heart.resources.create(ref as ResourceRef, null, acls[nth] as Acl, ROOT);
  }
  const journal = await heart.journals.findOrCreate(name);
  const other = await heart.journals.findOrCreate(`${name}-other`);
  const ids: string[] = [];
  let leapt = false;
  for (const [nth, { leap, events }] of parts.entries()) {
    // Within the journal no position is ever left out, and of everything an admin counts positions.
    if (nth === 0) await heart.leap(journal, leap);
    else leapt = (await heart.leap(journal, leap).then(() => leap > 0)) || leapt;
    ids.push(...(await record(heart, journal, events, refs)));
    await record(heart, other, events.slice(0, 3), refs);
    for (const one of questions) await compare(heart, journal, one, { ids, refs, leapt });
    await heart.index(journal);
    await heart.index(other);
    if (columns === 'missing') {
      await heart.database.pool.query('delete from event_column where journal_id = $1', [journal.id]);
    } else if (columns === 'short') {
      await heart.database.pool.query(
        'update event_column set codes = substring(codes for length(codes) - 2) where journal_id = $1',
        [journal.id],
      );
    }
    for (const one of questions) await compare(heart, journal, one, { ids, refs, leapt });
  }
}

async function record(
  { recording }: Heart,
  journal: Journal,
  recipes: readonly EventRecipe[],
  refs: readonly string[],
): Promise<string[]> {
  const input = recipes.map(({ below: _, idTime, ...recipe }) => ({
    ...recipe,
    id: v7({ msecs: idTime }),
    resource: refs[recipe.resource ?? -1] ?? null,
    journal: journal.name,
  }));
  // Recipes are checked by no type: what is wrong with them the door would say.
  await recording.record(input as unknown as RecordEventInput[], ROOT);
  return input.map(({ id }) => id);
}

interface Known {
  readonly ids: readonly string[];
  readonly refs: readonly string[];
  readonly leapt: boolean;
}

async function compare(
  { reader }: Heart,
  journal: Journal,
  asked: Scenario['questions'][number],
  { ids, refs, leapt }: Known,
): Promise<void> {
  const who = principal(asked.claims);
  // Of everything an admin is told how far the journal goes, which counts what was leapt over.
  if (leapt && who.claims.has('group/admin' as never)) return;
  const input = resolved(asked.filter, {
    ids,
    recordedAt: [Date.now()],
    resources: refs,
    elsewhere: 'no id',
  });
  const filter = await reader.filter(input);
  const all = { journal, filter, direction: 'falling', above: 0, below: Number.POSITIVE_INFINITY } as const;
  const { events } = await reader.page({ ...all, limit: 1_000 }, who);
  const found = events.map(({ event }) => event);

  const statistics = await reader.statistics({ journal, filter }, asked, who);
  expect(plain(statistics)).toEqual(plain(counted(found, asked)));
}

/** The same in the plainest way. */
function counted(events: readonly Event[], { facets, timelines, times }: Scenario['questions'][number]) {
  const happened = events.map(({ occurredAt }) => occurredAt);
  const isAny = times && events.length > 0;
  return {
    total: events.length,
    firstOccurredAt: isAny ? Math.min(...happened) : null,
    lastOccurredAt: isAny ? Math.max(...happened) : null,
    facets: new Map(
      facets.map((facet) => {
        const values = events.map((event) =>
          facet === 'resourceType' ? (event.resource?.split('/')[0] ?? null) : event[facet],
        );
        return [facet, { values: tally(values), missing: values.filter((value) => value === null).length }];
      }),
    ),
    timelines: timelines.map(({ from, before, intervals, by }) => {
      const starts = Array.from({ length: intervals }, (_, i) =>
        Number(BigInt(from) + (BigInt(i) * BigInt(before - from)) / BigInt(intervals)),
      );
      return starts.map((start, i) => {
        const end = starts[i + 1] ?? before;
        const within = events.filter(({ occurredAt }) => occurredAt >= start && occurredAt < end);
        return {
          from: start,
          before: end,
          count: within.length,
          by: tally(by === null ? [] : within.map((event) => event[by])),
        };
      });
    }),
  };
}

function tally(values: readonly (string | null)[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const value of values) if (value !== null) counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts;
}

/** Intervals in which nothing happened are the same all over, and begin where the one before ends. */
function plain({ timelines, ...rest }: Statistics) {
  return {
    ...rest,
    timelines: timelines.map((intervals) => {
      const [first, last] = [intervals.at(0), intervals.at(-1)];
      const joined = intervals.every(({ before }, i) => before === (intervals[i + 1]?.from ?? before));
      return [first?.from, last?.before, joined, intervals.filter(({ count }) => count > 0)];
    }),
  };
}
