import pg from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import { pause } from '../../src/base/retry.ts';
import { copiesOfOneCluster, postmasterOf, startHere } from '../embedded/embedded-world.ts';
import { historyOf, openCursors, startFollower } from '../support/follower.ts';
import { faultsOf, noOutcomes } from '../support/history.ts';
import { RECORD, startLoad } from '../support/load.ts';
import { startPager } from '../support/pager.ts';
import { showPages } from '../support/rights.ts';
import { openWorld } from '../support/world.ts';
import { limitMs, SCALE } from './support/scale.ts';

const dataFolder = copiesOfOneCluster();
const ENDS = SCALE.postgresRestarts;
/** By `kill -9`, and as `pg_ctl restart -m immediate` asks for it. It is started again at once. */
const SIGNALS = ['SIGKILL', 'SIGQUIT'] as const;
/** The embedded database is started again so often in a minute. */
const MOST_PER_MINUTE = 5;

test(`a server whose PostgreSQL is killed or restarted ${ENDS} times under load loses nothing acknowledged, writes nothing twice, and its streams go on`, {
  timeout: limitMs(90_000, 300_000),
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
  const pagers = (['newest', 'backwards'] as const).map((reading) =>
    startPager(world, positionOf, { name: 'pages', url, reading, token: reader }),
  );
  await Promise.all(followers.map((follower) => follower.until(({ live }) => live)));

  const outcomes = noOutcomes();
  const load = startLoad({
    outcomes,
    writers: 6,
    send: (input) => world.send(RECORD, { input }),
  });
  const endedAtMs: number[] = [];
  for (let ends = 0; ends < ENDS; ends++) {
    await load.more(300);
    const fifthLastMs = endedAtMs.at(-MOST_PER_MINUTE) ?? Number.NEGATIVE_INFINITY;
    await pause(Math.max(0, fifthLastMs + 61_000 - Date.now()));
    process.kill(await postmasterOf(dataDir), SIGNALS[ends % SIGNALS.length] as NodeJS.Signals);
    endedAtMs.push(Date.now());
  }
  await load.more(300);
  await load.stop();

  const history = await historyOf(db, outcomes, followers, pagers);
  expect(faultsOf(history)).toEqual([]);
  for (const follower of followers) expect(follower.connections()).toBe(1);
  for (const code of load.answers.keys()) expect(['NOT_FOUND', 'UNAVAILABLE']).toContain(code);
});
