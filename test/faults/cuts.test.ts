/**
 * Connections that networks cut, lose, stall and slice, while two servers record and Redis comes and goes:
 * subscribers miss nothing and get nothing twice, and no page of a list ever changes.
 */
import { expect, test, vi } from 'vitest';
import { pause } from '../../src/base/retry.ts';
import { historyOf, openCursors, startFollower } from '../support/follower.ts';
import { faultsOf, noOutcomes } from '../support/history.ts';
import { RECORD, startLoad } from '../support/load.ts';
import { startPager } from '../support/pager.ts';
import { startRedis } from '../support/redis.ts';
import { showPages } from '../support/rights.ts';
import { addressOf, startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';
import { openWorld } from '../support/world.ts';
import { limitMs, SCALE } from './support/scale.ts';

const CUTS = SCALE.connectionCuts;
/** A stream says something in this time, so that who hears nothing for much longer has lost it. */
const CHECKPOINT_MS = 200;
const SILENCE_MS = 1_500;

/** Two pages of five. */
const FILTER = {
  or: [
    { resource: { eq: 'page/1' } },
    { not: { resource: { in: ['page/0', 'page/1', 'page/2', 'page/3'] } } },
  ],
};

/** One of ten is lost without a word: whoever lost it notices by and by. */
const WAYS = [
  ...Array.from({ length: 7 }, () => (proxy: TcpProxy) => proxy.cutOne()),
  ...Array.from({ length: 2 }, () => (proxy: TcpProxy) => proxy.stallOne(Math.random() * 500)),
  (proxy: TcpProxy) => proxy.loseOne(),
];

test(`subscribers who are cut off ${CUTS} times miss nothing, get nothing twice and all in order, also while Redis is killed and started again`, {
  timeout: limitMs(180_000, 600_000),
}, async () => {
  const redis = await startRedis();
  const environment = { REDIS_URL: redis.url, EVENTREE_CHECKPOINT_INTERVAL_MS: String(CHECKPOINT_MS) };
  const world = await openWorld({ servers: 2, environment });
  await showPages(world, ['page/0', 'page/1'], 'group/readers');
  const reader = await world.token({ subject: 'jane', groups: ['readers'] });
  const positionOf = await openCursors(world.db);
  const proxies = await Promise.all(world.servers.map(({ url }) => startTcpProxy(addressOf(url))));
  proxies[0]?.slice(200);
  proxies[1]?.delay(2);
  const followers = proxies.flatMap(({ port }, node) => {
    const follow = (name: string, options: object) =>
      startFollower(world, positionOf, {
        name: `${name} on node ${node}`,
        url: () => `http://127.0.0.1:${port}`,
        silenceMs: SILENCE_MS,
        ...options,
      });
    return [
      follow('admin by ws', { by: 'ws' }),
      follow('admin by sse with a filter', { by: 'sse', filter: FILTER }),
      follow('reader by ws with a filter', { by: 'ws', token: reader, filter: FILTER }),
      follow('reader by sse', { by: 'sse', token: reader, maxBatch: 7 }),
    ];
  });
  const pagers = world.servers.flatMap(({ url }, node) => {
    const look = (reading: 'onwards' | 'newest' | 'backwards', options: object = {}) =>
      startPager(world, positionOf, { name: `pages of node ${node}`, url: () => url, reading, ...options });
    return [look('onwards'), look('newest', { token: reader }), look('backwards', { filter: FILTER })];
  });

  const outcomes = noOutcomes();
  const load = startLoad({
    outcomes,
    writers: 4,
    pauseMs: 20,
    send: (input, writer) => {
      const [first, second] = world.servers;
      return world.send(RECORD, { input }, { server: (writer % 2 === 0 ? first : second) ?? expect.fail() });
    },
  });
  const ended = () => followers.reduce((sum, { connections }) => sum + connections(), -followers.length);
  for (let cuts = 0; cuts < CUTS; cuts++) {
    if (cuts % 40 === 20) await redis.kill();
    if (cuts % 40 === 30) await redis.start();
    await pause(Math.random() * 60);
    const proxy = proxies[cuts % 2] ?? expect.fail();
    await vi.waitUntil(() => WAYS[cuts % WAYS.length]?.(proxy), { timeout: 10_000, interval: 1 });
  }
  // Enough for each to have had its share, however slow the machine was.
  await vi.waitUntil(() => outcomes.acknowledged.length >= 2_000, { timeout: 60_000 });
  await load.stop();

  const history = await historyOf(world.db, outcomes, followers, pagers);
  expect(faultsOf(history)).toEqual([]);
  // Seven of ten end a connection at once.
  expect(ended()).toBeGreaterThan(CUTS / 2);
  for (const { found } of history.subscribers) expect(found.length).toBeGreaterThan(200);
  for (const { pages } of history.readers) expect(pages.length).toBeGreaterThan(20);
  expect(outcomes.refused.size).toBeGreaterThan(0);
});
