/** A viewer with few rights sees in the web UI what the API lets them see, and is told what is hidden. */
import { beforeAll, describe, expect, test } from 'vitest';
import { worldForFile } from '../support/world.ts';
import { openSite, rowsOf, SOON, untilLive } from './support/site.ts';

const RECORD = 'mutation ($input: [RecordEventInput!]!) { recordEvents(input: $input) { events { id } } }';
const SET = 'mutation ($ref: ResourceRef!, $acl: AclInput!) { setResourceAcl(ref: $ref, acl: $acl) { ref } }';
const TIMEOUT_MS = 90_000;

describe('a viewer with few rights', { timeout: TIMEOUT_MS }, () => {
  const world = worldForFile();
  let ids: string[];

  beforeAll(async () => {
    const about = (resource: string, message: string) => ({
      type: 'create',
      resource,
      message,
      actor: `user/of-${resource.replace('/', '-')}`,
      attributes: { values: { told: `inside ${resource}` } },
      payload: { told: `payload of ${resource}` },
      privatePayload: { told: `private of ${resource}` },
    });
    const { recordEvents } = await world().ask(RECORD, {
      input: [
        about('page/open', 'an open one'),
        about('page/outside', 'from outside'),
        about('page/secret', 'a secret one'),
      ],
    });
    ids = recordEvents.events.map(({ id }: { id: string }) => id);
    const owners = ['group/admin'];
    await world().ask(SET, { ref: 'page/open', acl: { owners, viewData: ['user/jane'] } });
    await world().ask(SET, { ref: 'page/outside', acl: { owners, viewMeta: ['user/jane'] } });
    await world().ask(SET, { ref: 'page/secret', acl: { owners } });
  });

  const openAs = async (subject: string) =>
    openSite({ url: world().servers[0]?.url ?? '', token: await world().token({ subject }) });

  test('sees just their events, and no number that counts the others', async () => {
    const { page, open } = await openAs('jane');
    await open('/');
    await untilLive(page);
    await expect.poll(() => rowsOf(page), SOON).toHaveLength(2);
    await open('/overview');
    await expect.poll(() => page.locator('.figures').textContent(SOON), SOON).toMatch(/Events2/);
    for (const path of [
      '/',
      '/overview',
      '/types',
      '/resource/page/secret',
      `/event/${ids[2]}`,
      `/tree/${ids[2]}`,
    ]) {
      await open(path);
      await page.waitForTimeout(700);
      const text = (await page.locator('body').textContent()) ?? '';
      expect(text, path).not.toContain('a secret one');
      expect(text, path).not.toContain('of-page-secret');
      expect(text, path).not.toContain('inside page/secret');
    }
  });

  test('sees the outside of an event, and is told that and why there is more', async () => {
    const { page, open } = await openAs('jane');
    await open(`/event/${ids[1]}`);
    await expect.poll(() => page.locator('main').textContent(SOON), SOON).toContain('from outside');
    await expect.poll(() => page.locator('main').textContent(SOON), SOON).toContain('viewData');
    const text = (await page.locator('main').textContent()) ?? '';
    expect(text).not.toContain('inside page/outside');
    expect(text).not.toContain('payload of page/outside');
  });

  test('sees the inside of another, but not what is private', async () => {
    const { page, open } = await openAs('jane');
    await open(`/event/${ids[0]}`);
    await expect.poll(() => page.locator('main').textContent(SOON), SOON).toContain('inside page/open');
    const text = (await page.locator('main').textContent()) ?? '';
    expect(text).not.toContain('private of page/open');
    expect(text).not.toContain('Who sees this?');
  });

  test('is offered nothing that only others may do', async () => {
    const { page, open } = await openAs('jane');
    await open('/types');
    await page.waitForTimeout(700);
    expect(await page.getByRole('button', { name: /New|Edit/ }).count()).toBe(0);
    await open('/resource/page/open');
    await page.waitForTimeout(700);
    expect(await page.getByRole('button', { name: /Edit|Rename/ }).count()).toBe(0);
  });

  test('who has a token that the server refuses is told so, and how to go on', async () => {
    const { page, open } = await openSite({ url: world().servers[0]?.url ?? '', token: 'no.such.token' });
    await open('/');
    await expect.poll(() => page.locator('main').textContent(SOON), SOON).toContain('UNAUTHENTICATED');
    await page
      .getByRole('link', { name: /sign in/i })
      .first()
      .waitFor(SOON);
  });
});
