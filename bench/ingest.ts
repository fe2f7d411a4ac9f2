/**
 * How fast events are recorded, beside what PostgreSQL can take at all (COPY) and beside what one writes
 * by hand (a Prisma nested create behind a mutation). All in one run, in turns, on one PostgreSQL, each
 * server and the load in a process of its own.
 *
 *     npm run bench:ingest [-- --seconds 5 --rounds 3 --json]
 *
 * COPY is of the same events into a table with the columns, primary key and index of `event`, by one
 * connection, from text that was made before: no GraphQL, no checks, no index of values, nobody's rights.
 */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { parseArgs, promisify } from 'node:util';
import pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { v7 } from 'uuid';
import { pause } from '../src/base/retry.ts';
import { declareTypes } from './support/declare.ts';
import { describeMachine, median, printTable } from './support/report.ts';
import { attributesOf, sampleEvent } from './support/sample.ts';
import {
  type BenchServer,
  freePort,
  openStage,
  startBenchServer,
  startProcess,
  tokenFor,
} from './support/server.ts';

const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '5' },
    rounds: { type: 'string', default: '3' },
    json: { type: 'boolean', default: false },
  },
});
const COPY_ROWS = 20_000;
/** What a case leaves to be done behind it, as Eventree its index, is not to strike the next one. */
const SETTLE_MS = 1_500;
const run = promisify(execFile);

interface Case {
  readonly name: string;
  readonly measure: () => Promise<Measured>;
  /** The case it is held against, and how it should come out. */
  readonly against?: string;
  readonly aim?: string;
}

interface Measured {
  readonly eventsPerSecond: number;
  readonly loadCpu?: number;
}

const stage = await openStage();
const db = new pg.Pool({ connectionString: stage.databaseUrl, max: 2 });
const server = await startBenchServer(stage.databaseUrl);
const token = await tokenFor('bench', ['admin']);
await declareTypes(server.port, token);
await run('npx', ['prisma', 'generate', '--schema', 'bench/naive/schema.prisma']);
await db.query(readFileSync('bench/naive/tables.sql', 'utf8'));
const peer = await startPeer();
await db.query('create table copied (like event including defaults)');
await db.query('alter table copied add primary key (id)');
await db.query('create index on copied (journal_id, position)');
let position = 0;

const cases: Case[] = [
  { name: 'COPY, no attributes', measure: () => copy(0) },
  { name: 'COPY, six attributes', measure: () => copy(6) },
  {
    name: 'Prisma nested create behind Yoga, no attributes',
    measure: () => load(peer, 'http', 64, 1, 0, 'naive'),
  },
  {
    name: 'Prisma nested create behind Yoga, six attributes',
    measure: () => load(peer, 'http', 64, 1, 6, 'naive'),
  },
  {
    name: 'recordEvents, batches of 100, no attributes',
    measure: () => load(server, 'http', 8, 100, 0),
    against: 'COPY, no attributes',
    aim: '≥ 0.30',
  },
  {
    name: 'recordEvents, batches of 100, six indexed attributes',
    measure: () => load(server, 'http', 8, 100, 6),
    against: 'COPY, six attributes',
    aim: '≥ 0.15',
  },
  {
    name: 'recordEvent, 64 clients, HTTP, no attributes',
    measure: () => load(server, 'http', 64, 1, 0),
    against: 'Prisma nested create behind Yoga, no attributes',
    aim: '≥ 15',
  },
  {
    name: 'recordEvent, 64 clients, HTTP, six indexed attributes',
    measure: () => load(server, 'http', 64, 1, 6),
    against: 'Prisma nested create behind Yoga, six attributes',
    aim: '≥ 15',
  },
  {
    name: 'recordEvent, 64 clients, WebSocket, six indexed attributes',
    measure: () => load(server, 'ws', 64, 1, 6),
    against: 'Prisma nested create behind Yoga, six attributes',
    aim: '≥ 15',
  },
];

const results = new Map<string, Measured[]>(cases.map(({ name }) => [name, []]));
// The first round warms everything up and is not counted.
for (let round = 0; round <= Number(options.rounds); round++) {
  for (const { name, measure } of cases) {
    if (!options.json)
      process.stderr.write(`\r\x1b[K${round === 0 ? 'warming up' : `round ${round}`}: ${name}`);
    await pause(SETTLE_MS);
    const measured = await measure();
    if (round > 0) results.get(name)?.push(measured);
  }
}
if (!options.json) process.stderr.write('\r\x1b[K');
await peer.stop();
await server.stop();
await db.end();
await stage.close();
report();

function report(): void {
  const speed = (name: string) =>
    median((results.get(name) ?? []).map(({ eventsPerSecond }) => eventsPerSecond));
  const figures = cases.map(({ name, against, aim }) => ({
    name,
    eventsPerSecond: Math.round(speed(name)),
    ratio: against === undefined ? null : Number((speed(name) / speed(against)).toFixed(2)),
    against: against ?? null,
    aim: aim ?? null,
    loadCpu: Math.max(...(results.get(name) ?? []).map(({ loadCpu }) => loadCpu ?? 0)),
  }));
  if (options.json) {
    console.log(JSON.stringify({ machine: describeMachine(cpus()), figures }, null, 2));
    return;
  }
  console.log(`${describeMachine(cpus())}; medians of ${options.rounds} rounds of ${options.seconds} s\n`);
  printTable(
    ['case', 'events/s', 'ratio', 'aim', 'against', 'load’s CPU'],
    figures.map(({ name, eventsPerSecond, ratio, aim, against, loadCpu }) => [
      name,
      eventsPerSecond,
      ratio?.toFixed(2) ?? '',
      aim ?? '',
      against ?? '',
      loadCpu === 0 ? '' : loadCpu.toFixed(2),
    ]),
  );
}

async function load(
  { port }: BenchServer,
  door: 'http' | 'ws',
  clients: number,
  perRequest: number,
  attributes: number,
  ...more: string[]
): Promise<Measured> {
  const args = [port, token, door, clients, perRequest, attributes, options.seconds, ...more].map(String);
  const { stdout } = await run(process.execPath, ['--import', 'tsx', 'bench/ingest-load.ts', ...args]);
  return JSON.parse(stdout) as Measured;
}

async function copy(attributes: number): Promise<Measured> {
  const columns =
    'id, journal_id, position, type, category, severity, message, words, occurred_at, recorded_at, resource, actor, attributes, payload, recorded_by';
  const lines = Array.from({ length: COPY_ROWS }, (_, i) => copyLine(i, attributes));
  const chunks = Array.from({ length: COPY_ROWS / 500 }, (_, i) =>
    lines.slice(i * 500, (i + 1) * 500).join(''),
  );
  const client = await db.connect();
  try {
    const started = performance.now();
    await pipeline(Readable.from(chunks), client.query(copyFrom(`copy copied (${columns}) from stdin`)));
    return { eventsPerSecond: COPY_ROWS / ((performance.now() - started) / 1_000) };
  } finally {
    client.release();
  }
}

function copyLine(i: number, attributes: number): string {
  const { type, resource, actor, message, payload } = sampleEvent(i, attributes);
  const now = new Date().toISOString();
  const values = attributes === 0 ? {} : attributesOf(i);
  const fields = [
    v7(),
    1,
    ++position,
    type,
    'ACTION',
    'MEDIUM',
    message,
    ` ${message.toLowerCase()} `,
    now,
    now,
    resource,
    actor,
  ];
  return `${[...fields, JSON.stringify(values), JSON.stringify(payload), actor].join('\t')}\n`;
}

async function startPeer(): Promise<BenchServer> {
  const port = await freePort();
  return startProcess(
    ['--import', 'tsx', 'bench/naive/server.ts', String(port), stage.databaseUrl],
    port,
    {},
  );
}
