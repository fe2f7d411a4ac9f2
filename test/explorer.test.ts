import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { ask, openSocket, post, type Received, send, until } from './doors/support/doors.ts';
import { unique, type World, worldForFile } from './support/world.ts';

const dataDir = join(tmpdir(), unique('eventree-explorer'));
afterAll(() => rm(dataDir, { recursive: true, force: true }));
const development = worldForFile({ environment: { EVENTREE_JWT_SECRET: '', EVENTREE_DATA_DIR: dataDir } });
const guarded = worldForFile();

const server = (of: World) => of.servers[0] as World['servers'][number];
/** What Chromium asks for when somebody types the address. */
const BROWSER = 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8';

const open = (of: World, accept = BROWSER, path = '/graphql') =>
  send(server(of), { method: 'GET', path, headers: { accept } });

/** The page without what stands in its scripts and styles. */
function markupOf({ text }: Received): string {
  return text.replace(/(<(script|style)\b[^>]*>)[\s\S]*?<\/\2>/g, '$1</$2>');
}

function scriptsOf({ text }: Received): string[] {
  return [...text.matchAll(/<script\b[^>]*>([\s\S]*?)<\/script>/g)].map(([, code]) => code as string);
}

/** What GraphiQL is started with. */
function optionsOf(page: Received): { headers: string; defaultTabs: { query: string; headers: string }[] } {
  const json = /querySelector\('#root'\),\s*(\{.*\}),\s*\);\s*$/s.exec(scriptsOf(page).at(-1) as string)?.[1];
  return JSON.parse(json as string);
}

describe('the explorer', () => {
  test('is what a browser gets at /graphql', async () => {
    const page = await open(guarded());
    expect(page.status).toBe(200);
    expect(page.headers['content-type']).toBe('text/html; charset=utf-8');
    expect(page.text).toMatch(/<title>Eventree<\/title>/);
  });

  test('is not what a program gets there', async () => {
    for (const accept of ['*/*', 'application/json', 'application/graphql-response+json']) {
      const { headers } = await open(guarded(), accept, '/graphql?query=%7Bviewer%7Bsubject%7D%7D');
      expect(headers['content-type']).toMatch(/json/);
    }
    const asked = await post(server(guarded()), { query: '{ viewer { subject } }' }, { accept: BROWSER });
    expect(asked.headers['content-type']).toMatch(/json/);
  });

  test('is not shown within pages of others, nor taken for what it is not', async () => {
    const { headers } = await open(guarded());
    expect(headers['x-frame-options']).toBe('DENY');
    expect(headers['x-content-type-options']).toBe('nosniff');
    expect(Object.keys(headers).filter((name) => name.startsWith('access-control-'))).toEqual([]);
  });

  test('is whole: all that its markup names is in it or served by this server', async () => {
    const page = await open(guarded());
    const named = [
      ...markupOf(page).matchAll(/\s(?:src|href|srcset|data|action|poster)\s*=\s*["']?([^"'\s>]+)/gi),
    ];
    // At least its icon.
    expect(named.length).toBeGreaterThan(0);
    for (const [, address] of named) {
      if (address?.startsWith('data:')) continue;
      const url = new URL(address as string, `${server(guarded()).url}/graphql`);
      expect(url.origin).toBe(server(guarded()).url);
      expect((await fetch(url)).status).toBe(200);
    }
    expect(scriptsOf(page).some((code) => code.length > 1_000_000)).toBe(true);
  });

  test('loads no script, style or font from elsewhere', async () => {
    const page = await open(guarded());
    expect(page.text).not.toMatch(/https?:\/\/[^\s"'`]+\.(m?js|css|woff2?|ttf|wasm)\b/);
    expect(page.text).not.toMatch(/\b(unpkg\.com|jsdelivr|cdnjs|esm\.sh|skypack|googleapis|gstatic)\b/);
    expect(page.text).not.toMatch(
      /(import|importScripts|Worker|EventSource|WebSocket)\(\s*["'`](https?:|wss?:)?\/\//,
    );
    expect(page.text).not.toMatch(/@import\s+(url\()?["']?(https?:)?\/\//);
    expect(page.text).not.toMatch(/url\(\s*["']?(https?:)?\/\//);
    expect(page.text).not.toMatch(/<base\b/i);
  });
});

describe('the token', () => {
  test('is filled in where the server makes it itself, in development mode', async () => {
    const token = server(development()).developmentToken as string;
    const { headers, defaultTabs } = optionsOf(await open(development()));
    for (const each of [headers, ...defaultTabs.map((tab) => tab.headers)])
      expect(JSON.parse(each)).toEqual({ authorization: `Bearer ${token}` });
    const { data } = await ask('http', server(development()), '{ viewer { claims } }', { token });
    expect(data.viewer.claims).toEqual(['user/developer', 'group/admin']);
  });

  test('is left to fill in where tokens are made elsewhere', async () => {
    const page = await open(guarded());
    expect(server(guarded()).developmentToken).toBeNull();
    expect(JSON.parse(optionsOf(page).headers)).toEqual({ authorization: 'Bearer <token>' });
    expect(page.text).not.toMatch(/eyJ[\w-]+\.[\w-]+\.[\w-]+/);
  });

  test('is not shown to who asks for another name or comes from another page', async () => {
    const token = server(development()).developmentToken as string;
    for (const headers of [{ host: 'evil.example' }, { origin: 'https://evil.example' }]) {
      const page = await send(server(development()), {
        method: 'GET',
        headers: { accept: BROWSER, ...headers } as Record<string, string>,
      });
      expect(page.status).toBe(403);
      expect(page.text).not.toContain(token);
    }
  });
});

describe('the operations to begin with', () => {
  test('work as they stand', async () => {
    const token = server(development()).developmentToken as string;
    const { defaultTabs } = optionsOf(await open(development()));
    expect(defaultTabs.length).toBeGreaterThan(2);
    const isSubscription = ({ query }: { query: string }) => /^subscription/m.test(query);
    for (const { query } of defaultTabs.filter((tab) => !isSubscription(tab))) {
      const answer = await ask('http', server(development()), query, { token });
      expect(answer.errors).toBeUndefined();
      expect(answer.data).toEqual(expect.any(Object));
    }
    for (const { query } of defaultTabs.filter(isSubscription)) {
      const socket = await openSocket(server(development()), { token });
      socket.subscribe('1', query);
      const first = socket.next('1');
      let hasCome = false;
      void first.then(() => {
        hasCome = true;
      });
      // One that is recorded before it has come to the live end, it is not told.
      const record = 'mutation { recordEvent(input: { type: "note" }) { event { id } } }';
      await until(
        () => ask('http', server(development()), record, { token }),
        () => hasCome,
      );
      const { type, payload } = await first;
      expect([type, payload.errors]).toEqual(['next', undefined]);
      socket.ws.close();
    }
  });
});
