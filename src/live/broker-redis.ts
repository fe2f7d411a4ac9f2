/**
 * News by Redis publish/subscribe: a channel per journal, subscribed by the first reader of a node and
 * left by the last.
 *
 * Redis keeps nothing for who is not connected, and says nothing of what was lost: after every
 * reconnection all listeners are told that there may be a gap. This node's own news takes the short way
 * and is skipped when it comes back.
 */
import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import type { Logger } from '../base/logger.ts';
import { nextDelay } from '../base/retry.ts';
import type { Announcement } from '../events/record.ts';
import { type Broker, createMemoryBroker, type News } from './broker.ts';

/** Larger batches are read from the journal by who wants them. */
const MAX_NEWS_CHARS = 262_144;
const NODE_ID_CHARS = 36;
/** Of a message: nodes of different formats do not hear each other, and live by the poll alone. */
const FORMAT = 1;

/** @param installation names the database, so that two of them can share one Redis. */
export function createRedisBroker(url: string, installation: string, logger: Logger): Broker {
  const node = randomUUID();
  const local = createMemoryBroker();
  const options = {
    // While Redis is away there is nothing to wait for: a signal that is late is worth nothing.
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    retryStrategy: (attempt: number) => nextDelay(attempt, { firstMs: 50, mostMs: 1_000 }),
  } as const;
  const publisher = new Redis(url, options);
  const subscriber = new Redis(url, { ...options, autoResubscribe: false });
  const listeners = new Map<string, Set<(news: News | null) => void>>();
  const prefix = `eventree:${FORMAT}:${installation}:`;

  for (const [name, connection] of Object.entries({ publisher, subscriber })) {
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

  subscriber.on('ready', () => {
    const channels = [...listeners.keys()].map((journal) => prefix + journal);
    if (channels.length > 0) subscriber.subscribe(...channels).then(tellAll, () => {});
  });
  subscriber.on('message', (channel: string, message: string) => {
    if (message.startsWith(node)) return;
    const news = parseNews(message.slice(NODE_ID_CHARS));
    // News is a hint, and what cannot be read is a hint as well: the journal knows.
    if (news === null) logger.warn({ channel }, 'a message on this channel is not news of a commit');
    for (const listener of listeners.get(channel.slice(prefix.length)) ?? []) listener(news);
  });

  function tellAll(): void {
    for (const group of listeners.values()) for (const listener of group) listener(null);
  }

  return {
    description: `Redis at ${new URL(url).host}`,

    announce(announcement) {
      local.announce(announcement);
      publisher.publish(prefix + announcement.journal.name, node + toMessage(announcement)).catch(() => {});
    },

    subscribe(journal, onNews) {
      const leaveLocal = local.subscribe(journal, onNews);
      const others = listeners.get(journal) ?? new Set();
      if (others.size === 0) {
        listeners.set(journal, others);
        // Not connected yet, or no longer: `ready` subscribes to all there are.
        subscriber.subscribe(prefix + journal).then(
          () => onNews(null),
          () => {},
        );
      }
      others.add(onNews);
      return () => {
        leaveLocal();
        others.delete(onNews);
        if (others.size > 0) return;
        listeners.delete(journal);
        subscriber.unsubscribe(prefix + journal).catch(() => {});
      };
    },

    isConnected: () => publisher.status === 'ready' && subscriber.status === 'ready',

    async close() {
      publisher.disconnect();
      subscriber.disconnect();
      await local.close();
    },
  };
}

function parseNews(text: string): News | null {
  try {
    const news: unknown = JSON.parse(text);
    return isNews(news) ? news : null;
  } catch {
    return null;
  }
}

/** As much as the order of things relies on. What an event is made of was seen to by the node that sent it. */
function isNews(value: unknown): value is News {
  const { journal, head, firstPosition, events } = Object(value);
  if (typeof journal?.id !== 'number' || typeof journal.name !== 'string') return false;
  if (Number.isSafeInteger(head)) return true;
  const isPlaced = (each: unknown) => Number.isSafeInteger(Object(each).event?.position);
  return Number.isSafeInteger(firstPosition) && Array.isArray(events) && events.every(isPlaced);
}

function toMessage(announcement: Announcement): string {
  const { journal, firstPosition, events } = announcement;
  const message = JSON.stringify(announcement);
  if (message.length <= MAX_NEWS_CHARS) return message;
  return JSON.stringify({ journal, head: firstPosition + events.length - 1 } satisfies News);
}
