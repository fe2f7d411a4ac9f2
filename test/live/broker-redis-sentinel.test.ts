/**
 * Two servers over a Redis master that sentinels watch. They look at the journal once a minute only: what
 * arrives sooner has been pushed.
 */
import { expect, test, vi } from 'vitest';
import { historyOf, openCursors, startFollower } from '../support/follower.ts';
import { faultsOf, noOutcomes } from '../support/history.ts';
import { newEvents, RECORD, startLoad } from '../support/load.ts';
import { startSentinels } from '../support/redis-sentinel.ts';
import { openWorld } from '../support/world.ts';

test('a master killed under load costs no event, and news is pushed again by the one that sentinels choose', {
  timeout: 80_000,
}, async () => {
  const redis = await startSentinels();
  const world = await openWorld({
    servers: 2,
    environment: {
      REDIS_URL: redis.url,
      // The others are learned from it.
      EVENTREE_REDIS_SENTINELS: redis.sentinelUrls.slice(0, 2).join(','),
      EVENTREE_POLL_INTERVAL_MS: '60000',
      EVENTREE_LOG_LEVEL: 'fatal',
    },
  });
  const [first = expect.fail(), second = expect.fail()] = world.servers;
  const positionOf = await openCursors(world.db);
  const followers = world.servers.map(({ url }, node) =>
    startFollower(world, positionOf, { name: `node ${node}`, url: () => url }),
  );
  const outcomes = noOutcomes();
  const load = startLoad({
    outcomes,
    writers: 4,
    pauseMs: 20,
    send: (input, writer) => world.send(RECORD, { input }, { server: writer % 2 === 0 ? first : second }),
  });
  await load.more(200);
  await Promise.all(followers.map((follower) => follower.reached(1)));

  const [master = expect.fail(), replica = expect.fail()] = redis.servers;
  await master.kill();
  await vi.waitUntil(async () => (await redis.masterPort()) === replica.port, { timeout: 30_000 });
  await load.more(200);
  await load.stop();
  expect(faultsOf(await historyOf(world.db, outcomes, followers))).toEqual([]);

  for (const server of world.servers) {
    const { recordEvents } = await world.ask(RECORD, { input: newEvents(1) }, { server });
    await Promise.all(followers.map((follower) => follower.reached(recordEvents.events[0].position)));
  }
  const health = await fetch(`${first.url}/readyz`).then((answer) => answer.json());
  expect(health).toMatchObject({
    signals: { ok: true, through: /^Redis master mymaster of the sentinels 127/ },
  });
});
