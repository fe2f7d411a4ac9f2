/**
 * Publish/subscribe as the broker needs it, whichever way Redis is run: on one server, on whichever server
 * Sentinel says is the master (pubsub-single.ts), or on the shards of a cluster (pubsub-cluster.ts).
 *
 * Nothing is kept for who is not there, and nothing is retried: what could not be published is for the
 * broker to say again. A connection that does not answer for `SILENCE_MS` counts as lost, because Redis may
 * be frozen, or gone without a word.
 */
import type { EventEmitter } from 'node:events';
import type { RedisOptions } from 'ioredis';
import type { Logger } from '../../base/logger.ts';
import { nextDelay } from '../../base/retry.ts';

/** Where Redis is. */
export type RedisAddress =
  /** Some nodes of a cluster. */
  | { readonly nodes: readonly string[] }
  /** One server; with sentinels, the name of the master they watch stands for its host. */
  | { readonly url: string; readonly sentinels: readonly string[] | undefined };

export interface PubSub {
  /** For people. */
  readonly description: string;
  /** Answers how many connections listen. Rejects where the message was not sent, or nobody knows. */
  publish(channel: string, message: string): Promise<number>;
  subscribe(channel: string): void;
  unsubscribe(channel: string): void;
  /** To be called every second: finds connections that are dead, and subscribes again to what was lost. */
  check(): void;
  /** What is published arrives here, on all channels that are subscribed; and publishing is not known to fail. */
  isConnected(): boolean;
  close(): void;
}

export interface PubSubEvents {
  onMessage(channel: string, message: string): void;
  /** From now on the messages of this channel arrive; what came before may have been lost. */
  onSubscribed(channel: string): void;
  /** What could not be published has a chance again. */
  onPublishable(): void;
}

const SILENCE_MS = 3_000;
const BACKOFF = { firstMs: 50, mostMs: 1_000 };

export const retryStrategy = (attempt: number) => nextDelay(attempt, BACKOFF);

/** Of every connection. A signal that is late is worth nothing: no command waits for another connection. */
export const CONNECTION = {
  autoResendUnfulfilledCommands: false,
  // The broker has to know when a channel is subscribed again, see subscriber.ts.
  autoResubscribe: false,
  maxRetriesPerRequest: 0,
  connectTimeout: SILENCE_MS,
  socketTimeout: SILENCE_MS,
} as const satisfies RedisOptions;

/** Who to be, and whether to speak TLS, as a URL says it. */
export function loginOf(url: string): Pick<RedisOptions, 'username' | 'password' | 'tls'> {
  const { protocol, username, password } = new URL(url);
  return {
    ...(username !== '' && { username: decodeURIComponent(username) }),
    ...(password !== '' && { password: decodeURIComponent(password) }),
    ...(protocol === 'rediss:' && { tls: {} }),
  };
}

/** @param defaultPort of the URLs that name none. */
export function addressOf(url: string, defaultPort: number): { host: string; port: number } {
  const { hostname, port } = new URL(url);
  // An IPv6 address stands in brackets.
  return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || defaultPort) };
}

/** Says once that a connection is lost, and once that it is back. */
export function reportOutages(connection: EventEmitter, name: string, logger: Logger): void {
  let down = false;
  connection.on('error', (error: Error) => {
    if (!down) logger.warn({ error: error.message, connection: name }, 'Redis cannot be reached');
    down = true;
  });
  connection.on('ready', () => {
    if (down) logger.info({ connection: name }, 'Redis can be reached again');
    down = false;
  });
}
