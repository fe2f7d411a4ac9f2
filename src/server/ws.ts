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
import { randomBytes } from 'node:crypto';
import type { Server as HttpServer, IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { execute } from 'graphql';
import { CloseCode, handleProtocols, makeServer, type Server } from 'graphql-ws';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Principal } from '../access/principal.ts';
import { EventreeError, logged, messageOf } from '../base/errors.ts';
import { pause } from '../base/retry.ts';
import { refusal } from '../graphql/errors.ts';
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
import type { KeepAlive } from './keep-alive.ts';
import { type Envelope, Outbox } from './outbox.ts';

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
  readonly outbox: Outbox;
  /** Set until the client has said who it is. */
  initTimeout: NodeJS.Timeout | undefined;
  principal: Principal | null;
}

const PATH = '/graphql';
/** For a close frame to be read by one that takes up reading again. */
const STALLED_FAREWELL_MS = 5_000;
/** Waiting to be sent, below which a stream's next message is fetched already. */
const MAX_WAITING_BYTES = 65_536;
/** Room for a reason in a close frame. */
const MAX_REASON_BYTES = 123;
/** Clients come back after these: the server goes away, or is unwell for a moment. */
const GOING_AWAY = 1001;
const TRY_AGAIN_LATER = 1013;

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
    stream.on('error', () => stream.destroy());
    if (path !== PATH) return refuse(stream, '404 Not Found');
    if (!isHostAllowed(origins, host) || !isOriginAllowed(origins, origin, host))
      return refuse(stream, '403 Forbidden');
    if (!admission.fromAddress(request, stream)) {
      metrics.errors.inc({ code: TOO_MANY_CONNECTIONS.code });
      return refuse(stream, '429 Too Many Requests', `retry-after: ${RETRY_AFTER_SECONDS}\r\n`);
    }
    sockets.handleUpgrade(request, stream, head, (socket) => welcome(socket, stream as Socket));
  });

  function welcome(socket: WebSocket, stream: Socket): void {
    metrics.sockets.inc();
    socket.on('error', (error) => logger.debug({ error: error.message }, 'socket error'));
    const outbox = new Outbox({
      stream,
      isOpen: () => socket.readyState === socket.OPEN,
      onWritten: (messages) => metrics.delivered.inc(messages),
    });
    const stopWatching = watchOver(socket, stream, keepAlive);
    // Not left to graphql-ws, which keeps its timer as long as the socket.
    const initTimeout = setTimeout(() => {
      closeFor(socket, CloseCode.ConnectionInitialisationTimeout, 'Connection initialisation timeout');
    }, limits.initTimeoutMs);
    const intake = limitIntake(socket, stream, limits.maxSocketMessagesPerSecond);
    const extra: Extra = {
      id: randomBytes(9).toString('base64url'),
      socket,
      outbox,
      initTimeout,
      principal: null,
    };
    const closed = graphql.opened(
      {
        protocol: socket.protocol,
        send(data) {
          outbox.flush();
          return send(socket, stream, data);
        },
        close: (code, reason) => closeFor(socket, code, reason),
        onMessage(take) {
          socket.on('message', (data) => {
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
      extra,
    );
    socket.once('close', (code, reason) => {
      metrics.sockets.dec();
      stopWatching();
      intake.stop();
      clearTimeout(extra.initTimeout);
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
  const { policy, limits, admission, metrics, stopping } = door;
  const format = createFormat(door);
  const timing = metrics.operations.labels({ door: 'ws' });

  return makeServer<Record<string, unknown>, Extra>({
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
        if (code === 'UNAUTHENTICATED') closeFor(socket, CloseCode.Forbidden, message);
        else closeFor(socket, TRY_AGAIN_LATER, 'Tokens cannot be checked right now.');
        return false;
      }
      // It may have gone meanwhile, and will not say so again.
      if (socket.readyState === socket.CLOSED) return false;
      if (admission.asPrincipal(extra.principal, socket)) return true;
      metrics.errors.inc({ code: TOO_MANY_CONNECTIONS.code });
      closeFor(socket, TRY_AGAIN_LATER, TOO_MANY_CONNECTIONS.message);
      return false;
    },

    async onSubscribe({ extra, subscriptions }, id, operation) {
      if (stopping.aborted) return [refusal('UNAVAILABLE', 'The server is stopping: connect again.')];
      if (Object.keys(subscriptions).length > limits.maxSocketOperations) {
        const sentence = `More than ${limits.maxSocketOperations} operations are open on this socket: end some first.`;
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
      resolve();
    });
    if (socket.bufferedAmount <= MAX_WAITING_BYTES) resolve();
  });
}

/** A reason may name an operation by the client's own id, which may be longer than what a close frame holds. */
function closeFor(socket: WebSocket, code: number | undefined, reason = ''): void {
  let text = reason.slice(0, MAX_REASON_BYTES);
  while (Buffer.byteLength(text) > MAX_REASON_BYTES) text = text.slice(0, -1);
  socket.close(code, text);
}

/** Ends a socket whose other end has sent nothing between two pings, or takes nothing. @returns how to stop. */
function watchOver(socket: WebSocket, connection: Socket, keepAlive: KeepAlive): () => void {
  let answered = true;
  const hear = () => {
    answered = true;
  };
  // The answer of one that sends faster than it may stands at the end of a queue.
  socket.on('pong', hear).on('message', hear);
  return keepAlive.watch({
    connection,
    ping() {
      if (!answered) return socket.terminate();
      answered = false;
      socket.ping();
    },
    onStalled() {
      closeFor(socket, TRY_AGAIN_LATER, 'Nothing was read for too long: connect again.');
      setTimeout(() => socket.terminate(), STALLED_FAREWELL_MS);
    },
  });
}

/** A message of a stream as graphql-transport-ws has it, in the frame of RFC 6455, section 5.2. */
class FrameEnvelope implements Envelope {
  private readonly head: Buffer;

  constructor(id: string) {
    this.head = Buffer.from(`{"id":${JSON.stringify(id)},"type":"next","payload":`);
  }

  size(payload: Buffer): number {
    const length = this.length(payload);
    return frameHeadSize(length) + length;
  }

  write(into: Buffer, start: number, payload: Buffer): number {
    let at = writeFrameHead(into, start, this.length(payload));
    for (const part of [this.head, payload, TAIL]) {
      into.set(part, at);
      at += part.length;
    }
    return at;
  }

  private length(payload: Buffer): number {
    return this.head.length + payload.length + TAIL.length;
  }
}

const TAIL = Buffer.from('}');
/** A final frame of text, not masked. */
const TEXT_FRAME = 0x81;

function frameHeadSize(length: number): number {
  return length < 126 ? 2 : length < 65_536 ? 4 : 10;
}

function writeFrameHead(into: Buffer, at: number, length: number): number {
  into[at] = TEXT_FRAME;
  if (length < 126) return into.writeUInt8(length, at + 1);
  if (length < 65_536) return into.writeUInt16BE(length, into.writeUInt8(126, at + 1));
  return into.writeUInt32BE(length, into.writeUInt32BE(0, into.writeUInt8(127, at + 1)));
}

function refuse(stream: Duplex, status: string, header = ''): void {
  stream.end(`HTTP/1.1 ${status}\r\n${header}connection: close\r\ncontent-length: 0\r\n\r\n`);
}
