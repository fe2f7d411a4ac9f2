/** The web UI in a real browser, as somebody opens it: with a token, and every complaint of the browser kept. */
import type { Page } from 'playwright-core';
import { expect } from 'vitest';
import { openBrowser } from '../../support/chromium.ts';

/** For what comes in a moment, on a machine that is busy. */
export const SOON = { timeout: 20_000 };

export interface Site {
  readonly page: Page;
  /** Goes to a path and waits until its heading is there. */
  open(path: string): Promise<void>;
  /** What the browser complained of: errors, broken rules of the Content-Security-Policy, failed requests. */
  readonly complaints: readonly string[];
}

export interface SiteOptions {
  readonly url: string;
  /** Null: nobody's, as where no token was pasted. */
  readonly token: string | null;
  readonly width?: number;
  readonly height?: number;
  readonly scheme?: 'light' | 'dark';
}

export async function openSite({
  url,
  token,
  width = 1_280,
  height = 800,
  scheme = 'light',
}: SiteOptions): Promise<Site> {
  const browser = await openBrowser();
  const page = await browser.newPage();
  await page.setViewportSize({ width, height });
  await page.emulateMedia({ colorScheme: scheme });
  if (token !== null) {
    await page.addInitScript((pasted) => sessionStorage.setItem('eventree.token', pasted), token);
  }
  const complaints: string[] = [];
  page.on('pageerror', (error) => void complaints.push(error.message));
  page.on('console', (message) => {
    // Pages of others, as of a provider, have complaints of their own.
    const isOurs = page.url().startsWith(url);
    if (isOurs && ['error', 'warning'].includes(message.type())) complaints.push(message.text());
  });
  return {
    page,
    complaints,
    async open(path) {
      await page.goto(url + path);
      await page.locator('h1').first().waitFor({ state: 'attached', timeout: SOON.timeout });
    },
  };
}

/** The messages of the stream's rows in sight, newest first. */
export function rowsOf(page: Page): Promise<string[]> {
  return page.locator('.stream-row').evaluateAll((rows) =>
    rows
      .map((row) => ({
        at: Number(row.getAttribute('aria-posinset')),
        text: row.querySelector('.message')?.textContent ?? '',
      }))
      .sort((a, b) => a.at - b.at)
      .map(({ text }) => text),
  );
}

export function connectionOf(page: Page): Promise<string | null> {
  return page.locator('.connection').textContent(SOON);
}

/** Of the histogram: what it says of itself. */
export function histogramOf(page: Page): Promise<string | null> {
  return page.locator('.histogram [role=img]').getAttribute('aria-label', SOON);
}

/** Until it stands where it stays: while it is counted it is drawn anew, and a pointer over it is forgotten. */
export async function untilDrawn(page: Page, says: RegExp): Promise<void> {
  await expect.poll(() => histogramOf(page), SOON).toMatch(says);
  await page.locator('.histogram .u-over').waitFor(SOON);
}

export function untilLive(page: Page): Promise<void> {
  return expect.poll(() => connectionOf(page), SOON).toMatch(/Live/);
}
