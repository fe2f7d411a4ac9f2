/**
 * GraphQL over Server-Sent Events, "distinct connections mode" of the protocol by the graphql-sse library:
 * one request, one stream of `next` events and a `complete` at its end.
 *
 * A stream is read as fast as the client takes it: nothing is fetched for one that has stalled, and one
 * that has stalled for long is cut off, to come back when it can.
 */
import type { ServerResponse } from 'node:http';
import { type ExecutionResult, subscribe } from 'graphql';
import { execute } from '../graphql/execution.ts';
import { RETRY_AFTER_SECONDS, TOO_MANY_CONNECTIONS } from './admission.ts';
import type { Envelope } from './block.ts';
import { createFormat, type Door, formatResult, isSubscription } from './door.ts';
import { type GraphqlRequest, isMutationByGet, MUTATION_BY_GET, readParams } from './graphql-request.ts';
import { Outbox } from './outbox.ts';

export async function answerBySse(
  request: GraphqlRequest,
  response: ServerResponse,
  door: Door,
): Promise<void> {
  const { policy, admission, keepAlive, metrics, stopping } = door;
  const { principal, requestId } = request.context;
  const format = (error: unknown) => createFormat(door)(error, requestId);
  const print = (result: ExecutionResult) => JSON.stringify(formatResult(result, format));
  const outbox = new Outbox({
    stream: response,
    isOpen: () => !response.closed && !response.writableEnded,
    onWritten: (messages) => metrics.delivered.inc(messages),
  });
  let isStream = false;
  const results = await start();
  if (results === null) return;

  const leave = () => void results.return(undefined);
  // It may have gone while its subscription was opened.
  if (response.closed) return leave();
  response.on('close', leave);
  stopping.addEventListener('abort', leave, { once: true });
  response.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-cache, no-transform',
    'x-accel-buffering': 'no',
  });
  response.write(':\n\n');
  const stopWatching = keepAlive.watch({
    connection: request.raw.socket,
    ping: () => response.write(':\n\n'),
    onStalled: () => response.destroy(),
  });
  try {
    for await (const result of results) {
      if (response.closed) return;
      if (isStream) metrics.delivered.inc();
      outbox.flush();
      await send(response, `event: next\ndata: ${print(result)}\n\n`);
    }
    outbox.flush();
    // A stream that the server breaks off is not complete: its client connects again.
    if (stopping.aborted) response.end();
    else response.end('event: complete\ndata:\n\n');
  } finally {
    stopWatching();
    stopping.removeEventListener('abort', leave);
  }

  /** Null where the request was none that could be answered by a stream, and has been answered. */
  async function start(): Promise<AsyncGenerator<ExecutionResult, unknown> | null> {
    const params = await readParams(request).catch((error: unknown) => refuse(400, error));
    if (params === null) return null;
    if (!('query' in params)) {
      const [, { status, statusText, headers }] = params;
      response.writeHead(status, statusText, headers as Record<string, string>).end();
      return null;
    }
    const prepared = policy.prepare(params, principal, () => ({ wire: outbox.wire(ENVELOPE), print }));
    if (!('schema' in prepared)) return only({ errors: prepared });
    if (isMutationByGet(prepared, request.method)) return refuse(405, MUTATION_BY_GET);
    if (!isSubscription(prepared)) {
      const stopTimer = metrics.operations.startTimer({ door: 'sse' });
      return only(await Promise.resolve(execute(prepared)).finally(stopTimer));
    }
    if (response.closed) return null;
    if (!admission.fromAddress(request.raw, response) || !admission.asPrincipal(principal, response)) {
      response.setHeader('retry-after', RETRY_AFTER_SECONDS);
      return refuse(429, TOO_MANY_CONNECTIONS);
    }
    const opened = await subscribe(prepared);
    isStream = Symbol.asyncIterator in opened;
    return isStream ? (opened as AsyncGenerator<ExecutionResult>) : only(opened as ExecutionResult);
  }

  function refuse(status: number, error: unknown): null {
    const body = JSON.stringify({ errors: [format(error)] });
    response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' }).end(body);
    return null;
  }
}

async function* only(result: ExecutionResult): AsyncGenerator<ExecutionResult, void> {
  yield result;
}

const HEAD = Buffer.from('event: next\ndata: ');
const TAIL = Buffer.from('\n\n');

const ENVELOPE: Envelope = {
  size: (payload) => HEAD.length + payload.length + TAIL.length,
  write(into, start, payload) {
    let at = start;
    for (const part of [HEAD, payload, TAIL]) {
      into.set(part, at);
      at += part.length;
    }
    return at;
  },
  isLike: (other) => other === ENVELOPE,
  // A response is of one subscription and names none.
  readdress: (_into, at, payload) => at + ENVELOPE.size(payload),
};

/** Resolves when the client has taken it, or is gone. */
async function send(response: ServerResponse, text: string): Promise<void> {
  if (response.write(text) || response.closed) return;
  await new Promise<void>((resolve) => {
    const done = () => {
      response.off('drain', done).off('close', done);
      resolve();
    };
    response.on('drain', done).on('close', done);
  });
}
