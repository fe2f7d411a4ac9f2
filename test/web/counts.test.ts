/** The numbers of the Live page and the overview in a real browser: they are of the filter that stands, and they are right. */
import type { Page, Route } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import { openWorld, type World } from '../support/world.ts';
import { histogramOf, openSite, rowsOf, SOON, untilDrawn, untilLive } from './support/site.ts';

const RECORD = 'mutation ($input: [RecordEventInput!]!) { recordEvents(input: $input) { events { id } } }';
const note = (message: string, more: object = {}) => ({ type: 'note', resource: 'page/1', message, ...more });
const TIMEOUT_MS = 90_000;
/** What is counted anew some seconds after the last arrival. */
const SETTLED = { timeout: 30_000 };

async function openAt(world: World, path: string) {
  const [server] = world.servers;
  const site = await openSite({ url: server?.url ?? '', token: await world.token({ groups: ['admin'] }) });
  await site.open(path);
  return site;
}

interface Held {
  /** Resolves when one has been asked. */
  readonly isAsked: Promise<void>;
  letGo(): void;
}

/** Holds back an operation: before the server gets it, or its answer. */
async function hold(page: Page, operation: string, where: 'question' | 'answer'): Promise<Held> {
  let letGo = () => {};
  const isFree = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  let tell = () => {};
  const isAsked = new Promise<void>((resolve) => {
    tell = resolve;
  });
  const held = async (route: Route) => {
    if (!asks(route.request().postData(), operation)) return route.fallback();
    const answer = where === 'answer' ? await route.fetch() : null;
    tell();
    await isFree;
    // Nobody may wait for it any more.
    await (answer === null ? route.continue() : route.fulfill({ response: answer })).catch(() => {});
  };
  await page.route('**/graphql', held);
  return { isAsked, letGo };
}

const asks = (body: string | null, operation: string) => body?.includes(`query ${operation}(`) ?? false;

/** Variables of each operation of a name that was sent. */
function sent(page: Page, operation: string): { from: string; filter: unknown }[] {
  const all: { from: string; filter: unknown }[] = [];
  page.on('request', (request) => {
    if (asks(request.postData(), operation)) all.push(JSON.parse(request.postData() ?? '').variables);
  });
  return all;
}

const figure = (page: Page, name: string) =>
  page.locator('.figures > div').filter({ hasText: name }).locator('dd').textContent(SOON);

async function addFilter(page: Page, text: string): Promise<void> {
  await page.keyboard.press('/');
  await page.keyboard.type(text);
  await page.keyboard.press('Enter');
}

const MIXED = [
  ...Array.from({ length: 3 }, (_, i) =>
    note(`note ${i}`, { occurredAt: `2026-06-0${i + 1}T00:00:00.000Z` }),
  ),
  { type: 'marker', resource: 'page/2', message: 'a marker', occurredAt: '2026-01-01T00:00:00.000Z' },
  { type: 'marker', resource: 'page/2', message: 'a marker', occurredAt: '2026-02-01T00:00:00.000Z' },
];

describe('the numbers under a filter that has just been set', { timeout: TIMEOUT_MS }, () => {
  test('are not those of the one before: the overview says that it counts', async () => {
    const world = await openWorld();
    await world.ask(RECORD, { input: MIXED });
    const { page, complaints } = await openAt(world, '/overview');
    await expect.poll(() => figure(page, 'Events'), SOON).toBe('5');
    const asked = sent(page, 'Overview');
    const span = await hold(page, 'OverviewSpan', 'answer');
    await addFilter(page, 'type:note');
    await span.isAsked;
    await page.getByText('Counting').waitFor(SOON);
    expect(await page.locator('.figures').count()).toBe(0);
    expect(asked).toEqual([]);
    span.letGo();
    await expect.poll(() => figure(page, 'Events'), SOON).toBe('3');
    // Over the span of what matches, and not over that of all.
    expect(asked.map(({ from }) => from.slice(0, 7))).toEqual([expect.stringMatching(/2026-0[56]/)]);
    expect(complaints).toEqual([]);
  });

  test('are not those of the one before: the histogram is empty until they are there', async () => {
    const world = await openWorld();
    await world.ask(RECORD, { input: MIXED });
    const { page } = await openAt(world, '/');
    await expect.poll(() => histogramOf(page), SOON).toMatch(/^5 events/);
    const asked = sent(page, 'Timeline');
    const span = await hold(page, 'Span', 'answer');
    await addFilter(page, 'type:note');
    await span.isAsked;
    await page.locator('div.histogram[aria-busy=true]').waitFor(SOON);
    expect(await page.locator('.histogram [role=img]').count()).toBe(0);
    expect(asked).toEqual([]);
    span.letGo();
    await expect.poll(() => histogramOf(page), SOON).toMatch(/^3 events/);
    expect(asked.map(({ from }) => from.slice(0, 7))).toEqual([expect.stringMatching(/2026-0[56]/)]);
  });
});

describe('the histogram', { timeout: TIMEOUT_MS }, () => {
  test.each([
    ['the server has counted and its answer is under way', 'answer'],
    ['the question is under way to the server', 'question'],
  ] as const)('has what arrives while %s, once', async (_, where) => {
    const world = await openWorld();
    await world.ask(RECORD, { input: [note('one'), note('two')] });
    const [server] = world.servers;
    const site = await openSite({ url: server?.url ?? '', token: await world.token({ groups: ['admin'] }) });
    const timeline = await hold(site.page, 'Timeline', where);
    await site.open('/');
    await untilLive(site.page);
    await timeline.isAsked;
    await world.ask(RECORD, { input: [note('three')] });
    await expect.poll(() => rowsOf(site.page), SOON).toHaveLength(3);
    timeline.letGo();
    await expect.poll(() => histogramOf(site.page), SETTLED).toMatch(/^3 events/);
    // And one more is there at once, before anybody has counted again.
    await world.ask(RECORD, { input: [note('four')] });
    await expect.poll(() => histogramOf(site.page), SETTLED).toMatch(/^4 events/);
  });

  test('appears with the first event of a journal', async () => {
    const world = await openWorld();
    const { page } = await openAt(world, '/');
    await untilLive(page);
    expect(await page.locator('.histogram [role=img]').count()).toBe(0);
    await world.ask(RECORD, { input: [note('the first')] });
    await expect.poll(() => rowsOf(page), SOON).toEqual(['the first']);
    await expect.poll(() => histogramOf(page), SETTLED).toMatch(/^1 events/);
  });

  test('says what the bar under the pointer holds', async () => {
    const world = await openWorld();
    const at = (hour: number) => new Date(2026, 0, 2, hour).toISOString();
    await world.ask(RECORD, {
      input: [
        note('first', { occurredAt: at(0) }),
        note('last', { occurredAt: at(20), severity: 'HIGH' }),
        note('last', { occurredAt: at(20) }),
      ],
    });
    const { page } = await openAt(world, '/');
    await untilDrawn(page, /^3 events/);
    const over = page.locator('.histogram .u-over');
    const box = (await over.boundingBox()) as { x: number; y: number; width: number; height: number };
    await page.mouse.move(box.x + box.width - 3, box.y + 20);
    const text = page.locator('.histogram .bar-text');
    await expect.poll(() => text.textContent(SOON), SOON).toMatch(/20:00–20:15: 2 events \(1 HIGH, 1 \w+\)$/);
    expect(await text.getAttribute('title')).toContain(`${at(20)} – `);
    await page.mouse.move(box.x, box.y + 400);
    await expect.poll(() => text.count(), SOON).toBe(0);
  });
});

describe('an attribute', { timeout: TIMEOUT_MS }, () => {
  test('that was declared after the page was opened is asked for by its kind', async () => {
    const world = await openWorld();
    await world.ask(RECORD, { input: [note('light')] });
    const { page, complaints } = await openAt(world, '/');
    await expect.poll(() => rowsOf(page), SOON).toEqual(['light']);
    await world.ask('mutation { defineAttribute(input: { name: "weight", kind: INTEGER }) { name } }');
    await world.ask(`mutation { defineEventType(input: {
      name: "parcel", category: ACTION, severity: LOW, attributes: [{ name: "weight" }]
    }) { name } }`);
    await world.ask(RECORD, { input: [note('heavy', { type: 'parcel', attributes: { weight: 7 } })] });
    await expect.poll(() => rowsOf(page), SOON).toHaveLength(2);
    await addFilter(page, 'attr.weight>=5');
    await expect.poll(() => rowsOf(page), SOON).toEqual(['heavy']);
    expect(complaints).toEqual([]);
  });

  test('or a field without a value is kept in the input', async () => {
    const world = await openWorld();
    const { page } = await openAt(world, '/');
    await untilLive(page);
    await addFilter(page, 'type:');
    expect(new URL(page.url()).searchParams.getAll('f')).toEqual([]);
    await page.keyboard.type('note');
    await page.keyboard.press('Enter');
    await expect.poll(() => new URL(page.url()).searchParams.getAll('f'), SOON).toEqual(['type:note']);
  });
});

test('what was looked at is let go: sixty large events, of which the last twenty may be kept', {
  timeout: TIMEOUT_MS,
}, async () => {
  const world = await openWorld();
  const large = (i: number) => note(`large ${i}`, { payload: { text: `${i} `.padEnd(200_000, 'x€') } });
  for (let i = 1; i <= 60; i++) await world.ask(RECORD, { input: [large(i)] });
  const { page } = await openAt(world, '/');
  await expect.poll(() => rowsOf(page), SOON).not.toHaveLength(0);
  const devtools = await page.context().newCDPSession(page);
  const heapBytes = async () => {
    await devtools.send('HeapProfiler.collectGarbage');
    return (await devtools.send('Runtime.getHeapUsage')).usedSize;
  };
  const open = async (from: number, to: number) => {
    for (let i = from; i >= to; i--) {
      await page.keyboard.press('j');
      const panel = page.locator('.side').getByText(`large ${i}`, { exact: true }).first();
      await panel.waitFor(SOON);
    }
  };
  await open(60, 31);
  const before = await heapBytes();
  await open(30, 1);
  // Thirty more, 12 MB of text as V8 holds what is not Latin.
  await expect.poll(async () => ((await heapBytes()) - before) / 1e6, SOON).toBeLessThan(2);
});
