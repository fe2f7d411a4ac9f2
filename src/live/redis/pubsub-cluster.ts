/**
 * A Redis Cluster, by sharded publish/subscribe: a message goes to the shard that holds its channel's slot
 * and to nobody else, so journals spread over the shards and none hears of all.
 *
 * There is a subscriber for each master that holds a channel of ours. Channels follow their slots: where
 * the map of the cluster changes (failover, resharding), they are subscribed at their new place before they
 * are left at the old one. ioredis subscribes again too, but does not tell when it has done so, nor when it
 * failed; the readers of a channel that is silent for no reason would wait for the poll for ever.
 */
import { Cluster, Command, Redis } from 'ioredis';
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
import { createSubscriber, type Subscriber } from './subscriber.ts';

const REDIS_PORT = 6_379;
/** A slot is at its new place after one; a second is for a map that was old. */
const MOST_REDIRECTIONS = 3;

/** Of a master, `host:port`. */
type Place = string;

/** @param urls of some nodes; the others are found through them. All have the same login. */
export function connectToCluster(urls: readonly string[], events: PubSubEvents, logger: Logger): PubSub {
  const login = loginOf(urls[0] as string);
  const cluster = new Cluster(
    urls.map((url) => addressOf(url, REDIS_PORT)),
    {
      redisOptions: { ...CONNECTION, ...login },
      clusterRetryStrategy: retryStrategy,
      maxRedirections: MOST_REDIRECTIONS,
      // What cannot be sent now is for the broker to keep, in a form that takes no room.
      enableOfflineQueue: false,
      retryDelayOnFailover: 0,
      retryDelayOnClusterDown: 0,
      // It would wait for a cluster without a hole; ours is of use where the other shards are.
      enableReadyCheck: false,
      // Names are left to be resolved on connecting: certificates are for names.
      dnsLookup: (name, found) => found(null, name),
    },
  );
  const subscribers = new Map<Place, Subscriber>();
  /** Where each channel is subscribed; null while the map is not known. */
  const places = new Map<string, Place | null>();

  reportOutages(cluster, 'cluster', logger);
  cluster.on('refresh', () => {
    for (const channel of places.keys()) settle(channel);
  });
  cluster.on('+node', (node: Redis) => node.on('ready', events.onPublishable));

  function settle(channel: string): void {
    const before = places.get(channel) ?? null;
    const place = placeOf(channel);
    if (place === before) return;
    places.set(channel, place);
    if (place !== null) subscriberAt(place).subscribe(channel);
    if (before !== null) subscribers.get(before)?.unsubscribe(channel);
  }

  function placeOf(channel: string): Place | null {
    const slot = new Command('ssubscribe', [channel]).getSlot();
    return cluster.slots[slot]?.[0] ?? null;
  }

  function subscriberAt(place: Place): Subscriber {
    const open = subscribers.get(place);
    if (open !== undefined) return open;
    const separator = place.lastIndexOf(':');
    const connection = new Redis({
      ...CONNECTION,
      ...login,
      host: place.slice(0, separator),
      port: Number(place.slice(separator + 1)),
      retryStrategy,
      enableOfflineQueue: false,
    });
    reportOutages(connection, `shard ${place}`, logger);
    const subscriber = createSubscriber(connection, { ...events, sharded: true });
    subscribers.set(place, subscriber);
    return subscriber;
  }

  /** Left to themselves for a while, because the next reader may come soon. */
  function closeIdle(): void {
    for (const [place, subscriber] of subscribers) {
      if (subscriber.size() > 0) continue;
      subscribers.delete(place);
      subscriber.close();
    }
  }

  /** Ends in `refresh`. Where no node answers, all addresses may have changed: begins with ours again. */
  function readMap(): void {
    if (cluster.status !== 'ready') return;
    cluster.refreshSlotsCache((error) => {
      if (error && cluster.status === 'ready') cluster.disconnect(true);
    });
  }

  function isComplete(): boolean {
    const areAllPlaced = [...places.values()].every((place) => place !== null);
    return areAllPlaced && [...subscribers.values()].every((subscriber) => subscriber.isComplete());
  }

  return {
    description: `Redis Cluster at ${urls.map((url) => new URL(url).host).join(', ')}`,
    // Its types do not say what Redis answers: how many listen.
    publish: (channel, message) => cluster.spublish(channel, message) as Promise<number>,
    subscribe(channel) {
      places.set(channel, null);
      settle(channel);
    },
    unsubscribe(channel) {
      const place = places.get(channel) ?? null;
      places.delete(channel);
      if (place !== null) subscribers.get(place)?.unsubscribe(channel);
    },
    check() {
      closeIdle();
      if (!isComplete()) readMap();
      for (const subscriber of subscribers.values()) subscriber.check();
    },
    isConnected: () => cluster.status === 'ready' && isComplete(),
    close() {
      for (const subscriber of subscribers.values()) subscriber.close();
      subscribers.clear();
      places.clear();
      cluster.disconnect();
    },
  };
}
