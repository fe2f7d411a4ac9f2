/**
 * A call for each request that a server of Node.js answers: plain, with Express (or what takes the same
 * middleware), or with Fastify. It begins before the handlers run, who find it by themselves, and ends with the
 * response, whose status it tells, and with the handler, where that gives a promise. The response is not held back by
 * the writing.
 *
 * A client that leaves changes nothing of what was done: the call says so, and keeps what was recorded.
 *
 *     app.use(recordRequests(recorder, { actor: (request) => request.user?.claim }));     Express
 *     await app.register(recordFastify(recorder));                                        Fastify
 *     createServer(recordListener(recorder, (request, response) => …));                   plain
 *
 * What the functions of the options look at has to be there already: in Express and Fastify, register this after
 * who signs requests in.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { OpenCall } from './call.ts';
import type { CallOptions, Recorder } from './recorder.ts';
import type { Call } from './scope.ts';
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
  /** Left out, or nothing given: that of the call around it, or else the trace's id, where the request belongs to one. */
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
  /** Resolves when the handler is done that the framework has called; undefined where it does not tell. */
  readonly handled?: () => Promise<unknown> | undefined;
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

/**
 * A listener of `http.createServer`. A request that cannot be recorded is answered with 503.
 *
 * @returns a listener that hands back what the given one does, for Node.js to judge (`events.captureRejections`).
 */
export function recordListener(
  recorder: Recorder,
  listener: (request: IncomingMessage, response: ServerResponse) => unknown,
  options: RequestOptions = {},
): (request: IncomingMessage, response: ServerResponse) => unknown {
  return (request, response) => {
    const asked: Asked<IncomingMessage> = {
      given: request,
      raw: request,
      response,
      address: undefined,
      route: () => undefined,
      failure: () => undefined,
    };
    return recordRequest(recorder, options, asked, (error) => {
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

/** A handler of a route: of a request and a reply, with its instance as `this`. */
type FastifyHandler = (this: never, ...given: never[]) => unknown;

interface FastifyInstance<Request> {
  addHook(name: 'onRoute', hook: (route: { handler: FastifyHandler }) => void): unknown;
  addHook(
    name: 'onRequest',
    hook: (request: Request, reply: { readonly raw: ServerResponse }, done: (error?: Error) => void) => void,
  ): unknown;
  addHook(
    name: 'onError',
    hook: (request: Request, reply: unknown, error: Error, done: () => void) => void,
  ): unknown;
}

/** A plugin of Fastify, for all routes of the instance that it is registered on. Register it before them. */
export function recordFastify<Request extends FastifyRequest = FastifyRequest>(
  recorder: Recorder,
  options: RequestOptions<Request> = {},
): (fastify: FastifyInstance<Request>, _: unknown, done: () => void) => void {
  const plugin = (fastify: FastifyInstance<Request>, _: unknown, done: () => void): void => {
    const failures = new WeakMap<IncomingMessage, unknown>();
    const handled = new WeakMap<IncomingMessage, Promise<unknown>>();
    fastify.addHook('onRoute', (route) => {
      const { handler } = route;
      route.handler = function (...given) {
        const going = handler.apply(this, given);
        const [{ raw }] = given as readonly unknown[] as readonly [FastifyRequest];
        const fail = (error: unknown) => void failures.set(raw, error);
        if (going instanceof Promise) handled.set(raw, going.catch(fail));
        return going;
      };
    });
    fastify.addHook('onRequest', (request, reply, next) => {
      const asked: Asked<Request> = {
        given: request,
        raw: request.raw,
        response: reply.raw,
        address: request.ip,
        route: () => request.routeOptions.url,
        failure: () => failures.get(request.raw),
        handled: () => handled.get(request.raw),
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

/** @returns what going on comes to, as far as `next` tells. */
function recordRequest<Request>(
  recorder: Recorder,
  options: RequestOptions<Request>,
  asked: Asked<Request>,
  next: Next,
): unknown {
  let isWanted: boolean;
  try {
    isWanted = isRecorded(options, asked);
  } catch (error) {
    return next(error);
  }
  return isWanted ? callFor(recorder, options, asked, next) : next();
}

/** Settles as what goes on does, and at once: Node.js decides what comes of an error. */
function callFor<Request>(
  recorder: Recorder,
  options: RequestOptions<Request>,
  asked: Asked<Request>,
  next: Next,
): Promise<unknown> {
  return new Promise((resolve) => {
    const goOn = (error?: unknown): Promise<unknown> => {
      const going = (async () => next(error))();
      resolve(going);
      return going;
    };
    void record(recorder, options, asked, goOn);
  });
}

async function record<Request>(
  recorder: Recorder,
  options: RequestOptions<Request>,
  asked: Asked<Request>,
  goOn: (error?: unknown) => Promise<unknown>,
): Promise<void> {
  let goesOn = false;
  try {
    // Listened for at once: the client may leave while the call is being opened.
    const ended = endOf(asked.response);
    const call = await callOptions(recorder, options, asked);
    await recorder.call(nameOf(options, asked), call, async (opened) => {
      goesOn = true;
      await answer(opened, options, asked, ended, goOn());
    });
  } catch (error) {
    // The outcome of a request that went on is in its response.
    if (!goesOn) goOn(error).catch(() => {});
  }
}

/** Resolves when all has been done and answered. @throws what has failed. */
async function answer<Request>(
  call: Call,
  options: RequestOptions<Request>,
  asked: Asked<Request>,
  ended: Promise<void>,
  going: Promise<unknown>,
): Promise<void> {
  const { raw, response, failure, handled } = asked;
  let isAborted = false;
  try {
    const answered = ended.then(() => {
      // Later, what is said to nobody counts as written too.
      isAborted = !response.writableFinished;
    });
    // One that throws may never answer.
    await Promise.all([answered, going]);
    await handled?.();
  } catch (error) {
    // It could not be told, which is no failure of what was to be told.
    if (!isAborted || !isOfAbort(error)) throw error;
  } finally {
    const status = response.headersSent ? response.statusCode : null;
    call.amend({ function: nameOf(options, asked), payload: { status } });
  }
  const failed = failure();
  if (response.statusCode >= 500) {
    const { statusCode } = response;
    throw failed ?? named(`Http${statusCode}`, `${raw.method} was answered with ${statusCode}.`);
  }
  if (!isAborted) return;
  if (failed !== undefined && !isOfAbort(failed) && !isRefusal(failed)) throw failed;
  tellAbort(call);
}

/** A handler's stream to a client who has left. */
function isOfAbort(error: unknown): boolean {
  return (error as NodeJS.ErrnoException | null)?.code === 'ERR_STREAM_PREMATURE_CLOSE';
}

/** As a framework answers it where nobody says otherwise: with a status that blames the client. */
function isRefusal(error: unknown): boolean {
  const { statusCode, status } = (error ?? {}) as { readonly statusCode?: number; readonly status?: number };
  const answered = statusCode || status || 500;
  return answered >= 400 && answered < 500;
}

/** Unlike an error that is thrown, it leaves what was recorded. */
function tellAbort(call: Call): void {
  const error_value = 'The client left before it had the response.';
  // Calls of a recorder are such; that one has an error and has not failed is no matter of applications.
  (call as OpenCall).tell({ error: 'RequestAborted', error_value });
}

function isRecorded<Request>({ filter }: RequestOptions<Request>, { given, raw }: Asked<Request>): boolean {
  return filter?.(given) ?? !READING.includes(raw.method ?? '');
}

/** Resolves when the response has been handed over, or its connection is gone. */
function endOf(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    if (response.closed) return resolve();
    response.once('close', () => resolve());
  });
}

async function callOptions<Request>(
  recorder: Recorder,
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
  const around = recorder.current()?.call.correlationId ?? null;
  const correlation = correlationId ?? (around === null ? trace?.traceId : null);
  return {
    ...(actor != null && { actor }),
    ...(activeClaim != null && { activeClaim }),
    ...(session != null && { session }),
    ...(correlation != null && { correlationId: correlation }),
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
