/**
 * The broker by itself, over a Redis that goes away: whatever could not be said is made good when it comes
 * back, without anybody's looking at the journal again and again.
 */
import { Redis } from 'ioredis';
import { expect, onTestFinished, test, vi } from 'vitest';
import { createLogger } from '../../src/base/logger.ts';
import type { Position } from '../../src/events/event.ts';
import type { UnjudgedEvent } from '../../src/events/read.ts';
import type { Announcement } from '../../src/events/record.ts';
import type { Broker, News } from '../../src/live/broker.ts';
import { createRedisBroker } from '../../src/live/broker-redis.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { addressOf, startTcpProxy } from '../support/tcp-proxy.ts';

/** For what comes in a moment, on a machine that is busy. */
const PATIENT = { timeout: 20_000, interval: 5 };

const JOURNAL = { id: 1, name: 'main', epoch: 'first' };
const CHANNEL = 'eventree:1:installation:main';

async function openBroker(url: string): Promise<Broker> {
  const broker = createRedisBroker({ url, sentinels: undefined }, 'installation', createLogger('silent'));
  onTestFinished(() => broker.close());
  await vi.waitUntil(() => broker.isConnected(), PATIENT);
  return broker;
}

/** A node that records, and another one that follows as a hub does. */
async function openNodes(urls: { readonly recording: string; readonly following: string }) {
  const [recording, following] = await Promise.all([openBroker(urls.recording), openBroker(urls.following)]);
  const told: (News | null)[] = [];
  let recorded = 0;
  let known = 0;
  const leave = following.subscribe(JOURNAL.name, (news) => {
    told.push(news);
    // Who may have missed something looks at the journal; who hears how far it goes reads up to there.
    known = Math.max(known, news === null ? recorded : headOf(news));
  });
  await vi.waitUntil(() => told.length > 0, PATIENT);
  return {
    recording,
    following,
    told,
    leave,
    record(message = '') {
      recorded++;
      recording.announce(newsOf(recorded, message));
    },
    /** The follower knows of all that was recorded. */
    all: () => vi.waitUntil(() => known === recorded, PATIENT),
    bothConnected: (are: boolean) =>
      vi.waitUntil(() => recording.isConnected() === are && following.isConnected() === are, PATIENT),
  };
}

/** News of one event at this position. */
function newsOf(position: number, message: string): Announcement {
  // Of events the broker looks at nothing but their positions.
  const events = [{ event: { position, message }, acl: null }] as unknown as UnjudgedEvent[];
  return { journal: JOURNAL, firstPosition: position as Position, events, registryVersion: 0 };
}

function headOf(news: News): number {
  return 'events' in news ? news.firstPosition + news.events.length - 1 : news.head;
}

const both = ({ url }: TestRedis) => ({ recording: url, following: url });

/** What Redis has been told has its answer under way: it is read in a moment. */
const untilAnswered = () => new Promise((resolve) => setTimeout(resolve, 50));

test('a channel is subscribed by the first listener and left by the last', async () => {
  const redis = await startRedis();
  const { following, leave } = await openNodes(both(redis));
  const client = new Redis(redis.url);
  onTestFinished(() => client.disconnect());
  const numberOfSubscribers = async () => (await client.pubsub('NUMSUB', CHANNEL))[1];
  const leaveToo = following.subscribe(JOURNAL.name, () => {});
  expect(await numberOfSubscribers()).toBe(1);
  leave();
  expect(await numberOfSubscribers()).toBe(1);
  leaveToo();
  await expect.poll(numberOfSubscribers, PATIENT).toBe(0);
});

/** Less than it takes where connections are mended once a second. */
const SOON_MS = 15_000;

test.each(['pubsub', 'normal'])(
  'CLIENT KILL of %s connections costs no news, and no time',
  {
    timeout: SOON_MS,
  },
  async (type) => {
    const redis = await startRedis();
    const { record, all, bothConnected, told } = await openNodes(both(redis));
    const client = new Redis(redis.url);
    onTestFinished(() => client.disconnect());
    for (let round = 0; round < 20; round++) {
      const killed = client.call('CLIENT', 'KILL', 'TYPE', type);
      record();
      await killed;
      record();
      await all();
    }
    await bothConnected(true);
    // By the first it learns that somebody listens again, and it has learned so when the second has come.
    for (let times = 0; times < 2; times++) {
      record();
      await all();
    }
    told.length = 0;
    record();
    await all();
    expect(told).toEqual([expect.objectContaining({ events: expect.any(Array) })]);
  },
);

test('events are sent where another node listens; to nobody, only how far the journal goes', async () => {
  const redis = await startRedis();
  const recording = await openBroker(redis.url);
  recording.subscribe(JOURNAL.name, () => {});
  const tap = new Redis(redis.url);
  onTestFinished(() => tap.disconnect());
  const said: string[] = [];
  tap.on('message', (_, message) => said.push(message));
  // The first goes out with its events: nobody knows yet who listens.
  recording.announce(newsOf(1, 'first'));
  const client = new Redis(redis.url);
  onTestFinished(() => client.disconnect());
  await vi.waitUntil(
    async () =>
      /calls=1,/.test(
        await client.info('commandstats').then((text) => /cmdstat_publish:(.*)/.exec(text)?.[1] ?? ''),
      ),
    PATIENT,
  );
  await untilAnswered();
  await tap.subscribe(CHANNEL);
  recording.announce(newsOf(3, 'unknown to us, somebody listens'));
  await vi.waitUntil(() => said.length === 1, PATIENT);
  expect(said[0]).toContain('"head":3');
  expect(said[0]).not.toContain('events');
  await untilAnswered();
  recording.announce(newsOf(4, 'now we know'));
  await vi.waitUntil(() => said.length === 2, PATIENT);
  expect(said[1]).toContain('now we know');
});

test('what a node that has lost Redis could not say, it says when it is back', async () => {
  const redis = await startRedis();
  const proxy = await startTcpProxy(addressOf(redis.url));
  const nodes = await openNodes({ recording: `redis://127.0.0.1:${proxy.port}`, following: redis.url });
  proxy.refuse(true);
  await vi.waitUntil(() => !nodes.recording.isConnected(), PATIENT);
  nodes.told.length = 0;
  for (let nth = 0; nth < 1_000; nth++) nodes.record();
  proxy.refuse(false);
  await nodes.all();
  // The last of them stands for all.
  expect(nodes.told).toEqual([{ journal: JOURNAL, head: 1_000 }]);
});

test('who follows looks at the journal when a Redis that was gone is back', async () => {
  const redis = await startRedis();
  const { record, all, bothConnected } = await openNodes(both(redis));
  await redis.kill();
  await bothConnected(false);
  record();
  await redis.start();
  await all();
  await bothConnected(true);
  record();
  await all();
});

test('a subscription that is refused is asked for again', async () => {
  const redis = await startRedis();
  const client = new Redis(redis.url);
  onTestFinished(() => client.disconnect());
  const broker = await openBroker(redis.url);
  const told: (News | null)[] = [];
  await client.call('ACL', 'SETUSER', 'default', '-subscribe');
  broker.subscribe(JOURNAL.name, (news) => told.push(news));
  await expect.poll(async () => await client.call('ACL', 'LOG', '1'), PATIENT).not.toEqual([]);
  expect([told, broker.isConnected()]).toEqual([[], false]);
  await client.call('ACL', 'SETUSER', 'default', '+subscribe');
  await vi.waitUntil(() => told.length > 0 && broker.isConnected(), PATIENT);
});

test('a Redis that does not answer is given up, and found again', { timeout: 60_000 }, async () => {
  const redis = await startRedis();
  const { record, all, bothConnected, told } = await openNodes(both(redis));
  redis.freeze();
  await bothConnected(false);
  record();
  told.length = 0;
  redis.thaw();
  await all();
  await bothConnected(true);
  expect(told).toContain(null);
});

test('of 60 MB of news that wait for a Redis that does not answer, few are kept, and how far it goes', async () => {
  const redis = await startRedis();
  const { record, all, told } = await openNodes(both(redis));
  const large = 'x'.repeat(200_000);
  redis.freeze();
  for (let nth = 0; nth < 300; nth++) record(large);
  redis.thaw();
  await all();
  expect(JSON.stringify(told).length).toBeLessThan(5_000_000);
});
