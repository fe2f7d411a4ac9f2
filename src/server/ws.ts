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
import type { Server as HttpServer, IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { CloseCode, handleProtocols, makeServer, type Server } from 'graphql-ws';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Principal } from '../access/principal.ts';
import { EventreeError, logged, messageOf } from '../base/errors.ts';
import { pause } from '../base/retry.ts';
import { refusal } from '../graphql/errors.ts';
import { execute } from '../graphql/execution.ts';
import { RETRY_AFTER_SECONDS, TOO_MANY_CONNECTIONS } from './admission.ts';
import {
  createFormat,
  type Door,
  formatResult,
  identify,
  isHostAllowed,
  isOriginAllowed,
  isSubscription,
} from './door.ts';
import { limitIntake } from './intake.ts';
import { TRY_AGAIN_LATER, WsConnection, type WsEvents } from './ws-connection.ts';
import { FrameEnvelope } from './ws-frame.ts';

export interface WsDoor {
  /**
   * Answers the queries and mutations under way, then sends every client away, to come back elsewhere;
   * cuts off those that have not gone in time.
   */
  close(withinMs: number): Promise<void>;
}

const PATH = '/graphql';
const MAX_ID_CHARS = 512;
/** Clients come back after it. */
const GOING_AWAY = 1001;

export function openWsDoor(http: HttpServer, door: Door): WsDoor {
  const { origins, limits, admission, keepAlive, metrics, logger } = door;
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: limits.maxRequestBytes,
    handleProtocols,
  });
  /** Queries and mutations under way. */
  const answering = new Set<Promise<unknown>>();
  const graphql = createGraphqlServer(door, answering);

  http.on('upgrade', (request: IncomingMessage, stream: Duplex, head: Buffer) => {
    const { host, origin } = request.headers;
    const [path] = (request.url ?? '').split('?', 1);
    stream.on('error', destroyItself);
    if (path !== PATH) return refuse(stream, '404 Not Found');
    if (!isHostAllowed(origins, host) || !isOriginAllowed(origins, origin, host))
      return refuse(stream, '403 Forbidden');
    if (!admission.fromAddress(request, stream)) {
      metrics.errors.inc({ code: TOO_MANY_CONNECTIONS.code });
      return refuse(stream, '429 Too Many Requests', `retry-after: ${RETRY_AFTER_SECONDS}\r\n`);
    }
    sockets.handleUpgrade(request, stream, head, (socket) => welcome(socket, stream as Socket));
  });

  const noteError = (error: Error) => logger.debug({ error: error.message }, 'socket error');
  const events: WsEvents = {
    onWritten: (messages) => metrics.delivered.inc(messages),
    onFailure(error, connection) {
      // What graphql-ws throws for a message before its time; it has no class of its own.
      if (messageOf(error).startsWith('Unexpected message of type')) {
        return connection.close(CloseCode.BadRequest, 'Invalid message received');
      }
      logger.error(logged(error), 'socket failed');
      connection.close(CloseCode.InternalServerError, 'Something unexpected went wrong.');
    },
  };

  function welcome(socket: WebSocket, stream: Socket): void {
    metrics.sockets.inc();
    socket.on('error', noteError);
    const connection = new WsConnection(socket, stream, events);
    const stopWatching = keepAlive.watch(connection);
    const intake = limitIntake(socket, stream, limits.maxSocketMessagesPerSecond);
    // Not left to graphql-ws, which keeps its timer as long as the socket.
    connection.initTimeout = setTimeout(() => {
      connection.close(CloseCode.ConnectionInitialisationTimeout, 'Connection initialisation timeout');
    }, limits.initTimeoutMs);
    const closed = graphql.opened(connection, connection);
    socket.once('close', (code, reason) => {
      metrics.sockets.dec();
      stopWatching();
      intake.stop();
      clearTimeout(connection.initTimeout);
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
        socket.close(GOING_AWAY, 'The server is stopping: connect again.');
      }
      await new Promise<void>((resolve) => sockets.close(() => resolve()));
      clearTimeout(impatience);
    },
  };
}

function createGraphqlServer(door: Door, answering: Set<Promise<unknown>>): Server<WsConnection> {
  const { policy, limits, admission, metrics, stopping } = door;
  const format = createFormat(door);
  const timing = metrics.operations.labels({ door: 'ws' });

  return makeServer<Record<string, unknown>, WsConnection>({
    connectionInitWaitTimeout: 0,

    async onConnect(context) {
      const { connectionParams, extra } = context;
      clearTimeout(extra.initTimeout);
      extra.initTimeout = undefined;
      const { authorization, Authorization } = connectionParams ?? {};
      // Nobody asks for the token again, and it would be kept as long as the socket.
      Object.assign(context, { connectionParams: null });
      const { socket } = extra;
      try {
        extra.principal = await identify(door, authorization ?? Authorization);
      } catch (error) {
        const { code, message } = error instanceof EventreeError ? error : { code: '', message: '' };
        if (code === 'UNAUTHENTICATED') extra.close(CloseCode.Forbidden, message);
        else extra.close(TRY_AGAIN_LATER, 'Tokens cannot be checked right now.');
        return false;
      }
      // It may have gone meanwhile, and will not say so again.
      if (socket.readyState === socket.CLOSED) return false;
      if (admission.asPrincipal(extra.principal, socket)) return true;
      metrics.errors.inc({ code: TOO_MANY_CONNECTIONS.code });
      extra.close(TRY_AGAIN_LATER, TOO_MANY_CONNECTIONS.message);
      return false;
    },

    async onSubscribe({ extra, subscriptions }, id, operation) {
      if (stopping.aborted) return [refusal('UNAVAILABLE', 'The server is stopping: connect again.')];
      if (Object.keys(subscriptions).length > limits.maxSocketOperations) {
        const sentence = `More than ${limits.maxSocketOperations} operations are open on this socket: end some first.`;
        return [refusal('LIMIT_EXCEEDED', sentence)];
      }
      if (id.length > MAX_ID_CHARS) {
        const sentence = `The operation’s id is longer than ${MAX_ID_CHARS} characters: every message carries it.`;
        return [refusal('LIMIT_EXCEEDED', sentence)];
      }
      // Nothing is subscribed before the connection is acknowledged, and so has a principal.
      const prepared = policy.prepare(operation, extra.principal as Principal, () => ({
        wire: extra.outbox.wire(new FrameEnvelope(id)),
        print: (result) =>
          JSON.stringify(formatResult(result, (error) => format(error, `${extra.id}/${id}`))),
      }));
      // Its text has been read, and would be kept as long as the operation is open.
      Object.assign(operation, { query: '' });
      return prepared;
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

function destroyItself(this: Duplex): void {
  this.destroy();
}

function refuse(stream: Duplex, status: string, header = ''): void {
  stream.end(`HTTP/1.1 ${status}\r\n${header}connection: close\r\ncontent-length: 0\r\n\r\n`);
}
