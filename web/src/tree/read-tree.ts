/** Reads the tree that an event is part of, page by page, however large it is. */
import type { Client, EventFilter, EventPage } from '../../../src/client/index.ts';
import { TREE_FIELDS, type TreeEvent } from './outline.ts';

/** Where the tree begins for this viewer. */
export interface Top {
  readonly id: string;
  readonly journal: string;
  /** There is more above it, which the viewer may not see. */
  readonly isCutOff: boolean;
}

interface Placed {
  readonly id: string;
  readonly journal: string;
  readonly root: { readonly id: string } | null;
  readonly parent: { readonly id: string } | null;
}

const PLACE = 'query ($id: ID!) { event(id: $id) { id journal root { id } parent { id } } }';

/**
 * The root; where that is hidden, the highest event that can be reached from here.
 *
 * @returns null where there is no such event, or not for this viewer.
 */
export async function findTop(client: Client, id: string, signal: AbortSignal): Promise<Top | null> {
  const { event } = await client.query<{ event: Placed | null }>(PLACE, { id }, { signal });
  if (event === null) return null;
  if (event.root !== null) return { id: event.root.id, journal: event.journal, isCutOff: false };
  const higher = event.parent === null ? null : await findTop(client, event.parent.id, signal);
  return higher ?? { id: event.id, journal: event.journal, isCutOff: true };
}

const PAGE = 500;
const COUNT = `query ($journal: String!, $filter: EventFilter) {
  events(journal: $journal, filter: $filter, first: 1) { totalCount }
}`;

/** @param tell how many are read, of how many, after each page but the last. */
export async function readTree(
  client: Client,
  { id, journal }: Top,
  signal: AbortSignal,
  tell: (read: number, total: number) => void,
): Promise<TreeEvent[]> {
  const events: TreeEvent[] = [];
  let total: number | null = null;
  let after: string | null = null;
  for (;;) {
    const { nodes, pageInfo } = await pageOf(client, { id, journal }, after, signal);
    events.push(...nodes);
    if (!pageInfo.hasNextPage) return events;
    after = pageInfo.endCursor;
    total ??= await countOf(client, { journal, filter: { within: id } }, signal);
    // Some may have been added since they were counted.
    tell(events.length, Math.max(total, events.length));
  }
}

function pageOf(
  client: Client,
  { id, journal }: Pick<Top, 'id' | 'journal'>,
  after: string | null,
  signal: AbortSignal,
): Promise<EventPage<TreeEvent>> {
  const range = { journal, order: 'OLDEST_FIRST', first: PAGE, after, fields: TREE_FIELDS, signal } as const;
  return client.events<TreeEvent>({ within: id }, range);
}

async function countOf(
  client: Client,
  range: { readonly journal: string; readonly filter: EventFilter },
  signal: AbortSignal,
): Promise<number> {
  const { events } = await client.query<{ events: { totalCount: number } }>(COUNT, { ...range }, { signal });
  return events.totalCount;
}
