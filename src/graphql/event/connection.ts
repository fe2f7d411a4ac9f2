/**
 * Connections by the Relay specification, both ways: `first … after …` and `last … before …`.
 *
 * A page is read when a field first asks for it and counted when `totalCount` does; what is not asked for
 * is not looked up.
 */
import { EventreeError } from '../../base/errors.ts';
import type { Cursor } from '../../events/cursor.ts';
import type { Position, SeenEvent } from '../../events/event.ts';
import type { Condition } from '../../events/filter/filter.ts';
import type { Direction } from '../../events/index/term-rows.ts';
import { type Journal, unwritten } from '../../events/journal.ts';
import { builder } from '../builder.ts';
import type { Context } from '../context.ts';

export const DEFAULT_PAGE = 50;
const MAX_PAGE = 500;

export interface PageArgs {
  readonly first?: number | null | undefined;
  readonly after?: string | null | undefined;
  readonly last?: number | null | undefined;
  readonly before?: string | null | undefined;
}

export interface PageInfo {
  readonly hasNextPage: boolean | (() => Promise<boolean>);
  readonly hasPreviousPage: boolean | (() => Promise<boolean>);
  readonly startCursor: string | null;
  readonly endCursor: string | null;
}

export interface EventPage {
  readonly edges: readonly EventEdge[];
  readonly pageInfo: PageInfo;
}

export interface EventEdge {
  readonly cursor: Cursor;
  readonly node: SeenEvent;
}

export interface EventConnection {
  readonly page: () => Promise<EventPage>;
  readonly count: () => Promise<number>;
}

/** How many, and from which end. @throws BAD_USER_INPUT, LIMIT_EXCEEDED */
export function pageSize({ first, last }: PageArgs): { size: number; fromEnd: boolean } {
  if (first != null && last != null) {
    throw new EventreeError('BAD_USER_INPUT', 'Ask for the `first` or for the `last` so many, not for both.');
  }
  const size = first ?? last ?? DEFAULT_PAGE;
  if (size < 0) throw new EventreeError('BAD_USER_INPUT', 'The size of a page must not be negative.');
  if (size > MAX_PAGE) {
    throw new EventreeError(
      'LIMIT_EXCEEDED',
      `A page holds at most ${MAX_PAGE}: ask for less and go on from the cursor.`,
    );
  }
  return { size, fromEnd: last != null };
}

export type EventOrder = 'NEWEST_FIRST' | 'OLDEST_FIRST';

/** @throws BAD_USER_INPUT, LIMIT_EXCEEDED, CURSOR_INVALID */
export async function connectEvents(
  { core, principal }: Context,
  journalName: string,
  filter: Condition,
  order: EventOrder,
  args: PageArgs,
): Promise<EventConnection> {
  const journal = (await core.journals.find(journalName)) ?? unwritten(journalName);
  const { size, fromEnd } = pageSize(args);
  const open = (cursor: string | null | undefined) =>
    cursor == null ? null : core.seal.open(journal, cursor);
  const after = open(args.after);
  const before = open(args.before);
  const forward: Direction = order === 'NEWEST_FIRST' ? 'falling' : 'rising';
  const [above, below] = order === 'NEWEST_FIRST' ? [before, after] : [after, before];
  const bounds = { journal, filter, above: above ?? 0, below: below ?? Number.POSITIVE_INFINITY };

  const exists = async (where: { above: number; below: number }) => {
    const { events } = await core.reader.page(
      { journal, filter, ...where, direction: forward, limit: 1 },
      principal,
    );
    return events.length > 0;
  };
  /** Whether there is anything at a cursor or beyond it, on the side that the page leaves out. */
  const beyond = (cursor: Position | null, side: 'after' | 'before') => {
    if (cursor === null) return false;
    const newer = (order === 'NEWEST_FIRST') === (side === 'after');
    return () =>
      exists(
        newer ? { above: cursor - 1, below: Number.POSITIVE_INFINITY } : { above: 0, below: cursor + 1 },
      );
  };

  const read = async (): Promise<EventPage> => {
    const direction = fromEnd ? opposite(forward) : forward;
    const { events } = await core.reader.page({ ...bounds, direction, limit: size + 1 }, principal);
    const shown = events.slice(0, size);
    const edges = (fromEnd ? shown.reverse() : shown).map((node) => toEdge(core.seal, journal, node));
    const more = events.length > size;
    return {
      edges,
      pageInfo: {
        hasNextPage: fromEnd ? beyond(before, 'before') : more,
        hasPreviousPage: fromEnd ? more : beyond(after, 'after'),
        startCursor: edges.at(0)?.cursor ?? null,
        endCursor: edges.at(-1)?.cursor ?? null,
      },
    };
  };

  let page: Promise<EventPage> | undefined;
  return {
    page() {
      page ??= read();
      return page;
    },
    count: () => core.reader.count({ journal, filter }, principal),
  };
}

function toEdge(seal: Context['core']['seal'], journal: Journal, node: SeenEvent): EventEdge {
  return { node, cursor: seal.seal(journal, node.event.position) };
}

function opposite(direction: Direction): Direction {
  return direction === 'falling' ? 'rising' : 'falling';
}

export const PageInfoType = builder.objectRef<PageInfo>('PageInfo').implement({
  description: 'Where a page ends, and whether more follows.',
  fields: (t) => ({
    hasNextPage: t.boolean({
      description: 'Whether there is more behind `endCursor`.',
      resolve: ({ hasNextPage: has }) => (typeof has === 'function' ? has() : has),
    }),
    hasPreviousPage: t.boolean({
      description: 'Whether there is more before `startCursor`.',
      resolve: ({ hasPreviousPage: has }) => (typeof has === 'function' ? has() : has),
    }),
    startCursor: t.exposeString('startCursor', {
      nullable: true,
      description: 'Of the first on the page; null for an empty one.',
    }),
    endCursor: t.exposeString('endCursor', {
      nullable: true,
      description: 'Of the last on the page; null for an empty one.',
    }),
  }),
});
