/**
 * A load balancer that restarts, or a network that blinks: all clients are cut off in one moment and come
 * back in the next.
 */
import { expect, onTestFinished, test } from 'vitest';
import { at, type Follower, findAll, openCursors, readLog, startFollower } from '../support/follower.ts';
import { faultsOf, noOutcomes } from '../support/history.ts';
import { newEvents, RECORD, startLoad } from '../support/load.ts';
import { startServerProcess } from '../support/server-process.ts';
import { addressOf, startTcpProxy } from '../support/tcp-proxy.ts';
import { openWorld } from '../support/world.ts';
import { limitMs, SCALE } from './support/scale.ts';

const CLIENTS = SCALE.clientsCutAtOnce;
const TIMES = SCALE.timesCutAtOnce;
const RESUMED_MS = 15_000;
const POOL_SIZE = 8;

test(`${CLIENTS} clients that are cut off at once have all resumed within 15 s, by no more connections to the database than the pool has`, {
  timeout: limitMs(120_000, 300_000),
}, async () => {
  const world = await openWorld({ servers: 0 });
  const server = await startServerProcess({
    ...world.environment,
    EVENTREE_DATABASE_POOL_SIZE: String(POOL_SIZE),
  });
  const proxy = await startTcpProxy(addressOf(server.url));
  const positionOf = await openCursors(world.db);
  const token = await world.token({ groups: ['admin'] });
  const followers = Array.from({ length: CLIENTS }, (_, nth): Follower => {
    const by = nth % 2 === 0 ? 'ws' : 'sse';
    const name = `client ${nth} by ${by}`;
    return startFollower(world, positionOf, { name, url: () => `http://127.0.0.1:${proxy.port}`, by, token });
  });

  const connections: number[] = [];
  const sampling = setInterval(async () => {
    const { rows } = await world.db.query(
      "select count(*)::int from pg_stat_activity where datname = current_database() and application_name = 'eventree'",
    );
    connections.push(rows[0].count);
  }, 50);
  onTestFinished(() => clearInterval(sampling));
  await Promise.all(followers.map((follower) => follower.until(({ live }) => live)));

  const outcomes = noOutcomes();
  const send = (input: readonly object[]) => world.send(RECORD, { input }, { server: at(server.url), token });
  const load = startLoad({ outcomes, writers: 1, pauseMs: 200, send });
  for (let times = 0; times < TIMES; times++) {
    await load.more(20);
    proxy.cutAll();
    const cutAtMs = performance.now();
    const { data } = await send(newEvents(1));
    outcomes.acknowledged.push(...data.recordEvents.events);
    // Recorded after the cut, it comes to nobody but by a connection of its own.
    const { position } = data.recordEvents.events[0];
    await Promise.all(followers.map((follower) => follower.reached(position)));
    expect(performance.now() - cutAtMs).toBeLessThan(RESUMED_MS);
  }
  await load.stop();
  clearInterval(sampling);

  const log = await readLog(world.db);
  await Promise.all(followers.map((follower) => follower.reached(log.length)));
  const found = await findAll(world.ask, { url: server.url });
  const subscribers = followers.map(({ name, messages }) => ({ name, after: 0, messages, found }));
  expect(faultsOf({ outcomes, log, subscribers, readers: [] })).toEqual([]);
  for (const follower of followers) expect(follower.connections()).toBeGreaterThan(TIMES);
  expect(connections.length).toBeGreaterThan(5);
  expect(Math.max(...connections)).toBeLessThanOrEqual(POOL_SIZE);
});
