/** What was recorded, whole: for tests, whose journals are short. */
import type { Client } from '../client/client.ts';
import { EVENT_FIELDS, type EventNode } from '../client/event.ts';
import type { EventFilter } from '../client/filter.ts';
import type { EventPage } from '../client/page.ts';

/**
 * An event and all below it, parents before children.
 *
 * @throws Error where there is no such event, or none that the client's token may see; EventreeClientError
 *   LIMIT_EXCEEDED where it has more than 1,000 below it.
 */
export async function readTree(client: Pick<Client, 'query'>, rootId: string): Promise<EventNode[]> {
  const { event } = await client.query<{ event: { tree: EventNode[] } | null }>(
    `query ($id: ID!) { event(id: $id) { tree { ${EVENT_FIELDS} } } }`,
    { id: rootId },
  );
  if (event === null) throw new Error(`There is no event ${rootId}, or none that this client may see.`);
  return event.tree;
}

const PAGE = 500;

/** All events that match, oldest first. */
export async function readJournal(
  client: Pick<Client, 'events'>,
  filter: EventFilter | null = null,
  journal = 'main',
): Promise<EventNode[]> {
  const events: EventNode[] = [];
  for (let after: string | null = null; ; ) {
    const page: EventPage = await client.events(filter, {
      journal,
      order: 'OLDEST_FIRST',
      first: PAGE,
      after,
    });
    events.push(...page.nodes);
    if (!page.pageInfo.hasNextPage) return events;
    after = page.pageInfo.endCursor;
  }
}
