import { expect, test, vi } from 'vitest';
import type { RunningServer } from '../../src/server/server.ts';
import { startEventree, startFollowing } from '../support/cli.ts';
import { noOutcomes } from '../support/history.ts';
import { RECORD, startLoad } from '../support/load.ts';
import { startServerProcess } from '../support/server-process.ts';
import { openWorld } from '../support/world.ts';

const KILLS = 3;

test('eventree tail survives a server that is killed under load: each event once, in order', {
  timeout: 120_000,
}, async () => {
  const world = await openWorld({ servers: 0 });
  const server = await startServerProcess(world.environment);
  const at = { url: server.url } as RunningServer;
  const environment = { EVENTREE_URL: server.url, EVENTREE_TOKEN: await world.token({ groups: ['admin'] }) };
  const plain = await startFollowing(server.url, ['tail'], { environment });
  const some = await startFollowing(server.url, ['tail', '--resource', 'page/1'], { environment });

  let up = Promise.resolve();
  const load = startLoad({
    outcomes: noOutcomes(),
    writers: 4,
    send: async (input) => up.then(() => world.send(RECORD, { input }, { server: at })),
  });
  await load.more(200);
  // This one has the past to catch up with.
  const json = await startEventree(['tail', '--json', '--since', 'beginning'], { environment });
  await json.untilLines(1);
  for (let kills = 0; kills < KILLS; kills++) {
    await load.more(200);
    up = server.kill().then(() => server.start());
    await up;
    // So that every kill cuts off each of them.
    const isBack = new RegExp(`(?:Connected again\\.\n[^]*){${kills + 1}}`);
    for (const running of [plain, some, json]) await running.untilSaid(isBack);
  }
  await load.more(200);
  await load.stop();

  const { rows } = await world.db.query('SELECT id, resource FROM event ORDER BY position');
  const all: string[] = rows.map(({ id }) => id);
  const chosen = rows.filter(({ resource }) => resource === 'page/1').map(({ id }) => id);
  const ended = [];
  for (const [running, last] of [
    [plain, all.at(-1)],
    [json, all.at(-1)],
    [some, chosen.at(-1)],
  ] as const) {
    await vi.waitUntil(() => running.lines.at(-1)?.includes(String(last)), { timeout: 20_000, interval: 10 });
    running.process.kill('SIGINT');
    ended.push(await running.ended);
  }
  // The message of each event is its id.
  expect(plain.lines.map((line) => line.slice(-36))).toEqual(all);
  expect(json.lines.map((line) => JSON.parse(line).id)).toEqual(all);
  expect(some.lines.map((line) => line.slice(-36))).toEqual(chosen);
  expect(ended.map(({ code }) => code)).toEqual([0, 0, 0]);
  for (const { stderr } of ended) expect(stderr).toMatch(/^(?:.*\. Trying again …\nConnected again\.\n){3}$/);
});
