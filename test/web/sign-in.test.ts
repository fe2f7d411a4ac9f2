/** Who looks: at once in development mode, by a pasted token, or by a provider’s. */
import { describe, expect, test } from 'vitest';
import { emptyFolder } from '../support/cli.ts';
import { startServerProcess } from '../support/server-process.ts';
import { openWorld } from '../support/world.ts';
import { CLIENT_ID, startProvider } from './support/provider.ts';
import { openSite, rowsOf, SOON, untilLive } from './support/site.ts';

const RECORD = 'mutation ($input: RecordEventInput!) { recordEvent(input: $input) { event { id } } }';
const TIMEOUT_MS = 90_000;

describe('the web UI', { timeout: TIMEOUT_MS }, () => {
  test('works at once in development mode', async () => {
    const server = await startServerProcess({ EVENTREE_DATA_DIR: await emptyFolder() });
    const { page, open, complaints } = await openSite({ url: server.url, token: null });
    await open('/');
    await untilLive(page);
    await expect.poll(() => page.locator('.who').textContent(SOON), SOON).toContain('user/developer');
    expect(complaints).toEqual([]);
  });

  test('takes a pasted token, refuses a wrong one, and forgets it on leaving', async () => {
    const world = await openWorld();
    await world.ask(RECORD, { input: { type: 'note', resource: 'page/1', message: 'for root' } });
    const { page, open } = await openSite({ url: world.servers[0]?.url ?? '', token: null });
    await open('/login');
    await page.getByLabel('Token').fill('not.a.token');
    await page.getByRole('button', { name: 'Use this token' }).click();
    await expect.poll(() => page.getByRole('alert').textContent(SOON), SOON).toContain('UNAUTHENTICATED');
    await page.getByLabel('Token').fill(`Bearer ${await world.token({ groups: ['admin'] })}\n`);
    await page.getByRole('button', { name: 'Use this token' }).click();
    await expect.poll(() => rowsOf(page), SOON).toEqual(['for root']);
    await page.getByRole('button', { name: 'Sign out' }).click();
    await expect.poll(() => page.locator('.who').textContent(SOON), SOON).toContain('group/anonymous');
    await expect.poll(() => rowsOf(page), SOON).toEqual([]);
  });

  test('says when a token has ended, beside what it has shown, and comes back to the same view', async () => {
    const world = await openWorld();
    await world.ask(RECORD, { input: { type: 'note', resource: 'page/1', message: 'for root' } });
    const { page, open } = await openSite({ url: world.servers[0]?.url ?? '', token: null });
    await open('/login?to=%2F%3Ff%3Dtype%3Anote');
    await page.getByLabel('Token').fill(await world.token({ groups: ['admin'], lifetimeSeconds: 10 }));
    await page.getByRole('button', { name: 'Use this token' }).click();
    await expect.poll(() => rowsOf(page), SOON).toEqual(['for root']);
    expect(page.url()).toContain('/?f=type:note');
    await expect.poll(() => page.getByRole('alert').textContent(SOON), SOON).toContain('UNAUTHENTICATED');
    expect(await rowsOf(page)).toEqual(['for root']);
    await page
      .getByRole('alert')
      .getByRole('link', { name: /sign in/ })
      .click();
    await page.getByLabel('Token').fill(await world.token({ groups: ['admin'] }));
    await page.getByRole('button', { name: 'Use this token' }).click();
    await untilLive(page);
    expect(page.url()).toContain('/?f=type:note');
    await open('/login?to=https%3A%2F%2Felsewhere.example');
    await page.getByLabel('Token').fill(await world.token({ groups: ['admin'] }));
    await page.getByRole('button', { name: 'Use this token' }).click();
    await untilLive(page);
    expect(new URL(page.url()).origin).toBe(world.servers[0]?.url);
  });

  test('says that a screen cannot be loaded, as after a newer one was deployed', async () => {
    const world = await openWorld();
    const url = world.servers[0]?.url ?? '';
    const { page, open } = await openSite({ url, token: await world.token({ groups: ['admin'] }) });
    await open('/');
    await untilLive(page);
    await page.route('**/assets/overview-page*', (route) => route.abort());
    await page.keyboard.press('2');
    await expect.poll(() => page.getByRole('alert').textContent(SOON), SOON).toContain('could not be shown');
    await page.keyboard.press('1');
    await untilLive(page);
  });

  test('signs in at a provider, comes back to where it was, and has its token renewed', async () => {
    const provider = await startProvider();
    const world = await openWorld({
      environment: {
        EVENTREE_JWT_SECRET: '',
        EVENTREE_JWKS_URL: provider.jwksUrl,
        EVENTREE_JWT_ISSUER: provider.issuer,
        EVENTREE_OIDC_AUTHORITY: provider.issuer,
        EVENTREE_OIDC_CLIENT_ID: CLIENT_ID,
        EVENTREE_OIDC_SCOPE: 'openid profile offline_access',
      },
    });
    const url = world.servers[0]?.url ?? '';
    provider.register({ redirectUri: `${url}/callback`, groups: ['admin'], lifetimeSeconds: 10 });
    const { page, open, complaints } = await openSite({ url, token: null });
    await open('/login');
    await page.getByRole('button', { name: /Sign in at/ }).click();
    await page.locator('input[name=login]').fill('jane');
    await page.locator('input[name=password]').fill('anything');
    await page.getByRole('button', { name: /sign-in/i }).click();
    await page.getByRole('button', { name: /continue/i }).click();
    await expect.poll(() => page.locator('.who').textContent(SOON), SOON).toContain('user/jane');
    await untilLive(page);
    // By then the first token has ended.
    await page.waitForTimeout(14_000);
    await untilLive(page);
    await page.reload();
    await expect.poll(() => page.locator('.who').textContent(SOON), SOON).toContain('user/jane');
    await page.getByRole('button', { name: 'Sign out' }).click();
    await expect.poll(() => page.locator('.who').textContent(SOON), SOON).toContain('group/anonymous');
    expect(complaints).toEqual([]);
  });
});
