/**
 * A real browser: Debian's Chromium, driven by playwright-core. Where there is none, the package is
 * installed. It never skips a test.
 */
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BrowserContext, chromium } from 'playwright-core';
import { onTestFinished } from 'vitest';

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

/** A browser with a profile of its own, gone when the test is over. */
export async function openBrowser(): Promise<BrowserContext> {
  const profile = await mkdtemp(join(tmpdir(), 'eventree-chromium-'));
  const browser = await chromium.launchPersistentContext(profile, {
    executablePath: findChromium(),
    headless: true,
    args: QUIET,
  });
  onTestFinished(async () => {
    await browser.close();
    await rm(profile, { recursive: true, force: true, maxRetries: 10 });
  });
  return browser;
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
