/**
 * A Redis Cluster of a test's own, as it is run: three masters and three replicas, each a process, and a
 * password. What is killed is found to be missing after a second, and its replica takes over.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { onTestFinished, vi } from 'vitest';
import { freePort, startRedis, type TestRedis } from './redis.ts';

export interface TestRedisCluster {
  /** Of one node, with the password. */
  urlOf(node: TestRedis): string;
  /** The first three began as masters. */
  readonly nodes: readonly TestRedis[];
  slotOf(channel: string): Promise<number>;
  /** Who is the master of a slot, as one sees it that is struck by no test. */
  masterOf(slot: number): Promise<TestRedis>;
  /** Gives a slot without keys to another master. */
  moveSlot(slot: number, target: TestRedis): Promise<void>;
  /** The channels that are subscribed on a node. */
  channelsOn(node: TestRedis): Promise<{ sharded: string[]; plain: string[] }>;
}

interface Node {
  readonly redis: TestRedis;
  readonly busPort: number;
  readonly client: Redis;
}

const MASTERS = 3;
const SLOTS = 16_384;
const NODE_TIMEOUT_MS = 1_000;
const PASSWORD = 'of the nodes';

export async function startRedisCluster(): Promise<TestRedisCluster> {
  const folder = await mkdtemp(join(tmpdir(), 'eventree-redis-cluster-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const nodes = await Promise.all(Array.from({ length: 2 * MASTERS }, (_, nth) => startNode(folder, nth)));
  await unite(nodes);
  const nodeOf = (redis: TestRedis) => nodes.find((node) => node.redis === redis) as Node;
  // A replica: no test strikes it before it is a master.
  const { client: observer } = nodes.at(-1) as Node;

  return {
    nodes: nodes.map(({ redis }) => redis),
    urlOf,
    slotOf: (channel) => observer.cluster('KEYSLOT', channel),
    async masterOf(slot) {
      for (const [from, to, master] of await observer.cluster('SLOTS')) {
        const node = nodes.find(({ redis }) => redis.port === master?.[1]);
        if (from <= slot && slot <= to && node !== undefined) return node.redis;
      }
      throw new Error(`Slot ${slot} has no master.`);
    },
    async moveSlot(slot, target) {
      const id = await nodeOf(target).client.cluster('MYID');
      // The one that gets it first, so that there is no moment without a master.
      for (const { client } of [nodeOf(target), ...nodes.slice(0, MASTERS)]) {
        await client.cluster('SETSLOT', slot, 'NODE', id);
      }
    },
    async channelsOn(node) {
      const { client } = nodeOf(node);
      return {
        sharded: (await client.pubsub('SHARDCHANNELS')) as string[],
        plain: (await client.pubsub('CHANNELS')) as string[],
      };
    },
  };
}

/** A cluster of a single node, which takes no time to form. */
export async function startClusterOfOne(): Promise<{ redis: TestRedis; client: Redis; url: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'eventree-redis-cluster-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const { redis, client } = await startNode(folder, 0, '--cluster-announce-ip', '127.0.0.1');
  await client.cluster('ADDSLOTSRANGE', 0, SLOTS - 1);
  await until(async () => (await client.cluster('INFO')).includes('cluster_state:ok'));
  return { redis, client, url: urlOf(redis) };
}

const urlOf = ({ port }: TestRedis) => `redis://:${encodeURIComponent(PASSWORD)}@127.0.0.1:${port}`;

async function startNode(folder: string, nth: number, ...settings: string[]): Promise<Node> {
  const busPort = await freePort();
  const redis = await startRedis(
    ...['--cluster-enabled', 'yes', '--cluster-port', String(busPort), '--dir', folder],
    ...['--cluster-config-file', `nodes-${nth}.conf`, '--cluster-node-timeout', String(NODE_TIMEOUT_MS)],
    ...['--requirepass', PASSWORD, '--masterauth', PASSWORD],
    ...['--cluster-replica-validity-factor', '0', '--repl-diskless-sync-delay', '0'],
    ...settings,
  );
  const client = new Redis({ port: redis.port, password: PASSWORD });
  client.on('error', () => {});
  onTestFinished(() => client.disconnect());
  return { redis, busPort, client };
}

/** Shares the slots out, makes the nodes known to each other, and waits until the replicas are of use. */
async function unite(nodes: readonly Node[]): Promise<void> {
  const masters = nodes.slice(0, MASTERS);
  for (const [nth, { client }] of masters.entries()) {
    await client.cluster('SET-CONFIG-EPOCH', nth + 1);
    const firstOf = (master: number) => Math.floor((master * SLOTS) / MASTERS);
    await client.cluster('ADDSLOTSRANGE', firstOf(nth), firstOf(nth + 1) - 1);
  }
  const [first, ...others] = nodes as [Node, ...Node[]];
  for (const { redis, busPort } of others) {
    await first.client.call('CLUSTER', 'MEET', '127.0.0.1', redis.port, busPort);
  }
  await untilAllSay(nodes, `cluster_known_nodes:${nodes.length}`);
  for (const [nth, { client }] of nodes.slice(MASTERS).entries()) {
    await client.cluster('REPLICATE', await (masters[nth] as Node).client.cluster('MYID'));
  }
  await untilAllSay(nodes, 'cluster_state:ok');
  await until(async () => {
    const states = await Promise.all(masters.map(({ client }) => client.info('replication')));
    return states.every((state) => state.includes('state=online'));
  });
}

function untilAllSay(nodes: readonly Node[], line: string): Promise<unknown> {
  return until(async () => {
    const states = await Promise.all(nodes.map(({ client }) => client.cluster('INFO')));
    return states.every((state) => state.includes(line));
  });
}

function until(test: () => Promise<boolean>): Promise<unknown> {
  return vi.waitUntil(test, { timeout: 15_000, interval: 50 });
}
