/**
 * A TCP proxy that does to connections what networks do: cuts them (RST), loses them without telling either
 * end, stalls them, delays them, slices what they carry, turns new ones away. What it passes on it does not
 * change.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type NetConnectOpts, type Socket } from 'node:net';
import { Transform } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { onTestFinished } from 'vitest';
import { pause } from '../../src/base/retry.ts';

export interface TcpProxy {
  readonly port: number;
  /** Connections that are open now. */
  connections(): number;
  /** Resets one connection, any of them. @returns false where there is none. */
  cutOne(): boolean;
  cutAll(): void;
  /** Passes nothing on any more of one connection, in either direction, and tells neither end. @returns false where there is none. */
  loseOne(): boolean;
  /** Passes nothing on of one connection for so long, then all that has come meanwhile. @returns false where there is none. */
  stallOne(ms: number): boolean;
  /** Passes everything on in pieces of at most so many bytes, each of a size of its own; null: as it comes. */
  slice(mostBytes: number | null): void;
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
  /** Set while nothing of it is passed on. */
  held: Promise<void> | null;
}

export async function startTcpProxy(target: NetConnectOpts): Promise<TcpProxy> {
  const connections = new Set<Connection>();
  let refusing = false;
  let delayMs = 0;
  let mostBytes: number | null = null;
  let stalled: { readonly over: Promise<void>; readonly end: () => void } | null = null;
  let sought: { readonly text: string; readonly done: () => void } | null = null;

  function link(connection: Connection, onPiece: (piece: Buffer) => boolean): Transform {
    return new Transform({
      async transform(piece: Buffer, _, done) {
        if (delayMs > 0) await pause(delayMs);
        await stalled?.over;
        await connection.held;
        if (!onPiece(piece)) return done();
        for (let from = 0; from < piece.length && !this.destroyed; ) {
          const to = mostBytes === null ? piece.length : from + 1 + Math.floor(Math.random() * mostBytes);
          this.push(piece.subarray(from, to));
          from = to;
          // So that it leaves by itself.
          if (from < piece.length) await setImmediate();
        }
        done();
      },
    });
  }

  /** One that passes on what it is given, any of them. */
  function anyOne(): Connection | undefined {
    const open = [...connections].filter(({ held }) => held === null);
    return open[Math.floor(Math.random() * open.length)];
  }

  const server = createServer((client) => {
    if (refusing) return void client.resetAndDestroy();
    const upstream = connect(target);
    const connection: Connection = { client, onAnswer: null, held: null };
    connections.add(connection);
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      one.setNoDelay();
      one.on('error', () => {});
      one.on('close', () => other.destroy());
    }
    client.on('close', () => connections.delete(connection));
    client
      .pipe(
        link(connection, (request) => {
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
        link(connection, () => {
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
      const connection = anyOne();
      connection?.client.resetAndDestroy();
      return connection !== undefined;
    },
    cutAll() {
      for (const { client } of connections) client.resetAndDestroy();
    },
    loseOne() {
      const connection = anyOne();
      if (connection !== undefined) connection.held = new Promise(() => {});
      return connection !== undefined;
    },
    stallOne(ms) {
      const connection = anyOne();
      if (connection === undefined) return false;
      connection.held = pause(ms).then(() => {
        connection.held = null;
      });
      return true;
    },
    slice(bytes) {
      mostBytes = bytes;
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
