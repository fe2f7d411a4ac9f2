/**
 * The doors of a server as a program sees them that keeps to no library's manners: requests with any
 * header and body, sockets and streams that stop reading, frames that no client would send.
 *
 * What is opened here is closed when the test is over.
 */
import { once } from 'node:events';
import { type ClientRequest, type IncomingMessage, request as nodeRequest } from 'node:http';
import { pino } from 'pino';
import { onTestFinished } from 'vitest';
import WebSocket from 'ws';
import { loadConfig } from '../../../src/config.ts';
import { type RunningServer, startServer } from '../../../src/server/server.ts';
import type { Answer, World } from '../../support/world.ts';

export interface Sent {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string | Buffer;
}

export interface Received {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
  /** The text as GraphQL's answer. */
  readonly answer: () => Answer;
}

/** One request on a connection of its own. */
export async function send(server: RunningServer, sent: Sent): Promise<Received> {
  return receive(await begin(server, sent));
}

/** The same by its parts: the answer's head, as soon as it is there. */
export async function begin(server: RunningServer, sent: Sent): Promise<IncomingMessage> {
  const request = open(server, sent);
  request.end(sent.body);
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  return response;
}

export function open(server: RunningServer, { method = 'POST', path = '/graphql', headers = {} }: Sent) {
  const request: ClientRequest = nodeRequest(`${server.url}${path}`, { method, headers, agent: false });
  onTestFinished(() => void request.destroy());
  return request;
}

export async function receive(response: IncomingMessage): Promise<Received> {
  let text = '';
  for await (const part of response.setEncoding('utf8')) text += part;
  return {
    status: response.statusCode as number,
    headers: response.headers,
    text,
    answer: () => JSON.parse(text) as Answer,
  };
}

/** GraphQL by POST, as JSON. */
export function post(server: RunningServer, payload: object, headers: Record<string, string> = {}) {
  const body = JSON.stringify(payload);
  return send(server, { headers: { 'content-type': 'application/json', ...headers }, body });
}

export interface Message {
  readonly type: string;
  readonly id?: string;
  // biome-ignore lint/suspicious/noExplicitAny: a payload has the shape of whatever was asked for.
  readonly payload?: any;
}

export interface Socket {
  readonly ws: WebSocket;
  send(message: object): void;
  /** Opens an operation under an id. */
  subscribe(id: string, query: string, variables?: object): void;
  /** The next message of an operation; those of others wait. Without an id: of none. */
  next(id?: string): Promise<Message>;
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>;
}

export interface SocketOptions {
  readonly token?: string;
  /** In place of the token. */
  readonly params?: unknown;
  readonly headers?: Record<string, string>;
}

/** A socket that has been acknowledged. */
export async function openSocket(server: RunningServer, options: SocketOptions = {}): Promise<Socket> {
  const socket = await openBareSocket(server, options.headers);
  socket.send({ type: 'connection_init', payload: initPayload(options) });
  const first = await Promise.race([socket.next(), socket.closed]);
  if (!('type' in first)) throw new Error(`closed with ${first.code}: ${first.reason}`);
  return socket;
}

/** One that has sent nothing yet. */
export async function openBareSocket(
  server: RunningServer,
  headers: Record<string, string> = {},
): Promise<Socket> {
  const ws = new WebSocket(`${server.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws', {
    headers,
    maxPayload: 0,
  });
  onTestFinished(() => ws.terminate());
  const waiting: Message[] = [];
  const wake = new Set<() => void>();
  const wakeAll = () => {
    for (const each of wake) each();
    wake.clear();
  };
  ws.on('message', (data) => {
    waiting.push(JSON.parse(String(data)));
    wakeAll();
  });
  const closed = once(ws, 'close').then(([code, reason]) => ({ code, reason: String(reason) }));
  closed.then(wakeAll, () => {});
  await once(ws, 'open');
  return {
    ws,
    closed,
    send: (message) => ws.send(JSON.stringify(message)),
    subscribe: (id, query, variables = {}) =>
      ws.send(JSON.stringify({ type: 'subscribe', id, payload: { query, variables } })),
    async next(id) {
      for (;;) {
        const place = waiting.findIndex((message) => message.id === id);
        if (place !== -1) return waiting.splice(place, 1)[0] as Message;
        if (ws.readyState === ws.CLOSED) throw new Error('The socket is closed.');
        await new Promise<void>((resolve) => wake.add(resolve));
      }
    },
  };
}

function initPayload({ token, params }: SocketOptions): unknown {
  if (params !== undefined) return params;
  return token === undefined ? {} : { authorization: `Bearer ${token}` };
}

export interface SseEvent {
  readonly event: string;
  readonly data: string;
}

/** The events of a stream, read as they are asked for. */
export async function* eventsOf(response: IncomingMessage): AsyncGenerator<SseEvent> {
  let text = '';
  for await (const part of response.setEncoding('utf8')) {
    const blocks = (text + part).split('\n\n');
    text = blocks.pop() as string;
    for (const block of blocks) {
      const event = /^event: (\w+)/.exec(block)?.[1];
      if (event !== undefined) yield { event, data: /\ndata: ?(.*)$/s.exec(block)?.[1] ?? '' };
    }
  }
}

/** Opens a stream by SSE. */
export function beginSse(server: RunningServer, payload: object, headers: Record<string, string> = {}) {
  return begin(server, {
    headers: { accept: 'text/event-stream', 'content-type': 'application/json', ...headers },
    body: JSON.stringify(payload),
  });
}

export const DOORS = ['http', 'sse', 'ws'] as const;
export type DoorName = (typeof DOORS)[number];

/** An operation by one of the doors, and its first answer. */
export function ask(
  door: DoorName,
  server: RunningServer,
  query: string,
  { variables = {}, token }: { variables?: object; token?: string } = {},
): Promise<Answer> {
  return askFor(door, server, { query, variables }, token);
}

/** The same for whatever a client may send in place of an operation's text. */
export async function askFor(
  door: DoorName,
  server: RunningServer,
  payload: object,
  token?: string,
): Promise<Answer> {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  if (door === 'http') return (await post(server, payload, headers)).answer();
  if (door === 'sse') {
    const response = await beginSse(server, payload, headers);
    if (response.statusCode !== 200) return (await receive(response)).answer();
    for await (const { event, data } of eventsOf(response)) if (event === 'next') return JSON.parse(data);
    throw new Error('The stream held nothing.');
  }
  const socket = await openSocket(server, token === undefined ? {} : { token });
  socket.send({ type: 'subscribe', id: '1', payload });
  const { type, payload: answer } = await socket.next('1');
  socket.ws.close();
  return type === 'error' ? { errors: answer } : answer;
}

export function codeOf(answer: Answer): unknown {
  return answer.errors?.[0]?.extensions.code;
}

/** The sum of a metric's samples, over all its labels or those that hold a text. */
export async function metric(server: RunningServer, name: string, label = ''): Promise<number> {
  const { text } = await send(server, { method: 'GET', path: '/metrics' });
  return text
    .split('\n')
    .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
    .filter((line) => line.includes(label))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
}

/** Waits until a figure meets the test; the test's own time limit is what ends it otherwise. */
export async function until<T>(look: () => Promise<T>, meets: (value: T) => boolean): Promise<T> {
  for (;;) {
    const value = await look();
    if (meets(value)) return value;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Waits until a figure has stopped to move, and answers it. */
export async function atRest(look: () => Promise<number>, looks = 15): Promise<number> {
  let last = await look();
  for (let same = 0; same < looks; ) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    const now = await look();
    same = now === last ? same + 1 : 0;
    last = now;
  }
  return last;
}

export type LogLine = Readonly<Record<string, unknown>>;

/** A server of the world's whose log can be read. */
export async function addServerWithLog(
  world: World,
  environment: Record<string, string> = {},
): Promise<{ server: RunningServer; log: LogLine[] }> {
  const log: LogLine[] = [];
  const logger = pino({ level: 'debug' }, { write: (line) => void log.push(JSON.parse(line)) });
  const server = await startServer(loadConfig({ ...world.environment, ...environment }), logger);
  onTestFinished(() => server.stop());
  return { server, log };
}
