import { expect, test, vi } from 'vitest';
import { pause } from '../../src/base/retry.ts';
import { historyOf, openCursors, startFollower } from '../support/follower.ts';
import { faultsOf, noOutcomes } from '../support/history.ts';
import { RECORD, startLoad } from '../support/load.ts';
import { startRedis } from '../support/redis.ts';
import { showPages } from '../support/rights.ts';
import { addressOf, startTcpProxy } from '../support/tcp-proxy.ts';
import { openWorld } from '../support/world.ts';

const CUTS = 100;

/** Two pages of five. */
const FILTER = {
  or: [
    { resource: { eq: 'page/1' } },
    { not: { resource: { in: ['page/0', 'page/1', 'page/2', 'page/3'] } } },
  ],
};

test('subscribers who are cut off 100 times miss nothing, get nothing twice and all in order, also while Redis is killed and started again', {
  timeout: 120_000,
}, async () => {
  const redis = await startRedis();
  const world = await openWorld({ servers: 2, environment: { REDIS_URL: redis.url } });
  await showPages(world, ['page/0', 'page/1'], 'group/readers');
  const reader = await world.token({ subject: 'jane', groups: ['readers'] });
  const positionOf = await openCursors(world.db);
  const proxies = await Promise.all(world.servers.map(({ url }) => startTcpProxy(addressOf(url))));
  proxies[1]?.delay(2);
  const followers = proxies.flatMap(({ port }, node) => {
    const follow = (name: string, options: object) =>
      startFollower(world, positionOf, {
        name: `${name} on node ${node}`,
        url: () => `http://127.0.0.1:${port}`,
        ...options,
      });
    return [
      follow('admin by ws', { by: 'ws' }),
      follow('admin by sse with a filter', { by: 'sse', filter: FILTER }),
      follow('reader by ws with a filter', { by: 'ws', token: reader, filter: FILTER }),
      follow('reader by sse', { by: 'sse', token: reader, maxBatch: 7 }),
    ];
  });

  const outcomes = noOutcomes();
  const load = startLoad({
    outcomes,
    writers: 4,
    pauseMs: 10,
    send: (input, writer) => {
      const [first, second] = world.servers;
      return world.send(RECORD, { input }, { server: (writer % 2 === 0 ? first : second) ?? expect.fail() });
    },
  });
  for (let cuts = 0; cuts < CUTS; cuts++) {
    if (cuts % 40 === 20) await redis.kill();
    if (cuts % 40 === 30) await redis.start();
    await pause(Math.random() * 60);
    await vi.waitUntil(() => proxies[cuts % 2]?.cutOne(), { interval: 1 });
  }
  await load.stop();

  const history = await historyOf(world.db, outcomes, followers);
  expect(faultsOf(history)).toEqual([]);
  expect(followers.reduce((sum, { connections }) => sum + connections(), 0)).toBeGreaterThanOrEqual(CUTS);
  for (const { found } of history.subscribers) expect(found.length).toBeGreaterThan(200);
  expect(outcomes.refused.size).toBeGreaterThan(0);
});
