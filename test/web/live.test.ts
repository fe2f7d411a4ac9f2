/** The Live page in a real browser: what happens is seen as it happens, and nothing is lost on the way. */
import { describe, expect, test } from 'vitest';
import { migratedDatabase } from '../support/database.ts';
import { startServerProcess } from '../support/server-process.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';
import { openWorld, type World } from '../support/world.ts';
import { connectionOf, openSite, rowsOf, SOON, untilDrawn, untilLive } from './support/site.ts';

const RECORD =
  'mutation ($input: [RecordEventInput!]!) { recordEvents(input: $input) { events { id message } } }';
const note = (message: string, more: object = {}) => ({ type: 'note', resource: 'page/1', message, ...more });
const numbered = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, i) => note(`number ${from + i}`));
const TIMEOUT_MS = 90_000;

async function openLive(world: World, path = '/') {
  const [server] = world.servers;
  const site = await openSite({ url: server?.url ?? '', token: await world.token({ groups: ['admin'] }) });
  await site.open(path);
  await untilLive(site.page);
  return site;
}

describe('the stream', { timeout: TIMEOUT_MS }, () => {
  test('shows what there is, and each event as it is recorded, newest first', async () => {
    const world = await openWorld();
    await world.ask(RECORD, { input: numbered(1, 3) });
    const { page, complaints } = await openLive(world);
    await expect.poll(() => rowsOf(page), SOON).toEqual(['number 3', 'number 2', 'number 1']);
    await world.ask(RECORD, { input: [note('and one more')] });
    await expect.poll(async () => (await rowsOf(page))[0], SOON).toBe('and one more');
    expect(complaints).toEqual([]);
  });

  test('begins on an empty journal with a word about it, and goes on by itself', async () => {
    const world = await openWorld();
    const { page } = await openLive(world);
    await expect.poll(() => page.locator('.notice').textContent(SOON), SOON).toContain('No events yet');
    await world.ask(RECORD, { input: [note('the first')] });
    await expect.poll(() => rowsOf(page), SOON).toEqual(['the first']);
  });

  test('stands still while it is paused, counts what waits, and then shows it', async () => {
    const world = await openWorld();
    await world.ask(RECORD, { input: numbered(1, 2) });
    const { page } = await openLive(world);
    await expect.poll(() => rowsOf(page), SOON).toHaveLength(2);
    await page.keyboard.press('Space');
    await world.ask(RECORD, { input: numbered(3, 7) });
    await expect.poll(() => page.getByRole('button', { name: /5 new/ }).count(), SOON).toBe(1);
    expect(await rowsOf(page)).toHaveLength(2);
    await page.keyboard.press('Space');
    await expect.poll(() => rowsOf(page), SOON).toHaveLength(7);
  });

  test('is read back to its beginning without a seam, while new events come', async () => {
    const world = await openWorld();
    for (let from = 1; from <= 1_200; from += 400)
      await world.ask(RECORD, { input: numbered(from, from + 399) });
    const { page } = await openLive(world);
    await page.locator('.stream-row').first().waitFor(SOON);
    const seen = new Set<number>();
    // Read and scrolled in one go, and no further than to what was read: nothing is passed before it is drawn.
    const readOn = () =>
      page.locator('.stream-rows').evaluate((list) => {
        const rows = [...list.querySelectorAll('.stream-row')]
          .map((row) => ({ row, at: Number(row.getAttribute('aria-posinset')) }))
          .sort((a, b) => a.at - b.at);
        const last = rows.at(-1)?.row.getBoundingClientRect();
        if (last !== undefined) list.scrollBy({ top: last.top - list.getBoundingClientRect().top });
        return rows.map(({ row }) => row.querySelector('.message')?.textContent ?? '');
      });
    const recording = world.ask(RECORD, { input: numbered(1_201, 1_210) });
    await expect
      .poll(
        async () => {
          const numbers = (await readOn()).map((text) => Number(text.split(' ')[1]));
          // Neither a seam nor a repeat between those that are in sight together.
          numbers.forEach((number, i) => void expect(number).toBe((numbers[0] as number) - i));
          for (const number of numbers) seen.add(number);
          return seen.has(1);
        },
        { timeout: 60_000, interval: 20 },
      )
      .toBe(true);
    await recording;
    const missing = Array.from({ length: 1_200 }, (_, i) => i + 1).filter((number) => !seen.has(number));
    expect(missing).toEqual([]);
    await page.getByRole('button', { name: /to the top/ }).click();
    await expect.poll(async () => (await rowsOf(page))[0], SOON).toBe('number 1210');
  });

  test('lacks nothing after the server was killed, and says how the connection is', async () => {
    const database = await migratedDatabase();
    const secret = 'a secret of tests that is long enough for HS256';
    const server = await startServerProcess({ DATABASE_URL: database.url, EVENTREE_JWT_SECRET: secret });
    const { signToken } = await import('../../src/access/authenticate.ts');
    const token = await signToken(
      secret,
      { subject: 'root', groups: ['admin'], lifetimeSeconds: 3_600 },
      { issuer: undefined, audience: undefined },
    );
    const record = (input: object[]) =>
      fetch(`${server.url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
        body: JSON.stringify({ query: RECORD, variables: { input } }),
      });
    await record(numbered(1, 3));
    const { page, open } = await openSite({ url: server.url, token });
    await open('/');
    await untilLive(page);
    await page.getByLabel('Group when fast').uncheck();
    await server.kill();
    await expect.poll(() => connectionOf(page), SOON).toMatch(/Offline/);
    await server.start();
    await record(numbered(4, 300));
    await expect.poll(() => connectionOf(page), { timeout: 40_000 }).toMatch(/Live/);
    await record(numbered(301, 305));
    await expect.poll(() => page.locator('.toolbar .count').textContent(SOON), SOON).toBe('305 shown');
    await expect
      .poll(async () => (await rowsOf(page)).slice(0, 3), SOON)
      .toEqual(['number 305', 'number 304', 'number 303']);
    await database.drop().catch(() => {});
  });

  test('is offline as soon as the device is, and live again when it is', async () => {
    const world = await openWorld();
    await world.ask(RECORD, { input: numbered(1, 2) });
    const { page } = await openLive(world);
    await page.context().setOffline(true);
    await expect.poll(() => connectionOf(page), { timeout: 6_000 }).toMatch(/Offline/);
    await page.context().setOffline(false);
    await expect.poll(() => connectionOf(page), { timeout: 40_000 }).toMatch(/Live/);
    await world.ask(RECORD, { input: [note('after it')] });
    await expect.poll(async () => (await rowsOf(page))[0], SOON).toBe('after it');
  });

  test('says how far it is behind while it catches up after a break', async () => {
    const world = await openWorld();
    await world.ask(RECORD, { input: numbered(1, 3) });
    const proxy = await startTcpProxy({
      host: '127.0.0.1',
      port: Number(new URL(world.servers[0]?.url ?? '').port),
    });
    const site = await openSite({
      url: `http://127.0.0.1:${proxy.port}`,
      token: await world.token({ groups: ['admin'] }),
    });
    const { page } = site;
    await site.open('/');
    await untilLive(page);
    proxy.refuse(true);
    await expect.poll(() => connectionOf(page), SOON).toMatch(/Offline/);
    for (let from = 4; from <= 4_003; from += 1_000)
      await world.ask(RECORD, { input: numbered(from, from + 999) });
    // A slow line: what was recorded meanwhile takes its time.
    proxy.slice(4_000);
    proxy.delay(100);
    proxy.refuse(false);
    const behind = async () =>
      Number(/Behind by ([\d,.]+)/.exec((await connectionOf(page)) ?? '')?.[1]?.replace(/\D/g, ''));
    let first = 0;
    const look = async () => {
      first = await behind();
      return first;
    };
    await expect.poll(look, { timeout: 40_000, interval: 20 }).toBeGreaterThan(0);
    expect(first).toBeLessThanOrEqual(4_000);
    await expect.poll(behind, { timeout: 40_000, interval: 20 }).toBeLessThan(first);
    proxy.delay(0);
    await expect.poll(() => connectionOf(page), { timeout: 40_000 }).toMatch(/Live/);
    await expect.poll(() => page.locator('.toolbar .count').textContent(SOON), SOON).toBe('4,003 shown');
  });

  test('groups what comes faster than one can read, and parts it again', async () => {
    const world = await openWorld();
    await world.ask(RECORD, { input: [note('before')] });
    const { page } = await openLive(world);
    await expect.poll(() => rowsOf(page), SOON).toHaveLength(1);
    await world.ask(RECORD, { input: numbered(1, 400) });
    await expect.poll(async () => (await rowsOf(page)).length, SOON).toBeLessThan(20);
    await expect.poll(() => page.locator('.toolbar .count').textContent(SOON), SOON).toBe('401 shown');
    await page.locator('.stream-row strong').first().click();
    await expect.poll(async () => (await rowsOf(page)).includes('number 400'), SOON).toBe(true);
  });

  test('drops what may no longer be seen', async () => {
    const world = await openWorld();
    const acl = (viewData: string[]) => ({ ref: 'page/1', acl: { owners: ['group/admin'], viewData } });
    const SET =
      'mutation ($ref: ResourceRef!, $acl: AclInput!) { setResourceAcl(ref: $ref, acl: $acl) { ref } }';
    await world.ask(RECORD, {
      input: [...numbered(1, 2), { type: 'note', resource: 'page/2', message: 'mine' }],
    });
    await world.ask(SET, acl(['user/jane']));
    await world.ask(SET, { ...acl(['user/jane']), ref: 'page/2' });
    const jane = await world.token({ subject: 'jane' });
    const { page, open } = await openSite({ url: world.servers[0]?.url ?? '', token: jane });
    await open('/');
    await untilLive(page);
    await expect.poll(() => rowsOf(page), SOON).toHaveLength(3);
    await world.ask(SET, acl([]));
    await expect.poll(() => rowsOf(page), SOON).toEqual(['mine']);
  });
});

describe('the filter', { timeout: TIMEOUT_MS }, () => {
  test('is typed with the keyboard, kept in the address, and negated and removed by a click', async () => {
    const world = await openWorld();
    await world.ask(RECORD, {
      input: [note('a note'), { type: 'marker', message: 'a marker', resource: 'page/2' }],
    });
    const { page } = await openLive(world);
    await expect.poll(() => rowsOf(page), SOON).toHaveLength(2);
    await page.keyboard.press('/');
    await page.keyboard.type('type:no');
    await page.getByRole('option', { name: /type:note/ }).waitFor(SOON);
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    await expect.poll(() => rowsOf(page), SOON).toEqual(['a note']);
    expect(new URL(page.url()).searchParams.getAll('f')).toEqual(['type:note']);
    await page.getByRole('button', { name: 'type:note: negate' }).click();
    await expect.poll(() => rowsOf(page), SOON).toEqual(['a marker']);
    await page.reload();
    await expect.poll(() => rowsOf(page), SOON).toEqual(['a marker']);
    await page.getByRole('button', { name: 'Remove -type:note' }).click();
    await page.keyboard.press('/');
    await page.keyboard.type('last:');
    await page.getByRole('option', { name: /last:24h/ }).click(SOON);
    await expect.poll(() => new URL(page.url()).searchParams.get('last'), SOON).toBe('24h');
    await expect.poll(() => rowsOf(page), SOON).toHaveLength(2);
  });

  test('is shown as GraphQL that finds the same', async () => {
    const world = await openWorld();
    await world.ask(RECORD, {
      input: [
        note('a "quoted" note', { severity: 'HIGH' }),
        note('another'),
        note('third', { severity: 'CRITICAL' }),
      ],
    });
    const { page } = await openLive(world, '/?f=severity>=HIGH&f=-quoted');
    await expect.poll(() => rowsOf(page), SOON).toEqual(['third']);
    await page.getByRole('button', { name: 'Share' }).click();
    const text = await page.locator('dialog pre').last().textContent();
    const { events } = await world.ask(text ?? '');
    expect(events.totalCount).toBe(1);
  });

  test('is narrowed to a time by drawing over the histogram', async () => {
    const world = await openWorld();
    const at = (hour: number) =>
      note(`at ${hour}`, { occurredAt: new Date(Date.UTC(2026, 0, 1, hour)).toISOString() });
    await world.ask(RECORD, { input: Array.from({ length: 20 }, (_, hour) => at(hour)) });
    const { page } = await openLive(world);
    await untilDrawn(page, /^20 events/);
    const over = page.locator('.histogram .u-over');
    const box = (await over.boundingBox()) as { x: number; y: number; width: number; height: number };
    await page.mouse.move(box.x + box.width / 2, box.y + 20);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width - 2, box.y + 30, { steps: 5 });
    await page.mouse.up();
    await expect.poll(() => page.url(), SOON).toMatch(/from=.*before=/);
    await expect.poll(async () => (await rowsOf(page)).length, SOON).toBeLessThan(12);
    await expect.poll(() => rowsOf(page), SOON).toContain('at 19');
    expect(await rowsOf(page)).not.toContain('at 3');
  });
});
