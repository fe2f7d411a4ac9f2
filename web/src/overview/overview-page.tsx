/** Overview: how much happens, of what kind, to what, by whom, and what fails; and the way from each to its events. */
import { useMemo } from 'react';
import { gql } from 'urql';
import { Link } from 'wouter';
import { CATEGORIES, type EventFilter, SEVERITIES } from '../../../src/client/index.ts';
import { useAnswer } from '../api/use-answer.ts';
import { boundsOf, boundsVariables, type Held } from '../filter/bounds.ts';
import { type Chip, type Field, fieldChip } from '../filter/chip.ts';
import { FAILED } from '../filter/event-filter.ts';
import { FilterBar } from '../filter/filter-bar.tsx';
import { useEventFilter } from '../filter/use-event-filter.ts';
import { useView } from '../filter/use-view.ts';
import { betweenRange, printView, type View } from '../filter/view.ts';
import { useApp } from '../session/app-context.ts';
import type { Interval } from '../ui/intervals.ts';
import { ErrorNotice, Loading, Notice } from '../ui/notice.tsx';
import { useTitle } from '../ui/title.ts';
import { FacetList, type FacetListProps } from './facet-list.tsx';
import { TimelineChart } from './timeline-chart.tsx';
import './overview.css';

const SPAN = gql<{ eventStatistics: Held & { totalCount: number } }>`
  query OverviewSpan($journal: String!, $filter: EventFilter) {
    eventStatistics(journal: $journal, filter: $filter) {
      totalCount
      firstOccurredAt
      lastOccurredAt
    }
  }
`;

interface Facet {
  readonly values: readonly { readonly value: string; readonly count: number }[];
  readonly distinctCount: number;
}

interface Overview {
  readonly all: Readonly<Record<'bySeverity' | 'byCategory', readonly Interval[]>> &
    Readonly<Record<'types' | 'resources' | 'resourceTypes' | 'actors', Facet>>;
  readonly failures: { readonly totalCount: number; readonly types: Facet; readonly resources: Facet };
}

const OVERVIEW = gql<Overview>`
  query Overview($journal: String!, $filter: EventFilter, $failed: EventFilter, $from: DateTime!, $before: DateTime!, $intervals: Int!) {
    all: eventStatistics(journal: $journal, filter: $filter) {
      bySeverity: timeline(from: $from, before: $before, intervals: $intervals, by: SEVERITY) {
        from
        before
        count
        by {
          value
          count
        }
      }
      byCategory: timeline(from: $from, before: $before, intervals: $intervals, by: CATEGORY) {
        from
        before
        count
        by {
          value
          count
        }
      }
      types: facet(by: TYPE, first: 12) {
        ...Top
      }
      resources: facet(by: RESOURCE, first: 12) {
        ...Top
      }
      resourceTypes: facet(by: RESOURCE_TYPE, first: 12) {
        ...Top
      }
      actors: facet(by: ACTOR, first: 12) {
        ...Top
      }
    }
    failures: eventStatistics(journal: $journal, filter: $failed) {
      totalCount
      types: facet(by: TYPE, first: 8) {
        ...Top
      }
      resources: facet(by: RESOURCE, first: 8) {
        ...Top
      }
    }
  }
  fragment Top on FacetCounts {
    values {
      value
      count
    }
    distinctCount
  }
`;

const WANTED = 60;
const IS_FAILED = fieldChip('is', 'failed');
const FAILURE_HINT = 'Severe, or with an error';

export function OverviewPage() {
  useTitle('Overview');
  const control = useView();
  const { view } = control;
  const { registry, filter } = useEventFilter(view);
  if (filter === undefined) return <Loading what="Reading what attributes there are" />;
  return (
    <>
      <h1 className="hidden-text">Overview</h1>
      <FilterBar control={control} registry={registry} filter={filter} />
      <Figures view={view} filter={filter} onTime={control.setTime} />
    </>
  );
}

interface FiguresProps {
  readonly view: View;
  readonly filter: EventFilter | null;
  readonly onTime: ReturnType<typeof useView>['setTime'];
}

function Figures({ view, filter, onTime }: FiguresProps) {
  const { config } = useApp();
  const { journal, time } = view;
  const span = useAnswer({ query: SPAN, variables: { journal, filter } });
  const held = span.data?.eventStatistics;
  const bounds = useMemo(() => (held === undefined ? null : boundsOf(time, held, WANTED)), [held, time]);
  const failed = useMemo(() => (filter === null ? FAILED : { and: [filter, FAILED] }), [filter]);
  const overview = useAnswer({
    query: OVERVIEW,
    variables: { journal, filter, failed, ...boundsVariables(bounds) },
    // The span of another filter is not asked about with this one.
    pause: bounds === null,
  });

  const error = span.error ?? overview.error;
  if (error !== undefined) {
    return (
      <ErrorNotice
        error={error}
        doing="The events could not be counted"
        onRetry={span.error !== undefined ? span.again : overview.again}
      />
    );
  }
  if (held !== undefined && held.totalCount === 0) {
    return (
      <Notice title="Nothing to count">
        <p>No event that you may see matches. Take a condition away, or choose a longer time.</p>
      </Notice>
    );
  }
  const { data } = overview;
  if (held === undefined || data === undefined || bounds === null) return <Loading what="Counting" />;

  const pathWith = (...chips: Chip[]) =>
    `/?${printView({ ...view, chips: [...view.chips, ...chips] }, config.journal)}`;
  const setRange = (fromMs: number, beforeMs: number) => onTime(betweenRange(fromMs, beforeMs));
  const { all, failures } = data;
  const facets = [
    { name: 'Busiest types', facet: all.types, field: 'type', among: [] },
    { id: 'resources', name: 'Busiest resources', facet: all.resources, field: 'resource', among: [] },
    { name: 'Kinds of resources', facet: all.resourceTypes, field: 'resource.type', among: [] },
    { id: 'actors', name: 'Busiest actors', facet: all.actors, field: 'actor', among: [] },
    { name: 'What fails', hint: FAILURE_HINT, facet: failures.types, field: 'type', among: [IS_FAILED] },
    {
      name: 'Where it fails',
      hint: FAILURE_HINT,
      facet: failures.resources,
      field: 'resource',
      among: [IS_FAILED],
    },
  ] satisfies (Pick<FacetListProps, 'id' | 'name' | 'hint' | 'facet'> & { field: Field; among: Chip[] })[];

  return (
    <div className="overview" aria-busy={span.fetching || overview.fetching}>
      <dl className="figures">
        <Figure name="Events" value={held.totalCount} to={pathWith()} />
        <Figure name="Failures" value={failures.totalCount} to={pathWith(IS_FAILED)} />
        <Figure name="Types" value={all.types.distinctCount} to="/types" />
        <Figure name="Resources" value={all.resources.distinctCount} to="#resources" />
        <Figure name="Actors" value={all.actors.distinctCount} to="#actors" />
      </dl>
      <section>
        <h2>By severity</h2>
        <TimelineChart
          intervals={all.bySeverity}
          values={SEVERITIES}
          palette="severity"
          onRange={setRange}
          pathOf={(value) => pathWith(fieldChip('severity', value))}
        />
      </section>
      <section>
        <h2>By category</h2>
        <TimelineChart
          intervals={all.byCategory}
          values={CATEGORIES}
          palette="category"
          onRange={setRange}
          pathOf={(value) => pathWith(fieldChip('category', value))}
        />
      </section>
      <div className="facets">
        {facets.map(({ id, name, hint, facet, field, among }) => (
          <FacetList
            key={name}
            id={id}
            name={name}
            hint={hint}
            facet={facet}
            pathOf={(value) => pathWith(...among, fieldChip(field, value))}
          />
        ))}
      </div>
    </div>
  );
}

interface FigureProps {
  readonly name: string;
  readonly value: number;
  /** A path, or a place on this page. */
  readonly to: string;
}

function Figure({ name, value, to }: FigureProps) {
  const text = value.toLocaleString();
  return (
    <div>
      <dt>{name}</dt>
      <dd>{to.startsWith('#') ? <a href={to}>{text}</a> : <Link href={to}>{text}</Link>}</dd>
    </div>
  );
}
