/**
 * Counts by facet and over time. Whatever the fields of one `eventStatistics` ask for is gathered and answered by one
 * walk through the index; what is not asked for is not counted.
 */
import DataLoader from 'dataloader';
import { EventreeError } from '../../base/errors.ts';
import { compareText } from '../../base/text.ts';
import type { Condition } from '../../events/filter/filter.ts';
import { type Journal, unwritten } from '../../events/journal.ts';
import type {
  Facet,
  FacetCounts,
  Interval,
  Statistics,
  Timeline,
  TimelineFacet,
} from '../../events/statistics.ts';
import { builder } from '../builder.ts';
import type { Context } from '../context.ts';
import { EventFilter } from './filter.ts';

const MAX_VALUES = 1_000;
const MAX_INTERVALS = 500;
/** As many fields as a walk through the whole journal weighs: an operation has room for a few. */
const COST_OF_WALK = 5_000;
/** What each asks of the walk: something for every event. */
const COST_OF_FACET = 500;
const COST_OF_TIMELINE = 1_000;
/** Of the values by which intervals are divided, the most there are: categories. */
const MOST_IN_INTERVAL = 9;

/** One thing that a field asks for. */
type Want =
  | { readonly what: 'total' | 'times' }
  | { readonly what: 'facet'; readonly facet: Facet }
  | { readonly what: 'timeline'; readonly timeline: Timeline };

/** What was counted, and which of its timelines is meant. */
interface Answer {
  readonly statistics: Statistics;
  readonly nth: number;
}

type Asked = DataLoader<Want, Answer>;

function askOnce({ core, principal }: Context, journal: Journal, filter: Condition): Asked {
  const count = async (wants: readonly Want[]): Promise<Answer[]> => {
    const timelines: Timeline[] = [];
    const facets = new Set<Facet>();
    const places = wants.map((want) => {
      if (want.what === 'facet') facets.add(want.facet);
      return want.what === 'timeline' ? timelines.push(want.timeline) - 1 : 0;
    });
    const wanted = { facets: [...facets], timelines, times: wants.some(({ what }) => what === 'times') };
    const statistics = await core.reader.statistics({ journal, filter }, wanted, principal);
    return places.map((nth) => ({ statistics, nth }));
  };
  return new DataLoader(count, { cache: false });
}

interface FacetPage {
  readonly counts: FacetCounts;
  readonly first: number;
}

interface FacetCount {
  readonly value: string;
  readonly count: number;
}

/** Most frequent first; ties by value. */
function inOrder(a: FacetCount, b: FacetCount): number {
  return b.count - a.count || compareText(a.value, b.value);
}

/** The first so many in order, without putting all in order: there may be hundreds of thousands. */
export function mostFrequent(counts: ReadonlyMap<string, number>, first: number): FacetCount[] {
  const best: FacetCount[] = [];
  let last: FacetCount | undefined;
  const cut = () => {
    best.sort(inOrder).splice(first);
    last = best.at(-1);
  };
  for (const [value, count] of counts) {
    const one = { value, count };
    if (last !== undefined && inOrder(last, one) < 0) continue;
    best.push(one);
    if (best.length >= first * 2 + 1_000) cut();
  }
  cut();
  return best;
}

const EventFacet = builder.enumType('EventFacet', {
  description: 'What events are counted by. All of it stands in an event’s envelope.',
  values: {
    TYPE: { value: 'type', description: 'The event’s type, by its name.' },
    CATEGORY: { value: 'category', description: 'Its category.' },
    SEVERITY: { value: 'severity', description: 'Its severity.' },
    RESOURCE: { value: 'resource', description: 'What it is about: type/id.' },
    RESOURCE_TYPE: { value: 'resourceType', description: 'The type of what it is about.' },
    ACTOR: { value: 'actor', description: 'Who caused it.' },
  } as const satisfies Record<string, { value: Facet; description: string }>,
});

const TimelineFacetEnum = builder.enumType('TimelineFacet', {
  description: 'What the events of an interval are counted by.',
  values: {
    CATEGORY: { value: 'category', description: 'Their category.' },
    SEVERITY: { value: 'severity', description: 'Their severity.' },
  } as const satisfies Record<string, { value: TimelineFacet; description: string }>,
});

const FacetCountType = builder.objectRef<FacetCount>('FacetCount').implement({
  description: 'How many events have a value.',
  fields: (t) => ({
    value: t.exposeString('value', { description: 'The value, as events have it.' }),
    count: t.exposeInt('count', { description: 'How many have it.' }),
  }),
});

const FacetCountsType = builder.objectRef<FacetPage>('FacetCounts').implement({
  description: 'The values of a facet, with how many events have each.',
  fields: (t) => ({
    values: t.field({
      type: [FacetCountType],
      description: 'Those that most of them have, most frequent first; ties by value.',
      resolve: ({ counts, first }) => mostFrequent(counts.values, first),
    }),
    distinctCount: t.int({
      description: 'How many different values there are.',
      resolve: ({ counts }) => counts.values.size,
    }),
    missingCount: t.int({
      description: 'How many events have none.',
      resolve: ({ counts }) => counts.missing,
    }),
  }),
});

const TimelineIntervalType = builder.objectRef<Interval>('TimelineInterval').implement({
  description: 'An interval of time, and what happened in it.',
  fields: (t) => ({
    from: t.field({ type: 'DateTime', description: 'Its begin, within it.', resolve: ({ from }) => from }),
    before: t.field({
      type: 'DateTime',
      description: 'Its end, not within it: where the next one begins.',
      resolve: ({ before }) => before,
    }),
    count: t.exposeInt('count', { description: 'How many events happened in it.' }),
    by: t.field({
      type: [FacetCountType],
      extensions: costOf(1, () => MOST_IN_INTERVAL),
      description: 'Largest first; empty where `by` is left out.',
      resolve: ({ by }) => mostFrequent(by, by.size),
    }),
  }),
});

const EventStatisticsType = builder.objectRef<Asked>('EventStatistics').implement({
  description: 'How many events there are, counted in one walk whatever is asked.',
  fields: (t) => ({
    totalCount: t.int({
      description: 'How many match that the viewer may see.',
      resolve: async (asked) => (await asked.load({ what: 'total' })).statistics.total,
    }),
    firstOccurredAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When the first of them happened; null where there are none.',
      resolve: async (asked) => (await asked.load({ what: 'times' })).statistics.firstOccurredAt,
    }),
    lastOccurredAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When the last of them happened; null where there are none.',
      resolve: async (asked) => (await asked.load({ what: 'times' })).statistics.lastOccurredAt,
    }),
    facet: t.field({
      type: FacetCountsType,
      extensions: costOf(COST_OF_FACET, ({ first }) => within(first, 10, MAX_VALUES)),
      description: 'The values that most of them have.',
      args: {
        by: t.arg({ type: EventFacet, required: true }),
        first: t.arg.int({
          required: true,
          defaultValue: 10,
          description: `How many values, from 1 to ${MAX_VALUES}.`,
        }),
      },
      resolve: async (asked, { by: facet, first }) => {
        checkWithin('first', first, MAX_VALUES);
        const { statistics } = await asked.load({ what: 'facet', facet });
        return { counts: statistics.facets.get(facet) as FacetCounts, first };
      },
    }),
    timeline: t.field({
      type: [TimelineIntervalType],
      extensions: costOf(COST_OF_TIMELINE, ({ intervals }) => within(intervals, 60, MAX_INTERVALS)),
      description: 'Equal intervals of time, by when the events happened.',
      args: {
        from: t.arg({ type: 'DateTime', required: true, description: 'Where the first one begins.' }),
        before: t.arg({ type: 'DateTime', required: true, description: 'Where the last one ends.' }),
        intervals: t.arg.int({
          required: true,
          defaultValue: 60,
          description: `How many, from 1 to ${MAX_INTERVALS}.`,
        }),
        by: t.arg({ type: TimelineFacetEnum, description: 'By what to count within each, too.' }),
      },
      resolve: async (asked, { from, before, intervals, by }) => {
        checkWithin('intervals', intervals, MAX_INTERVALS);
        const timeline = { from, before, intervals, by: by ?? null };
        checkSpan(timeline);
        const { statistics, nth } = await asked.load({ what: 'timeline', timeline });
        return statistics.timelines[nth] as Interval[];
      },
    }),
  }),
});

builder.queryField('eventStatistics', (t) =>
  t.field({
    type: EventStatisticsType,
    extensions: costOf(COST_OF_WALK, () => 1),
    description: 'How many events match that the viewer may see, by facet and over time.',
    args: {
      journal: t.arg.string({ required: true, defaultValue: 'main' }),
      filter: t.arg({ type: EventFilter }),
    },
    resolve: async (_, { journal, filter }, context) => {
      const { journals, reader } = context.core;
      const condition = await reader.filter(filter);
      return askOnce(context, (await journals.find(journal)) ?? unwritten(journal), condition);
    },
  }),
);

/** @param own of the field itself; `times` how often what it selects is answered. See policy.ts. */
function costOf(own: number, times: (args: Record<string, unknown>) => number) {
  return {
    complexity: ({ args, childComplexity }: { args: Record<string, unknown>; childComplexity: number }) =>
      own + times(args) * childComplexity,
  };
}

function within(given: unknown, fallback: number, most: number): number {
  return Math.min(Math.max(typeof given === 'number' ? given : fallback, 1), most);
}

function checkWithin(name: string, given: number, most: number): void {
  if (given >= 1 && given <= most) return;
  throw new EventreeError('BAD_USER_INPUT', `\`${name}\` is ${given}: ask for 1 to ${most}.`);
}

function checkSpan({ from, before, intervals }: Timeline): void {
  if (before <= from) {
    throw new EventreeError(
      'BAD_USER_INPUT',
      'A timeline ends after it begins: give a `before` later than `from`.',
    );
  }
  if (before - from < intervals) {
    const most = before - from;
    throw new EventreeError(
      'BAD_USER_INPUT',
      `No interval is shorter than a millisecond: ask for at most ${most} between these times.`,
    );
  }
}
