/**
 * What an idle subscriber costs the server in memory: its process with 5,000 of them less its process
 * without, garbage collected on both occasions through the inspector.
 *
 * Said in two ways, because each alone can be too kind: the process may put subscribers where memory lay idle
 * before, and JavaScript does not know what its sockets hold outside of it.
 */
import { once } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';
import WebSocket from 'ws';
import { freePort, NODE_OPTIONS } from '../support/server.ts';
import { eventree } from './contender.ts';
import { startLoad } from './load-process.ts';
import type { FanoutStage } from './stage.ts';

export interface MemoryFigure {
  readonly subscribers: number;
  /** The whole process, as the operating system sees it. */
  readonly residentBytes: number;
  /** What JavaScript holds: its heap and the buffers beside it. */
  readonly heapBytes: number;
}

/** What subscribing does once, such as compiling it, is done by these. */
const WARM_UP_SUBSCRIBERS = 200;
/** For what is freed or forgotten a while after the sockets have opened or closed. */
const IDLE_MS = 4_000;
const NODE = 'memory';

export async function measureMemory(stage: FanoutStage, subscribers: number): Promise<MemoryFigure> {
  const inspectPort = await freePort();
  // The second option keeps the address off the terminal.
  const inspection = [`--inspect=127.0.0.1:${inspectPort}`, '--inspect-publish-uid=http'];
  await stage.eventree(NODE, [...NODE_OPTIONS, ...inspection]);
  const subscribe = async (count: number) => {
    const traffic = { by: 'all', audience: 'memory', subscribers: count } as const;
    const { name, plan } = await eventree(stage, traffic, { nodes: [NODE] });
    return startLoad(name, plan);
  };

  const warmUp = await subscribe(WARM_UP_SUBSCRIBERS);
  await warmUp.stop();
  await wait(IDLE_MS);
  const before = await settledMemory(inspectPort);
  const load = await subscribe(subscribers);
  await wait(IDLE_MS);
  const after = await settledMemory(inspectPort);
  await load.stop();

  const inHeap = ({ heapUsed, external }: NodeJS.MemoryUsage) => heapUsed + external;
  return {
    subscribers,
    residentBytes: (after.rss - before.rss) / subscribers,
    heapBytes: (inHeap(after) - inHeap(before)) / subscribers,
  };
}

/** Of a server that collects its garbage first. */
async function settledMemory(inspectPort: number): Promise<NodeJS.MemoryUsage> {
  const targets = await fetch(`http://127.0.0.1:${inspectPort}/json/list`);
  const [target] = (await targets.json()) as { webSocketDebuggerUrl: string }[];
  if (target === undefined) throw new Error('There is nothing to inspect.');
  const inspector = new WebSocket(target.webSocketDebuggerUrl);
  await once(inspector, 'open');
  const call = async (method: string, params: object = {}) => {
    inspector.send(JSON.stringify({ id: 1, method, params }));
    const [answer] = (await once(inspector, 'message')) as [Buffer];
    return JSON.parse(String(answer)) as { result: { result: { value: string } } };
  };
  await call('HeapProfiler.collectGarbage');
  const expression = 'JSON.stringify(process.memoryUsage())';
  const { result } = await call('Runtime.evaluate', { expression });
  inspector.close();
  return JSON.parse(result.result.value) as NodeJS.MemoryUsage;
}
