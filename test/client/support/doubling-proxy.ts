/** A WebSocket proxy that passes every message of a stream on twice, which no server of ours does. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';

export interface DoublingProxy {
  readonly url: string;
  /** Messages passed on a second time. */
  count(): number;
}

/** @param target the URL of a server. */
export async function startDoublingProxy(target: string): Promise<DoublingProxy> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await once(server, 'listening');
  let count = 0;

  server.on('connection', (client, { url }) => {
    const upstream = new WebSocket(`${target.replace('http', 'ws')}${url}`, client.protocol);
    const opened = once(upstream, 'open');
    client.on('message', async (data) => {
      await opened;
      upstream.send(String(data));
    });
    upstream.on('message', (data) => {
      client.send(String(data));
      if (JSON.parse(String(data)).type !== 'next') return;
      count++;
      client.send(String(data));
    });
    client.on('close', () => upstream.terminate());
    upstream.on('close', () => client.terminate());
  });

  onTestFinished(() => {
    for (const client of server.clients) client.terminate();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, count: () => count };
}
