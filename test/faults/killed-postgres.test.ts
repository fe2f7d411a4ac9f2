import pg from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import { copiesOfOneCluster, postmasterOf, startHere } from '../embedded/embedded-world.ts';
import { historyOf, openCursors, startFollower } from '../support/follower.ts';
import { faultsOf, noOutcomes } from '../support/history.ts';
import { RECORD, startLoad } from '../support/load.ts';
import { showPages } from '../support/rights.ts';
import { openWorld } from '../support/world.ts';

const dataFolder = copiesOfOneCluster();
/** The embedded database takes five in a minute. */
const KILLS = 4;

test('a server whose PostgreSQL is killed under load loses nothing acknowledged, writes nothing twice, and its streams go on', {
  timeout: 90_000,
}, async () => {
  const dataDir = await dataFolder();
  const { url: DATABASE_URL } = await startHere(dataDir);
  const world = await openWorld({ environment: { DATABASE_URL } });
  const db = new pg.Pool({ connectionString: DATABASE_URL });
  db.on('error', () => {});
  onTestFinished(() => db.end());
  await showPages(world, ['page/0', 'page/1'], 'group/readers');
  const reader = await world.token({ subject: 'jane', groups: ['readers'] });
  const positionOf = await openCursors(db);
  const url = () => world.servers[0]?.url ?? '';
  const followers = [
    startFollower(world, positionOf, { name: 'admin by ws', url, by: 'ws' }),
    startFollower(world, positionOf, { name: 'reader by sse', url, by: 'sse', token: reader }),
  ];
  await Promise.all(followers.map((follower) => follower.until(({ live }) => live)));

  const outcomes = noOutcomes();
  const load = startLoad({
    outcomes,
    writers: 6,
    send: (input) => world.send(RECORD, { input }),
  });
  for (let kills = 0; kills < KILLS; kills++) {
    await load.more(300);
    process.kill(await postmasterOf(dataDir), 'SIGKILL');
  }
  await load.more(300);
  await load.stop();

  const history = await historyOf(db, outcomes, followers);
  expect(faultsOf(history)).toEqual([]);
  for (const follower of followers) expect(follower.connections()).toBe(1);
  for (const code of load.answers.keys()) expect(['NOT_FOUND', 'UNAVAILABLE']).toContain(code);
});
