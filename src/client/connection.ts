/**
 * One WebSocket with one subscription on it, as an async generator that ends as the connection does.
 *
 * It reads no faster than it is read. In Node.js the socket is paused when MOST_WAITING messages wait: the
 * network's buffers fill, and the server goes on when there is room. A browser cannot pause its sockets:
 * there the connection is given up when MOST_WAITING_CHARS wait, and what follows is read from the journal
 * when the reader is ready for it. A reader that stays away for long is cut off by the server, and comes
 * back with its cursor.
 *
 * A follower has a socket of its own, although subscriptions could share one: pausing a shared socket for
 * its slowest reader would stall all others, and an expired token or a cut would cost all of them.
 */
import type { Client, ClientOptions } from 'graphql-ws';
import { EventreeClientError, fromGraphqlErrors, type GraphqlError, unreachable } from './errors.ts';
import type { Operation } from './request.ts';

export interface StreamOptions {
  readonly url: string;
  readonly token: string | null;
  readonly operation: Operation;
  /** How long the other end may take to open the connection, and to answer a ping, which is sent as often. */
  readonly patienceMs: number;
}

export interface Result<Data> {
  readonly data?: Data | null;
  readonly errors?: readonly GraphqlError[];
}

interface Waiting<Data> {
  readonly result: Result<Data>;
  readonly chars: number;
}

/** What is used of a WebSocket; browsers cannot pause theirs. */
interface Socket {
  readonly readyState: number;
  addEventListener(type: 'message', listener: (event: { data: unknown }) => void): void;
  close(): void;
  terminate?(): void;
  pause?(): void;
  resume?(): void;
}

type SocketClass = new (url: string, protocol: string) => Socket;

const MOST_WAITING = 16;
const MOST_WAITING_CHARS = 4_000_000;
const OPEN = 1;
// `closeTimeout` is not in the types of ws yet.
const NODE_OPTIONS: object = { closeTimeout: 1_000 };

/**
 * Ends when the server completes the stream or the signal fires, which closes the socket at once, whether
 * somebody waits for the next message or not.
 *
 * @throws EventreeClientError: UNREACHABLE where the connection broke and a new one may do, otherwise what
 *   the server refused.
 */
export async function* openStream<Data>(
  { url, token, operation, patienceMs }: StreamOptions,
  signal: AbortSignal,
): AsyncGenerator<Result<Data>, void> {
  const { createClient } = await import('graphql-ws/client');
  const waiting: Waiting<Data>[] = [];
  let waitingChars = 0;
  let end: { readonly reason: unknown } | null = null;
  let wake = () => {};
  let paused = false;
  let socket: Socket | null = null;
  let arrivedChars = 0;

  const finish = (reason: unknown) => {
    end ??= { reason };
    wake();
  };
  const webSocketImpl = await observedSocket((opened) => {
    socket = opened;
    opened.addEventListener('message', ({ data }) => {
      arrivedChars = String(data).length;
    });
  });
  if (signal.aborted) return;

  const watchdog = createWatchdog(patienceMs, {
    bite: () => {
      finish(silent(url));
      client.terminate();
    },
    isReading: () => !paused,
  });
  const client: Client = createClient({
    url: url.replace(/^http/, 'ws'),
    webSocketImpl,
    connectionParams: token === null ? {} : { authorization: `Bearer ${token}` },
    retryAttempts: 0,
    keepAlive: patienceMs,
    on: watchdog.on,
  });
  const unsubscribe = client.subscribe<Data>(
    { ...operation, variables: { ...operation.variables } },
    {
      next(result) {
        if (end !== null) return;
        waiting.push({ result: result as Result<Data>, chars: arrivedChars });
        waitingChars += arrivedChars;
        holdBack();
        wake();
      },
      error: finish,
      complete: () => finish(null),
    },
  );
  let isClosed = false;
  const close = () => {
    if (isClosed) return;
    isClosed = true;
    unsubscribe();
    letGo(socket);
  };
  const leave = () => {
    close();
    wake();
  };
  signal.addEventListener('abort', leave, { once: true });

  function holdBack(): void {
    if (socket?.pause !== undefined) {
      if (paused || waiting.length < MOST_WAITING) return;
      paused = true;
      socket.pause();
    } else if (waitingChars > MOST_WAITING_CHARS) {
      finish(outrun());
      close();
    }
  }

  try {
    while (!signal.aborted) {
      const next = waiting.shift();
      if (next !== undefined) {
        waitingChars -= next.chars;
        yield next.result;
        if (paused && waiting.length === 0) {
          paused = false;
          (socket as Socket | null)?.resume?.();
          watchdog.readingAgain();
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
    close();
  }
}

function silent(url: string): EventreeClientError {
  return unreachable(url, new Error('it has not answered in time'));
}

function outrun(): EventreeClientError {
  const sentence = 'More came than its reader takes: what follows is read when there is room for it.';
  return new EventreeClientError('UNREACHABLE', sentence);
}

interface Watchdog {
  readonly on: NonNullable<ClientOptions['on']>;
  /** The socket was paused, and its silence said nothing; from now on it does. */
  readingAgain(): void;
}

/** Ends a connection that does not open, or whose other end is gone without a word: it answers no ping. */
function createWatchdog(
  patienceMs: number,
  { bite, isReading }: { bite: () => void; isReading: () => boolean },
): Watchdog {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isUnanswered = false;
  const heard = () => {
    clearTimeout(timer);
    isUnanswered = false;
  };
  const wait = () => {
    clearTimeout(timer);
    isUnanswered = true;
    timer = setTimeout(() => isReading() && bite(), patienceMs);
  };
  return {
    on: {
      connecting: wait,
      connected: heard,
      ping: (received) => void (received || wait()),
      pong: (received) => void (received && heard()),
      closed: heard,
    },
    readingAgain: () => void (isUnanswered && wait()),
  };
}

/** The platform's WebSocket: of `ws` in Node.js, which can be paused, else the global one. */
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

/** What a close code means stands in docs/codes.md. */
const REFUSED_TOKEN = 4403;
/** The server's close codes of 44xx refuse, with these exceptions: someone was too slow. */
const TOO_SLOW = [4408, 4418, 4499];
/** RFC 6455, 7.4.1: one side breaks the protocol, or a message is one that the other never takes. */
const FATAL = [1002, 1003, 1007, 1008, 1009, 1010];

function explain(url: string, reason: unknown): EventreeClientError {
  if (reason instanceof EventreeClientError) return reason;
  if (Array.isArray(reason)) return fromGraphqlErrors(reason);
  const { code, reason: said } = reason as { code?: unknown; reason?: unknown };
  if (typeof code === 'number') return explainClose(code, String(said ?? ''));
  const { message = '', error = reason } = reason as { message?: string; error?: unknown };
  const status = Number(/Unexpected server response: (\d+)/.exec(message)?.[1] ?? 0);
  if (status === 429) {
    const sentence = `${url} takes no further connection from here for now.`;
    return new EventreeClientError('RATE_LIMITED', sentence, { facts: { status } });
  }
  if (status >= 400 && status < 500 && status !== 408) {
    const sentence = `${url} answered HTTP ${status} and opened no WebSocket.`;
    return new EventreeClientError('BAD_RESPONSE', sentence, { facts: { status } });
  }
  return unreachable(url, error);
}

function explainClose(closeCode: number, said: string): EventreeClientError {
  const facts = { closeCode };
  const sentence = said || `The connection was closed with code ${closeCode}.`;
  if (closeCode === REFUSED_TOKEN) {
    return new EventreeClientError('UNAUTHENTICATED', sentence, { facts });
  }
  const isRefused = closeCode >= 4400 && closeCode < 4500 && !TOO_SLOW.includes(closeCode);
  const code = isRefused || FATAL.includes(closeCode) ? 'BAD_RESPONSE' : 'UNREACHABLE';
  return new EventreeClientError(code, sentence, { facts });
}
