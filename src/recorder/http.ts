/**
 * A call for each request that a server of Node.js answers: plain, with Express (or what takes the same
 * middleware), or with Fastify. It begins before the handlers run, who find it by themselves, and ends with the
 * response, whose status it tells. The response is not held back by the writing.
 *
 *     app.use(recordRequests(recorder, { actor: (request) => request.user?.claim }));     Express
 *     await app.register(recordFastify(recorder));                                        Fastify
 *     createServer(recordListener(recorder, (request, response) => …));                   plain
 *
 * What the functions of the options look at has to be there already: in Express and Fastify, register this after
 * who signs requests in.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { CallOptions, Recorder } from './recorder.ts';
import type { Session } from './session.ts';
import { readTrace } from './trace.ts';

type Of<Request, Value> = (request: Request) => Value | null | undefined | Promise<Value | null | undefined>;

export interface RequestOptions<Request = IncomingMessage> {
  /** Which requests are recorded; left out: all but GET, HEAD and OPTIONS. */
  readonly filter?: (request: Request) => boolean;
  /** Left out: `POST /transfers/:id` by the route that was found, otherwise by the path. */
  readonly name?: (request: Request) => string;
  /** Who asks: `user/jane`. */
  readonly actor?: Of<Request, string>;
  readonly activeClaim?: Of<Request, string>;
  /** Or its id. */
  readonly session?: Of<Request, Session | string>;
  /** Left out, or nothing given: the trace's id, where the request belongs to one. */
  readonly correlationId?: Of<Request, string>;
  readonly params?: Of<Request, unknown>;
  /** Left out: what the framework says, which knows of proxies, or the other end of the connection. */
  readonly address?: (request: Request) => string | null | undefined;
  /** False: nothing is left of a request within which the process ends. */
  readonly marker?: boolean;
}

const READING = ['GET', 'HEAD', 'OPTIONS'];
const MOST_NAME_CHARS = 200;
const MOST_PATH_CHARS = 1_000;

/** Goes on with the request; with an error, where it cannot be recorded. */
type Next = (error?: unknown) => unknown;

/** What is known of a request without knowing the framework. */
interface Asked<Request> {
  /** What the functions of the options are given. */
  readonly given: Request;
  readonly raw: IncomingMessage;
  readonly response: ServerResponse;
  readonly address: string | undefined;
  /** Known when it has been found: `/transfers/:id`. */
  readonly route: () => string | undefined;
  /** What a handler has thrown, where the framework tells. */
  readonly failure: () => unknown;
}

/** Express puts them there. */
interface ExpressRequest {
  readonly originalUrl?: string;
  readonly baseUrl?: string;
  readonly ip?: string | undefined;
  readonly route?: { readonly path?: unknown };
}

/** Middleware of Express, Connect and their like. */
export function recordRequests<Request extends IncomingMessage = IncomingMessage>(
  recorder: Recorder,
  options: RequestOptions<Request> = {},
): (request: Request, response: ServerResponse, next: Next) => void {
  return (request, response, next) => {
    const of: Request & ExpressRequest = request;
    const asked: Asked<Request> = {
      given: request,
      raw: request,
      response,
      address: of.ip,
      route: () => {
        const path = of.route?.path;
        return typeof path === 'string' ? (of.baseUrl ?? '') + path : undefined;
      },
      failure: () => undefined,
    };
    recordRequest(recorder, options, asked, next);
  };
}

/** A listener of `http.createServer`. A request that cannot be recorded is answered with 503. */
export function recordListener(
  recorder: Recorder,
  listener: (request: IncomingMessage, response: ServerResponse) => unknown,
  options: RequestOptions = {},
): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) => {
    const asked: Asked<IncomingMessage> = {
      given: request,
      raw: request,
      response,
      address: undefined,
      route: () => undefined,
      failure: () => undefined,
    };
    recordRequest(recorder, options, asked, (error) => {
      if (error === undefined) return listener(request, response);
      return response.writeHead(503, { 'content-type': 'text/plain' }).end('Service Unavailable\n');
    });
  };
}

/** What is used of Fastify. */
interface FastifyRequest {
  readonly raw: IncomingMessage;
  readonly ip: string;
  readonly routeOptions: { readonly url?: string | undefined };
}

interface FastifyInstance<Request> {
  addHook(
    name: 'onRequest',
    hook: (request: Request, reply: { readonly raw: ServerResponse }, done: (error?: Error) => void) => void,
  ): unknown;
  addHook(
    name: 'onError',
    hook: (request: Request, reply: unknown, error: Error, done: () => void) => void,
  ): unknown;
}

/** A plugin of Fastify, for all routes of the instance that it is registered on. */
export function recordFastify<Request extends FastifyRequest = FastifyRequest>(
  recorder: Recorder,
  options: RequestOptions<Request> = {},
): (fastify: FastifyInstance<Request>, _: unknown, done: () => void) => void {
  const plugin = (fastify: FastifyInstance<Request>, _: unknown, done: () => void): void => {
    const failures = new WeakMap<IncomingMessage, Error>();
    fastify.addHook('onRequest', (request, reply, next) => {
      const asked: Asked<Request> = {
        given: request,
        raw: request.raw,
        response: reply.raw,
        address: request.ip,
        route: () => request.routeOptions.url,
        failure: () => failures.get(request.raw),
      };
      // Fastify takes what has no `then` for an error only where it is one.
      recordRequest(recorder, options, asked, (error) => next(error as Error | undefined));
    });
    fastify.addHook('onError', (request, _, error, next) => {
      failures.set(request.raw, error);
      next();
    });
    done();
  };
  // By this, Fastify gives the hooks to the instance itself and not to one of their own below it.
  return Object.assign(plugin, { [Symbol.for('skip-override')]: true });
}

function recordRequest<Request>(
  recorder: Recorder,
  options: RequestOptions<Request>,
  asked: Asked<Request>,
  next: Next,
): void {
  let isWanted: boolean;
  try {
    isWanted = isRecorded(options, asked);
  } catch (error) {
    next(error);
    return;
  }
  if (isWanted) void callFor(recorder, options, asked, next);
  else next();
}

async function callFor<Request>(
  recorder: Recorder,
  options: RequestOptions<Request>,
  asked: Asked<Request>,
  next: Next,
): Promise<void> {
  const { raw, response, failure } = asked;
  let goesOn = false;
  try {
    // Listened for at once: the client may leave while the call is being opened.
    const ended = endOf(response);
    const call = await callOptions(options, asked);
    await recorder.call(nameOf(options, asked), call, async (opened) => {
      goesOn = true;
      const thrown = await Promise.race([ended, goOn(next)]);
      const { statusCode, headersSent, writableFinished } = response;
      const status = headersSent ? statusCode : null;
      opened.amend({ function: nameOf(options, asked), payload: { status } });
      if (thrown !== undefined) throw thrown.error;
      if (!writableFinished) throw named('RequestAborted', 'The client left before it had the response.');
      if (statusCode >= 500) {
        throw failure() ?? named(`Http${statusCode}`, `${raw.method} was answered with ${statusCode}.`);
      }
    });
  } catch (error) {
    // The outcome of a request that went on is in its response.
    if (!goesOn) next(error);
  }
}

function isRecorded<Request>({ filter }: RequestOptions<Request>, { given, raw }: Asked<Request>): boolean {
  return filter?.(given) ?? !READING.includes(raw.method ?? '');
}

/** Resolves when the response has been handed over, or its connection is gone. */
function endOf(response: ServerResponse): Promise<undefined> {
  return new Promise((resolve) => {
    if (response.closed) return resolve(undefined);
    response.once('close', () => resolve(undefined));
  });
}

/** Resolves with what a handler throws, if it ever does. It is thrown on: Node.js decides what comes of it. */
function goOn(next: Next): Promise<{ readonly error: unknown }> {
  return new Promise((resolve) => {
    const handle = async () => next();
    handle().catch((error) => {
      resolve({ error });
      throw error;
    });
  });
}

async function callOptions<Request>(
  options: RequestOptions<Request>,
  { given, raw, address }: Asked<Request>,
): Promise<CallOptions> {
  const { marker } = options;
  const trace = readTrace(raw.headers.traceparent);
  const [actor, activeClaim, session, correlationId, params] = await Promise.all([
    options.actor?.(given),
    options.activeClaim?.(given),
    options.session?.(given),
    options.correlationId?.(given),
    options.params?.(given),
  ]);
  return {
    ...(actor != null && { actor }),
    ...(activeClaim != null && { activeClaim }),
    ...(session != null && { session }),
    correlationId: correlationId ?? trace?.traceId ?? null,
    ...(params != null && { params }),
    ...(marker !== undefined && { marker }),
    payload: {
      method: raw.method,
      path: pathOf(raw),
      address: options.address?.(given) ?? address ?? raw.socket.remoteAddress ?? null,
      ...(trace !== null && { traceparent: trace.traceparent }),
    },
  };
}

function nameOf<Request>({ name }: RequestOptions<Request>, { given, raw, route }: Asked<Request>): string {
  return name?.(given) ?? `${raw.method} ${route() ?? pathOf(raw)}`.slice(0, MOST_NAME_CHARS);
}

/** Without what is asked for behind it, which may hold secrets. */
function pathOf(raw: IncomingMessage & ExpressRequest): string {
  const [path = ''] = (raw.originalUrl ?? raw.url ?? '').split('?', 1);
  return path.slice(0, MOST_PATH_CHARS);
}

function named(name: string, message: string): Error {
  return Object.assign(new Error(message), { name });
}
