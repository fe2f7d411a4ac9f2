/**
 * What recording costs an application: a Prisma update with the extension beside the same without, and the processor
 * time of a call with nothing in it. In turns, on one PostgreSQL; the server is a process of its own.
 *
 *     npm run bench:recorder [-- --updates 1500 --calls 40000 --rounds 5 --json]
 *
 * The update tells the extension how the row was, and its events go out with the commit: a statement more, and no
 * round trip more. A marker is a request to the server, shared by the calls that open together.
 */
import { execFile } from 'node:child_process';
import { cpus } from 'node:os';
import { parseArgs, promisify } from 'node:util';
import pg from 'pg';
import type { Cost } from './recorder/cost.ts';
import { describeMachine, median, printTable } from './support/report.ts';
import { openStage, startBenchServer, tokenFor } from './support/server.ts';

const { values: options } = parseArgs({
  options: {
    updates: { type: 'string', default: '1500' },
    calls: { type: 'string', default: '40000' },
    rounds: { type: 'string', default: '5' },
    json: { type: 'boolean', default: false },
  },
});
const [updates, calls] = [Number(options.updates), Number(options.calls)];

interface Case {
  readonly name: string;
  /** Left out: it is measured with the one above it, in turns. */
  readonly measure?: () => Promise<readonly Cost[]>;
  /** The case it is held against, how many times its time it may take, and how much of the processor. */
  readonly against?: string;
  readonly mostTimes?: number;
  readonly mostCpuMicros?: number;
}

const PLAIN = 'Prisma update in a transaction';

const stage = await openStage();
const admin = new pg.Pool({ connectionString: stage.databaseUrl, max: 1 });
await admin.query('create database application');
await admin.end();
const application = new URL(stage.databaseUrl);
application.pathname = 'application';
const server = await startBenchServer(stage.databaseUrl);
const api = {
  url: `http://127.0.0.1:${server.port}/graphql`,
  token: await tokenFor('bench', ['admin']),
};
await promisify(execFile)('npx', ['prisma', 'generate', '--schema', 'bench/recorder/schema.prisma']);
// Its client has only just been generated.
const { openUpdates } = await import('./recorder/updates.ts');
const { costOfCalls } = await import('./recorder/calls.ts');
const updating = await openUpdates(application.href);

const cases: Case[] = [
  {
    name: PLAIN,
    async measure() {
      const { plain, recorded } = await updating.measure(updates);
      return [plain, recorded];
    },
  },
  {
    name: 'the same with eventree()',
    against: PLAIN,
    mostTimes: 1.5,
  },
  {
    name: 'call with no sub-event, markers off',
    measure: async () => [await costOfCalls(api, calls, false)],
    mostCpuMicros: 50,
  },
  {
    name: 'call with no sub-event, markers on',
    measure: async () => [await costOfCalls(api, calls, true)],
    mostCpuMicros: 50,
  },
];

const results = new Map<string, Cost[]>(cases.map(({ name }) => [name, []]));
// The first round warms everything up and is not counted: what is measured is a process that has been running for a
// while. Its first few thousand calls and updates are compiled while they run, and cost up to twice as much.
for (let round = 0; round <= Number(options.rounds); round++) {
  for (const [i, { name, measure }] of cases.entries()) {
    if (measure === undefined) continue;
    if (!options.json)
      process.stderr.write(`\r\x1b[K${round === 0 ? 'warming up' : `round ${round}`}: ${name}`);
    const costs = await measure();
    if (round > 0) costs.forEach((cost, j) => void results.get(cases[i + j]?.name ?? '')?.push(cost));
  }
}
if (!options.json) process.stderr.write('\r\x1b[K');
await updating.close();
await server.stop();
await stage.close();
report();

function report(): void {
  const of = (name: string, what: keyof Cost) => median((results.get(name) ?? []).map((cost) => cost[what]));
  const figures = cases.map(({ name, against, mostTimes, mostCpuMicros }) => ({
    name,
    wallMicros: Math.round(of(name, 'wallMicros')),
    cpuMicros: Math.round(of(name, 'cpuMicros')),
    timesWall: against === undefined ? null : ratioOf(name, against, 'wallMicros'),
    timesCpu: against === undefined ? null : ratioOf(name, against, 'cpuMicros'),
    aim:
      mostTimes !== undefined
        ? `≤ ${mostTimes} × the time`
        : mostCpuMicros !== undefined
          ? `≤ ${mostCpuMicros} µs of CPU`
          : null,
  }));
  if (options.json) {
    console.log(JSON.stringify({ machine: describeMachine(cpus()), figures }, null, 2));
    return;
  }
  console.log(
    `${describeMachine(cpus())}; medians of ${options.rounds} rounds of ${updates} updates and ${calls} calls\n`,
  );
  printTable(
    ['case', 'µs', 'µs of CPU', '× time', '× CPU', 'aim'],
    figures.map(({ name, wallMicros, cpuMicros, timesWall, timesCpu, aim }) => [
      name,
      wallMicros,
      cpuMicros,
      timesWall?.toFixed(2) ?? '',
      timesCpu?.toFixed(2) ?? '',
      aim ?? '',
    ]),
  );
}

/** Of the medians of both; they are taken in turns, so that what slows one down slows the other. */
function ratioOf(name: string, against: string, what: keyof Cost): number {
  const of = (which: string) => median((results.get(which) ?? []).map((cost) => cost[what]));
  return Number((of(name) / of(against)).toFixed(2));
}
