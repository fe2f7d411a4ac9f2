/** The client where pages run it: in a browser, from another origin than the server's. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Page } from 'playwright-core';
import { describe, expect, onTestFinished, test } from 'vitest';
import { openBrowser } from '../support/chromium.ts';
import { newEvents, RECORD } from '../support/load.ts';
import { addressOf, startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';
import { openWorld, type World } from '../support/world.ts';
import { bundleClient } from './support/bundle.ts';

/** For what comes in a moment, on a machine that is busy. */
const SOON = { timeout: 20_000 };

/**
 * A page that records and follows. `seen` and `states` are what it has been given; a reader that is `busy`
 * takes no further event until it is not.
 */
const PAGE = `<!doctype html><title>Eventree</title><script type="module">
  import { createClient } from '/client.js';
  const at = new URLSearchParams(location.search).get('at');
  const client = createClient({ url: at, token: (request) => freshToken(request) });
  Object.assign(window, { seen: [], states: [], busy: false, cursor: null });
  window.record = (events) => client.record(events, { fields: '' });
  window.viewer = () => client.query('{ viewer { subject } }');
  window.page = (options) => client.events(null, options);
  window.follow = async (options) => {
    const events = client.follow(null, { ...options, onState: ({ state }) => states.push(state) });
    window.leave = () => events.return();
    for await (const event of events) {
      seen.push(event.id);
      while (busy) await new Promise((resolve) => setTimeout(resolve, 10));
    }
  };
  window.isReady = true;
</script>`;

interface Site {
  readonly world: World;
  readonly proxy: TcpProxy;
  readonly page: Page;
  /** What the page has to say to an expression. */
  says(expression: string): Promise<unknown>;
}

async function openSite({ lifetimeSeconds = 60 } = {}): Promise<Site> {
  const { text } = await bundleClient();
  const site = createServer(({ url }, response) => {
    const isScript = url === '/client.js';
    const type = isScript ? 'text/javascript' : 'text/html';
    response.writeHead(200, { 'content-type': `${type}; charset=utf-8` }).end(isScript ? text : PAGE);
  }).listen(0, '127.0.0.1');
  await once(site, 'listening');
  onTestFinished(() => {
    site.closeAllConnections();
    site.close();
  });
  const origin = `http://127.0.0.1:${(site.address() as AddressInfo).port}`;
  const world = await openWorld({ environment: { EVENTREE_ALLOWED_ORIGINS: origin } });
  const proxy = await startTcpProxy(addressOf(String(world.servers[0]?.url)));

  const browser = await openBrowser();
  const page = await browser.newPage();
  let asked = 0;
  await page.exposeFunction('freshToken', () => {
    asked++;
    return world.token({ subject: 'jane', groups: ['admin'], lifetimeSeconds });
  });
  await page.exposeFunction('timesAsked', () => asked);
  await page.goto(`${origin}/?at=http://127.0.0.1:${proxy.port}`);
  await page.waitForFunction('window.isReady');
  return { world, proxy, page, says: (expression) => page.evaluate(expression) };
}

async function recordByServer(world: World, count: number, more: object = {}): Promise<string[]> {
  const input = newEvents(count).map((event) => ({ ...event, ...more }));
  await world.ask(RECORD, { input });
  return input.map(({ id }) => id);
}

test('the client is a bundle of itself, graphql-ws and uuid, with nothing of Node.js in it', async () => {
  const { text, inputs } = await bundleClient();
  const OURS = /^src\/(client|base)\//;
  const THEIRS = /(^|\/)node_modules\/((graphql-ws|uuid)\/|ws\/browser\.js$)/;
  expect(inputs.filter((input) => !OURS.test(input) && !THEIRS.test(input))).toEqual([]);
  expect(text).not.toMatch(/["']node:/);
  expect(text.length).toBeLessThan(40_000);
});

describe('in Chromium', { timeout: 120_000 }, () => {
  test('a page queries, records, follows, is cut off, and goes on where it was', async () => {
    const { world, proxy, page, says } = await openSite();
    expect(await says('viewer()')).toEqual({ viewer: { subject: 'user/jane' } });
    void page.evaluate('follow({ from: "BEGINNING" })').catch(() => {});
    const [first] = (await says('record([{ type: "note", message: "by the page" }])')) as { id: string }[];
    await expect.poll(() => says('seen'), SOON).toEqual([first?.id]);
    await expect.poll(() => says('states'), SOON).toContain('live');

    const ids = [String(first?.id)];
    for (let cuts = 0; cuts < 3; cuts++) {
      proxy.refuse(true);
      await expect.poll(() => says('states.at(-1)'), SOON).toMatch(/lost|connecting/);
      ids.push(...(await recordByServer(world, 3)));
      proxy.refuse(false);
      await expect.poll(() => says('seen'), SOON).toEqual(ids);
    }
    expect(
      await says('page({ order: "OLDEST_FIRST" }).then(({ nodes }) => nodes.map(({ id }) => id))'),
    ).toEqual(ids);
    await says('leave()');
    expect(await says('states.at(-1)')).toBe('ended');
    // What was fetched is kept alive by the browser, which closes it with the page.
    await page.close();
    await expect.poll(() => proxy.connections(), SOON).toBe(0);
  });

  test('a page that is refused its old token asks for a new one', async () => {
    const { world, page, says } = await openSite({ lifetimeSeconds: 3 });
    void page.evaluate('follow({})').catch(() => {});
    await expect.poll(() => says('states'), SOON).toContain('lost');
    const ids = await recordByServer(world, 1);
    await expect.poll(() => says('seen'), SOON).toEqual(ids);
    expect(await says('timesAsked()')).toBeGreaterThan(1);
  });

  test('what a page cannot take does not pile up in it', async () => {
    const { world, page, says } = await openSite();
    const ids: string[] = [];
    for (let batch = 0; batch < 4; batch++) {
      ids.push(...(await recordByServer(world, 50, { payload: 'x'.repeat(100_000) })));
    }
    await says('busy = true');
    void page.evaluate('follow({ from: "BEGINNING", maxBatch: 1 })').catch(() => {});
    await expect.poll(() => says('seen.length'), SOON).toBe(1);
    // 20 MB wait, of which the page takes 4 and closes its socket.
    const metrics = async () => (await fetch(`${world.servers[0]?.url}/metrics`)).text();
    await expect.poll(metrics, SOON).toMatch(/^eventree_sockets 0$/m);
    await says('busy = false');
    await expect.poll(() => says('seen.length'), SOON).toBe(ids.length);
    expect(await says('seen')).toEqual(ids);
    expect(await says('states')).toContain('lost');
  });
});
