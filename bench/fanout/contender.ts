/** Those who race: what each is asked to do with the same traffic, in its own terms. */
import { type BenchServer, tokenFor } from '../support/server.ts';
import type { Plan } from './plan.ts';
import type { FanoutStage } from './stage.ts';
import { filterOf, filterWithoutRights, groupOf, keysOf, type Traffic, WATCH } from './traffic.ts';

export interface Contender {
  readonly name: string;
  readonly plan: Plan;
  readonly servers: readonly BenchServer[];
}

export const EVENTREE = 'Eventree';
export const YOGA = 'Yoga';
export const WS_SEND = 'ws.send';

const PATIENCE_MS = 15_000;
/** Events for everybody: two requests, each as much work as a server has in a fifth of a second at best. */
const FOR_ALL = { eventsARequest: 100, mostUnderWay: 200 };
/** Events for a few: enough that a server works on some while it waits for the commit of others. */
const FOR_FEW = { eventsARequest: 100, mostUnderWay: 500 };
/**
 * Yoga waits for no commit, and these keep its core busy. A hundred events for a thousand subscribers at a time
 * keep it from everything else for so long that it takes its clients for dead; 1,025 end it by an overflow.
 */
const FOR_YOGA = { eventsARequest: 10, mostUnderWay: 40 };

/**
 * @param nodes that the subscribers are spread over; events are recorded on A.
 * @param query by which they subscribe.
 */
export async function eventree(
  stage: FanoutStage,
  traffic: Traffic,
  { name = EVENTREE, nodes = ['A'], query = WATCH } = {},
): Promise<Contender> {
  const recorder = await stage.eventree('A');
  await stage.admit(traffic);
  const servers: BenchServer[] = [];
  for (const node of nodes) servers.push(await stage.eventree(node));
  const subscribers = await Promise.all(
    each(traffic, async (nth) => ({
      port: (servers[nth % servers.length] as BenchServer).port,
      token: await tokenFor(`client-${nth}`, [groupOf(traffic, nth)]),
      variables: { filter: filterOf(traffic, nth) },
    })),
  );
  const feed = { feeds: 'graphql', feedPort: recorder.port, feedToken: stage.adminToken } as const;
  return { name, servers, plan: { traffic, ...feed, query, subscribers, ...bounds(traffic) } };
}

export async function yoga(stage: FanoutStage, traffic: Traffic): Promise<Contender> {
  const server = await stage.yoga();
  const subscribers = each(traffic, (nth) => ({
    port: server.port,
    token: '',
    variables: { filter: filterWithoutRights(traffic, nth) },
  }));
  const feed = { feeds: 'graphql', feedPort: server.port, feedToken: '' } as const;
  const plan = { traffic, ...feed, query: WATCH, subscribers, ...FOR_YOGA, patienceMs: PATIENCE_MS };
  return { name: YOGA, servers: [server], plan };
}

export async function wsSend(stage: FanoutStage, traffic: Traffic): Promise<Contender> {
  const server = await stage.wsSend();
  return { name: WS_SEND, servers: [server], plan: planForReadyFrames(server, traffic) };
}

export function planForReadyFrames(server: BenchServer, traffic: Traffic): Plan {
  const subscribers = each(traffic, (nth) => ({
    port: server.port,
    token: '',
    variables: { keys: keysOf(traffic, nth) },
  }));
  const feed = { feeds: 'ready', feedPort: server.port, feedToken: '' } as const;
  return { traffic, ...feed, query: WATCH, subscribers, ...bounds(traffic) };
}

function bounds({ by }: Traffic) {
  return { ...(by === 'all' ? FOR_ALL : FOR_FEW), patienceMs: PATIENCE_MS };
}

function each<T>({ subscribers }: Traffic, make: (nth: number) => T): T[] {
  return Array.from({ length: subscribers }, (_, nth) => make(nth));
}
