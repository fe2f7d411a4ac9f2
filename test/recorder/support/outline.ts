/** What stands in a journal, as a test holds it against what should: one line for each event, in below out. */
import { createClient, type EventNode } from '../../../src/client/index.ts';
import type { World } from '../../support/world.ts';

export type { EventNode };

/** As `group/admin`, in the order of the journal. */
export async function eventsIn(world: World, journal: string): Promise<EventNode[]> {
  const client = createClient({
    url: String(world.servers[0]?.url),
    token: await world.token({ groups: ['admin'] }),
  });
  const { nodes } = await client.events(null, { journal, order: 'OLDEST_FIRST', first: 200 });
  return [...nodes];
}

/** `deployment.start deployment/1`, what stands below it indented. */
export async function outline(world: World, journal: string): Promise<string[]> {
  const events = await eventsIn(world, journal);
  const lines = (parent: string | null, indent: string): string[] =>
    events
      .filter((event) => (event.parent?.id ?? null) === parent)
      .flatMap(({ id, type, resource }) => [
        [indent + type.name, resource?.ref ?? ''].join(' ').trimEnd(),
        ...lines(id, `${indent}  `),
      ]);
  return lines(null, '');
}
