/**
 * Following a journal over whatever happens to the connection: each event once, in order, for ever.
 *
 *     connecting ──first message──▶ connected ──breaks, server stops──▶ lost ──jittered wait──▶ connecting
 *         └──────── refused: token, filter or cursor is not accepted ────────▶ throws
 *
 * The cursor moves when the reader comes back for the next message, so what was handed over and what is
 * asked for after a break fit together: nothing is lost and nothing comes twice. Before the first message
 * there is no cursor yet: a stream that begins at NOW and breaks that early begins at the NOW of the next
 * connection.
 */
import { abortable } from '../base/abortable.ts';
import { nextDelay, pause } from '../base/retry.ts';
import { openStream } from './connection.ts';
import { EventreeClientError, fromGraphqlErrors, isPassing } from './errors.ts';
import { EVENT_FIELDS } from './event.ts';

export interface StreamMessage<Node> {
  readonly events: readonly Node[];
  /** Resume from here. */
  readonly cursor: string;
  /** False while catching up with what was recorded before. */
  readonly live: boolean;
  /** Set when events between the asked-for cursor and the first one here no longer exist. */
  readonly gap: { readonly reason: string; readonly oldest: string } | null;
  /** Resources whose events the viewer could see until here and no longer may. */
  readonly hidden: readonly string[];
}

export type ConnectionState =
  | { readonly state: 'connected' }
  | { readonly state: 'lost'; readonly reason: EventreeClientError; readonly retryInMs: number };

export interface FollowRequest {
  /** `main` where it is left out. */
  readonly journal?: string;
  /** An `EventFilter` of the API. */
  readonly filter?: Readonly<Record<string, unknown>> | null;
  /** A cursor of this journal: what came after it. */
  readonly after?: string | null;
  /** Where to begin without a cursor; NOW where it is left out. */
  readonly from?: 'BEGINNING' | 'NOW';
  /** Most events in one message; 100 where it is left out. */
  readonly maxBatch?: number;
  /** What to select of each event; EVENT_FIELDS where it is left out. */
  readonly fields?: string;
  /** Ends the stream, without an error. */
  readonly signal?: AbortSignal;
  readonly onState?: (state: ConnectionState) => void;
}

export interface Endpoint {
  readonly url: string;
  readonly token: () => Promise<string | null>;
  /** Whether the token may be another one next time. */
  readonly renewable: boolean;
}

/** The wait before a new attempt lies below 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10, 10, … seconds. */
const BACKOFF = { firstMs: 200, mostMs: 10_000 };

/**
 * Ends when the signal fires or the reader leaves.
 *
 * @throws EventreeClientError where connecting again would not help, e.g. UNAUTHENTICATED, CURSOR_INVALID.
 */
export function follow<Node>(
  endpoint: Endpoint,
  request: FollowRequest,
): AsyncGenerator<StreamMessage<Node>, void> {
  const { signal: given, onState = () => {}, after: start = null } = request;
  const query = streamQuery(request.fields ?? EVENT_FIELDS);

  return abortable(async function* (leaving) {
    const signal = given === undefined ? leaving : AbortSignal.any([given, leaving]);
    let after = start;
    for (let failures = 0; !signal.aborted; failures++) {
      let isConnected = false;
      let reason: EventreeClientError;
      try {
        const variables = variablesOf(request, after);
        for await (const message of messages<Node>(endpoint, { query, variables }, signal)) {
          if (!isConnected) onState({ state: 'connected' });
          isConnected = true;
          failures = 0;
          yield message;
          after = message.cursor;
        }
        reason = new EventreeClientError('UNREACHABLE', 'The server ended the stream.');
      } catch (error) {
        if (!(error instanceof EventreeClientError)) throw error;
        if (!mayComeBack(error, endpoint.renewable && isConnected)) throw error;
        reason = error;
      }
      if (signal.aborted) return;
      const retryInMs = nextDelay(failures, BACKOFF);
      onState({ state: 'lost', reason, retryInMs });
      await pause(retryInMs, signal);
    }
  });
}

/** @param renewed whether the next connection has another token than the one that was good until now. */
function mayComeBack(error: EventreeClientError, renewed: boolean): boolean {
  if (error.code === 'UNAUTHENTICATED') return renewed;
  return isPassing(error) || error.code === 'INTERNAL_SERVER_ERROR';
}

async function* messages<Node>(
  { url, token }: Endpoint,
  operation: { query: string; variables: Record<string, unknown> },
  signal: AbortSignal,
): AsyncGenerator<StreamMessage<Node>, void> {
  const results = openStream<{ eventStream: StreamMessage<Node> }>(
    { url, token: await token(), operation },
    signal,
  );
  for await (const { data, errors } of results) {
    if (errors !== undefined) throw fromGraphqlErrors(errors);
    if (data == null)
      throw new EventreeClientError('BAD_RESPONSE', 'The stream holds a message without data.');
    yield data.eventStream;
  }
}

function variablesOf(
  { journal = 'main', filter = null, from = 'NOW', maxBatch = 100 }: FollowRequest,
  after: string | null,
): Record<string, unknown> {
  return { journal, filter, after, from, maxBatch };
}

function streamQuery(fields: string): string {
  return `subscription ($journal: String!, $filter: EventFilter, $after: String, $from: StreamStart!, $maxBatch: Int!) {
    eventStream(journal: $journal, filter: $filter, after: $after, from: $from, maxBatch: $maxBatch) {
      events { ${fields} } cursor live gap { reason oldest } hidden
    }
  }`;
}
