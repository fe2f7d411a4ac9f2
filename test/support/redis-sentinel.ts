/**
 * A Redis master and its replica, watched by three sentinels, each a process of its own; all of them want
 * a password. A master that is killed is found to be missing after half a second.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { onTestFinished, vi } from 'vitest';
import { startRedis, startSentinel, type TestRedis } from './redis.ts';

export interface TestSentinels {
  /** By its name, with the password. */
  readonly url: string;
  readonly sentinelUrls: readonly string[];
  readonly servers: readonly TestRedis[];
  /** The port of the one that the sentinels call master now. */
  masterPort(): Promise<number>;
}

const NAME = 'mymaster';
const PASSWORD = 'of the servers';
const SENTINEL_PASSWORD = 'of the sentinels';
const SENTINELS = 3;

export async function startSentinels(): Promise<TestSentinels> {
  const folder = await mkdtemp(join(tmpdir(), 'eventree-redis-sentinel-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const passwords = ['--requirepass', PASSWORD, '--masterauth', PASSWORD, '--repl-diskless-sync-delay', '0'];
  const master = await startRedis(...passwords, '--dir', folder);
  const replica = await startRedis(...passwords, '--dir', folder, '--replicaof', `127.0.0.1 ${master.port}`);
  const client = new Redis({ port: master.port, password: PASSWORD });
  await until(async () => (await client.info('replication')).includes('state=online'));
  client.disconnect();

  const sentinels = await Promise.all(
    Array.from({ length: SENTINELS }, async (_, nth) => {
      const file = join(folder, `sentinel-${nth}.conf`);
      await writeFile(file, configuration(master.port));
      return startSentinel(file);
    }),
  );
  const asking = sentinels.map(({ port }) => new Redis({ port, password: SENTINEL_PASSWORD }));
  onTestFinished(() => asking.forEach((sentinel) => void sentinel.disconnect()));
  for (const sentinel of asking) await until(() => knowsAll(sentinel));

  return {
    url: `redis://:${encodeURIComponent(PASSWORD)}@${NAME}`,
    sentinelUrls: sentinels.map(
      ({ port }) => `redis://:${encodeURIComponent(SENTINEL_PASSWORD)}@127.0.0.1:${port}`,
    ),
    servers: [master, replica],
    async masterPort() {
      const [sentinel] = asking as [Redis];
      const [, port] = (await sentinel.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', NAME)) as [string, string];
      return Number(port);
    },
  };
}

function configuration(masterPort: number): string {
  return [
    `requirepass "${SENTINEL_PASSWORD}"`,
    `sentinel sentinel-pass "${SENTINEL_PASSWORD}"`,
    `sentinel monitor ${NAME} 127.0.0.1 ${masterPort} 2`,
    `sentinel auth-pass ${NAME} "${PASSWORD}"`,
    `sentinel down-after-milliseconds ${NAME} 500`,
    `sentinel failover-timeout ${NAME} 3000`,
    '',
  ].join('\n');
}

async function knowsAll(sentinel: Redis): Promise<boolean> {
  const state = (await sentinel.call('SENTINEL', 'MASTER', NAME)) as string[];
  const of = (field: string) => Number(state[state.indexOf(field) + 1]);
  return of('num-slaves') === 1 && of('num-other-sentinels') === SENTINELS - 1;
}

function until(test: () => Promise<boolean>): Promise<boolean> {
  return vi.waitUntil(test, { timeout: 15_000, interval: 50 });
}
