/**
 * What the web UI costs a browser: how much it loads, how soon the Live page is painted, and whether it stays smooth
 * and small while events come in.
 *
 *     npm run bench:web [-- --seconds 60 --rate 500 --json]
 *
 * A headless Chromium on the machine of the server and of what records: all three share its cores. The frames of the
 * same page with no events coming stand beside those under load.
 */
import { cpus } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { CDPSession, Page } from 'playwright-core';
import { launchChromium } from '../scripts/chromium.ts';
import { createClient, type NewEvent, SEVERITIES } from '../src/client/index.ts';
import { describeMachine, median, printTable } from './support/report.ts';
import { openStage, startBenchServer, tokenFor } from './support/server.ts';

const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    rate: { type: 'string', default: '500' },
    json: { type: 'boolean', default: false },
  },
});
const [seconds, rate] = [Number(options.seconds), Number(options.rate)];

const IDLE_SECONDS = 10;
/** The stream is paused for so long under load, and then let go on. */
const PAUSED_SECONDS = 20;
const BEFORE = 20_000;
const LOADS = 5;
const BATCHES_A_SECOND = 25;
const TYPES = ['note', 'create', 'update', 'destroy', 'marker', 'watchdog'];
const KILO = 1_000;
const MEGA = 1_000_000;

/** Runs in the page from its beginning on: counts frames, and keeps what took long. */
const OBSERVE = `
  window.frames_ = 0; window.long_ = [];
  const frame = () => { window.frames_++; requestAnimationFrame(frame); };
  requestAnimationFrame(frame);
  new PerformanceObserver((list) => { for (const { duration } of list.getEntries()) window.long_.push(duration); })
    .observe({ entryTypes: ['longtask'] });
`;

interface FirstLoad {
  readonly paintMs: number;
  readonly rowsMs: number;
  readonly bytes: number;
}

interface Smoothness {
  readonly framesASecond: number;
  readonly worstSecond: number;
  readonly longestTaskMs: number;
  readonly longTasks: number;
}

const stage = await openStage();
const server = await startBenchServer(stage.databaseUrl);
const url = `http://127.0.0.1:${server.port}`;
const token = await tokenFor('bench', ['admin']);
const client = createClient({ url, token });
await record(BEFORE);

const loads: FirstLoad[] = [];
for (let i = 0; i < LOADS; i++) loads.push(await load());
const chromium = await launchChromium();
const page = await openLive(await chromium.context.newPage());
const devtools = await chromium.context.newCDPSession(page);
const idle = await observe(page, IDLE_SECONDS, async () => {});
const heaps: number[] = [];
const halves: Smoothness[] = [];
let loadMs = 0;
for (let half = 0; half < 2; half++) {
  const from = performance.now();
  halves.push(await observe(page, seconds / 2, () => recordFor(1)));
  loadMs += performance.now() - from;
  // Between the halves: to throw away what is not held takes a while itself.
  heaps.push(await heapBytes(devtools));
}
await page.keyboard.press('Space');
await recordFor(PAUSED_SECONDS);
// Else it was not paused, and there is nothing to let in.
await page.getByRole('button', { name: /[1-9][\d,.]* new/ }).waitFor();
const resumed = await observe(page, 5, () => page.keyboard.press('g'));
const last = `the last of ${rate * seconds}`;
await client.record({ type: 'note', message: last });
await page.getByText(last).first().waitFor({ timeout: 10_000 });
await chromium.close();
await server.stop();
await stage.close();
report();

async function record(count: number): Promise<void> {
  for (let done = 0; done < count; done += KILO) {
    await client.record(
      Array.from({ length: Math.min(KILO, count - done) }, (_, i) => sample(done + i)),
      {
        fields: '',
      },
    );
  }
}

function sample(number: number): NewEvent {
  return {
    type: TYPES[number % TYPES.length] as string,
    resource: `machine/${number % 200}`,
    actor: `user/${number % 50}`,
    severity: SEVERITIES[number % 97 === 0 ? 3 : number % 3],
    message: `Number ${number} happened to machine/${number % 200}`,
    payload: { number },
  };
}

/** In step: what is late in one second is not made up for in the next. */
async function recordFor(forSeconds: number): Promise<void> {
  const started = performance.now();
  for (let batch = 0; batch < BATCHES_A_SECOND * forSeconds; batch++) {
    const events = Array.from({ length: rate / BATCHES_A_SECOND }, () =>
      sample(Math.floor(Math.random() * MEGA)),
    );
    await client.record(events, { fields: '' });
    await pause(Math.max(0, started + ((batch + 1) * KILO) / BATCHES_A_SECOND - performance.now()));
  }
}

async function openLive(opened: Page): Promise<Page> {
  await opened.setViewportSize({ width: 1_440, height: 900 });
  await opened.addInitScript((pasted) => sessionStorage.setItem('eventree.token', pasted), token);
  await opened.addInitScript(OBSERVE);
  await opened.goto(url);
  await opened.locator('.connection.live').waitFor();
  await opened.locator('.histogram canvas').waitFor();
  return opened;
}

/** By a browser that has seen nothing of it before. */
async function load(): Promise<FirstLoad> {
  const fresh = await launchChromium();
  const opened = await fresh.context.newPage();
  const network = await fresh.context.newCDPSession(opened);
  await network.send('Network.enable');
  let bytes = 0;
  const sizes = new Map<string, string>();
  network.on(
    'Network.responseReceived',
    ({ requestId, response }) => void sizes.set(requestId, response.url),
  );
  network.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => {
    if (!sizes.get(requestId)?.includes('/graphql')) bytes += encodedDataLength;
  });
  await opened.addInitScript((pasted) => sessionStorage.setItem('eventree.token', pasted), token);
  const started = performance.now();
  await opened.goto(url, { waitUntil: 'commit' });
  await opened.locator('.stream-row').first().waitFor();
  const rowsMs = performance.now() - started;
  await opened.locator('.histogram canvas').waitFor();
  await pause(500);
  const paintMs = (await opened.evaluate(
    "performance.getEntriesByName('first-contentful-paint')[0].startTime",
  )) as number;
  await fresh.close();
  return { paintMs, rowsMs, bytes };
}

async function observe(opened: Page, forSeconds: number, during: () => Promise<void>): Promise<Smoothness> {
  const counted: number[] = [];
  await opened.evaluate('window.frames_ = 0; window.long_ = []');
  const started = performance.now();
  for (let second = 0; second < forSeconds; second++) {
    const [before, from] = [await frames(opened), performance.now()];
    await during();
    await pause(Math.max(0, from + KILO - performance.now()));
    counted.push(((await frames(opened)) - before) / ((performance.now() - from) / KILO));
  }
  const long = (await opened.evaluate('window.long_')) as number[];
  return {
    framesASecond: (await frames(opened)) / ((performance.now() - started) / KILO),
    worstSecond: Math.min(...counted),
    longestTaskMs: Math.max(0, ...long),
    longTasks: long.length,
  };
}

function together(parts: readonly Smoothness[]): Smoothness {
  const sum = (of: (part: Smoothness) => number) => parts.reduce((total, part) => total + of(part), 0);
  return {
    framesASecond: sum(({ framesASecond }) => framesASecond) / parts.length,
    worstSecond: Math.min(...parts.map(({ worstSecond }) => worstSecond)),
    longestTaskMs: Math.max(...parts.map(({ longestTaskMs }) => longestTaskMs)),
    longTasks: sum(({ longTasks }) => longTasks),
  };
}

async function frames(opened: Page): Promise<number> {
  return (await opened.evaluate('window.frames_')) as number;
}

/** What is held, after what is not has been thrown away. */
async function heapBytes(session: CDPSession): Promise<number> {
  await session.send('HeapProfiler.collectGarbage');
  const { usedSize } = await session.send('Runtime.getHeapUsage');
  return usedSize;
}

function report(): void {
  const paintMs = median(loads.map((each) => each.paintMs));
  const rowsMs = median(loads.map((each) => each.rowsMs));
  const bytes = median(loads.map((each) => each.bytes));
  const busy = together(halves);
  const [middle, end] = heaps.map((size) => size / MEGA) as [number, number];
  const recorded = (rate * seconds) / (loadMs / KILO);
  const figures = { recorded, resumed, paintMs, rowsMs, bytes, idle, busy, heapMegabytes: { middle, end } };
  if (options.json) {
    console.log(JSON.stringify({ machine: describeMachine(cpus()), seconds, rate, ...figures }, null, 2));
    return;
  }
  console.log(
    `${describeMachine(cpus())}; ${rate} events/s for ${seconds} s, after ${BEFORE.toLocaleString('en')}\n`,
  );
  const ms = (value: number) => `${Math.round(value).toLocaleString('en')} ms`;
  printTable(
    ['what', 'measured', 'aim'],
    [
      ['first load, as sent', `${Math.round(bytes / KILO)} kB`, '≤ 250 kB'],
      ['first paint', ms(paintMs), '< 1,500 ms'],
      ['first rows', ms(rowsMs), ''],
      ['events a second, recorded', recorded.toFixed(0), String(rate)],
      ['frames a second, no events', idle.framesASecond.toFixed(1), ''],
      ['frames a second, under load', busy.framesASecond.toFixed(1), '≥ 50'],
      ['of those without', (busy.framesASecond / idle.framesASecond).toFixed(2), ''],
      ['in the worst second', busy.worstSecond.toFixed(1), ''],
      ['longest task', ms(busy.longestTaskMs), '≤ 200 ms'],
      ['tasks over 50 ms', String(busy.longTasks), ''],
      ['longest task after a pause', ms(resumed.longestTaskMs), '≤ 200 ms'],
      ['heap half-way and at the end', `${middle.toFixed(1)}, ${end.toFixed(1)} MB`, 'flat'],
    ],
  );
}
