/**
 * A reader of pages as people are who look at a list again and again while events are recorded. All that it
 * was shown is kept, with the places between which it was looked for: nothing new may ever be found there.
 */
import { onTestFinished } from 'vitest';
import { pause } from '../../src/base/retry.ts';
import { at, findAll, type Pager } from './follower.ts';
import type { Page } from './history.ts';
import type { World } from './world.ts';

const PAGE = `query ($filter: EventFilter, $order: EventOrder!, $first: Int!, $after: String) {
  events(filter: $filter, order: $order, first: $first, after: $after) {
    nodes { id } pageInfo { hasNextPage startCursor endCursor }
  }
}`;

/**
 *     onwards     from the beginning, and on from the last cursor whenever there is more
 *     newest      the newest events, over and over
 *     backwards   from the newest page by page to the beginning, and again from the newest
 */
export type Reading = 'onwards' | 'newest' | 'backwards';

export interface PagerOptions {
  /** For people; the faults found are told by it. */
  readonly name: string;
  /** Where to ask, each time. */
  readonly url: () => string;
  readonly reading: Reading;
  readonly token?: string;
  readonly filter?: object;
}

const PAGE_EVENTS = 50;
const PAUSE_MS = 15;

interface Answered {
  readonly nodes: readonly { readonly id: string }[];
  readonly pageInfo: {
    readonly hasNextPage: boolean;
    readonly startCursor: string | null;
    readonly endCursor: string | null;
  };
}

/** @param positionOf opens cursors, see `openCursors`. */
export function startPager(
  { ask }: Pick<World, 'ask'>,
  positionOf: (cursor: string) => number,
  { name, url, reading, token, filter = {} }: PagerOptions,
): Pager {
  const who = token === undefined ? {} : { token };
  const order = reading === 'onwards' ? 'OLDEST_FIRST' : 'NEWEST_FIRST';
  const pages: Page[] = [];
  let stopping = false;

  /** Null where there was no answer: the server is away, and is asked again. */
  async function look(after: string | null): Promise<Answered | null> {
    const variables = { filter, order, first: PAGE_EVENTS, after };
    const answer = await ask(PAGE, variables, { ...who, server: at(url()) }).catch(() => null);
    return answer?.events ?? null;
  }

  async function run(): Promise<void> {
    let after: string | null = null;
    for (; !stopping; await pause(PAUSE_MS)) {
      const answered = await look(after);
      if (answered === null) continue;
      const { nodes, pageInfo } = answered;
      const { startCursor, endCursor, hasNextPage } = pageInfo;
      const ids = nodes.map(({ id }) => id);
      if (startCursor !== null && endCursor !== null) {
        const [first, last] = [positionOf(startCursor), positionOf(endCursor)];
        const asked = after === null ? null : positionOf(after);
        if (order === 'OLDEST_FIRST') pages.push({ ids, above: asked ?? 0, upTo: last });
        else {
          const upTo = asked === null ? first : asked - 1;
          pages.push({ ids: ids.toReversed(), above: hasNextPage ? last - 1 : 0, upTo });
        }
      }
      if (reading === 'onwards') after = endCursor ?? after;
      if (reading === 'backwards') after = hasNextPage ? endCursor : null;
    }
  }

  onTestFinished(() => {
    stopping = true;
  });
  const running = run();
  return {
    async reader() {
      stopping = true;
      await running;
      const found = await findAll(ask, { ...who, filter, url: url() });
      return { name: `${name}, ${reading}`, pages, found };
    },
  };
}
