/** One Redis server: the one that a URL names, or the master that sentinels tell of. */
import { Redis } from 'ioredis';
import type { Logger } from '../../base/logger.ts';
import {
  addressOf,
  CONNECTION,
  loginOf,
  type PubSub,
  type PubSubEvents,
  reportOutages,
  retryStrategy,
} from './pubsub.ts';
import { createSubscriber } from './subscriber.ts';

const SENTINEL_PORT = 26_379;
const OPTIONS = { ...CONNECTION, retryStrategy, enableOfflineQueue: false } as const;

export function connectToServer(url: string, events: PubSubEvents, logger: Logger): PubSub {
  return openPubSub(() => new Redis(url, OPTIONS), `Redis at ${new URL(url).host}`, events, logger);
}

/** @param url its host is the name of the master; sentinels have a login of their own. */
export function connectToMaster(
  url: string,
  sentinels: readonly string[],
  events: PubSubEvents,
  logger: Logger,
): PubSub {
  const name = new URL(url).hostname;
  const login = loginOf(url);
  const { username, password, tls } = loginOf(sentinels[0] as string);
  const options = {
    ...OPTIONS,
    ...login,
    name,
    sentinels: sentinels.map((sentinel) => addressOf(sentinel, SENTINEL_PORT)),
    sentinelRetryStrategy: retryStrategy,
    sentinelCommandTimeout: OPTIONS.socketTimeout,
    enableTLSForSentinelMode: login.tls !== undefined,
    sentinelUsername: username,
    sentinelPassword: password,
    sentinelTLS: tls,
  };
  const hosts = sentinels.map((sentinel) => new URL(sentinel).host).join(', ');
  const description = `Redis master ${name} of the sentinels ${hosts}`;
  return openPubSub(() => new Redis(options), description, events, logger);
}

/** Two connections: one that listens may have to take much in, and publishing must not wait for it. */
function openPubSub(open: () => Redis, description: string, events: PubSubEvents, logger: Logger): PubSub {
  const publisher = open();
  const connection = open();
  const subscriber = createSubscriber(connection, { ...events, sharded: false });
  reportOutages(publisher, 'publisher', logger);
  reportOutages(connection, 'subscriber', logger);
  publisher.on('ready', events.onPublishable);
  return {
    description,
    publish: (channel, message) => publisher.publish(channel, message),
    subscribe: subscriber.subscribe,
    unsubscribe: subscriber.unsubscribe,
    check() {
      publisher.ping().catch(() => {});
      subscriber.check();
    },
    isConnected: () => publisher.status === 'ready' && subscriber.isComplete(),
    close() {
      publisher.disconnect();
      subscriber.close();
    },
  };
}
