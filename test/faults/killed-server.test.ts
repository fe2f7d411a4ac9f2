import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import { pause } from '../../src/base/retry.ts';
import { DATABASE } from '../../src/db/embedded/cluster.ts';
import { connectionUrl } from '../../src/db/embedded/socket.ts';
import type { RunningServer } from '../../src/server/server.ts';
import { expectedSocketFolder } from '../embedded/embedded-world.ts';
import { historyOf, openCursors, startFollower } from '../support/follower.ts';
import { faultsOf, noOutcomes } from '../support/history.ts';
import { RECORD, startLoad } from '../support/load.ts';
import { startPager } from '../support/pager.ts';
import { startServerProcess } from '../support/server-process.ts';
import { openWorld } from '../support/world.ts';
import { limitMs, SCALE } from './support/scale.ts';

const KILLS = SCALE.serverKills;

test(`a server with its own database that is killed ${KILLS} times under load has every acknowledged event, each once`, {
  timeout: limitMs(480_000, 600_000),
}, async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'eventree-killed-'));
  onTestFinished(() => rm(dataDir, { recursive: true, force: true }));
  const world = await openWorld({ servers: 0 });
  const { DATABASE_URL: _, ...environment } = world.environment;
  const server = await startServerProcess({ ...environment, EVENTREE_DATA_DIR: dataDir });
  const db = new pg.Pool({ connectionString: connectionUrl(expectedSocketFolder(dataDir), DATABASE) });
  db.on('error', () => {});
  onTestFinished(() => db.end());

  const outcomes = noOutcomes();
  const at = { url: server.url } as RunningServer;
  let up = Promise.resolve();
  const load = startLoad({
    outcomes,
    writers: 6,
    givenUp: 3,
    // What was under way at a kill has no answer; the next attempt waits for the server to be back.
    send: async (input) => up.then(() => world.send(RECORD, { input }, { server: at })),
  });
  const positionOf = await openCursors(db);
  const url = () => server.url;
  const follower = startFollower(world, positionOf, { url });
  const pagers = (['onwards', 'newest', 'backwards'] as const).map((reading) =>
    startPager(world, positionOf, { name: 'pages', url, reading }),
  );
  for (let kills = 0; kills < KILLS; kills++) {
    await load.more(50);
    await pause(Math.random() * 30);
    up = server.kill().then(() => server.start());
    await up;
  }
  await load.more(50);
  await load.stop();

  const history = await historyOf(db, outcomes, [follower], pagers);
  expect(faultsOf(history)).toEqual([]);
  expect(follower.connections()).toBeGreaterThan(KILLS);
  // The kills met requests under way.
  expect([...load.answers.keys()].sort()).toEqual(['NOT_FOUND', 'nothing']);
  expect(outcomes.unknown.size).toBeGreaterThan(0);
});
