/**
 * The WebSocket door: the graphql-transport-ws protocol by graphql-ws, over `ws`.
 *
 * A faulty operation is answered by an `error` for that operation: nothing a client sends in one of its
 * subscriptions may end the others. Why a socket is closed is said in words of our own, never by the
 * message of whatever was thrown.
 *
 * A socket's messages are sent one after the other, each when the one before has been taken: a stream is
 * read no faster than its client reads.
 */
import { randomUUID } from 'node:crypto';
import type { Server as HttpServer, IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { CloseCode, handleProtocols, makeServer, type Server } from 'graphql-ws';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Principal } from '../access/principal.ts';
import { EventreeError, logged } from '../base/errors.ts';
import { createFormat, type Door, formatResult, isHostAllowed, isOriginAllowed } from './door.ts';

export interface WsDoor {
  readonly sockets: number;
  /** Sends every client away, to come back elsewhere; cuts off those that have not gone in time. */
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
/** Clients come back after these: the server goes away, or is unwell for a moment. */
const GOING_AWAY = 1001;
const TRY_AGAIN_LATER = 1013;

export function openWsDoor(http: HttpServer, door: Door): WsDoor {
  const { origins, maxRequestBytes, metrics, logger } = door;
  const sockets = new WebSocketServer({ noServer: true, maxPayload: maxRequestBytes, handleProtocols });
  const graphql = createGraphqlServer(door);

  http.on('upgrade', (request: IncomingMessage, stream: Duplex, head: Buffer) => {
    const { host, origin } = request.headers;
    const [path] = (request.url ?? '').split('?', 1);
    stream.on('error', () => stream.destroy());
    if (path !== PATH) return refuse(stream, '404 Not Found');
    if (!isHostAllowed(origins, host) || !isOriginAllowed(origins, origin, host))
      return refuse(stream, '403 Forbidden');
    sockets.handleUpgrade(request, stream, head, (socket) => welcome(socket));
  });

  function welcome(socket: WebSocket): void {
    metrics.sockets.inc();
    socket.on('error', (error) => logger.debug({ error: error.message }, 'socket error'));
    const stopPinging = keepAlive(socket);
    const closed = graphql.opened(
      {
        protocol: socket.protocol,
        send: (data) => send(socket, data),
        close: (code, reason) => socket.close(code, reason),
        onMessage(take) {
          socket.on('message', (data) => {
            take(String(data)).catch((error: unknown) => {
              logger.error(logged(error), 'socket failed');
              socket.close(CloseCode.InternalServerError, 'Something unexpected went wrong.');
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
    get sockets() {
      return sockets.clients.size;
    },
    async close(withinMs) {
      for (const socket of sockets.clients)
        socket.close(GOING_AWAY, 'The server is stopping: connect again.');
      const impatience = setTimeout(() => {
        for (const socket of sockets.clients) socket.terminate();
      }, withinMs);
      await new Promise<void>((resolve) => sockets.close(() => resolve()));
      clearTimeout(impatience);
    },
  };
}

function createGraphqlServer(door: Door): Server<Extra> {
  const { authenticate, policy, metrics } = door;
  const format = createFormat(door);

  return makeServer<Record<string, unknown>, Extra>({
    connectionInitWaitTimeout: INIT_WAIT_MS,

    async onConnect({ connectionParams, extra }) {
      const { authorization, Authorization } = connectionParams ?? {};
      const given = authorization ?? Authorization;
      try {
        extra.principal = await authenticate(typeof given === 'string' ? given : undefined);
        return true;
      } catch (error) {
        const { code, message } = error instanceof EventreeError ? error : { code: '', message: '' };
        if (code === 'UNAUTHENTICATED') extra.socket.close(CloseCode.Forbidden, message);
        else extra.socket.close(TRY_AGAIN_LATER, 'Tokens cannot be checked right now.');
        return false;
      }
    },

    async onSubscribe({ extra }, _id, { query, operationName, variables }) {
      // Nothing is subscribed before the connection is acknowledged, and so has a principal.
      return policy.prepare({ query, operationName, variables }, extra.principal as Principal);
    },

    onNext({ extra }, id, _payload, _args, result) {
      metrics.delivered.inc();
      return formatResult(result, (error) => format(error, `${extra.id}/${id}`));
    },

    onError: ({ extra }, id, _payload, errors) => errors.map((error) => format(error, `${extra.id}/${id}`)),
  });
}

/** Resolves when the socket has handed the message on; at once if it is closing. */
function send(socket: WebSocket, data: string): Promise<void> {
  return new Promise((resolve) => {
    if (socket.readyState !== socket.OPEN) resolve();
    else socket.send(data, () => resolve());
  });
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
