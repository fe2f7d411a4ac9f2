/**
 * Following a journal over whatever happens to the connection: each event once, in order, for ever.
 *
 *     connecting ──first message──▶ catching-up ◀──▶ live
 *      ▲   │                            │             │
 *      │   └──breaks───────▶ lost ◀─────┴──breaks─────┘
 *      └────jittered wait─────┘
 *
 *     ended    the reader left or the signal fired; or, with a reason, the server refuses the token, the
 *              filter or the cursor: connecting again would not help
 *
 * What was handed over and what is asked for after a break fit together: nothing is lost and nothing comes
 * twice. Should a server send an event again, it is dropped here. Before the first message there is no
 * cursor yet: a stream that begins at NOW and breaks that early begins at the NOW of the next connection.
 *
 * All of it runs when the reader asks for more: who does not read is not connected again meanwhile.
 */
import { pause } from '../base/retry.ts';
import { openStream } from './connection.ts';
import { delayBefore, EventreeClientError, fromGraphqlErrors, mayPass } from './errors.ts';
import { EVENT_FIELDS, type EventNode, type Identified } from './event.ts';
import type { EventFilter } from './filter.ts';
import type { Endpoint } from './request.ts';

export interface StreamMessage<Node = EventNode> {
  readonly events: readonly (Node & Identified)[];
  /** Resume from here. */
  readonly cursor: string;
  /** False while catching up with what was recorded before. */
  readonly live: boolean;
  /** Set when events between the asked-for cursor and the first one here no longer exist. */
  readonly gap: StreamGap | null;
  /** Resources whose events the viewer could see until here and no longer may. */
  readonly hidden: readonly string[];
}

export interface StreamGap {
  readonly reason: string;
  /** Cursor of the oldest event that is still there. */
  readonly oldest: string;
}

export type FollowState =
  | { readonly state: 'connecting' }
  /** What was recorded before is coming. */
  | { readonly state: 'catching-up' }
  /** All that was recorded before has been handed over. */
  | { readonly state: 'live' }
  | { readonly state: 'lost'; readonly reason: EventreeClientError; readonly retryInMs: number }
  /** Reason null: the reader left, or the signal fired. */
  | { readonly state: 'ended'; readonly reason: Error | null };

export interface StreamOptions {
  /** `main` where it is left out. */
  readonly journal?: string;
  /** A cursor of this journal, from a stream or a query: what came after it. */
  readonly after?: string | null | undefined;
  /** Where to begin without a cursor; NOW where it is left out. */
  readonly from?: 'BEGINNING' | 'NOW';
  /** Most events in one message; 100 where it is left out. */
  readonly maxBatch?: number;
  /** What to select of each event besides `id` and `cursor`; EVENT_FIELDS where it is left out. */
  readonly fields?: string;
  /** Ends the stream, without an error, and closes its socket at once. */
  readonly signal?: AbortSignal;
  /** Called at each change, while the reader waits for more. */
  readonly onState?: (state: FollowState) => void;
}

export interface FollowOptions extends StreamOptions {
  /**
   * Told that events after the cursor no longer exist, before those that do. Without it, a gap ends the stream
   * with the error GAP: a reader who lacks events does not go on unknowingly.
   */
  readonly onGap?: (gap: StreamGap) => void;
  /** Told the resources whose events may no longer be seen: drop what is held of them. */
  readonly onHidden?: (resources: readonly string[]) => void;
}

/** To be read by `for await`. Leaving the loop closes the connection. */
export interface Following<T> extends AsyncGenerator<T, void, undefined> {
  readonly state: FollowState;
  /** All up to here has been handed over: where another stream would go on. Null before there is any. */
  readonly cursor: string | null;
}

/** The wait before a new attempt lies below 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10, 10, … seconds. */
const BACKOFF = { firstMs: 200, mostMs: 10_000 };
/** A connection that stood for so long, or brought events, was a good one: waits begin anew after it. */
const GOOD_MS = 10_000;
/** Events that are known again: as many as the largest message holds. */
const REMEMBERED = 1_000;

/**
 * The messages of a stream as they come.
 *
 * @throws (from `next`) EventreeClientError where connecting again would not help, e.g. UNAUTHENTICATED,
 *   CURSOR_INVALID, BAD_USER_INPUT.
 */
export function stream<Node>(
  endpoint: StreamEndpoint,
  filter: EventFilter | null,
  options: StreamOptions,
): Following<StreamMessage<Node>> {
  return resume<Node, StreamMessage<Node>>(endpoint, filter, options, (message) => [message]);
}

/** The events of a stream, one by one. @throws (from `next`) as `stream`, and GAP. */
export function follow<Node>(
  endpoint: StreamEndpoint,
  filter: EventFilter | null,
  options: FollowOptions,
): Following<Node & Identified> {
  const { onGap = refuseGap, onHidden = () => {} } = options;
  return resume<Node, Node & Identified>(endpoint, filter, options, function* ({ events, gap, hidden }) {
    if (gap !== null) onGap(gap);
    yield* events;
    // After the events: some of them may be of these resources.
    if (hidden.length > 0) onHidden(hidden);
  });
}

export interface StreamEndpoint extends Endpoint {
  readonly patienceMs: number;
}

function refuseGap({ reason, oldest }: StreamGap): never {
  throw new EventreeClientError('GAP', reason, { facts: { oldest } });
}

/** @param unpack what is handed over of a message, piece by piece. */
function resume<Node, Item extends { readonly cursor: string }>(
  endpoint: StreamEndpoint,
  filter: EventFilter | null,
  options: StreamOptions,
  unpack: (message: StreamMessage<Node>) => Iterable<Item>,
): Following<Item> {
  const { signal: given, onState = () => {}, after = null } = options;
  const leaving = new AbortController();
  const leave = () => leaving.abort();
  const query = streamQuery(options.fields ?? EVENT_FIELDS);
  const withoutRepeats = createSieve<Node & Identified>(REMEMBERED);
  let state: FollowState = { state: 'connecting' };
  let cursor = after;

  function tell(next: FollowState): void {
    if (next.state === state.state && next.state !== 'lost') return;
    state = next;
    onState(next);
  }

  async function* run(): AsyncGenerator<Item, void, undefined> {
    try {
      given?.addEventListener('abort', leave, { once: true });
      if (given?.aborted) leave();
      onState(state);
      yield* connectForEver();
    } catch (error) {
      tell({ state: 'ended', reason: error instanceof Error ? error : null });
      throw error;
    } finally {
      given?.removeEventListener('abort', leave);
      tell({ state: 'ended', reason: null });
    }
  }

  async function* connectForEver(): AsyncGenerator<Item, void, undefined> {
    const { signal } = leaving;
    let refused: string | null = null;
    let refusals = 0;
    for (let failures = 0; !signal.aborted; failures++) {
      let token: string | null | undefined;
      let connectedAt: number | null = null;
      let reason: EventreeClientError;
      try {
        tell({ state: 'connecting' });
        token = await endpoint.tokens.get(refused, signal);
        const operation = { query, variables: variablesOf(filter, options, cursor) };
        for await (const message of messages<Node>({ ...endpoint, token, operation }, signal)) {
          connectedAt ??= performance.now();
          refused = null;
          refusals = 0;
          tell({ state: message.live ? 'live' : 'catching-up' });
          const events = withoutRepeats(message.events);
          if (events.length > 0) failures = 0;
          else if (message.events.length > 0 && message.gap === null && message.hidden.length === 0) continue;
          for (const item of unpack({ ...message, events })) {
            if (signal.aborted) return;
            cursor = item.cursor;
            yield item;
          }
          cursor = message.cursor;
          if (signal.aborted) return;
        }
        reason = new EventreeClientError('UNREACHABLE', 'The server ended the stream.');
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof EventreeClientError)) throw error;
        if (error.code === 'UNAUTHENTICATED' && token !== undefined) {
          // A second token that is refused, with no message between the two: there is no good one.
          if (!endpoint.tokens.renewable || ++refusals === 2) throw error;
          refused = token;
        } else if (!mayPass(error)) throw error;
        reason = error;
      }
      if (signal.aborted) return;
      if (connectedAt !== null && performance.now() - connectedAt > GOOD_MS) failures = 0;
      const retryInMs = delayBefore(failures, BACKOFF, reason);
      tell({ state: 'lost', reason, retryInMs });
      await pause(retryInMs, signal);
    }
  }

  const inner = run();
  return {
    get state(): FollowState {
      const isLeft = leaving.signal.aborted || given?.aborted;
      return isLeft && state.state !== 'ended' ? { state: 'ended', reason: null } : state;
    },
    get cursor() {
      return cursor;
    },
    next: () => inner.next(),
    return(value) {
      leave();
      return inner.return(value as undefined);
    },
    throw(error) {
      leave();
      return inner.throw(error);
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

interface Connection {
  readonly url: string;
  readonly token: string | null;
  readonly operation: { readonly query: string; readonly variables: Record<string, unknown> };
  readonly patienceMs: number;
}

async function* messages<Node>(
  connection: Connection,
  signal: AbortSignal,
): AsyncGenerator<StreamMessage<Node>, void> {
  for await (const { data, errors } of openStream<{ eventStream: StreamMessage<Node> }>(connection, signal)) {
    if (errors !== undefined) throw fromGraphqlErrors(errors);
    if (data == null)
      throw new EventreeClientError('BAD_RESPONSE', 'The stream holds a message without data.');
    yield data.eventStream;
  }
}

/** Leaves out what it has let through before, as far as it remembers. */
function createSieve<T extends Identified>(most: number): (events: readonly T[]) => readonly T[] {
  const seen = new Set<string>();
  return (events) =>
    events.filter(({ id }) => {
      if (seen.has(id)) return false;
      seen.add(id);
      // A Set gives its members in the order in which they came.
      for (const oldest of seen) {
        if (seen.size <= most) break;
        seen.delete(oldest);
      }
      return true;
    });
}

function variablesOf(
  filter: EventFilter | null,
  { journal = 'main', from = 'NOW', maxBatch = 100 }: StreamOptions,
  after: string | null,
): Record<string, unknown> {
  return { journal, filter, after, from, maxBatch };
}

function streamQuery(fields: string): string {
  return `subscription ($journal: String!, $filter: EventFilter, $after: String, $from: StreamStart!, $maxBatch: Int!) {
    eventStream(journal: $journal, filter: $filter, after: $after, from: $from, maxBatch: $maxBatch) {
      events { id cursor ${fields} } cursor live gap { reason oldest } hidden
    }
  }`;
}
