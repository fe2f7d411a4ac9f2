/**
 * Two servers over a Redis Cluster of six processes. They look at the journals once a minute only: what
 * arrives sooner has been pushed.
 */
import { expect, onTestFinished, test, vi } from 'vitest';
import { createLogger } from '../../src/base/logger.ts';
import { createRedisBroker } from '../../src/live/broker-redis.ts';
import { openCursors, readLog, startFollower } from '../support/follower.ts';
import { faultsOf, noOutcomes } from '../support/history.ts';
import { RECORD, startLoad } from '../support/load.ts';
import type { TestRedis } from '../support/redis.ts';
import { startClusterOfOne, startRedisCluster, type TestRedisCluster } from '../support/redis-cluster.ts';
import { addressOf, startTcpProxy } from '../support/tcp-proxy.ts';
import { openWorld, type World } from '../support/world.ts';

/** For what comes in a moment, on a machine that is busy. */
const PATIENT = { timeout: 20_000 };

async function openWorldOver(cluster: TestRedisCluster): Promise<World> {
  return openWorld({
    servers: 2,
    environment: {
      // The others are found through them.
      EVENTREE_REDIS_CLUSTER_NODES: cluster.nodes.slice(1, 3).map(cluster.urlOf).join(','),
      EVENTREE_POLL_INTERVAL_MS: '60000',
      EVENTREE_LOG_LEVEL: 'fatal',
    },
  });
}

async function record(world: World, journal: string, node: number): Promise<string> {
  const server = world.servers[node] ?? expect.fail();
  const input = [{ journal, type: 'note', message: 'on' }];
  return (await world.ask(RECORD, { input }, { server })).recordEvents.events[0].id;
}

/** A journal for each of the shards, and the channel of its news. */
async function journalsOfShards(world: World, cluster: TestRedisCluster) {
  const { rows } = await world.db.query<{ name: string }>('select name from installation');
  const found = new Map<unknown, { journal: string; channel: string; slot: number }>();
  for (let nth = 0; found.size < 3; nth++) {
    const journal = `tenant-${nth}`;
    const channel = `eventree:1:${rows[0]?.name}:${journal}`;
    const slot = await cluster.slotOf(channel);
    found.set(await cluster.masterOf(slot), { journal, channel, slot });
  }
  return [...found.values()];
}

async function follow(world: World, journal: string, node: number) {
  const name = `${journal} on node ${node}`;
  const url = () => world.servers[node]?.url ?? expect.fail();
  return startFollower(world, await openCursors(world.db, journal), { name, url, journal });
}

test('the news of a journal goes through the shard of its channel, while it has a reader', {
  timeout: 60_000,
}, async () => {
  const cluster = await startRedisCluster();
  const world = await openWorldOver(cluster);
  const journals = await journalsOfShards(world, cluster);
  for (const { journal } of journals) await record(world, journal, 0);
  const followers = await Promise.all(
    journals.flatMap(({ journal }) => [follow(world, journal, 0), follow(world, journal, 1)]),
  );
  const subscribed = (node: TestRedisCluster['nodes'][number], sharded: string[]) =>
    expect.poll(() => cluster.channelsOn(node), PATIENT).toEqual({ sharded, plain: [] });

  for (const { channel, slot } of journals) await subscribed(await cluster.masterOf(slot), [channel]);
  for (const { journal } of journals) await record(world, journal, 0);
  await Promise.all(followers.map((follower) => follower.reached(2)));

  // The second node still listens to the first journal.
  for (const [nth, follower] of followers.entries()) if (nth !== 1) follower.close();
  for (const [nth, { channel, slot }] of journals.entries())
    await subscribed(await cluster.masterOf(slot), nth === 0 ? [channel] : []);
  await record(world, journals[0]?.journal ?? expect.fail(), 0);
  await followers[1]?.reached(3);
  followers[1]?.close();
  for (const node of cluster.nodes) await subscribed(node, []);
});

test.each([
  ['killed', (master: TestRedis) => master.kill()],
  ['frozen', (master: TestRedis) => master.freeze()],
])(
  'a master that is %s under load costs no event, and its replica pushes news on',
  {
    timeout: 80_000,
  },
  async (_, strike) => {
    const cluster = await startRedisCluster();
    const world = await openWorldOver(cluster);
    const journals = await journalsOfShards(world, cluster);
    const tales = await Promise.all(journals.map(({ journal }) => beginTale(world, journal)));
    const [{ slot }, struck, ...others] = [journals[0] ?? expect.fail(), ...tales] as const;
    const master = await cluster.masterOf(slot);
    await struck?.load.more(100);

    await strike(master);
    // Journals of the other shards are not touched by it.
    await Promise.all(others.map(({ load }) => load.more(100)));
    await vi.waitUntil(async () => (await cluster.masterOf(slot)) !== master, PATIENT);
    await Promise.all(tales.map(({ load }) => load.more(100)));
    await Promise.all(tales.map(({ load }) => load.stop()));

    for (const { journal, outcomes, followers } of tales) {
      const log = await readLog(world.db, journal);
      await Promise.all(followers.map((follower) => follower.reached(log.length)));
      const subscribers = await Promise.all(followers.map((follower) => follower.subscriber()));
      expect(faultsOf({ outcomes, log, subscribers, readers: [] })).toEqual([]);
      for (const node of [0, 1]) {
        await record(world, journal, node);
        await Promise.all(followers.map((follower) => follower.reached(log.length + 1 + node)));
      }
    }
    expect((await cluster.channelsOn(await cluster.masterOf(slot))).sharded).toHaveLength(1);
  },
);

test('a channel whose slot moves to another shard is heard there', {
  timeout: 60_000,
}, async () => {
  const cluster = await startRedisCluster();
  const world = await openWorldOver(cluster);
  const [{ journal, slot, channel } = expect.fail(), other = expect.fail()] = await journalsOfShards(
    world,
    cluster,
  );
  await record(world, journal, 0);
  const follower = await follow(world, journal, 1);
  await follower.reached(1);
  const target = await cluster.masterOf(other.slot);
  await cluster.moveSlot(slot, target);
  await expect.poll(async () => (await cluster.channelsOn(target)).sharded, PATIENT).toEqual([channel]);
  for (const position of [2, 3]) {
    await record(world, journal, 0);
    await follower.reached(position);
  }
});

/** A node that listens to a journal; `times` counts how often it was told that it may have missed something. */
async function openListener(nodes: readonly string[]) {
  const broker = createRedisBroker({ nodes }, 'installation', createLogger('silent'));
  onTestFinished(() => broker.close());
  const listener = { broker, times: 0, leave: () => {} };
  await vi.waitUntil(() => broker.isConnected(), PATIENT);
  listener.leave = broker.subscribe('main', () => listener.times++);
  await vi.waitUntil(() => listener.times === 1 && broker.isConnected(), PATIENT);
  return listener;
}

test('a cluster that comes back with other addresses is found by those that are set', async () => {
  const [before, after] = await Promise.all([startClusterOfOne(), startClusterOfOne()]);
  const target = addressOf(before.url);
  const proxy = await startTcpProxy(target);
  const url = new URL(before.url);
  url.port = String(proxy.port);
  const listener = await openListener([url.href]);
  await before.redis.kill();
  target.port = after.redis.port;
  await vi.waitUntil(() => listener.times >= 2 && listener.broker.isConnected(), PATIENT);
  expect(await after.client.pubsub('SHARDCHANNELS')).toEqual(['eventree:1:installation:main']);
});

test('no connection to a shard is kept where nobody listens', async () => {
  const { url, client } = await startClusterOfOne();
  const { leave } = await openListener([url]);
  const clients = async () => String(await client.call('CLIENT', 'LIST')).split('\n');
  const [id = ''] = (await clients()).find((line) => line.includes(' ssub=1 '))?.match(/^id=\d+ /) ?? [];
  expect(id).not.toBe('');
  leave();
  await expect.poll(async () => (await clients()).some((line) => line.startsWith(id)), PATIENT).toBe(false);
});

/** The first node records in a journal, both follow it: the second learns of the cluster by listening alone. */
async function beginTale(world: World, journal: string) {
  const outcomes = noOutcomes();
  outcomes.acknowledged.push({ id: await record(world, journal, 0), position: 1 });
  const followers = await Promise.all([follow(world, journal, 0), follow(world, journal, 1)]);
  const load = startLoad({
    outcomes,
    writers: 2,
    pauseMs: 20,
    send: (input) => {
      const server = world.servers[0] ?? expect.fail();
      return world.send(RECORD, { input: input.map((event) => ({ ...event, journal })) }, { server });
    },
  });
  return { journal, outcomes, followers, load };
}
