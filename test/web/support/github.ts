/** Real events to look at: what `npm run demo` brings in, by the demo itself. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { environmentOf } from '../../support/cli.ts';
import type { World } from '../../support/world.ts';

const FOLDER = fileURLToPath(new URL('../../..', import.meta.url));
/** It declares 161 event types and records 329 events. */
export const DEMO_MS = 120_000;

export async function recordGithubEvents(world: World): Promise<void> {
  const demo = spawn(process.execPath, ['--import', 'tsx', 'examples/github/demo.ts'], {
    cwd: FOLDER,
    env: {
      PATH: process.env.PATH,
      ...(await environmentOf(world, { subject: 'developer', groups: ['admin'] })),
    },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  demo.stderr.on('data', (text: Buffer) => {
    said += text;
  });
  const [code] = await once(demo, 'exit');
  if (code !== 0) throw new Error(`The demo failed: ${said}`);
}
