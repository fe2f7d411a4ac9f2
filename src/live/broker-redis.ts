/**
 * News by Redis publish/subscribe: a channel per journal, subscribed by the first reader of a node and
 * left by the last.
 *
 * Redis keeps nothing for who is not connected, and says nothing of what was lost. So whenever a channel
 * has been subscribed again, its listeners are told that there may be a gap; and of news that could not be
 * sent, how far its journal goes is kept and sent when it can be: Redis may be away, frozen or in the midst
 * of a failover for as long as it likes, and takes no more than a line a journal. This node's own news
 * takes the short way and is skipped when it comes back.
 */
import { randomUUID } from 'node:crypto';
import type { Logger } from '../base/logger.ts';
import { startLoop } from '../base/loop.ts';
import type { Announcement } from '../events/record.ts';
import { type Broker, createMemoryBroker, type News } from './broker.ts';
import type { PubSub, PubSubEvents, RedisAddress } from './redis/pubsub.ts';
import { connectToCluster } from './redis/pubsub-cluster.ts';
import { connectToMaster, connectToServer } from './redis/pubsub-single.ts';

/** How far a journal goes: all that readers need to know to read what is new. */
type Head = Extract<News, { readonly head: number }>;

/** Larger batches are read from the journal by who wants them. */
const MAX_NEWS_CHARS = 262_144;
/** Sent and not answered; what comes then is kept as heads. */
const MAX_WAITING_CHARS = 4_194_304;
const CHECK_INTERVAL_MS = 1_000;
const NODE_ID_CHARS = 36;
/** Of a message: nodes of different formats do not hear each other, and live by the poll alone. */
const FORMAT = 1;

/** @param installation names the database, so that two of them can share one Redis. */
export function createRedisBroker(address: RedisAddress, installation: string, logger: Logger): Broker {
  const node = randomUUID();
  const local = createMemoryBroker();
  const listeners = new Map<string, Set<(news: News | null) => void>>();
  const prefix = `eventree:${FORMAT}:${installation}:`;
  /** By journal, how far it goes, where that could not be said. */
  const unsent = new Map<string, Head>();
  /** By journal, whether another node was listening when something was last said. */
  const heard = new Map<string, boolean>();
  let waitingChars = 0;

  const pubsub = connect(address, { onMessage, onSubscribed, onPublishable: sendHeads }, logger);
  const checks = startLoop({
    intervalMs: CHECK_INTERVAL_MS,
    onError: (error) => logger.error({ error }, 'check of Redis failed'),
    work: async () => {
      pubsub.check();
      sendHeads();
      return false;
    },
  });

  function onMessage(channel: string, message: string): void {
    if (message.startsWith(node)) return;
    const news = parseNews(message.slice(NODE_ID_CHARS));
    // News is a hint, and what cannot be read is a hint as well: the journal knows.
    if (news === null) logger.warn({ channel }, 'a message on this channel is not news of a commit');
    tell(channel, news);
  }

  function onSubscribed(channel: string): void {
    tell(channel, null);
  }

  function tell(channel: string, news: News | null): void {
    for (const listener of listeners.get(channel.slice(prefix.length)) ?? []) listener(news);
  }

  function sendHeads(): void {
    const heads = [...unsent.values()];
    unsent.clear();
    for (const head of heads) send(JSON.stringify(head), head);
  }

  function send(text: string, head: Head): void {
    const { name } = head.journal;
    waitingChars += text.length;
    pubsub
      .publish(prefix + name, node + text)
      .then(
        (receivers) => void heard.set(name, receivers > (listeners.has(name) ? 1 : 0)),
        () => keep(head),
      )
      .finally(() => {
        waitingChars -= text.length;
      });
  }

  function keep(news: Head): void {
    const { name } = news.journal;
    const known = unsent.get(name);
    if (known === undefined || known.head < news.head) unsent.set(name, news);
  }

  return {
    description: pubsub.description,

    announce(announcement) {
      local.announce(announcement);
      const head = headOf(announcement);
      if (waitingChars > MAX_WAITING_CHARS) keep(head);
      // Whoever comes to listen meanwhile reads the journal up to there.
      else if (heard.get(head.journal.name) === false) send(JSON.stringify(head), head);
      else send(toMessage(announcement), head);
    },

    subscribe(journal, onNews) {
      const leaveLocal = local.subscribe(journal, onNews);
      const others = listeners.get(journal) ?? new Set();
      listeners.set(journal, others.add(onNews));
      if (others.size === 1) pubsub.subscribe(prefix + journal);
      return () => {
        leaveLocal();
        others.delete(onNews);
        if (others.size > 0) return;
        listeners.delete(journal);
        pubsub.unsubscribe(prefix + journal);
      };
    },

    isConnected: () => unsent.size === 0 && pubsub.isConnected(),

    async close() {
      await checks.stop();
      pubsub.close();
      await local.close();
    },
  };
}

function connect(address: RedisAddress, events: PubSubEvents, logger: Logger): PubSub {
  if ('nodes' in address) return connectToCluster(address.nodes, events, logger);
  const { url, sentinels } = address;
  if (sentinels === undefined) return connectToServer(url, events, logger);
  return connectToMaster(url, sentinels, events, logger);
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
  const message = JSON.stringify(announcement);
  return message.length <= MAX_NEWS_CHARS ? message : JSON.stringify(headOf(announcement));
}

function headOf({ journal, firstPosition, events }: Announcement): Head {
  return { journal, head: firstPosition + events.length - 1 };
}
