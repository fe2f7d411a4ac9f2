/** Where the focus is after what one opens, and after it is closed: never nowhere. */
import type { Page } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import { openWorld } from '../support/world.ts';
import { openSite, SOON } from './support/site.ts';

const RECORD =
  'mutation ($input: [RecordEventInput!]!) { recordEvents(input: $input) { events { id children { nodes { id } } } } }';
const TIMEOUT_MS = 90_000;

async function openRecorded(width?: number) {
  const world = await openWorld();
  const note = (message: string) => ({ type: 'note', resource: 'page/1', message });
  const { recordEvents } = await world.ask(RECORD, {
    input: [{ ...note('first'), children: [note('second')] }],
  });
  await world.ask('mutation { setResourceAcl(ref: "page/1", acl: { owners: ["user/jane"] }) { ref } }');
  const [{ id }] = recordEvents.events;
  const site = await openSite({
    url: world.servers[0]?.url ?? '',
    token: await world.token({ groups: ['admin'] }),
    ...(width !== undefined && { width }),
  });
  return { ...site, id };
}

/** Of what has the focus: its role, tag and label, as far as it has them. */
function focused(page: Page): Promise<string> {
  return page.evaluate(() => {
    const { activeElement: at } = document;
    const label = at?.getAttribute('aria-label') ?? (at instanceof HTMLButtonElement ? at.textContent : null);
    return [at?.getAttribute('role') ?? at?.tagName.toLowerCase(), label].filter(Boolean).join(' ');
  });
}

const untilFocused = (page: Page, what: string) => expect.poll(() => focused(page), SOON).toBe(what);

describe('the focus', { timeout: TIMEOUT_MS }, () => {
  test('goes to the event that is opened in a tree, and back where that is closed', async () => {
    const { page, open, id } = await openRecorded();
    await open(`/tree/${id}`);
    const grid = page.getByRole('treegrid');
    await grid.focus(SOON);
    await page.keyboard.press('Enter');
    await untilFocused(page, 'article Event');
    await page.keyboard.press('Escape');
    await untilFocused(page, 'treegrid Events of the tree');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    await untilFocused(page, 'article Event');
    await page.getByRole('button', { name: 'Close the event' }).press('Enter');
    await untilFocused(page, 'treegrid Events of the tree');
  });

  test('goes to the panel each time one opens it, and stays in the tree while one walks there', async () => {
    const { page, open, id } = await openRecorded();
    await open(`/tree/${id}`);
    const grid = page.getByRole('treegrid');
    await grid.focus(SOON);
    for (let time = 0; time < 2; time++) {
      await grid.focus();
      await page.keyboard.press('Enter');
      await untilFocused(page, 'article Event');
    }
    await grid.focus();
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowUp');
    expect(await focused(page)).toBe('treegrid Events of the tree');
    await page.getByRole('row').nth(2).click();
    await untilFocused(page, 'article Event');
    await expect.poll(() => page.locator('.event-message').textContent(SOON), SOON).toBe('second');
  });

  test('goes to the event that is opened beside the stream, and back to its row', async () => {
    const { page, open } = await openRecorded();
    await open('/');
    const row = page.locator('.stream-row a').last();
    const text = await row.textContent(SOON);
    for (const close of ['Enter', 'Escape']) {
      await row.press('Enter', SOON);
      await untilFocused(page, 'article Event');
      await page.getByRole('button', { name: 'Close the event' }).press(close, SOON);
      await expect.poll(() => page.evaluate(() => document.activeElement?.textContent), SOON).toBe(text);
    }
  });

  test('is back in the list where there is room for one of both, and the row is drawn anew', async () => {
    const { page, open } = await openRecorded(390);
    await open('/');
    // The first panel is still to be loaded: what the focus was on may be out of sight when it comes.
    for (const back of [/^(section|main)/, /^section Events, newest first$/]) {
      await page.locator('.stream-row a').last().press('Enter', SOON);
      await untilFocused(page, 'article Event');
      // The list hears only in a moment that it has no room: until then its rows are there to go back to.
      await expect.poll(() => page.locator('.stream-row').count(), SOON).toBe(0);
      await page.keyboard.press('Escape');
      await expect.poll(() => focused(page), SOON).toMatch(back);
    }
  });

  test('stays in the list while one walks through it, until Enter', async () => {
    const { page, open } = await openRecorded();
    await open('/');
    const place = () => page.locator('.stream-row.chosen').getAttribute('aria-posinset', SOON);
    const list = page.getByRole('region', { name: 'Events, newest first' });
    await list.focus(SOON);
    await page.keyboard.press('j');
    await page.locator('.event-message').waitFor(SOON);
    await page.keyboard.press('j');
    await expect.poll(place, SOON).toBe('2');
    expect(await focused(page)).toBe('section Events, newest first');
    await page.keyboard.press('Enter');
    await untilFocused(page, 'article Event');
    await page.keyboard.press('k');
    await expect.poll(place, SOON).toBe('1');
    await expect.poll(() => focused(page), SOON).not.toBe('body');
    await page.keyboard.press('Escape');
    await untilFocused(page, 'section Events, newest first');
  });

  test('goes into the rights that are edited, and back to where that was asked for', async () => {
    const { page, open } = await openRecorded();
    await open('/resource/page/1');
    const edit = page.getByRole('button', { name: 'Edit' });
    await edit.press('Enter', SOON);
    await untilFocused(page, 'input Give owners to');
    await page.getByRole('button', { name: 'Cancel' }).press('Enter');
    await untilFocused(page, 'button Edit');
    await edit.press('Enter');
    await untilFocused(page, 'input Give owners to');
    await page.keyboard.type('user/joe');
    await page.keyboard.press('Enter');
    await page.getByRole('button', { name: 'Save' }).press('Enter');
    await untilFocused(page, 'button Edit');
  });

  test('is back where one asked for another name', async () => {
    const { page, open } = await openRecorded();
    await open('/resource/page/1');
    await page.getByRole('button', { name: 'Give it a name' }).press('Enter', SOON);
    await untilFocused(page, 'input');
    await page.keyboard.type('Home');
    await page.keyboard.press('Enter');
    await untilFocused(page, 'button Rename');
  });
});
