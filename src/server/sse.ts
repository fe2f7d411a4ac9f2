/**
 * GraphQL over Server-Sent Events, "distinct connections mode" of the protocol by the graphql-sse library:
 * one request, one stream of `next` events and a `complete` at its end.
 *
 * A stream is read as fast as the client takes it: nothing is fetched for one that has stalled.
 */
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { type ExecutionArgs, type ExecutionResult, execute, getOperationAST, subscribe } from 'graphql';
import { parseRequestParams } from 'graphql-http';
import { createFormat, type Door, formatResult } from './door.ts';
import { type GraphqlRequest, malformed } from './http.ts';

const KEEP_ALIVE_MS = 12_000;

export async function answerBySse(
  request: GraphqlRequest,
  response: ServerResponse,
  door: Door,
): Promise<void> {
  const { policy, metrics, stopping } = door;
  const { principal, requestId } = request.context;
  const format = (error: unknown) => createFormat(door)(error, requestId);
  const results = await start();
  if (results === null) return;

  response.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-cache, no-transform',
    'x-accel-buffering': 'no',
  });
  response.write(':\n\n');
  const keepAlive = setInterval(() => response.write(':\n\n'), KEEP_ALIVE_MS);
  const leave = () => void results.return(undefined);
  response.on('close', leave);
  stopping.addEventListener('abort', leave, { once: true });
  try {
    for await (const result of results) {
      if (response.closed) return;
      metrics.delivered.inc();
      await send(response, `event: next\ndata: ${JSON.stringify(formatResult(result, format))}\n\n`);
    }
    // A stream that the server breaks off is not complete: its client connects again.
    if (stopping.aborted) response.end();
    else response.end('event: complete\ndata:\n\n');
  } finally {
    clearInterval(keepAlive);
    stopping.removeEventListener('abort', leave);
  }

  /** Null where the request was none that could be answered by a stream, and has been answered. */
  async function start(): Promise<AsyncGenerator<ExecutionResult, unknown> | null> {
    try {
      const params = await parseRequestParams(request);
      if (!('query' in params)) {
        const [, { status, statusText, headers }] = params;
        response.writeHead(status, statusText, headers as Record<string, string>).end();
        return null;
      }
      const prepared = policy.prepare(params, principal);
      if (!('schema' in prepared)) return only({ errors: prepared });
      return run(prepared, request.method);
    } catch (error) {
      const body = JSON.stringify({ errors: [format(malformed(error))] });
      response.writeHead(400, { 'content-type': 'application/json; charset=utf-8' }).end(body);
      return null;
    }
  }
}

async function run(args: ExecutionArgs, method: string): Promise<AsyncGenerator<ExecutionResult, unknown>> {
  const operation = getOperationAST(args.document, args.operationName)?.operation;
  if (operation === 'mutation' && method === 'GET') throw new Error('a mutation needs POST');
  if (operation !== 'subscription') return only(await execute(args));
  const result = await subscribe(args);
  return Symbol.asyncIterator in result ? (result as AsyncGenerator<ExecutionResult>) : only(result);
}

async function* only(result: ExecutionResult): AsyncGenerator<ExecutionResult, void> {
  yield result;
}

/** Resolves when the client has taken it, or is gone. */
async function send(response: ServerResponse, text: string): Promise<void> {
  if (response.write(text) || response.closed) return;
  await Promise.race([once(response, 'drain'), once(response, 'close')]);
}
