/**
 * One WebSocket with one subscription on it, as an async generator that ends as the connection does.
 *
 * It reads no faster than it is read: when MOST_WAITING messages wait, the socket is paused, the network's
 * buffers fill, and the server goes on when there is room. A reader that stays away for longer is cut off
 * by the server's pings and comes back with its cursor.
 */
import type { Client, ClientOptions } from 'graphql-ws';
import { EventreeClientError, fromGraphqlErrors, type GraphqlError, unreachable } from './errors.ts';

export interface StreamOptions {
  readonly url: string;
  readonly token: string | null;
  readonly operation: { readonly query: string; readonly variables: Record<string, unknown> };
}

export interface Result<Data> {
  readonly data?: Data | null;
  readonly errors?: readonly GraphqlError[];
}

/** What is used of a WebSocket; browsers cannot pause theirs. */
interface Socket {
  readonly readyState: number;
  close(): void;
  terminate?(): void;
  pause?(): void;
  resume?(): void;
}

type SocketClass = new (url: string, protocol: string) => Socket;

const MOST_WAITING = 16;
const KEEP_ALIVE_MS = 10_000;
const PATIENCE_MS = 10_000;
const OPEN = 1;
// `closeTimeout` is not in the types of ws yet.
const NODE_OPTIONS = { handshakeTimeout: PATIENCE_MS, closeTimeout: 1_000 };

/**
 * Ends when the server completes the stream or the signal fires.
 *
 * @throws EventreeClientError: UNREACHABLE where the connection broke and a new one may do, otherwise what
 *   the server refused.
 */
export async function* openStream<Data>(
  { url, token, operation }: StreamOptions,
  signal: AbortSignal,
): AsyncGenerator<Result<Data>, void> {
  const { createClient } = await import('graphql-ws/client');
  const waiting: Result<Data>[] = [];
  let end: { readonly reason: unknown } | null = null;
  let wake = () => {};
  let paused = false;
  let socket: Socket | null = null;

  const finish = (reason: unknown) => {
    end ??= { reason };
    wake();
  };
  const webSocketImpl = await observedSocket((opened) => {
    socket = opened;
  });
  const client: Client = createClient({
    url: url.replace(/^http/, 'ws'),
    webSocketImpl,
    connectionParams: token === null ? {} : { authorization: `Bearer ${token}` },
    retryAttempts: 0,
    connectionAckWaitTimeout: PATIENCE_MS,
    keepAlive: KEEP_ALIVE_MS,
    on: watchdog(
      () => client.terminate(),
      () => !paused,
    ),
  });
  const unsubscribe = client.subscribe<Data>(operation, {
    next(result) {
      waiting.push(result as Result<Data>);
      if (waiting.length >= MOST_WAITING && !paused) {
        paused = true;
        socket?.pause?.();
      }
      wake();
    },
    error: finish,
    complete: () => finish(null),
  });
  const leave = () => wake();
  signal.addEventListener('abort', leave, { once: true });

  try {
    while (!signal.aborted) {
      const result = waiting.shift();
      if (result !== undefined) {
        yield result;
        if (paused && waiting.length === 0) {
          paused = false;
          (socket as Socket | null)?.resume?.();
        }
        continue;
      }
      const ended = end as { readonly reason: unknown } | null;
      if (ended?.reason === null) return;
      if (ended !== null) throw explain(url, ended.reason);
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  } finally {
    signal.removeEventListener('abort', leave);
    unsubscribe();
    letGo(socket);
  }
}

/** Ends a connection whose other end is gone without a word: it answers no ping any more. */
function watchdog(bite: () => void, isReading: () => boolean): NonNullable<ClientOptions['on']> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  return {
    ping(received) {
      if (received) return;
      // A paused socket's answers are not read: its silence says nothing.
      timer = setTimeout(() => isReading() && bite(), PATIENCE_MS);
    },
    pong: (received) => void (received && clearTimeout(timer)),
    closed: () => clearTimeout(timer),
  };
}

/** The platform's WebSocket: of `ws` in Node, which can be paused, else the global one. */
async function observedSocket(observe: (socket: Socket) => void): Promise<SocketClass> {
  if (typeof process === 'undefined' || !process.versions?.node) {
    // Without the types of browsers, Node's know no global WebSocket.
    const { WebSocket: Native } = globalThis as unknown as { WebSocket: SocketClass };
    return class extends Native {
      constructor(url: string, protocol: string) {
        super(url, protocol);
        observe(this);
      }
    };
  }
  const { default: NodeSocket } = await import('ws');
  return class extends NodeSocket {
    constructor(url: string, protocol: string) {
      super(url, protocol, NODE_OPTIONS);
      // Whoever lets go while it connects takes the listeners off; its error would end the process.
      this.on('error', () => {});
      observe(this);
    }
  };
}

/** An open socket is being closed by graphql-ws already, with a word of goodbye. */
function letGo(socket: Socket | null): void {
  if (socket === null) return;
  if (socket.readyState === OPEN) socket.resume?.();
  else if (socket.terminate !== undefined) socket.terminate();
  else socket.close();
}

/** The server's close codes of 44xx refuse, with these exceptions: someone was too slow. */
const TOO_SLOW = [4408, 4418, 4499];
/** RFC 6455, 7.4.1: one side breaks the protocol, or a message is one that the other never takes. */
const FATAL = [1002, 1003, 1007, 1008, 1009, 1010];

function explain(url: string, reason: unknown): EventreeClientError {
  if (Array.isArray(reason)) return fromGraphqlErrors(reason);
  const { code, reason: said } = reason as { code?: unknown; reason?: unknown };
  if (typeof code === 'number') return explainClose(code, String(said ?? ''));
  const { message = '', error = reason } = reason as { message?: string; error?: unknown };
  const status = Number(/Unexpected server response: (\d+)/.exec(message)?.[1] ?? 0);
  if (status >= 400 && status < 500 && status !== 408 && status !== 429) {
    const sentence = `${url} answered HTTP ${status} and opened no WebSocket.`;
    return new EventreeClientError('BAD_RESPONSE', sentence, { facts: { status } });
  }
  return unreachable(url, error);
}

function explainClose(closeCode: number, said: string): EventreeClientError {
  const facts = { closeCode };
  const sentence = said || `The connection was closed with code ${closeCode}.`;
  if (closeCode === 4401 || closeCode === 4403) {
    return new EventreeClientError('UNAUTHENTICATED', sentence, { facts });
  }
  const isRefused = closeCode >= 4400 && closeCode < 4500 && !TOO_SLOW.includes(closeCode);
  const code = isRefused || FATAL.includes(closeCode) ? 'BAD_RESPONSE' : 'UNREACHABLE';
  return new EventreeClientError(code, sentence, { facts });
}
