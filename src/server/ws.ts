/**
 * The WebSocket door: the graphql-transport-ws protocol by graphql-ws, over `ws`.
 *
 * A faulty operation is answered by an `error` for that operation: nothing a client sends in one of its
 * subscriptions may end the others. Why a socket is closed is said in words of our own, never by the
 * message of whatever was thrown.
 *
 * A stream's messages are sent one after the other, and little is fetched ahead of what the network takes:
 * it is read no faster than its client reads. Nor may a client ask without end and not read the answers.
 */
import { randomUUID } from 'node:crypto';
import type { Server as HttpServer, IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { execute } from 'graphql';
import { CloseCode, handleProtocols, makeServer, type Server } from 'graphql-ws';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Principal } from '../access/principal.ts';
import { EventreeError, logged, messageOf } from '../base/errors.ts';
import { pause } from '../base/retry.ts';
import { refusal } from '../graphql/errors.ts';
import {
  createFormat,
  type Door,
  formatResult,
  identify,
  isHostAllowed,
  isOriginAllowed,
  isSubscription,
} from './door.ts';

export interface WsDoor {
  /**
   * Answers the queries and mutations under way, then sends every client away, to come back elsewhere;
   * cuts off those that have not gone in time.
   */
  close(withinMs: number): Promise<void>;
}

interface Extra {
  /** By which the log knows the socket. */
  readonly id: string;
  readonly socket: WebSocket;
  principal: Principal | null;
}

const PATH = '/graphql';
const PING_INTERVAL_MS = 15_000;
const INIT_WAIT_MS = 5_000;
/** Operations that are open at a time on one socket. */
const MAX_OPERATIONS = 1_000;
/** Nothing more is read from a client while it leaves so much unread itself. */
const MAX_UNREAD_BYTES = 1_048_576;
/** Waiting to be sent, below which a stream's next message is fetched already. */
const MAX_WAITING_BYTES = 65_536;
/** Room for a reason in a close frame. */
const MAX_REASON_BYTES = 123;
/** Clients come back after these: the server goes away, or is unwell for a moment. */
const GOING_AWAY = 1001;
const TRY_AGAIN_LATER = 1013;

export function openWsDoor(http: HttpServer, door: Door): WsDoor {
  const { origins, maxRequestBytes, metrics, logger } = door;
  const sockets = new WebSocketServer({ noServer: true, maxPayload: maxRequestBytes, handleProtocols });
  /** Queries and mutations under way. */
  const answering = new Set<Promise<unknown>>();
  const graphql = createGraphqlServer(door, answering);

  http.on('upgrade', (request: IncomingMessage, stream: Duplex, head: Buffer) => {
    const { host, origin } = request.headers;
    const [path] = (request.url ?? '').split('?', 1);
    stream.on('error', () => stream.destroy());
    if (path !== PATH) return refuse(stream, '404 Not Found');
    if (!isHostAllowed(origins, host) || !isOriginAllowed(origins, origin, host))
      return refuse(stream, '403 Forbidden');
    sockets.handleUpgrade(request, stream, head, (socket) => welcome(socket, stream));
  });

  function welcome(socket: WebSocket, stream: Duplex): void {
    metrics.sockets.inc();
    socket.on('error', (error) => logger.debug({ error: error.message }, 'socket error'));
    const stopPinging = keepAlive(socket);
    const holdBack = () => {
      if (socket.bufferedAmount > MAX_UNREAD_BYTES) socket.pause();
    };
    socket.on('ping', holdBack);
    const closed = graphql.opened(
      {
        protocol: socket.protocol,
        send: (data) => send(socket, stream, data),
        close: (code, reason) => closeFor(socket, code, reason),
        onMessage(take) {
          socket.on('message', (data) => {
            holdBack();
            take(String(data)).catch((error: unknown) => {
              // What graphql-ws throws for a message before its time; it has no class of its own.
              if (messageOf(error).startsWith('Unexpected message of type')) {
                return closeFor(socket, CloseCode.BadRequest, 'Invalid message received');
              }
              logger.error(logged(error), 'socket failed');
              closeFor(socket, CloseCode.InternalServerError, 'Something unexpected went wrong.');
            });
          });
        },
      },
      { id: randomUUID(), socket, principal: null },
    );
    socket.once('close', (code, reason) => {
      metrics.sockets.dec();
      stopPinging();
      void closed(code, String(reason));
    });
  }

  return {
    async close(withinMs) {
      const impatience = setTimeout(() => {
        for (const socket of sockets.clients) socket.terminate();
      }, withinMs);
      const answered = new AbortController();
      void Promise.allSettled(answering).then(() => answered.abort());
      await pause(withinMs, answered.signal);
      // An answer is handed to its socket in the same turn in which it is found.
      await setImmediate();
      for (const socket of sockets.clients) {
        closeFor(socket, GOING_AWAY, 'The server is stopping: connect again.');
      }
      await new Promise<void>((resolve) => sockets.close(() => resolve()));
      clearTimeout(impatience);
    },
  };
}

function createGraphqlServer(door: Door, answering: Set<Promise<unknown>>): Server<Extra> {
  const { policy, metrics, stopping } = door;
  const format = createFormat(door);
  const timing = metrics.operations.labels({ door: 'ws' });

  return makeServer<Record<string, unknown>, Extra>({
    connectionInitWaitTimeout: INIT_WAIT_MS,

    async onConnect({ connectionParams, extra }) {
      const { authorization, Authorization } = connectionParams ?? {};
      try {
        extra.principal = await identify(door, authorization ?? Authorization);
        return true;
      } catch (error) {
        const { code, message } = error instanceof EventreeError ? error : { code: '', message: '' };
        if (code === 'UNAUTHENTICATED') closeFor(extra.socket, CloseCode.Forbidden, message);
        else closeFor(extra.socket, TRY_AGAIN_LATER, 'Tokens cannot be checked right now.');
        return false;
      }
    },

    async onSubscribe({ extra, subscriptions }, _id, { query, operationName, variables }) {
      if (stopping.aborted) return [refusal('UNAVAILABLE', 'The server is stopping: connect again.')];
      if (Object.keys(subscriptions).length > MAX_OPERATIONS) {
        const sentence = `More than ${MAX_OPERATIONS} operations are open on this socket: end some first.`;
        return [refusal('LIMIT_EXCEEDED', sentence)];
      }
      // Nothing is subscribed before the connection is acknowledged, and so has a principal.
      return policy.prepare({ query, operationName, variables }, extra.principal as Principal);
    },

    execute(args) {
      const stopTimer = timing.startTimer();
      const answer = Promise.resolve(execute(args));
      const forget = () => {
        answering.delete(answer);
        stopTimer();
      };
      answering.add(answer);
      answer.then(forget, forget);
      return answer;
    },

    onNext({ extra }, id, _payload, args, result) {
      if (isSubscription(args)) metrics.delivered.inc();
      return formatResult(result, (error) => format(error, `${extra.id}/${id}`));
    },

    onError: ({ extra }, id, _payload, errors) => errors.map((error) => format(error, `${extra.id}/${id}`)),
  });
}

/**
 * Resolves when there is room for more: at once while little waits to be sent, else when this has been.
 * What is sent in one turn, as an answer and its `complete`, goes to the network together.
 */
function send(socket: WebSocket, stream: Duplex, data: string): Promise<void> | undefined {
  if (socket.readyState !== socket.OPEN) return undefined;
  if (stream.writableCorked === 0) {
    stream.cork();
    process.nextTick(() => stream.uncork());
  }
  return new Promise((resolve) => {
    socket.send(data, () => {
      if (socket.isPaused && socket.bufferedAmount <= MAX_UNREAD_BYTES) socket.resume();
      resolve();
    });
    if (socket.bufferedAmount <= MAX_WAITING_BYTES) resolve();
  });
}

/** A reason may name an operation by the client's own id, which may be longer than what a close frame holds. */
function closeFor(socket: WebSocket, code: number | undefined, reason = ''): void {
  let text = reason.slice(0, MAX_REASON_BYTES);
  while (Buffer.byteLength(text) > MAX_REASON_BYTES) text = text.slice(0, -1);
  // The other end's word of farewell wants to be read.
  if (socket.isPaused) socket.resume();
  socket.close(code, text);
}

/** Pings, and ends a socket whose other end has not answered by the next ping. @returns how to stop. */
function keepAlive(socket: WebSocket): () => void {
  let answered = true;
  const timer = setInterval(() => {
    if (!answered) return socket.terminate();
    answered = false;
    socket.ping();
  }, PING_INTERVAL_MS);
  socket.on('pong', () => {
    answered = true;
  });
  return () => clearInterval(timer);
}

function refuse(stream: Duplex, status: string): void {
  stream.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
}
