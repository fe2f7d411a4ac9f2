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
import type { History, Logged, Message, Outcomes, PageReader, Subscriber } from './history.ts';
import type { Answer, SendOptions, Stream, WatchOptions, World } from './world.ts';

const streamOf = (
  fields: string,
) => `subscription ($journal: String!, $filter: EventFilter, $after: String, $from: StreamStart!, $maxBatch: Int!) {
  eventStream(journal: $journal, filter: $filter, after: $after, from: $from, maxBatch: $maxBatch) {
    events { ${fields} } cursor live gap { reason oldest } hidden
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
  /** When it came, by the clock of `performance.now()`. */
  readonly atMs: number;
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
  /** Of each event; its id is always asked for. */
  readonly fields?: string;
  /** Takes a connection for lost that has been silent for so long; without it, waits for ever. */
  readonly silenceMs?: number;
}

export interface Follower {
  readonly name: string;
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
  const { fields = '', silenceMs = null } = options;
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
      const stream = watch(streamOf(`id ${fields}`), variables, {
        ...who,
        by,
        server: at(url()),
      } satisfies WatchOptions);
      leave = () => stream.close();
      connections++;
      const seen = messages.length;
      try {
        while (!closed) take(await nextOf(stream, silenceMs));
      } catch {
        // The connection is lost or silent, or there was none to be had.
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
      messages.push({ ...rest, ids, upTo: positionOf(rest.cursor), atMs: performance.now() });
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
    name,
    messages,
    connections: () => connections,
    ids: () => messages.flatMap(({ ids }) => ids),
    until,
    async reached(position) {
      await until(({ upTo }) => upTo >= position);
    },
    close,
    async subscriber() {
      const found = await findAll(ask, { ...options, url: url() });
      const after = options.after === undefined ? 0 : positionOf(options.after);
      return { name, after, messages, found };
    },
  };
}

/** The next message of a stream. Rejects where there is none in time. */
async function nextOf(stream: Stream<Answer>, withinMs: number | null): Promise<Answer> {
  const next = stream.next();
  if (withinMs === null) return next;
  let timer: NodeJS.Timeout | undefined;
  const silence = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('silence')), withinMs);
  });
  return Promise.race([next, silence]).finally(() => clearTimeout(timer));
}

export type Sought = Pick<FollowerOptions, 'token' | 'journal' | 'filter' | 'after'> & {
  readonly url: string;
};

/** The ids of all events that a query finds, in journal order. */
export async function findAll(ask: World['ask'], sought: Sought): Promise<string[]> {
  const { token, journal = 'main', filter = null, url } = sought;
  const options: SendOptions = { ...(token !== undefined && { token }), server: at(url) };
  const found: string[] = [];
  for (let after = sought.after ?? null; ; ) {
    const { events } = await ask(PAGE, { journal, filter, after }, options);
    found.push(...events.nodes.map(({ id }: { id: string }) => id));
    if (!events.pageInfo.hasNextPage) return found;
    after = events.pageInfo.endCursor;
  }
}

/** A client needs nothing of a server but its address, which may be a proxy's. */
export function at(url: string): RunningServer {
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
export async function readLog(db: pg.Pool, journal = 'main'): Promise<Logged[]> {
  const { rows } = await db.query<Logged>(
    `select e.id, e.position::int, e.type in ('acl_change', 'token_revocation') as "byServer"
     from event e join journal j on j.id = e.journal_id where j.name = $1 order by e.position`,
    [journal],
  );
  return rows;
}

/** Who reads pages while events are recorded, see pager.ts. */
export interface Pager {
  /** Stops it, and answers what it found. To be asked when nothing is recorded any more. */
  reader(): Promise<PageReader>;
}

/** Waits until the followers have all that was recorded, and tells what happened. */
export async function historyOf(
  db: pg.Pool,
  outcomes: Outcomes,
  followers: readonly Follower[],
  pagers: readonly Pager[] = [],
): Promise<History> {
  const log = await readLog(db);
  await Promise.all(followers.map((follower) => follower.reached(log.length)));
  const subscribers = await Promise.all(followers.map((follower) => follower.subscriber()));
  const readers = await Promise.all(pagers.map((pager) => pager.reader()));
  return { outcomes, log, subscribers, readers };
}
