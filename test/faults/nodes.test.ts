/**
 * Nodes that join, leave, are restarted one after the other, are killed and are frozen, under load, as behind
 * a load balancer that notices: each time it costs the clients of that node one reconnect, and no event.
 */
import { expect, test } from 'vitest';
import { pause } from '../../src/base/retry.ts';
import { at, type Follower, historyOf, openCursors, readLog, startFollower } from '../support/follower.ts';
import { faultsOf, noOutcomes } from '../support/history.ts';
import { newEvents, RECORD, startLoad } from '../support/load.ts';
import { startPager } from '../support/pager.ts';
import { startRedis } from '../support/redis.ts';
import { showPages } from '../support/rights.ts';
import { type ServerProcess, startServerProcess } from '../support/server-process.ts';
import { addressOf, startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';
import { openWorld, type World } from '../support/world.ts';
import { limitMs, SCALE } from './support/scale.ts';

const ROUNDS = SCALE.nodeRounds;
const SET_ACL = `mutation ($ref: ResourceRef!, $acl: AclInput!) { setResourceAcl(ref: $ref, acl: $acl) { ref } }`;

/** With the balancer's way to it. */
interface Node extends ServerProcess {
  readonly way: TcpProxy;
}

interface Client {
  readonly follower: Follower;
  node: Node;
  /** How often its node has gone. */
  partings: number;
}

async function openNodes() {
  const redis = await startRedis();
  const world = await openWorld({ servers: 0 });
  const environment = {
    ...world.environment,
    EVENTREE_DRAIN_TIMEOUT_MS: '1000',
    REDIS_URL: redis.url,
  };
  const addNode = async (): Promise<Node> => {
    const server = await startServerProcess(environment);
    return Object.assign(server, { way: await startTcpProxy(addressOf(server.url)) });
  };
  const [first, second] = await Promise.all([addNode(), addNode()]);
  return { world, addNode, first, second };
}

test(`nodes join, leave, are restarted in turn, killed, and frozen for ${SCALE.frozenMs / 1_000} s: one reconnect each time, and no event is lost (${ROUNDS} rounds)`, {
  timeout: limitMs(120_000, 600_000),
}, async () => {
  const { world, addNode, first, second } = await openNodes();
  await showPages(world, ['page/0', 'page/1'], 'group/readers', first.url);
  const reader = await world.token({ subject: 'jane', groups: ['readers'] });
  const positionOf = await openCursors(world.db);
  const serving = [first, second];
  const clients: Client[] = [];
  const patients: Follower[] = [];

  function connect(name: string, node: Node, options: object): void {
    const client = { node, partings: 0 };
    const url = () => {
      if (!serving.includes(client.node)) client.node = anyOf(serving);
      return `http://127.0.0.1:${client.node.way.port}`;
    };
    const follower = startFollower(world, positionOf, { name, url, ...options });
    clients.push(Object.assign(client, { follower }));
  }

  /** The balancer sends nobody there any more. Who is there notices by what happens to the connection. */
  function leaves(node: Node): void {
    serving.splice(serving.indexOf(node), 1);
    for (const client of clients) if (client.node === node) client.partings++;
  }

  async function backAgain(node: Node): Promise<void> {
    serving.push(node);
    await load.more(200);
    await reachHead(world, clients);
  }

  for (const node of [first, second]) {
    connect('admin by ws', node, {});
    connect('reader by sse', node, { by: 'sse', token: reader });
    connect('reader by ws', node, { token: reader, maxBatch: 7 });
  }
  const pagers = (['onwards', 'backwards'] as const).map((reading) =>
    startPager(world, positionOf, { name: 'pages', url: () => anyOf(serving).url, reading }),
  );
  await Promise.all(clients.map(({ follower }) => follower.until(({ live }) => live)));
  const outcomes = noOutcomes();
  const load = startLoad({
    outcomes,
    writers: 4,
    pauseMs: 40,
    send: (input) => world.send(RECORD, { input }, { server: at(anyOf(serving).url) }),
  });

  for (let round = 0; round < ROUNDS; round++) {
    const third = await addNode();
    serving.push(third);
    connect(`who came in round ${round}`, third, { by: round % 2 === 0 ? 'ws' : 'sse' });
    await load.more(100);

    for (const node of [first, second]) {
      leaves(node);
      await node.stop();
      await node.start();
      await backAgain(node);
    }

    leaves(first);
    await first.kill();
    await first.start();
    await backAgain(first);

    const patient = startFollower(world, positionOf, { name: 'who waits', url: () => second.url });
    await patient.until(({ live }) => live);
    for (let times = 0; times < 2; times++) connect('who leaves', second, {});
    await Promise.all(clients.map(({ follower }) => follower.until(({ live }) => live)));
    leaves(second);
    second.freeze();
    // It answers nothing, and the balancer gives it up.
    second.way.cutAll();
    await load.more(200);
    await reachHead(world, clients);
    await pause(SCALE.frozenMs);
    second.thaw();
    await backAgain(second);
    await reachHead(world, [{ follower: patient }]);
    // It is cut off at most, if a ping of the server's was under way.
    expect(patient.connections()).toBeLessThanOrEqual(2);
    patients.push(patient);

    leaves(third);
    await third.stop();
    await load.more(100);
  }
  await load.stop();

  const followers = [...clients.map(({ follower }) => follower), ...patients];
  expect(faultsOf(await historyOf(world.db, outcomes, followers, pagers))).toEqual([]);
  expect(clients.map(({ follower }) => follower.connections() - 1)).toEqual(
    clients.map(({ partings }) => partings),
  );
});

test('a node that is frozen in the middle of a transaction does not keep the others from recording', {
  timeout: 60_000,
}, async () => {
  const { world, first, second } = await openNodes();
  await showPages(world, ['page/0'], 'user/jane', first.url);
  // A change of rights takes a place in the journals that have events of the resource.
  await world.ask(RECORD, { input: newEvents(1) }, { server: at(first.url) });
  const codes = new Set<unknown>();
  let changing = true;
  const changes = (async () => {
    for (let nth = 0; changing; nth++) {
      const acl = { viewData: [nth % 2 === 0 ? 'user/john' : 'user/jane'] };
      const { errors } = await world.send(SET_ACL, { ref: 'page/0', acl }, { server: at(first.url) });
      for (const { extensions } of errors ?? []) codes.add(extensions.code);
    }
  })();
  const isJournalLocked = () =>
    world.db.query("select from journal where name = 'main' for update nowait").then(
      () => false,
      () => true,
    );
  for (;;) {
    await pause(Math.random() * 20);
    first.freeze();
    // What it has sent already is done in a moment.
    await pause(20);
    if (await isJournalLocked()) break;
    first.thaw();
  }

  const { recordEvents } = await world.ask(RECORD, { input: newEvents(1) }, { server: at(second.url) });
  expect(recordEvents.events).toHaveLength(1);
  first.thaw();
  changing = false;
  await changes;
  // The change that was under way is void, and may be asked for again.
  expect([...codes]).toEqual(['UNAVAILABLE']);
});

function anyOf<T>(list: readonly T[]): T {
  return list[Math.floor(Math.random() * list.length)] ?? expect.fail();
}

/** Until all that is recorded by now has come to everybody. */
async function reachHead(world: World, clients: readonly Pick<Client, 'follower'>[]): Promise<void> {
  const { length: head } = await readLog(world.db);
  await Promise.all(clients.map(({ follower }) => follower.reached(head)));
}
