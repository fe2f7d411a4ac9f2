/** A real browser for a test. It never skips one. */
import type { BrowserContext } from 'playwright-core';
import { onTestFinished } from 'vitest';
import { launchChromium } from '../../scripts/chromium.ts';

/** Gone when the test is over. */
export async function openBrowser(): Promise<BrowserContext> {
  const { context, close } = await launchChromium();
  onTestFinished(close);
  return context;
}
