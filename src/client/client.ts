/**
 * A client of one server: requests over HTTP, streams over WebSocket. Knows the public API only, and runs
 * wherever there is `fetch` and, for streams, a WebSocket: in browsers and in Node.js.
 */
import type { EventNode, Identified, NewEvent } from './event.ts';
import type { EventFilter } from './filter.ts';
import {
  type Following,
  type FollowOptions,
  follow,
  type StreamMessage,
  type StreamOptions,
  stream,
} from './follow.ts';
import { type EventPage, type PageOptions, readPage } from './page.ts';
import { type Recorded, type RecordOptions, record } from './record.ts';
import { ask, type Endpoint } from './request.ts';
import { createTokens, type TokenSource } from './token.ts';

export interface ClientOptions {
  /** e.g. `http://127.0.0.1:4000/graphql`; the path may be left out. In a browser it may be relative. */
  readonly url: string;
  /** Left out or null: `group/anonymous`. */
  readonly token?: string | null | TokenSource;
  /**
   * How long a stream's server may take to open the connection and to answer a ping, which is sent as often;
   * 10 s where it is left out. A connection that has died without a word is noticed within twice that.
   */
  readonly patienceMs?: number;
}

/**
 * A text of GraphQL that knows what it asks for and what is answered, as GraphQL Code Generator makes them
 * with `documentMode: 'string'`.
 */
export interface TypedText<Data, Variables> {
  toString(): string;
  readonly __apiType?: (variables: Variables) => Data;
}

export interface QueryOptions {
  readonly signal?: AbortSignal;
}

export interface Client {
  readonly url: string;
  /**
   * Runs a query or a mutation, once, and answers its data.
   *
   * @throws EventreeClientError with the code of the first error in the answer, if there is any. The
   *   signal's reason when it fires.
   */
  query<Data = unknown, Variables extends object = Readonly<Record<string, unknown>>>(
    document: string | TypedText<Data, Variables>,
    variables?: NoInfer<Variables>,
    options?: QueryOptions,
  ): Promise<Data>;
  /** A page of events, newest first unless asked otherwise. @throws as `query`. */
  events<Node = EventNode>(filter?: EventFilter | null, options?: PageOptions): Promise<EventPage<Node>>;
  /**
   * Records an event, or several: all or none, in this order, acknowledged only once committed. What is
   * passing (no answer, UNAVAILABLE, RATE_LIMITED, INTERNAL_SERVER_ERROR) is tried again under the same ids
   * for `withinMs`.
   *
   * @throws EventreeClientError with the server's code where it refuses, and `facts.index` for which of the
   *   events; the last failure when time is over. `facts.ids` is there where it is not known whether the
   *   events were recorded: sent again under these ids they are not recorded twice. The signal's reason when
   *   it fires.
   */
  record<Node = EventNode>(event: NewEvent, options?: RecordOptions): Promise<Recorded<Node>>;
  record<Node = EventNode>(events: readonly NewEvent[], options?: RecordOptions): Promise<Recorded<Node>[]>;
  /**
   * The events that match, one by one, without end: those after `after`, then those that happen.
   *
   *     for await (const event of client.follow({ type: { eq: 'note' } })) console.log(event.message);
   *
   * To go on after the program has ended, keep `event.cursor` and give it as `after`.
   *
   * @throws (from the loop) EventreeClientError where connecting again would not help; see follow.ts.
   */
  follow<Node = EventNode>(
    filter?: EventFilter | null,
    options?: FollowOptions,
  ): Following<Node & Identified>;
  /** The same as the stream's messages, with their checkpoints, gaps and what is hidden. */
  stream<Node = EventNode>(
    filter?: EventFilter | null,
    options?: StreamOptions,
  ): Following<StreamMessage<Node>>;
}

const PATIENCE_MS = 10_000;

/** @throws TypeError for a URL that is none. */
export function createClient(options: ClientOptions): Client {
  const { token = null, patienceMs = PATIENCE_MS } = options;
  const url = absolute(options.url);
  const endpoint: Endpoint = { url, tokens: createTokens(token) };

  async function recordGiven<Node>(given: NewEvent | readonly NewEvent[], options: RecordOptions = {}) {
    if (isList(given)) return record<Node>(endpoint, given, options);
    const [event] = await record<Node>(endpoint, [given], options);
    return event;
  }

  return {
    url,
    query: (document, variables, options) =>
      ask(endpoint, { query: String(document), variables: { ...variables } }, options),
    events: (filter = null, options = {}) => readPage(endpoint, filter, options),
    // One for one and a list for a list, which overloads can say and a function cannot.
    record: recordGiven as Client['record'],
    follow: (filter = null, options = {}) => follow({ ...endpoint, patienceMs }, filter, options),
    stream: (filter = null, options = {}) => stream({ ...endpoint, patienceMs }, filter, options),
  };
}

function isList(given: NewEvent | readonly NewEvent[]): given is readonly NewEvent[] {
  return Array.isArray(given);
}

function absolute(given: string): string {
  const { location } = globalThis as { location?: { readonly href: string } };
  const url = new URL(given, location?.href);
  if (url.pathname === '/') url.pathname = '/graphql';
  return url.href;
}
