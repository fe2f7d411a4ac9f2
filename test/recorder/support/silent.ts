/** A server that takes connections and all that is sent, and never says a word. */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

export interface Silent {
  readonly port: number;
  /** Connections that were made so far. */
  connections(): number;
  /** Ends all connections, and takes no more. */
  leave(): void;
}

export async function startSilent(): Promise<Silent> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => {});
    socket.resume();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const leave = () => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  onTestFinished(leave);
  return { port: (server.address() as AddressInfo).port, connections: () => sockets.length, leave };
}
