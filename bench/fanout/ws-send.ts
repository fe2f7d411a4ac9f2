/**
 * The limit: frames that are ready, routed to those concerned, `ws.send` of one buffer to each. No GraphQL,
 * no rights, no journal. Says just enough of graphql-transport-ws to be subscribed to.
 *
 *     ws-send.ts <port> <frame> [lose|double|replace|swap]
 *
 * With a third word it makes that mistake once, for one subscriber: by which the benchmark proves that it
 * counts.
 */
import { createServer, type IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { type WebSocket, WebSocketServer } from 'ws';
import type { ReadyRequest } from './feed.ts';
import { MARK_CHARS, markOf } from './traffic.ts';

const [port, frame, mistake] = process.argv.slice(2) as [string, string, string?];
const template = Buffer.from(frame);
const markAt = template.lastIndexOf('"', template.lastIndexOf('"') - 1) + 1;
/** The event with which a mistake is made, and one of another request. */
const MISTAKEN = 150;
const LATER = 250;

interface Message {
  readonly type: string;
  readonly payload?: { readonly variables: { readonly keys: readonly string[] } };
}

const routes = new Map<string, Set<WebSocket>>();

const http = createServer((request, response) => {
  respond(request).then(
    (status) => response.writeHead(status, { 'content-length': 2 }).end('{}'),
    () => response.writeHead(400, { 'content-length': 12 }).end('{"errors":1}'),
  );
});
http.listen(Number(port), '127.0.0.1');

async function respond(request: IncomingMessage): Promise<number> {
  if (request.method !== 'POST') return 200;
  const { frames } = JSON.parse(await text(request)) as ReadyRequest;
  const [spoilt, ...others] = mistake === undefined ? [] : (routes.get('all') ?? []);
  for (const { key, mark } of frames) sendReady(mark, spoilt === undefined ? routes.get(key) : others);
  for (const mark of spoilt === undefined ? [] : spoil(frames)) sendReady(mark, [spoilt as WebSocket]);
  return 200;
}

function sendReady(mark: string, sockets: Iterable<WebSocket> = []): void {
  const ready = Buffer.from(template);
  ready.write(mark, markAt, MARK_CHARS, 'latin1');
  for (const socket of sockets) socket.send(ready, { binary: false });
}

new WebSocketServer({ server: http, path: '/graphql', handleProtocols: () => 'graphql-transport-ws' }).on(
  'connection',
  (socket) => {
    socket.on('message', (data) => {
      const { type, payload } = JSON.parse(String(data)) as Message;
      if (type === 'connection_init') socket.send('{"type":"connection_ack"}');
      if (type !== 'subscribe') return;
      const keys = payload?.variables.keys ?? [];
      for (const key of keys) routes.set(key, (routes.get(key) ?? new Set()).add(socket));
      socket.on('close', () => {
        for (const key of keys) routes.get(key)?.delete(socket);
      });
    });
  },
);

/** One event lost; one doubled; a later one in its place; or the two next to each other out of order. */
function spoil(frames: ReadyRequest['frames']): string[] {
  const marks = frames.map(({ mark }) => mark);
  const event = markOf(MISTAKEN);
  const at = marks.indexOf(event);
  if (at !== -1 && mistake === 'lose') marks.splice(at, 1);
  if (at !== -1 && mistake === 'double') marks.splice(at, 1, event, event);
  if (at !== -1 && mistake === 'replace') marks.splice(at, 1, markOf(LATER));
  if (at !== -1 && mistake === 'swap') marks.splice(at, 2, marks[at + 1] as string, event);
  return marks;
}
