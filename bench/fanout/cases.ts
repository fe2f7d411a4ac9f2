/** The nine cases, what each should come to, and how each is measured. */
import type { Contender } from './contender.ts';
import { EVENTREE, eventree, WS_SEND, wsSend, YOGA, yoga } from './contender.ts';
import { measureMemory } from './memory.ts';
import { type Figure, type RaceOptions, race } from './race.ts';
import type { FanoutStage } from './stage.ts';
import { type Traffic, WATCH, WATCH_AS_ONESELF } from './traffic.ts';

export interface Outcome {
  readonly figures: readonly Figure[];
  readonly findings: readonly Finding[];
}

/** What the figures come to. */
export interface Finding {
  /** The contender that it is said of. */
  readonly of: string;
  readonly value: number;
  /** As it follows the value: what the value is in, or how many times what it is. */
  readonly unit: string;
  readonly aim: Aim | null;
}

export interface Aim {
  readonly bound: 'least' | 'most';
  readonly value: number;
}

export interface Case {
  readonly number: number;
  readonly name: string;
  /** What of its figures is worth showing. */
  readonly shows: 'speed' | 'latency' | 'memory';
  measure(stage: FanoutStage, options: RaceOptions): Promise<Outcome>;
}

const CLIENTS = 1_000;
const IDLE_CLIENTS = 5_000;
const DELIVERIES_PER_SECOND = 3_000;
export const ONE_NODE = 'one process';
export const TWO_NODES = 'two processes';

export function isMet({ value, aim }: Finding): boolean | null {
  if (aim === null) return null;
  return aim.bound === 'least' ? value >= aim.value : value <= aim.value;
}

const least = (value: number): Aim => ({ bound: 'least', value });
const most = (value: number): Aim => ({ bound: 'most', value });

export const CASES: readonly Case[] = [
  {
    number: 1,
    name: '1,000 clients see every event, many events in flight',
    shows: 'speed',
    async measure(stage, options) {
      const figures = await race(await all(stage, traffic('all', 'many')), { run: 'flood' }, options);
      return { figures, findings: [speed(figures, WS_SEND, least(3)), speed(figures, YOGA, least(30))] };
    },
  },
  {
    number: 2,
    name: '1,000 clients see every event, one event at a time',
    shows: 'speed',
    async measure(stage, options) {
      const figures = await race(await all(stage, traffic('all', 'single')), { run: 'turns' }, options);
      return { figures, findings: [speed(figures, WS_SEND, least(0.85)), speed(figures, YOGA, null)] };
    },
  },
  {
    number: 3,
    name: '1,000 clients, each event concerns 1 % of them',
    shows: 'speed',
    async measure(stage, options) {
      const figures = await race(await all(stage, traffic('team', 'teams')), { run: 'flood' }, options);
      return { figures, findings: [speed(figures, WS_SEND, least(0.5)), speed(figures, YOGA, least(50))] };
    },
  },
  {
    number: 4,
    name: 'Latency at 3,000 deliveries/s to 1,000 clients',
    shows: 'latency',
    async measure(stage, options) {
      const order = { run: 'pace', eventsPerSecond: DELIVERIES_PER_SECOND / CLIENTS } as const;
      const figures = await race(await all(stage, traffic('all', 'latency')), order, options);
      return { figures, findings: [delay(figures, WS_SEND, most(1.5)), delay(figures, YOGA, null)] };
    },
  },
  {
    number: 5,
    name: '1,000 clients, each with a filter of its own that matches 1 %',
    shows: 'speed',
    async measure(stage, options) {
      const figures = await race(await all(stage, traffic('host', 'hosts')), { run: 'flood' }, options);
      return { figures, findings: [speed(figures, WS_SEND, null), speed(figures, YOGA, least(10))] };
    },
  },
  {
    number: 6,
    name: 'Recorded on node A, seen on node B: 200 events/s × 100 subscribers',
    shows: 'latency',
    async measure(stage, options) {
      const across = { by: 'all', audience: 'across', subscribers: 100 } as const;
      const contender = await eventree(stage, across, { nodes: ['B'] });
      const order = { run: 'pace', eventsPerSecond: 200 } as const;
      const figures = await race([contender], order, options);
      const { p50Ms, p99Ms } = find(figures, EVENTREE);
      return {
        figures,
        findings: [
          { of: EVENTREE, value: p50Ms ?? Number.NaN, unit: 'ms p50', aim: most(20) },
          { of: EVENTREE, value: p99Ms ?? Number.NaN, unit: 'ms p99', aim: most(100) },
        ],
      };
    },
  },
  {
    number: 7,
    name: 'Memory per idle subscriber at 5,000',
    shows: 'memory',
    async measure(stage, { progress }) {
      progress('5,000 subscribers');
      const { residentBytes, heapBytes } = await measureMemory(stage, IDLE_CLIENTS);
      return {
        figures: [],
        findings: [
          { of: EVENTREE, value: residentBytes / 1_000, unit: 'kB of the process', aim: most(15) },
          {
            of: EVENTREE,
            value: heapBytes / 1_000,
            unit: 'kB of JavaScript’s heap and buffers',
            aim: most(15),
          },
        ],
      };
    },
  },
  {
    number: 8,
    name: 'Two server processes on two cores, 1,000 clients',
    shows: 'speed',
    measure: (stage, options) => measureScaling(stage, options, WATCH),
  },
  {
    number: 9,
    name: 'The same, each client told in words of its own',
    shows: 'speed',
    // Words for all leave so little to do for a delivery that the load and the database take as much as the servers.
    measure: (stage, options) => measureScaling(stage, options, WATCH_AS_ONESELF),
  },
];

async function measureScaling(stage: FanoutStage, options: RaceOptions, query: string): Promise<Outcome> {
  const contenders = [
    await eventree(stage, traffic('all', 'one'), { name: ONE_NODE, query }),
    await eventree(stage, traffic('all', 'two'), { name: TWO_NODES, query, nodes: ['A', 'B'] }),
  ];
  const figures = await race(contenders, { run: 'flood' }, options);
  return { figures, findings: [speed(figures, ONE_NODE, least(1.6), TWO_NODES)] };
}

function traffic(by: Traffic['by'], audience: string): Traffic {
  return { by, audience, subscribers: CLIENTS };
}

async function all(stage: FanoutStage, of: Traffic): Promise<Contender[]> {
  return [await eventree(stage, of), await wsSend(stage, of), await yoga(stage, of)];
}

function find(figures: readonly Figure[], name: string): Figure {
  const found = figures.find(({ contender }) => contender === name);
  if (found === undefined) throw new Error(`${name} was not measured.`);
  return found;
}

function speed(figures: readonly Figure[], against: string, aim: Aim | null, of = EVENTREE): Finding {
  const value = find(figures, of).deliveriesPerSecond / find(figures, against).deliveriesPerSecond;
  return { of, value, unit: `× ${against}`, aim };
}

/** Of medians: how many times as late as the other. */
function delay(figures: readonly Figure[], against: string, aim: Aim | null): Finding {
  const value = (find(figures, EVENTREE).p50Ms ?? 0) / (find(figures, against).p50Ms ?? 0);
  return { of: EVENTREE, value, unit: `× ${against}`, aim };
}
