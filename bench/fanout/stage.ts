/**
 * Everything that is measured, started when it is first asked for: nodes of Eventree on one PostgreSQL and
 * one Redis, the peers beside them. All in processes of their own, on free ports of the loopback.
 */
import { readFileSync } from 'node:fs';
import { createMutate, declareTypes } from '../support/declare.ts';
import { startRedis } from '../support/redis.ts';
import {
  type BenchServer,
  freePort,
  NODE_OPTIONS,
  openStage,
  startBenchServer,
  startProcess,
  tokenFor,
} from '../support/server.ts';
import { readyFrame, TEAMS, type Traffic } from './traffic.ts';

export interface FanoutStage {
  readonly adminToken: string;
  /** Nodes of one installation, by name. All carry news through Redis, also where there is one only. */
  eventree(node: string, nodeOptions?: readonly string[]): Promise<BenchServer>;
  yoga(): Promise<BenchServer>;
  wsSend(): Promise<BenchServer>;
  /** One that makes a mistake once. To be stopped by the caller. */
  spoiltWsSend(mistake: string): Promise<BenchServer>;
  /** Puts the resources that the traffic is about, with the rights of those concerned. */
  admit(traffic: Traffic): Promise<void>;
  close(): Promise<void>;
}

const CLOCK_TICKS_PER_SECOND = 100;

/** @param program the compiled server. */
export async function openFanoutStage(program: string): Promise<FanoutStage> {
  const database = await openStage();
  const redis = await startRedis();
  const adminToken = await tokenFor('bench', ['admin']);
  const started = new Map<string, Promise<BenchServer>>();

  function once(name: string, start: () => Promise<BenchServer>): Promise<BenchServer> {
    const server = started.get(name) ?? start();
    started.set(name, server);
    return server;
  }

  const peer = async (file: string, ...args: string[]) => {
    const port = await freePort();
    const program = ['--import', 'tsx', `bench/fanout/${file}`, String(port), ...args];
    return startProcess([...NODE_OPTIONS, ...program], port, {});
  };

  const stage: FanoutStage = {
    adminToken,
    eventree: (node, nodeOptions = NODE_OPTIONS) =>
      once(node, async () => {
        const environment = { REDIS_URL: redis.url };
        const how = { program, nodeOptions: [...nodeOptions] };
        const server = await startBenchServer(database.databaseUrl, environment, how);
        await declareTypes(server.port, adminToken);
        return server;
      }),
    yoga: () => once('yoga', () => peer('yoga.ts', redis.url)),
    wsSend: () => once('ws.send', () => peer('ws-send.ts', readyFrame())),
    spoiltWsSend: (mistake) => peer('ws-send.ts', readyFrame(), mistake),

    async admit({ by, audience }) {
      const { port } = await stage.eventree('A');
      const mutate = createMutate(port, adminToken);
      const names = by === 'team' ? Array.from({ length: TEAMS }, (_, team) => `team-${team}`) : [audience];
      for (const name of names) {
        const input = { ref: `repository/${name}`, acl: { viewData: [`group/${name}`] } };
        await mutate('mutation ($input: PutResourceInput!) { putResource(input: $input) { ref } }', {
          input,
        });
      }
    },

    async close() {
      for (const starting of started.values()) {
        // One that did not start has nothing to stop.
        const server = await starting.catch(() => null);
        await server?.stop();
      }
      await redis.stop();
      await database.close();
    },
  };
  return stage;
}

/** Processor time that a process has used so far, in seconds. */
export function cpuSeconds({ pid }: BenchServer): number {
  // The name of the program, in brackets, may hold spaces; user and system time are the 12th and 13th after it.
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) / CLOCK_TICKS_PER_SECOND;
}
