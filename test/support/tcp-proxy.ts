/**
 * A TCP proxy that does to connections what networks do: cuts them (RST), stalls them, delays them, turns
 * new ones away. What it passes on it does not change.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type NetConnectOpts, type Socket } from 'node:net';
import { Transform } from 'node:stream';
import { onTestFinished } from 'vitest';
import { pause } from '../../src/base/retry.ts';

export interface TcpProxy {
  readonly port: number;
  /** Connections that are open now. */
  connections(): number;
  /** Resets one connection, any of them. @returns false where there is none. */
  cutOne(): boolean;
  cutAll(): void;
  /** Passes the next request that contains `text` on, and cuts its connection instead of passing the answer on. */
  loseAnswerTo(text: string): Promise<void>;
  /** Passes nothing on any more, in either direction, until it is called with false. */
  stall(stalled: boolean): void;
  /** Keeps each piece back for so long. */
  delay(ms: number): void;
  /** Resets all connections, and those to come, until it is called with false. */
  refuse(refusing: boolean): void;
}

interface Connection {
  readonly client: Socket;
  /** Set while its next answer is to be lost. */
  onAnswer: (() => void) | null;
}

export async function startTcpProxy(target: NetConnectOpts): Promise<TcpProxy> {
  const connections = new Set<Connection>();
  let refusing = false;
  let delayMs = 0;
  let stalled: { readonly over: Promise<void>; readonly end: () => void } | null = null;
  let sought: { readonly text: string; readonly done: () => void } | null = null;

  function link(onPiece: (piece: Buffer) => boolean): Transform {
    return new Transform({
      async transform(piece: Buffer, _, done) {
        if (delayMs > 0) await pause(delayMs);
        await stalled?.over;
        done(null, onPiece(piece) ? piece : undefined);
      },
    });
  }

  const server = createServer((client) => {
    if (refusing) return void client.resetAndDestroy();
    const upstream = connect(target);
    const connection: Connection = { client, onAnswer: null };
    connections.add(connection);
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      one.on('error', () => {});
      one.on('close', () => other.destroy());
    }
    client.on('close', () => connections.delete(connection));
    client
      .pipe(
        link((request) => {
          if (sought !== null && request.includes(sought.text)) {
            connection.onAnswer = sought.done;
            sought = null;
          }
          return true;
        }),
      )
      .pipe(upstream);
    upstream
      .pipe(
        link(() => {
          if (connection.onAnswer === null) return true;
          client.resetAndDestroy();
          connection.onAnswer();
          return false;
        }),
      )
      .pipe(client);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');

  const proxy: TcpProxy = {
    port: (server.address() as AddressInfo).port,
    connections: () => connections.size,
    cutOne() {
      const open = [...connections];
      const connection = open[Math.floor(Math.random() * open.length)];
      connection?.client.resetAndDestroy();
      return connection !== undefined;
    },
    cutAll() {
      for (const { client } of connections) client.resetAndDestroy();
    },
    loseAnswerTo: (text) =>
      new Promise((done) => {
        sought = { text, done };
      }),
    stall(on) {
      stalled?.end();
      stalled = null;
      if (!on) return;
      let end = () => {};
      const over = new Promise<void>((resolve) => {
        end = resolve;
      });
      stalled = { over, end };
    },
    delay(ms) {
      delayMs = ms;
    },
    refuse(on) {
      refusing = on;
      if (on) proxy.cutAll();
    },
  };
  onTestFinished(() => {
    server.close();
    proxy.stall(false);
    proxy.cutAll();
  });
  return proxy;
}

/** What to connect to for a server's URL. */
export function addressOf(url: string): { host: string; port: number } {
  const { hostname, port } = new URL(url);
  return { host: hostname, port: Number(port) };
}

/** The URL of a database whose socket a proxy stands before. */
export function databaseUrlThrough(proxy: TcpProxy, databaseUrl: string): string {
  const { username, pathname } = new URL(databaseUrl);
  return `postgresql://${username}@127.0.0.1:${proxy.port}${pathname}?sslmode=disable`;
}

/** The socket that a database's URL names. */
export function socketOf(databaseUrl: string): { path: string } {
  const { searchParams } = new URL(databaseUrl);
  return { path: `${searchParams.get('host')}/.s.PGSQL.${searchParams.get('port') ?? '5432'}` };
}
