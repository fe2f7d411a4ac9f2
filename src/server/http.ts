/**
 * The HTTP door: GraphQL over HTTP (by graphql-http, which keeps to the specification), GraphQL over SSE,
 * GraphiQL, what operators ask for, and the web UI.
 *
 * Only bodies of type application/json are taken: a form that another site makes a browser send has
 * another type and is refused before anything is run.
 */
import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders, IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { GraphQLError, GraphQLFormattedError } from 'graphql';
import { createHandler, type OperationArgs, type Response } from 'graphql-http';
import type { Principal } from '../access/principal.ts';
import { EventreeError, logged } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { execute } from '../graphql/execution.ts';
import { createFormat, type Door, identify, isHostAllowed, isOriginAllowed } from './door.ts';
import {
  type GraphqlRequest,
  type GraphqlRequestContext,
  isMutationByGet,
  MUTATION_BY_GET,
  readBody,
  readParams,
} from './graphql-request.ts';
import type { Health } from './health.ts';
import { type Route, sendJson } from './route.ts';
import { answerBySse } from './sse.ts';
import type { Web } from './web.ts';

export interface HttpOptions extends Door {
  readonly health: Health;
  /** The page that a browser gets at /graphql. */
  readonly explorer: () => Promise<string>;
  readonly web: Web;
}

export function createHttpListener(options: HttpOptions): RequestListener {
  const { health, logger, metrics, origins, web } = options;
  const routes: Readonly<Record<string, Route>> = {
    '/graphql': createGraphqlRoute(options),
    '/healthz': (_, response) => sendJson(response, 200, { status: 'ok' }),
    '/readyz': async (_, response) => {
      const report = await health.check();
      sendJson(response, report.ready ? 200 : 503, report);
    },
    '/metrics': async (_, response) => {
      const text = await metrics.print();
      response.writeHead(200, { 'content-type': metrics.contentType }).end(text);
    },
  };

  return (request, response) => {
    const path = (request.url ?? '/').split('?', 1)[0] as string;
    const requestId = nameRequest(request, response);
    if (logger.isLevelEnabled('debug')) logWhenAnswered(logger, request, response, path);

    const ofApi = routes[path];
    const route = ofApi ?? web.find(path, request);
    if (!isHostAllowed(origins, request.headers.host)) {
      sendJson(response, 403, {
        error: 'In development mode this server answers to localhost and 127.0.0.1 only.',
      });
    } else if (route === undefined) {
      sendJson(response, 404, {
        error: `There is nothing at ${path}; the web UI is at /, GraphQL at /graphql.`,
      });
    } else if (ofApi === undefined || !answerOrigin(options, request, response)) {
      Promise.resolve(route(request, response)).catch((error: unknown) => {
        // A client that goes before it has sent all of its request is no fault of ours.
        const isGone = request.destroyed && !request.complete;
        logger[isGone ? 'debug' : 'error']({ requestId, ...logged(error) }, 'request failed');
        if (response.headersSent) response.destroy();
        else sendJson(response, 500, { error: 'Something unexpected went wrong.' });
      });
    }
  };
}

function createGraphqlRoute(options: HttpOptions): Route {
  const { limits, metrics, policy } = options;
  const format = createFormat(options);
  const timing = metrics.operations.labels({ door: 'http' });
  // Which request an error belongs to: graphql-http hands on nothing but the error.
  const requestIds = new WeakMap<object, string>();
  const handle = createHandler<IncomingMessage, GraphqlRequestContext>({
    execute,
    parseRequestParams: readParams,
    onSubscribe({ context, method }, params) {
      const prepared = policy.prepare(params, context.principal);
      if ('schema' in prepared && isMutationByGet(prepared, method)) {
        return refuseMutation(format(MUTATION_BY_GET, context.requestId));
      }
      // Its types leave the context out, which is ours alone.
      return prepared as OperationArgs<undefined> | readonly GraphQLError[];
    },
    onOperation({ context, headers }, _args, result) {
      const errors = 'errors' in result ? (result.errors ?? []) : [];
      for (const error of errors) requestIds.set(error, context.requestId);
      const isPlain = 'data' in result && errors.length === 0;
      if (isPlain && JSON_WANTED.has((headers as IncomingHttpHeaders).accept)) {
        return [JSON.stringify(result), { status: 200, statusText: 'OK', headers: JSON_HEADERS }];
      }
      return undefined;
    },
    formatError: (error) => asError(format(error, requestIds.get(error))),
  });

  return async (request, response) => {
    const started = performance.now();
    const requestId = String(response.getHeader('x-request-id'));
    const { accept = '' } = request.headers;
    if (request.method === 'GET' && accept.includes('text/html')) {
      const page = await options.explorer();
      // It may hold a token: no other site shows it as its own.
      response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'x-frame-options': 'DENY' });
      response.end(page);
      return;
    }
    let principal: Principal;
    try {
      principal = await identify(options, request.headers.authorization);
    } catch (error) {
      const isOurs = error instanceof EventreeError && error.code === 'UNAVAILABLE';
      sendJson(response, isOurs ? 503 : 401, { errors: [format(error, requestId)] });
      return;
    }
    const body = await readBody(request, limits.maxRequestBytes);
    if (body instanceof EventreeError) {
      response.setHeader('connection', 'close');
      const status = body.code === 'LIMIT_EXCEEDED' ? 413 : 400;
      sendJson(response, status, { errors: [format(body, requestId)] });
      return;
    }
    const { url = '/', method = 'GET', headers } = request;
    const context = { principal, requestId };
    const incoming: GraphqlRequest = { url, method, headers, body, raw: request, context };
    if (isStreamWanted(accept)) {
      await answerBySse(incoming, response, options);
      return;
    }
    const [answer, init] = await handle(incoming);
    // Said here, because Node.js otherwise sends what follows writeHead in chunks.
    response.setHeader('content-length', answer === null ? 0 : Buffer.byteLength(answer));
    response.writeHead(init.status, init.statusText, init.headers).end(answer);
    timing.observe((performance.now() - started) / 1000);
  };
}

/**
 * What most programs send. The rest is for graphql-http to choose, which goes through each answer once more in search of
 * errors; an answer without them is written here.
 */
const JSON_WANTED: ReadonlySet<string | undefined> = new Set([undefined, '*/*', 'application/json']);
const JSON_HEADERS = { 'content-type': 'application/json; charset=utf-8' } as const;

/** Who takes JSON as well, as urql does for queries, is not made to read a stream of one message. */
function isStreamWanted(accept: string): boolean {
  return accept.includes('text/event-stream') && !/application\/(graphql-response\+)?json/.test(accept);
}

/** The id that log and client know a request by: the one it came with, if that is plain. */
function nameRequest(request: IncomingMessage, response: ServerResponse): string {
  const given = request.headers['x-request-id'];
  const id = typeof given === 'string' && /^[\w.-]{1,64}$/.test(given) ? given : randomUUID();
  response.setHeader('x-request-id', id);
  response.setHeader('x-content-type-options', 'nosniff');
  return id;
}

function logWhenAnswered(
  logger: Logger,
  request: IncomingMessage,
  response: ServerResponse,
  path: string,
): void {
  const started = performance.now();
  const requestId = response.getHeader('x-request-id');
  response.on('close', () => {
    const ms = Math.round(performance.now() - started);
    logger.debug(
      { requestId, method: request.method, path, status: response.statusCode, ms },
      'request answered',
    );
  });
}

/**
 * Cross-origin resource sharing: a browser lets a page read our answers only where we name its origin.
 *
 * @returns whether the request has been answered: it was a preflight, or comes from where it must not.
 */
function answerOrigin({ origins }: Door, request: IncomingMessage, response: ServerResponse): boolean {
  const { origin, host } = request.headers;
  response.setHeader('vary', 'origin');
  if (!isOriginAllowed(origins, origin, host)) {
    sendJson(response, 403, {
      error: `Pages of ${origin} may not call this server: see EVENTREE_ALLOWED_ORIGINS.`,
    });
    return true;
  }
  if (origin !== undefined) {
    response.setHeader('access-control-allow-origin', origin);
    response.setHeader('access-control-expose-headers', 'x-request-id');
  }
  if (request.method !== 'OPTIONS') return false;
  response
    .writeHead(204, {
      'access-control-allow-methods': 'GET, POST',
      'access-control-allow-headers': 'authorization, content-type, x-request-id',
      'access-control-max-age': '600',
    })
    .end();
  return true;
}

function refuseMutation(error: GraphQLFormattedError): Response {
  const headers = { allow: 'POST', 'content-type': 'application/json; charset=utf-8' };
  return [JSON.stringify({ errors: [error] }), { status: 405, statusText: 'Method Not Allowed', headers }];
}

/** graphql-http takes what it then writes as JSON to be an Error. */
function asError(formatted: GraphQLFormattedError): Error {
  return formatted as unknown as Error;
}
