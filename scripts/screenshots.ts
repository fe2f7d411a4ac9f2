/**
 * Pictures of the web UI for the documentation and the README, on the real events of the demo and the bank:
 *
 *     npm run screenshots      docs/images/ui/<screen>-<light|dark>-<wide|narrow>.png
 *
 * A server of its own is started for it, with an empty data folder, and stopped.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright-core';
import { createClient } from '../src/client/index.ts';
import { launchChromium } from './chromium.ts';

const FOLDER = fileURLToPath(new URL('..', import.meta.url));
const IMAGES = join(FOLDER, 'docs/images/ui');
const SIZES = { wide: { width: 1_440, height: 900 }, narrow: { width: 390, height: 844 } } as const;
const SCHEMES = ['light', 'dark'] as const;

/** @property prepare what is done on it before the picture is taken. */
interface Screen {
  readonly path: string;
  readonly prepare?: (page: Page) => Promise<void>;
}

const dataDir = await mkdtemp(join(tmpdir(), 'eventree-pictures-'));
const port = await freePort();
const url = `http://127.0.0.1:${port}`;
const environment = {
  PATH: process.env.PATH,
  EVENTREE_PORT: String(port),
  EVENTREE_DATA_DIR: dataDir,
  EVENTREE_LOG_LEVEL: 'warn',
};
const server = run(['dist/cli.js', 'serve']);
try {
  await untilReady();
  await once(run(['--import', 'tsx', 'examples/github/demo.ts']), 'exit');
  const config = (await (await fetch(`${url}/web-config.json`)).json()) as { developmentToken: string };
  const client = createClient({ url, token: config.developmentToken });
  await recordDeployment(client);
  const { run: runs, deployment } = await client.query<
    Record<'run' | 'deployment', { nodes: { id: string }[] }>
  >(
    `{ run: events(first: 1, filter: { type: { startsWith: "github.pull_request_review" } }) { nodes { id } }
       deployment: events(first: 1, order: OLDEST_FIRST, filter: { type: { eq: "call" } }) { nodes { id } } }`,
  );
  await takeAll({
    live: { path: '/' },
    'live-event': { path: '/', prepare: (page) => page.locator('.stream-row a').first().click() },
    filtered: { path: '/?f=resource.type:repository&f=severity%3E=MEDIUM' },
    overview: { path: '/overview' },
    types: { path: '/types' },
    event: { path: `/event/${runs.nodes[0]?.id}` },
    tree: { path: `/tree/${deployment.nodes[0]?.id}` },
    resource: { path: '/resource/repository/Codertocat/Hello-World' },
    'sign-in': { path: '/login' },
  });
} finally {
  const stopped = once(server, 'exit');
  server.kill('SIGTERM');
  await stopped;
  await rm(dataDir, { recursive: true });
}

function run(args: readonly string[]): ChildProcess {
  return spawn(process.execPath, args, {
    cwd: FOLDER,
    env: environment,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

/** A tree with times of its own: what a deployment might record. */
async function recordDeployment(client: ReturnType<typeof createClient>): Promise<void> {
  const started = Date.now() - 60_000;
  const step = (name: string, from: number, ms: number, more: object = {}) => ({
    type: 'call',
    resource: 'deployment/web-42',
    message: name,
    occurredAt: new Date(started + from).toISOString(),
    attributes: { function: name, elapsed_ms: ms },
    ...more,
  });
  await client.record({
    ...step('Deploy web 4.2.0', 0, 41_300),
    children: [
      step('Check out the source', 120, 1_900),
      step('Build the image', 2_100, 18_400, {
        children: [
          step('Install packages', 2_300, 7_900),
          step('Compile', 10_250, 6_100),
          step('Push the image', 16_400, 4_050),
        ],
      }),
      step('Run the tests', 2_150, 21_200, {
        children: [
          step('Unit tests', 2_300, 9_800),
          step('Browser tests', 12_200, 11_100, {
            severity: 'HIGH',
            attributes: {
              function: 'Browser tests',
              elapsed_ms: 11_100,
              error: 'Timeout',
              where: 'tests/cart.ts:41',
            },
          }),
        ],
      }),
      step('Run the browser tests again', 23_500, 8_700),
      step('Roll out', 32_300, 8_950, {
        children: [
          step('Move 10 % of the traffic', 32_400, 2_050),
          step('Watch the errors', 34_500, 4_000),
          step('Move all of the traffic', 38_600, 2_600),
        ],
      }),
    ],
  });
}

async function takeAll(screens: Readonly<Record<string, Screen>>): Promise<void> {
  await mkdir(IMAGES, { recursive: true });
  const { context, close } = await launchChromium();
  const page = await context.newPage();
  for (const [size, viewport] of Object.entries(SIZES)) {
    await page.setViewportSize(viewport);
    for (const colorScheme of SCHEMES) {
      await page.emulateMedia({ colorScheme });
      for (const [screen, { path, prepare }] of Object.entries(screens)) {
        await page.goto(url + path);
        await settled(page);
        if (prepare !== undefined) {
          await prepare(page);
          await settled(page);
        }
        await page.screenshot({ path: join(IMAGES, `${screen}-${colorScheme}-${size}.png`) });
        process.stderr.write('.');
      }
    }
  }
  await close();
  process.stderr.write('\n');
}

async function settled(page: Page): Promise<void> {
  await page.locator('h1').first().waitFor({ state: 'attached' });
  await page.locator('.loading').first().waitFor({ state: 'detached' });
  await pause(1_500);
}

async function untilReady(): Promise<void> {
  for (;;) {
    const isReady = await fetch(`${url}/readyz`).then(
      ({ ok }) => ok,
      () => false,
    );
    if (isReady) return;
    if (server.exitCode !== null) throw new Error('The server does not start.');
    await pause(100);
  }
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port: free } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return free;
}
