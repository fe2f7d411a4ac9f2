/**
 * How long "the newest 50" takes, whatever share of the events has the value asked for, and whatever share
 * the viewer may see; and how long an overview takes, which counts all events that a viewer sees. 2 million events of
 * six indexed attributes, over twelve months, asked for through the public API of a server in its own process, one query
 * at a time, the cases in turns.
 *
 *     npm run bench:query [-- --events 2000000 --queries 200 --overviews 20 --json]
 */
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { NOBODY } from '../src/access/acl.ts';
import { ADMIN, type Claim } from '../src/access/claim.ts';
import type { Principal } from '../src/access/principal.ts';
import type { ResourceRef } from '../src/access/resource-ref.ts';
import { createResources } from '../src/access/resources.ts';
import { loadConfig } from '../src/config.ts';
import { openDatabase } from '../src/db/database.ts';
import { derivedEventId } from '../src/events/id.ts';
import { indexNext } from '../src/events/index/indexer.ts';
import { createJournals } from '../src/events/journal.ts';
import { createRecording } from '../src/events/record.ts';
import { openRegistry } from '../src/events/registry-store.ts';
import { encodeRequest, openConnection } from './support/raw-http.ts';
import { describeMachine, percentile, printTable } from './support/report.ts';
import { openStage, startBenchServer, tokenFor } from './support/server.ts';

const { values: options } = parseArgs({
  options: {
    events: { type: 'string', default: '2000000' },
    queries: { type: 'string', default: '200' },
    overviews: { type: 'string', default: '20' },
    json: { type: 'boolean', default: false },
  },
});
const EVENTS = Number(options.events);
const QUERIES = Number(options.queries);
const OVERVIEWS = Number(options.overviews);
const WARM_UP = 20;
const OVERVIEWS_WARM_UP = 3;
const BATCH = 1_000;
const MONTH_MS = 30 * 24 * 3_600_000;

/** Attribute: how often its value `x` occurs. */
const SHARES = { rare: 0.00001, percent: 0.01, tenth: 0.1, most: 0.99 } as const;
type Share = keyof typeof SHARES;
/** Group: which share of the events it sees. */
const VIEWERS = { everything: 1, percent: 0.01, few: 0.00001 } as const;

const FILTERS: Record<string, readonly Share[]> = {
  none: [],
  'rare value (0.001 %)': ['rare'],
  '1 % value': ['percent'],
  '10 % value': ['tenth'],
  '99 % value': ['most'],
  '1 % and 10 % values': ['percent', 'tenth'],
  '10 % and 99 % values': ['tenth', 'most'],
};

const stage = await openStage();
const loadedIn = await fill();
const server = await startBenchServer(stage.databaseUrl, { EVENTREE_DATABASE_POOL_SIZE: '4' });
const results = await measureAll();
const overviews = await measureOverviews();
await server.stop();
await stage.close();
report();

interface Result {
  readonly viewer: string;
  readonly filter: string;
  readonly found: number;
  readonly ms: number[];
}

async function measureAll(): Promise<Result[]> {
  const connection = await openConnection(server.port);
  const cases = [];
  for (const viewer of Object.keys(VIEWERS)) {
    const token = await tokenFor('reader', [viewer]);
    for (const [filter, shares] of Object.entries(FILTERS)) {
      const variables = { filter: { attributes: shares.map((share) => ({ name: share, eq: 'x' })) } };
      const query = `query ($filter: EventFilter) {
        events(first: 50, filter: $filter) { nodes { id message occurredAt attributes } pageInfo { hasNextPage endCursor } }
      }`;
      const request = encodeRequest(server.port, token, JSON.stringify({ query, variables }));
      cases.push({ request, result: { viewer, filter, found: 0, ms: [] as number[] } });
    }
  }
  for (let round = 0; round < WARM_UP + QUERIES; round++) {
    progress(`asking: ${round} of ${WARM_UP + QUERIES}`);
    for (const { request, result } of cases) {
      const started = performance.now();
      const answer = await connection.send(request);
      const ms = performance.now() - started;
      const { data, errors } = JSON.parse(answer);
      if (errors !== undefined) throw new Error(JSON.stringify(errors));
      result.found = data.events.nodes.length;
      if (round >= WARM_UP) result.ms.push(ms);
    }
  }
  connection.close();
  progress('');
  return cases.map(({ result }) => result);
}

/** What a page that shows everything at a glance asks for. */
async function measureOverviews(): Promise<Omit<Result, 'filter'>[]> {
  const connection = await openConnection(server.port);
  const now = Date.now();
  const year = { from: new Date(now - 12 * MONTH_MS).toISOString(), before: new Date(now).toISOString() };
  const query = `query ($from: DateTime!, $before: DateTime!) {
    eventStatistics {
      totalCount
      timeline(from: $from, before: $before, intervals: 60, by: SEVERITY) { from count by { value count } }
      type: facet(by: TYPE) { values { value count } }
      resource: facet(by: RESOURCE) { values { value count } distinctCount }
      actor: facet(by: ACTOR) { values { value count } distinctCount }
    }
  }`;
  const measured = [];
  for (const [viewer, groups] of [
    ['admin', ['admin']],
    ['everything', ['everything']],
    ['percent', ['percent']],
  ] as const) {
    const token = await tokenFor('reader', [...groups]);
    const request = encodeRequest(server.port, token, JSON.stringify({ query, variables: year }));
    const result = { viewer, found: 0, ms: [] as number[] };
    for (let round = 0; round < OVERVIEWS_WARM_UP + OVERVIEWS; round++) {
      progress(`counting for ${viewer}: ${round} of ${OVERVIEWS_WARM_UP + OVERVIEWS}`);
      const started = performance.now();
      const answer = await connection.send(request);
      const ms = performance.now() - started;
      const { data, errors } = JSON.parse(answer);
      if (errors !== undefined) throw new Error(JSON.stringify(errors));
      result.found = data.eventStatistics.totalCount;
      if (round >= OVERVIEWS_WARM_UP) result.ms.push(ms);
    }
    measured.push(result);
  }
  connection.close();
  progress('');
  return measured;
}

function report(): void {
  const figures = results.map(({ viewer, filter, found, ms }) => ({
    viewer: `${VIEWERS[viewer as keyof typeof VIEWERS] * 100} %`,
    filter,
    found,
    p50: Number(percentile(ms, 0.5).toFixed(2)),
    p99: Number(percentile(ms, 0.99).toFixed(2)),
  }));
  const counted = overviews.map(({ viewer, found, ms }) => ({
    viewer,
    found,
    p50: Number(percentile(ms, 0.5).toFixed(0)),
    p99: Number(percentile(ms, 0.99).toFixed(0)),
  }));
  const p50s = figures.map(({ p50 }) => p50);
  const summary = {
    slowestP50: Math.max(...p50s),
    worstP99: Math.max(...figures.map(({ p99 }) => p99)),
    slowestToFastest: Number((Math.max(...p50s) / Math.min(...p50s)).toFixed(1)),
  };
  if (options.json) {
    console.log(
      JSON.stringify(
        { machine: describeMachine(cpus()), events: EVENTS, figures, overviews: counted, summary },
        null,
        2,
      ),
    );
    return;
  }
  console.log(
    `${describeMachine(cpus())}; ${EVENTS.toLocaleString('en')} events, recorded and indexed at ${loadedIn}/s\n`,
  );
  printTable(
    ['viewer sees', 'newest 50 with', 'found', 'p50 ms', 'p99 ms'],
    figures.map(({ viewer, filter, found, p50, p99 }) => [viewer, filter, found, p50, p99]),
  );
  console.log(
    `\nslowest p50 ${summary.slowestP50} ms (aim ≤ 10), worst p99 ${summary.worstP99} ms (aim < 100),`,
  );
  console.log(`slowest case to fastest ${summary.slowestToFastest} (aim ≤ 20)`);
  console.log('\noverview: total, 60 intervals by severity, facets by type, resource and actor\n');
  printTable(
    ['viewer', 'events counted', 'p50 ms', 'p99 ms'],
    counted.map(({ viewer, found, p50, p99 }) => [viewer, found, p50, p99]),
  );
}

/** Records the events by the same code as the server does, short of GraphQL. @returns events a second. */
async function fill(): Promise<string> {
  const database = openDatabase({
    url: stage.databaseUrl,
    poolSize: 8,
    statementTimeoutMs: 60_000,
    onIdleError: console.error,
  });
  // A server applies the migrations.
  await (await startBenchServer(stage.databaseUrl)).stop();
  const registry = await openRegistry(database);
  const shares = Object.keys(SHARES) as Share[];
  for (const name of [...shares, 'host']) {
    await registry.defineAttribute({
      name,
      kind: 'STRING',
      description: null,
      indexed: true,
      private: false,
    });
  }
  await registry.defineAttribute({
    name: 'size',
    kind: 'INTEGER',
    description: null,
    indexed: true,
    private: false,
  });
  await registry.defineEventType({
    name: 'bench',
    description: null,
    category: 'ACTION',
    severity: 'LOW',
    messageTemplate: null,
    enabled: true,
    attributes: [...shares, 'host', 'size'].map((name) => ({ name, required: false })),
  });
  const journals = createJournals(database, { maxJournals: 1 });
  const journal = await journals.findOrCreate('main');
  const limits = loadConfig({});
  const idKey = new Uint8Array(32);
  const admin: Principal = {
    subject: 'user/bench' as Claim,
    claims: new Set([ADMIN]),
    expiresAt: null,
    issuedAt: null,
  };
  const recording = createRecording({ database, registry, journals, limits, idKey, announce: () => {} });
  await putResources(createResources(database), admin);

  const started = performance.now();
  const random = createRandom(1);
  const start = Date.now() - 12 * MONTH_MS;
  let recorded = 0;
  let indexing: Promise<unknown> = Promise.resolve();
  const writer = async () => {
    while (recorded < EVENTS) {
      const first = recorded;
      recorded += BATCH;
      const batch = Array.from({ length: BATCH }, (_, i) => event(first + i, start, random));
      await recording.record(batch, admin);
      progress(`recording: ${recorded.toLocaleString('en')} of ${EVENTS.toLocaleString('en')}`);
      indexing = indexing.then(() => indexNext(database.pool, registry, journal.id, 4_096));
    }
  };
  await Promise.all([writer(), writer()]);
  await indexing;
  while (await indexNext(database.pool, registry, journal.id, 1_024));
  const seconds = (performance.now() - started) / 1_000;
  await database.close();
  await settle();
  return Math.round(EVENTS / seconds).toLocaleString('en');
}

/** Every event is seen by `everything`, one resource in a hundred by `percent`, one in 100,000 by `few`. */
async function putResources(resources: ReturnType<typeof createResources>, admin: Principal): Promise<void> {
  const create = (ref: string, ...groups: string[]) => {
    const viewData = ['everything', ...groups].map((group) => `group/${group}` as Claim);
    return resources.create(ref as ResourceRef, null, { ...NOBODY, viewData }, admin);
  };
  for (let i = 0; i < 1_000; i++) await create(`repository/${i}`, ...(i % 100 === 0 ? ['percent'] : []));
  await create('repository/few', 'few');
}

function event(i: number, start: number, random: () => number) {
  const occurredAt = start + Math.floor((i / EVENTS) * 12 * MONTH_MS);
  const value = (share: Share) => (random() < SHARES[share] ? 'x' : `other-${Math.floor(random() * 100)}`);
  return {
    journal: 'main',
    id: derivedEventId(occurredAt, `bench ${i}`),
    type: 'bench',
    resource: (random() < VIEWERS.few
      ? 'repository/few'
      : `repository/${Math.floor(random() * 1_000)}`) as ResourceRef,
    actor: `user/jane-${i % 100}` as Claim,
    message: `jane-${i % 100} did the ${i % 7}th thing to repository ${i % 1_000}`,
    attributes: {
      rare: value('rare'),
      percent: value('percent'),
      tenth: value('tenth'),
      most: value('most'),
      host: `host-${Math.floor(random() * 1_000)}`,
      size: i % 500,
    },
    payload: {
      ref: 'refs/heads/main',
      head: '6113728f27ae82c7b1a177c8d03f9e96e0adf246',
      commits: [`commit-${i}`],
    },
  };
}

/** What autovacuum would have done by the time anybody measures a table that took a year to fill. */
async function settle(): Promise<void> {
  progress('settling: vacuum, analyze, checkpoint');
  const client = new pg.Client({ connectionString: stage.databaseUrl });
  await client.connect();
  await client.query('vacuum (analyze)');
  await client.query('checkpoint');
  await client.end();
}

/** The same numbers in every run: a linear congruential generator (Numerical Recipes). */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

function progress(text: string): void {
  if (process.stderr.isTTY && !options.json) process.stderr.write(`\r\x1b[K${text}`);
}
