/**
 * A real browser for tests, benchmarks and pictures: Debian's Chromium, driven by playwright-core. Where there is
 * none, the package is installed.
 */
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BrowserContext, chromium } from 'playwright-core';

export interface Chromium {
  readonly context: BrowserContext;
  /** Ends it, and removes its profile. */
  close(): Promise<void>;
}

/** What keeps it from looking for the network beyond this machine. */
const QUIET = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** With a profile of its own. @param args further ones. */
export async function launchChromium(args: readonly string[] = []): Promise<Chromium> {
  const profile = await mkdtemp(join(tmpdir(), 'eventree-chromium-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: findChromium(),
    headless: true,
    args: [...QUIET, ...args],
  });
  return {
    context,
    async close() {
      await context.close();
      await rm(profile, { recursive: true, force: true, maxRetries: 10 });
    },
  };
}

function findChromium(): string {
  const find = () => execFileSync('sh', ['-c', 'command -v chromium'], { encoding: 'utf8' }).trim();
  try {
    return find();
  } catch {
    const install = 'apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium';
    execFileSync('sh', ['-c', install], { stdio: 'ignore' });
    return find();
  }
}
