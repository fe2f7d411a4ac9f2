/** Text that means harm, in every field that somebody else writes: it is shown, and does nothing. */
import { describe, expect, test } from 'vitest';
import { openWorld, type World } from '../support/world.ts';
import { openSite, rowsOf, SOON, untilLive } from './support/site.ts';

const SCRIPT = `<script>window.harmed = 1</script><img src=x onerror="window.harmed = 2">`;
const LINK = 'javascript:window.harmed=3';
/** Turns the direction of what follows: `gpj.exe` reads as `exe.jpg`. */
const TURNED = 'invoice\u202egpj.exe\u2066\u200b';
const LONG = 'word'.repeat(2_500);
const TIMEOUT_MS = 240_000;

const DEFINE = `mutation ($attribute: DefineAttributeInput!, $type: DefineEventTypeInput!) {
  defineAttribute(input: $attribute) { name } defineEventType(input: $type) { name } }`;
const RECORD = 'mutation ($input: [RecordEventInput!]!) { recordEvents(input: $input) { events { id } } }';

/** @returns the ids of the events. */
async function fill(world: World): Promise<string[]> {
  await world.ask(DEFINE, {
    attribute: { name: 'said', kind: 'STRING', description: SCRIPT },
    type: {
      name: 'hostile',
      category: 'USER',
      description: `${SCRIPT} ${TURNED}`,
      messageTemplate: `{actor} ${SCRIPT}`,
      attributes: [{ name: 'said' }],
    },
  });
  const input = [SCRIPT, LINK, TURNED, LONG].map((text) => ({
    type: 'hostile',
    resource: `page/${text.slice(0, 200).replace(/\p{C}/gu, '')}`,
    actor: 'user/<b>x',
    message: text,
    sessionId: text.slice(0, 50).replace(/\p{C}/gu, ''),
    correlationId: text.slice(0, 50).replace(/\p{C}/gu, ''),
    attributes: { said: text.slice(0, 1_000) },
    payload: { [text.slice(0, 100)]: text, html: SCRIPT, url: LINK, deep: { list: [text, SCRIPT] } },
    privatePayload: { secret: SCRIPT },
  }));
  const { recordEvents } = await world.ask(RECORD, { input });
  return recordEvents.events.map(({ id }: { id: string }) => id);
}

describe('hostile text', { timeout: TIMEOUT_MS }, () => {
  test('harms nothing on any screen', async () => {
    const world = await openWorld();
    const ids = await fill(world);
    const url = world.servers[0]?.url ?? '';
    const { page, open, complaints } = await openSite({
      url,
      token: await world.token({ groups: ['admin'] }),
    });
    const resource = `/resource/page/${encodeURIComponent(SCRIPT)}`;
    const paths = [
      '/',
      '/overview',
      '/types',
      resource,
      ...ids.flatMap((id) => [`/event/${id}`, `/tree/${id}`]),
    ];
    for (const path of paths) {
      await open(path);
      await page.waitForTimeout(700);
      // All that is folded is opened: what is not drawn cannot harm.
      for (const summary of await page.locator('summary').all())
        await summary.click({ timeout: 1_000 }).catch(() => {});
      expect(await page.evaluate('window.harmed'), path).toBeUndefined();
      expect(await page.locator('main script, main img[src="x"]').count(), path).toBe(0);
      const links = await page
        .locator('a')
        .evaluateAll((all) => all.map((link) => (link as HTMLAnchorElement).href));
      for (const link of links) expect(new URL(link).origin, path).toBe(url);
      const wide = await page.evaluate('document.documentElement.scrollWidth - innerWidth');
      expect(wide, `${path} scrolls sideways`).toBeLessThanOrEqual(0);
    }
    expect(complaints).toEqual([]);
  });

  test('is shown as it is, and marks that cannot be seen are made visible', async () => {
    const world = await openWorld();
    await fill(world);
    const { page, open } = await openSite({
      url: world.servers[0]?.url ?? '',
      token: await world.token({ groups: ['admin'] }),
    });
    await open('/');
    await untilLive(page);
    await expect.poll(() => rowsOf(page), SOON).toHaveLength(4);
    const rows = await rowsOf(page);
    expect(rows).toContain(SCRIPT);
    expect(rows).toContain('invoice⟨202E⟩gpj.exe⟨2066⟩⟨200B⟩');
    expect(rows.every((row) => row.length < 400)).toBe(true);
  });

  test('names in the address what it names elsewhere, whatever signs it holds', async () => {
    const world = await openWorld();
    const refs = ['page/100%', 'page/%41', 'page/a b?c#d', 'page/..', 'page/a/../b', 'page/é/ü', 'page/a*'];
    const input = refs.map((resource) => ({
      type: 'note',
      resource,
      message: `about ${resource}`,
      actor: 'user/st*',
    }));
    input.push({ type: 'note', resource: 'page/A', message: 'another', actor: 'user/stella' });
    await world.ask(RECORD, { input });
    const { page, open, complaints } = await openSite({
      url: world.servers[0]?.url ?? '',
      token: await world.token({ groups: ['admin'] }),
    });
    await open('/overview');
    for (const ref of refs) {
      await open('/');
      await page
        .locator('.stream-row a', { hasText: `about ${ref}` })
        .first()
        .click(SOON);
      const side = page.getByRole('complementary');
      await side.locator('a[href^="/resource"]').first().click(SOON);
      for (const again of [false, true]) {
        if (again) await page.reload();
        await expect.poll(() => page.locator('main').textContent(SOON), SOON).toContain(`about ${ref}`);
        expect(await page.locator('main').textContent(SOON)).not.toContain('another');
      }
      await page.getByRole('link', { name: 'Show in the stream' }).click();
      await expect.poll(() => rowsOf(page), SOON).toEqual([`about ${ref}`]);
      await page.reload();
      await expect.poll(() => rowsOf(page), SOON).toEqual([`about ${ref}`]);
    }
    await open('/overview');
    await page.locator('.facet a', { hasText: 'user/st*' }).click(SOON);
    await expect.poll(() => page.locator('.stream-row').count(), SOON).toBe(refs.length);
    expect(complaints).toEqual([]);
  });

  test('in the address asks for nothing but a filter', async () => {
    const world = await openWorld();
    await fill(world);
    const { page, open, complaints } = await openSite({
      url: world.servers[0]?.url ?? '',
      token: await world.token({ groups: ['admin'] }),
    });
    const text = encodeURIComponent(SCRIPT);
    await open(`/?f=${text}&f=attr.${text}&last=${text}&from=${text}&before=x&journal=main`);
    await page.locator('.chip').first().waitFor(SOON);
    expect(await page.evaluate('window.harmed')).toBeUndefined();
    expect(complaints).toEqual([]);
    await open(`/resource/${encodeURIComponent('../')}x/${text}`);
    await open(`/event/${text}`);
    await open(`/tree/${text}`);
    await page.waitForTimeout(700);
    expect(await page.evaluate('window.harmed')).toBeUndefined();
  });
});
