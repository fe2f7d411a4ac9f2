/** Pages of events: a look back, where follow.ts looks forward. */
import { EVENT_FIELDS, type EventNode, type Identified } from './event.ts';
import type { EventFilter } from './filter.ts';
import { ask, type Endpoint } from './request.ts';

export interface PageOptions {
  /** `main` where it is left out. */
  readonly journal?: string;
  readonly order?: 'NEWEST_FIRST' | 'OLDEST_FIRST';
  /** At most 500; 50 where neither this nor `last` is given. */
  readonly first?: number;
  /** A cursor: the page begins behind it, in its order. */
  readonly after?: string | null | undefined;
  readonly last?: number;
  readonly before?: string | null | undefined;
  /** What to select of each event besides `id` and `cursor`; EVENT_FIELDS where it is left out. */
  readonly fields?: string;
  readonly signal?: AbortSignal | undefined;
}

export interface EventPage<Node = EventNode> {
  readonly nodes: readonly (Node & Identified)[];
  readonly pageInfo: {
    readonly hasNextPage: boolean;
    readonly hasPreviousPage: boolean;
    readonly startCursor: string | null;
    readonly endCursor: string | null;
  };
}

export async function readPage<Node>(
  endpoint: Endpoint,
  filter: EventFilter | null,
  { journal = 'main', order = 'NEWEST_FIRST', fields = EVENT_FIELDS, signal, ...range }: PageOptions,
): Promise<EventPage<Node>> {
  const query = `query ($journal: String!, $filter: EventFilter, $order: EventOrder!, $first: Int, $after: String, $last: Int, $before: String) {
    events(journal: $journal, filter: $filter, order: $order, first: $first, after: $after, last: $last, before: $before) {
      nodes { id cursor ${fields} } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    }
  }`;
  const variables = { journal, filter, order, ...range };
  return (await ask<{ events: EventPage<Node> }>(endpoint, { query, variables }, { signal })).events;
}
