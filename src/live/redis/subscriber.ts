/**
 * One connection to Redis on which channels are subscribed, over and over where need be.
 *
 *     off ──▶ asked ──confirmed──▶ on
 *      ▲        │ refused           │ connection lost, or the channel moved to another shard
 *      └────────┴───────────────────┘
 *
 * Each time that a channel comes to be `on` is told: what was published before may have been lost.
 */
import type { Redis } from 'ioredis';
import type { PubSubEvents } from './pubsub.ts';

export interface Subscriber {
  subscribe(channel: string): void;
  unsubscribe(channel: string): void;
  /** How many channels it is to have. */
  size(): number;
  /** All channels are on. */
  isComplete(): boolean;
  /** Subscribes to what is off, and sees to it that a dead connection is noticed. */
  check(): void;
  close(): void;
}

export interface SubscriberOptions extends Pick<PubSubEvents, 'onMessage' | 'onSubscribed'> {
  /** Sharded channels are of a slot, and heard on its shard only. */
  readonly sharded: boolean;
}

export function createSubscriber(
  redis: Redis,
  { sharded, onMessage, onSubscribed }: SubscriberOptions,
): Subscriber {
  const channels = new Map<string, 'off' | 'asked' | 'on'>();

  redis.on(sharded ? 'smessage' : 'message', onMessage);
  redis.on('ready', askForAll);
  redis.on('close', lose);
  // The server takes sharded subscriptions back when it hands their slots to another shard.
  redis.on('moved', lose);

  function lose(): void {
    for (const channel of channels.keys()) channels.set(channel, 'off');
  }

  function askForAll(): void {
    if (redis.status !== 'ready') return;
    for (const [channel, state] of channels) if (state === 'off') ask(channel);
  }

  /** One command a channel: those of a shard are of several slots, which one command may not name. */
  function ask(channel: string): void {
    channels.set(channel, 'asked');
    (sharded ? redis.ssubscribe(channel) : redis.subscribe(channel)).then(
      () => {
        if (!channels.has(channel)) return;
        channels.set(channel, 'on');
        onSubscribed(channel);
      },
      () => {
        if (channels.get(channel) === 'asked') channels.set(channel, 'off');
      },
    );
  }

  return {
    subscribe(channel) {
      channels.set(channel, 'off');
      askForAll();
    },
    unsubscribe(channel) {
      channels.delete(channel);
      (sharded ? redis.sunsubscribe(channel) : redis.unsubscribe(channel)).catch(() => {});
    },
    size: () => channels.size,
    isComplete: () => [...channels.values()].every((state) => state === 'on'),
    check() {
      askForAll();
      redis.ping().catch(() => {});
    },
    close() {
      channels.clear();
      redis.disconnect();
    },
  };
}
