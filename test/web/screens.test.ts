/** Each screen on real events: it shows them, breaks no rule of its page, and nobody is left out by how it is made. */
import axe from 'axe-core';
import type { Page } from 'playwright-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { worldForFile } from '../support/world.ts';
import { DEMO_MS, recordGithubEvents } from './support/github.ts';
import { openSite, SOON } from './support/site.ts';

const TIMEOUT_MS = 240_000;
const RESOURCE = 'repository/Codertocat/Hello-World';

describe('each screen', { timeout: TIMEOUT_MS }, () => {
  const world = worldForFile();
  let screens: Readonly<Record<string, { path: string; shows: RegExp }>>;

  beforeAll(async () => {
    await recordGithubEvents(world());
    const { run } = await world().ask(
      '{ run: events(first: 1, filter: { type: { startsWith: "github.workflow_run" } }) { nodes { id } } }',
    );
    const [{ id }] = run.nodes;
    screens = {
      live: { path: '/', shows: /user\/ilmax needs the approval/ },
      filtered: { path: '/?f=type:github.push&f=severity>=LOW', shows: /pushed/ },
      overview: { path: '/overview', shows: /Busiest types/ },
      types: { path: '/types', shows: /github\.push/ },
      event: { path: `/event/${id}`, shows: /github\.workflow_run/ },
      tree: { path: `/tree/${id}`, shows: /workflow/i },
      resource: { path: `/resource/${RESOURCE}`, shows: /Hello-World/ },
      'sign in': { path: '/login', shows: /Token/ },
      nothing: { path: '/event/01a1ff57-7c5e-77bb-8bbe-4f7fcca3e2b0', shows: /not exist|may not/ },
    };
  }, DEMO_MS);

  const openAsAdmin = async (options: { width?: number; scheme?: 'light' | 'dark' } = {}) =>
    openSite({
      url: world().servers[0]?.url ?? '',
      token: await world().token({ groups: ['admin'] }),
      ...options,
    });

  async function settled(page: Page, shows: RegExp): Promise<void> {
    await expect.poll(() => page.locator('body').textContent(SOON), SOON).toMatch(shows);
    await expect.poll(() => page.locator('.loading').count(), SOON).toBe(0);
  }

  test.each(['light', 'dark'] as const)('is open to everybody, in %s', async (scheme) => {
    const { page, open, complaints } = await openAsAdmin({ scheme });
    for (const [name, { path, shows }] of Object.entries(screens)) {
      await open(path);
      await settled(page, shows);
      expect(await violationsOf(page), name).toEqual([]);
    }
    expect(complaints).toEqual([]);
  });

  /** What a screen shows once somebody has done something with it. */
  const opened: Readonly<Record<string, { path: string; open: (page: Page) => Promise<void> }>> = {
    'an event beside the stream': {
      path: '/',
      async open(page) {
        await page.locator('.stream-row a').first().click(SOON);
        await page.locator('.event-message').waitFor(SOON);
      },
    },
    'an event beside its tree': {
      path: 'tree',
      async open(page) {
        await page.locator('.tree-row').first().click(SOON);
        await page.locator('.event-message').waitFor(SOON);
      },
    },
    'the view to share': {
      path: '/?f=type:github.push',
      async open(page) {
        await page.getByRole('button', { name: 'Share' }).click(SOON);
        await page.locator('dialog[open] pre').first().waitFor(SOON);
      },
    },
    'suggestions for the filter': {
      path: '/',
      async open(page) {
        await page.getByRole('combobox', { name: 'Filter' }).fill('type:github.p', SOON);
        await page.getByRole('option').first().waitFor(SOON);
        await page.keyboard.press('ArrowDown');
      },
    },
    'rights while they are changed': {
      path: `/resource/${RESOURCE}`,
      async open(page) {
        await page.getByRole('button', { name: 'Edit' }).click(SOON);
        await page.getByLabel('Give viewData to').fill('user/joe');
        await page.keyboard.press('Enter');
        await page.getByLabel('Give viewMeta to').fill('nobody');
        await page.locator('.acl-editor .fault').first().waitFor(SOON);
      },
    },
    'the form of a new type': {
      path: '/types',
      async open(page) {
        await page.getByRole('button', { name: 'New event type' }).click(SOON);
        await page.locator('dialog[open] form').waitFor(SOON);
      },
    },
    'the help': {
      path: '/',
      async open(page) {
        await page.getByRole('button', { name: /Help/ }).click(SOON);
        await page.locator('dialog[open]').waitFor(SOON);
      },
    },
    'nothing that matches': {
      path: '/?f=actor:user/nobody',
      open: (page) => page.locator('.notice').waitFor(SOON),
    },
    'an error': {
      path: '/',
      async open(page) {
        await page.route('**/graphql', (route) => route.fulfill({ status: 503, body: '' }));
        await page.getByRole('link', { name: 'Types' }).click(SOON);
        await page.locator('.notice.failed').waitFor(SOON);
        await page.unroute('**/graphql');
      },
    },
  };

  test.each(['light', 'dark'] as const)('is open to everybody while it is used, in %s', async (scheme) => {
    const { page, open } = await openAsAdmin({ scheme });
    for (const [name, state] of Object.entries(opened)) {
      await open(state.path === 'tree' ? (screens.tree?.path ?? '') : state.path);
      await state.open(page);
      await expect.poll(() => page.locator('.loading').count(), SOON).toBe(0);
      expect(await violationsOf(page), name).toEqual([]);
    }
  });

  test('can be read at 360 pixels, and never scrolls sideways', async () => {
    const { page, open } = await openAsAdmin({ width: 360 });
    for (const [name, { path, shows }] of Object.entries(screens)) {
      await open(path);
      await settled(page, shows);
      expect(
        await page.evaluate('document.documentElement.scrollWidth - innerWidth'),
        name,
      ).toBeLessThanOrEqual(0);
      expect(await violationsOf(page), name).toEqual([]);
    }
  });

  test('leads from one to the next: stream, event, tree, resource, and back', async () => {
    const { page, open } = await openAsAdmin();
    await open('/?f=type:github.workflow_run.*');
    await page.locator('.stream-row a').first().click(SOON);
    await page.getByRole('complementary').getByRole('link', { name: /tree/i }).first().click(SOON);
    await expect.poll(() => page.url(), SOON).toContain('/tree/');
    await page.goBack();
    await expect.poll(() => page.url(), SOON).toContain('f=type:github.workflow_run.*');
    await page.locator('.stream-row a').first().click(SOON);
    await page.getByRole('complementary').locator('a[href^="/resource/"]').first().click(SOON);
    await expect.poll(() => page.url(), SOON).toContain('/resource/');
  });

  test('is walked by the keyboard: j, k, Escape, help', async () => {
    const { page, open } = await openAsAdmin();
    await open('/');
    await page.locator('.stream-row').first().waitFor(SOON);
    await page.keyboard.press('j');
    await page.keyboard.press('j');
    await expect
      .poll(() => page.locator('.stream-row.chosen').getAttribute('aria-posinset', SOON), SOON)
      .toBe('2');
    await page.keyboard.press('k');
    await expect
      .poll(() => page.locator('.stream-row.chosen').getAttribute('aria-posinset', SOON), SOON)
      .toBe('1');
    await page.keyboard.press('Escape');
    await expect.poll(() => page.locator('.stream-row.chosen').count(), SOON).toBe(0);
    await page.keyboard.press('?');
    await page.locator('dialog[open]').waitFor(SOON);
    await page.keyboard.press('Escape');
    await expect.poll(() => page.locator('dialog[open]').count(), SOON).toBe(0);
    await page.keyboard.press('2');
    await expect.poll(() => page.url(), SOON).toContain('/overview');
  });

  test('a number of the overview leads to as many events', async () => {
    const { page, open } = await openAsAdmin();
    await open('/overview');
    const first = page.locator('.facet li a').first();
    await first.waitFor(SOON);
    const [name, count] = await Promise.all([
      first.locator('.facet-value').textContent(),
      first.locator('.facet-count').textContent(),
    ]);
    await first.click();
    await expect.poll(() => page.url(), SOON).toContain(`f=type:${name}`);
    await expect.poll(() => page.locator('.stream-row').count(), SOON).toBe(Number(count));
  });
});

/** By axe, for WCAG 2.2 AA, of which it holds one rule back unless it is named. It is put in from outside: the page’s own policy lets no foreign script in. */
async function violationsOf(page: Page): Promise<string[]> {
  const client = await page.context().newCDPSession(page);
  await client.send('Runtime.evaluate', { expression: `${axe.source};0` });
  const { result } = await client.send('Runtime.evaluate', {
    expression: `axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
      rules: { 'label-content-name-mismatch': { enabled: true } } })
      .then(({ violations }) => violations.map(({ id, nodes }) => id + ': ' + nodes.map(({ target, failureSummary }) => target + ' ' + failureSummary).join(' | ')))`,
    awaitPromise: true,
    returnByValue: true,
  });
  await client.detach();
  return result.value as string[];
}
