/**
 * Redis carries hints and nothing else: whatever is done to it, two servers and their subscribers go on,
 * miss nothing and get nothing twice, and no subscriber loses its connection.
 */
import { Redis } from 'ioredis';
import { expect, test } from 'vitest';
import { pause } from '../../src/base/retry.ts';
import { historyOf, openCursors, readLog, startFollower } from '../support/follower.ts';
import { faultsOf, noOutcomes } from '../support/history.ts';
import { RECORD, startLoad } from '../support/load.ts';
import { startPager } from '../support/pager.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { showPages } from '../support/rights.ts';
import { openWorld } from '../support/world.ts';
import { limitMs, SCALE } from './support/scale.ts';

const ROUNDS = SCALE.redisRounds;

/** Speaks to it as an operator does. */
async function command<T>(redis: TestRedis, run: (client: Redis) => Promise<T>): Promise<T> {
  const client = new Redis(redis.url, { lazyConnect: true });
  client.on('error', () => {});
  try {
    await client.connect();
    return await run(client);
  } finally {
    client.disconnect();
  }
}

async function pidOf(redis: TestRedis): Promise<number> {
  const info = await command(redis, (client) => client.info('server'));
  return Number(/^process_id:(\d+)/m.exec(String(info))?.[1]);
}

/** What is done to Redis; `meanwhile` is called when it is away. */
const DISTURBANCES: readonly ((redis: TestRedis, meanwhile: () => Promise<void>) => Promise<unknown>)[] = [
  async (redis, meanwhile) => {
    await redis.kill();
    await meanwhile();
    await redis.start();
  },
  async (redis) => {
    await redis.kill();
    await redis.start();
  },
  async (redis, meanwhile) => {
    const pid = await pidOf(redis);
    process.kill(pid, 'SIGSTOP');
    await meanwhile().finally(() => process.kill(pid, 'SIGCONT'));
  },
  (redis) => command(redis, (client) => client.call('CLIENT', 'KILL', 'TYPE', 'pubsub')),
  (redis) => command(redis, (client) => client.call('CLIENT', 'KILL', 'TYPE', 'normal')),
  (redis) => command(redis, (client) => client.flushall()),
];

test(`Redis is killed, restarted, paused and emptied, and its clients are cut off: nothing is lost, nothing doubled (${ROUNDS} rounds)`, {
  timeout: limitMs(120_000, 300_000),
}, async () => {
  const redis = await startRedis();
  const world = await openWorld({ servers: 2, environment: { REDIS_URL: redis.url } });
  await showPages(world, ['page/0', 'page/1'], 'group/readers');
  const reader = await world.token({ subject: 'jane', groups: ['readers'] });
  const positionOf = await openCursors(world.db);
  const followers = world.servers.flatMap(({ url }, node) => [
    startFollower(world, positionOf, { name: `admin by ws on node ${node}`, url: () => url }),
    startFollower(world, positionOf, {
      name: `reader by sse on node ${node}`,
      url: () => url,
      by: 'sse',
      token: reader,
    }),
  ]);
  const pagers = world.servers.map(({ url }, node) =>
    startPager(world, positionOf, { name: `pages of node ${node}`, url: () => url, reading: 'onwards' }),
  );
  await Promise.all(followers.map((follower) => follower.until(({ live }) => live)));

  const outcomes = noOutcomes();
  let isAway = false;
  const load = startLoad({
    outcomes,
    writers: 4,
    pauseMs: 10,
    send: (input, writer) =>
      world.send(RECORD, { input }, { server: world.servers[isAway ? 0 : writer % 2] ?? expect.fail() }),
  });
  /** Everything recorded so far comes to everybody. */
  const reachHead = async () => {
    await load.more(100);
    const { length: head } = await readLog(world.db);
    await Promise.all(followers.map((follower) => follower.reached(head)));
  };
  /** Also without Redis, and to those on a node where nothing is recorded, which hears of it by itself. */
  const meanwhile = async () => {
    isAway = true;
    await reachHead();
    isAway = false;
  };
  for (let round = 0; round < ROUNDS; round++) {
    for (const disturb of DISTURBANCES) {
      await disturb(redis, meanwhile);
      await pause(Math.random() * 200);
      await reachHead();
    }
  }
  await load.stop();

  expect(faultsOf(await historyOf(world.db, outcomes, followers, pagers))).toEqual([]);
  for (const follower of followers) expect(follower.connections()).toBe(1);
  expect([...load.answers.keys()]).toEqual(['NOT_FOUND']);
});
