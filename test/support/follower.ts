/**
 * A subscriber as clients are: it connects again whenever its connection is lost, and goes on from the
 * last cursor it got. All that it was given is kept.
 */
import type pg from 'pg';
import { onTestFinished } from 'vitest';
import { pause } from '../../src/base/retry.ts';
import { createSeal } from '../../src/events/cursor.ts';
import type { Journal } from '../../src/events/journal.ts';
import type { RunningServer } from '../../src/server/server.ts';
import type { History, Logged, Message, Outcomes, Subscriber } from './history.ts';
import type { Answer, SendOptions, WatchOptions, World } from './world.ts';

const STREAM = `subscription ($journal: String!, $filter: EventFilter, $after: String, $from: StreamStart!, $maxBatch: Int!) {
  eventStream(journal: $journal, filter: $filter, after: $after, from: $from, maxBatch: $maxBatch) {
    events { id } cursor live gap { reason oldest } hidden
  }
}`;

const PAGE = `query ($journal: String!, $filter: EventFilter, $after: String) {
  events(journal: $journal, filter: $filter, order: OLDEST_FIRST, first: 500, after: $after) {
    nodes { id } pageInfo { hasNextPage endCursor }
  }
}`;

export interface Received extends Message {
  readonly cursor: string;
  readonly live: boolean;
  readonly gap: { readonly reason: string; readonly oldest: string } | null;
  readonly hidden: readonly string[];
}

export interface FollowerOptions {
  /** For people; the faults found are told by it. */
  readonly name?: string;
  /** Where to connect, each time. */
  readonly url: () => string;
  readonly by?: 'ws' | 'sse';
  readonly token?: string;
  readonly journal?: string;
  readonly filter?: object;
  /** A cursor; without one, from the beginning. */
  readonly after?: string;
  readonly maxBatch?: number;
}

export interface Follower {
  readonly messages: readonly Received[];
  /** Connections made so far. */
  connections(): number;
  ids(): string[];
  /** Resolves when a message has come, now or before, that meets the test. */
  until(test: (message: Received) => boolean): Promise<Received>;
  /** Resolves when its cursor stands at this position or behind it. */
  reached(position: number): Promise<void>;
  close(): void;
  /** For the history. To be asked when nothing is recorded any more. */
  subscriber(): Promise<Subscriber>;
}

/** What following takes of a world. */
export type Followed = Pick<World, 'watch' | 'ask'>;

/** @param positionOf opens cursors, see `openCursors`. */
export function startFollower(
  { watch, ask }: Followed,
  positionOf: (cursor: string) => number,
  options: FollowerOptions,
): Follower {
  const { name = 'follower', url, by = 'ws', journal = 'main', filter = null, maxBatch = 100 } = options;
  const who = options.token === undefined ? {} : { token: options.token };
  const messages: Received[] = [];
  const waiting = new Set<() => void>();
  let cursor = options.after ?? null;
  let connections = 0;
  let failure: Error | null = null;
  let closed = false;
  let leave = () => {};

  async function run(): Promise<void> {
    while (!closed) {
      const variables = { journal, filter, after: cursor, from: 'BEGINNING', maxBatch };
      const stream = watch(STREAM, variables, { ...who, by, server: at(url()) } satisfies WatchOptions);
      leave = () => stream.close();
      connections++;
      const seen = messages.length;
      try {
        for await (const answer of stream) take(answer);
      } catch {
        // The connection is lost, or there was none to be had.
      }
      stream.close();
      if (failure !== null) return;
      await pause(messages.length > seen ? 10 : 50);
    }
  }

  function take({ data, errors }: Answer): void {
    const code = errors?.[0]?.extensions.code;
    if (code === 'UNAVAILABLE') return;
    if (errors !== undefined) {
      failure = new Error(`${name}: ${JSON.stringify(errors)}`);
      closed = true;
    } else if (!closed) {
      const { events, ...rest } = data.eventStream;
      const ids = events.map(({ id }: { id: string }) => id);
      messages.push({ ...rest, ids, upTo: positionOf(rest.cursor) });
      cursor = rest.cursor;
    }
    for (const wake of waiting) wake();
  }

  async function until(test: (message: Received) => boolean): Promise<Received> {
    for (let seen = 0; ; ) {
      if (failure !== null) throw failure;
      for (; seen < messages.length; seen++) {
        if (test(messages[seen] as Received)) return messages[seen] as Received;
      }
      await new Promise<void>((resolve) => {
        const wake = () => {
          waiting.delete(wake);
          resolve();
        };
        waiting.add(wake);
      });
    }
  }

  const close = () => {
    closed = true;
    leave();
  };
  onTestFinished(close);
  void run();

  return {
    messages,
    connections: () => connections,
    ids: () => messages.flatMap(({ ids }) => ids),
    until,
    async reached(position) {
      await until(({ upTo }) => upTo >= position);
    },
    close,
    async subscriber() {
      const found: string[] = [];
      for (let after = options.after ?? null; ; ) {
        const variables = { journal, filter, after };
        const { events } = await ask(PAGE, variables, { ...who, server: at(url()) } satisfies SendOptions);
        found.push(...events.nodes.map(({ id }: { id: string }) => id));
        if (!events.pageInfo.hasNextPage) break;
        after = events.pageInfo.endCursor;
      }
      const after = options.after === undefined ? 0 : positionOf(options.after);
      return { name, after, messages, found };
    },
  };
}

/** A client needs nothing of a server but its address, which may be a proxy's. */
function at(url: string): RunningServer {
  return { url } as RunningServer;
}

/** How to see where a cursor of the journal stands, which its holder cannot. */
export async function openCursors(db: pg.Pool, journal = 'main'): Promise<(cursor: string) => number> {
  const installation = await db.query<{ seal_key: Buffer }>('select seal_key from installation');
  const seal = createSeal(installation.rows[0]?.seal_key as Buffer);
  const { rows } = await db.query<Journal>('select id, name, epoch from journal where name = $1', [journal]);
  return (cursor) => seal.open(rows[0] as Journal, cursor);
}

/** The journal as it stands in the database. */
async function readLog(db: pg.Pool, journal = 'main'): Promise<Logged[]> {
  const { rows } = await db.query<Logged>(
    `select e.id, e.position::int, e.type = 'acl_change' as "byServer"
     from event e join journal j on j.id = e.journal_id where j.name = $1 order by e.position`,
    [journal],
  );
  return rows;
}

/** Waits until the followers have all that was recorded, and tells what happened. */
export async function historyOf(
  db: pg.Pool,
  outcomes: Outcomes,
  followers: readonly Follower[],
): Promise<History> {
  const log = await readLog(db);
  await Promise.all(followers.map((follower) => follower.reached(log.length)));
  const subscribers = await Promise.all(followers.map((follower) => follower.subscriber()));
  return { outcomes, log, subscribers };
}
