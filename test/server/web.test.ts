/** What the server sends of the web UI, from a build that the test makes. */
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { type IncomingMessage, request as nodeRequest } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { createLogger } from '../../src/base/logger.ts';
import { loadConfig } from '../../src/config.ts';
import { type RunningServer, startServer } from '../../src/server/server.ts';
import { readWebFiles } from '../../src/server/web-files.ts';
import { openBrowser } from '../support/chromium.ts';
import { unique, worldForFile } from '../support/world.ts';

const INDEX = `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>A build</title>
<link rel="icon" href="/favicon.svg">
<link rel="stylesheet" href="/assets/index-B1.css">
<script>document.title = 'Written in the page';</script>
<script type="module" src="/assets/index-A1.js"></script></html>
`;
/** Says in its title what came of what the real UI does: settings, the API, and the API's WebSocket. */
const SCRIPT = `
const settings = await (await fetch('/web-config.json')).json();
const api = await fetch('/graphql', {
  method: 'POST',
  headers: { 'content-type': 'application/json', authorization: 'Bearer ' + settings.developmentToken },
  body: JSON.stringify({ query: '{ viewer { subject } }' }),
});
const { data } = await api.json();
const socket = new WebSocket('ws://' + location.host + '/graphql', 'graphql-transport-ws');
socket.onopen = () => { document.title = data.viewer.subject + ' is connected'; };
${'/* filling */'.repeat(100)}`;

const BUILD: Readonly<Record<string, string | Buffer>> = {
  'index.html': INDEX,
  'favicon.svg': '<svg xmlns="http://www.w3.org/2000/svg"/>',
  'assets/index-A1.js': SCRIPT,
  'assets/index-A1.js.map': '{}',
  'assets/index-B1.css': 'body { margin: 0 }',
  'assets/inter-C1.woff2': Buffer.from([0x77, 0x4f, 0x46, 0x32, 0x00, 0xff]),
  'assets/mark-D1.png': Buffer.from([0x89, 0x50, 0x4e, 0x47]),
  '.vite/manifest.json': '{}',
};

const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; manifest-src 'self'; " +
  "require-trusted-types-for 'script'";
const GUARDS = {
  'content-security-policy': POLICY,
  'x-frame-options': 'DENY',
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'permissions-policy': 'camera=(), microphone=(), geolocation=()',
};
const NO_CACHE = 'no-cache';
const FOR_EVER = 'public, max-age=31536000, immutable';

/** What Chromium asks for when somebody types the address. */
const BROWSER = 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8';
const PAGES = [
  '/',
  '/overview',
  '/types',
  '/event/0198c2f4-6d3e-7c1a-9b0f-3a1d2e4f5a6b',
  '/tree/0198c2f4-6d3e-7c1a-9b0f-3a1d2e4f5a6b',
  '/resource/deployment/847',
  '/resource/file/a/b/c.txt',
  '/login',
  '/callback?code=abc&state=def',
];

const root = join(tmpdir(), unique('eventree-web'));
const folder = join(root, 'dist/web');
const world = worldForFile({ servers: 0 });
let built: RunningServer;
beforeAll(async () => {
  await build(folder);
  // What somebody might try to reach from there.
  await build(root, { 'package.json': '{}', 'dist/package.json': '{}', 'dist/web-more.js': '' });
  built = await start();
});
afterAll(async () => {
  await built.stop();
  await rm(root, { recursive: true, force: true });
});

async function build(into: string, files = BUILD): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(into, name)), { recursive: true });
    await writeFile(join(into, name), content);
  }
}

async function emptyFolder(): Promise<string> {
  const own = await mkdtemp(join(tmpdir(), 'eventree-web-'));
  onTestFinished(() => rm(own, { recursive: true, force: true }));
  return own;
}

function start(environment: Record<string, string> = {}, webFolder = folder): Promise<RunningServer> {
  const config = loadConfig({ ...world().environment, ...environment });
  return startServer(config, createLogger(config.logLevel), { webFolder });
}

async function startForTest(environment: Record<string, string> = {}, webFolder = folder) {
  const server = await start(environment, webFolder);
  onTestFinished(() => server.stop());
  return server;
}

const startDevelopment = async () =>
  startForTest({ EVENTREE_JWT_SECRET: '', EVENTREE_DATA_DIR: await emptyFolder() });

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

/** The path goes out as it stands here: a URL would have its dots taken away. */
async function ask(
  server: RunningServer,
  path: string,
  { method = 'GET', headers = {} }: { method?: string; headers?: Record<string, string> } = {},
): Promise<Answer> {
  const { hostname, port } = new URL(server.url);
  const request = nodeRequest({ hostname, port, path, method, headers, agent: false });
  request.end();
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  const parts: Buffer[] = [];
  for await (const part of response) parts.push(part);
  return { status: response.statusCode as number, headers: response.headers, body: Buffer.concat(parts) };
}

const visit = (server: RunningServer, path: string) => ask(server, path, { headers: { accept: BROWSER } });

/** Without what differs from answer to answer. */
function steady({ headers }: Answer): IncomingMessage['headers'] {
  const { date, 'x-request-id': id, ...rest } = headers;
  expect([date, id]).toEqual([expect.any(String), expect.any(String)]);
  return rest;
}

describe('the web UI', () => {
  test.each(PAGES)('is at %s', async (path) => {
    const { status, body } = await visit(built, path);
    expect([status, body.toString()]).toEqual([200, INDEX]);
  });

  test('is there for who takes anything, or says nothing of it', async () => {
    for (const headers of [{ accept: '*/*' }, { accept: 'text/*;q=0.5' }, {}] as Record<string, string>[])
      expect((await ask(built, '/overview', { headers })).body.toString()).toBe(INDEX);
  });

  test('is not there for who wants something else', async () => {
    for (const accept of ['application/json', 'text/html;q=0, */*', 'image/avif']) {
      const { status, headers } = await ask(built, '/overview', { headers: { accept } });
      expect([status, headers['content-type']]).toEqual([404, 'application/json; charset=utf-8']);
    }
  });

  test.each(['/nothing', '/overview/', '/Types', '/event', '/event/', '/tree/', '/resource/', '/index.html'])(
    'is not at %s, and it says where it is',
    async (path) => {
      const { status, body } = await visit(built, path);
      expect([status, JSON.parse(body.toString())]).toEqual([
        404,
        { error: `There is nothing at ${path}; the web UI is at /, GraphQL at /graphql.` },
      ]);
    },
  );

  test('leaves the rest as it is', async () => {
    for (const path of ['/healthz', '/readyz', '/metrics']) {
      const { status, headers } = await visit(built, path);
      expect([status, headers['content-security-policy']]).toEqual([200, undefined]);
    }
    expect((await visit(built, '/graphql')).body.toString()).toMatch(/GraphiQL/);
  });
});

describe('the headers', () => {
  test('of a page let it load what this server sends, and nothing else', async () => {
    const page = await visit(built, '/');
    expect(steady(page)).toEqual({
      ...GUARDS,
      'content-type': 'text/html; charset=utf-8',
      'content-length': String(Buffer.byteLength(INDEX)),
      'cache-control': NO_CACHE,
      etag: expect.stringMatching(/^W\/"[\w-]{22}"$/),
      vary: 'accept, accept-encoding',
      connection: 'close',
    });
  });

  test.each([
    ['/favicon.svg', 'image/svg+xml; charset=utf-8', NO_CACHE],
    ['/assets/index-A1.js', 'text/javascript; charset=utf-8', FOR_EVER],
    ['/assets/index-B1.css', 'text/css; charset=utf-8', FOR_EVER],
    ['/assets/inter-C1.woff2', 'font/woff2', FOR_EVER],
    ['/assets/mark-D1.png', 'image/png', FOR_EVER],
  ])('of %s say what it is and how long it holds', async (path, type, cacheControl) => {
    const file = await ask(built, path);
    const content = Buffer.from(BUILD[path.slice(1)] as string);
    expect([file.status, file.body]).toEqual([200, content]);
    expect(steady(file)).toEqual({
      ...GUARDS,
      'content-type': type,
      'content-length': String(content.length),
      'cache-control': cacheControl,
      etag: expect.any(String),
      vary: 'accept-encoding',
      connection: 'close',
    });
  });

  test.each(['/', '/assets/index-A1.js', '/web-config.json'])('of %s are those of HEAD too', async (path) => {
    const headers = { 'accept-encoding': 'gzip' };
    const got = await ask(built, path, { headers });
    const head = await ask(built, path, { headers, method: 'HEAD' });
    expect([head.status, head.body.length]).toEqual([200, 0]);
    const { 'transfer-encoding': _, ...rest } = steady(got);
    expect(steady(head)).toEqual(rest);
  });

  test('name the provider where people sign in at one, and no more of it than its origin', async () => {
    const server = await startForTest({
      EVENTREE_JWT_SECRET: '',
      EVENTREE_JWKS_URL: 'https://login.example/keys',
      EVENTREE_OIDC_AUTHORITY: 'https://login.example:8443/realms/main',
      EVENTREE_OIDC_CLIENT_ID: 'eventree-web',
    });
    for (const path of ['/', '/assets/index-A1.js']) {
      expect((await visit(server, path)).headers['content-security-policy']).toBe(
        POLICY.replace("connect-src 'self'", "connect-src 'self' https://login.example:8443"),
      );
    }
  });
});

describe('other methods', () => {
  const methods = ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'];

  test.each(['/', '/overview', '/assets/index-A1.js', '/favicon.svg', '/web-config.json'])(
    'are not for %s',
    async (path) => {
      for (const method of methods) {
        const { status, headers } = await ask(built, path, {
          method,
          headers: { accept: 'application/json' },
        });
        expect([method, status, headers.allow]).toEqual([method, 405, 'GET, HEAD']);
      }
    },
  );
});

describe('a file', () => {
  test.each([
    '/assets/../../package.json',
    '/assets/../../../package.json',
    '/assets/../favicon.svg',
    '/../package.json',
    '/../web-more.js',
    '/..%2fweb-more.js',
    '/assets/%2e%2e/%2e%2e/package.json',
    '/assets/%2E%2E/favicon.svg',
    '/%61ssets/index-A1.js',
    '/assets/..%2f..%2fpackage.json',
    '/assets/..%5c..%5cpackage.json',
    '/assets\\..\\..\\package.json',
    '/assets/index-A1.js%00.png',
    '/assets/%00',
    '/%00',
    '//assets/index-A1.js',
    '/assets//index-A1.js',
    '/./assets/index-A1.js',
    '/assets/',
    '/assets',
    '/__proto__',
    '/constructor',
  ])('%s is none', async (path) => {
    expect((await visit(built, path)).status).toBe(404);
  });

  test('with a null byte in its name is not even asked for', async () => {
    const { hostname, port } = new URL(built.url);
    const network = connect(Number(port), hostname);
    onTestFinished(() => void network.destroy());
    network.write('GET /assets/index-A1.js\0.png HTTP/1.1\r\nhost: localhost\r\n\r\n');
    const [answer] = await once(network.setEncoding('utf8'), 'data');
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
  });

  test.each(['/assets/index-A1.js.map', '/.vite/manifest.json'])(
    '%s of the build is not for browsers',
    async (path) => {
      expect((await visit(built, path)).status).toBe(404);
    },
  );

  test('that is a link is not followed', async () => {
    const [own, elsewhere] = [await emptyFolder(), await emptyFolder()];
    await build(own);
    await build(elsewhere, { 'secret.txt': 'not for you', 'more/secret.txt': 'nor this' });
    await symlink(join(elsewhere, 'secret.txt'), join(own, 'assets/secret.txt'));
    await symlink(join(elsewhere, 'more'), join(own, 'assets/more'));
    const server = await startForTest({}, own);
    expect((await visit(server, '/assets/index-A1.js')).status).toBe(200);
    for (const path of ['/assets/secret.txt', '/assets/more/secret.txt'])
      expect((await visit(server, path)).status).toBe(404);
  });

  test('is as it was when the server started', async () => {
    const own = await emptyFolder();
    await build(own);
    const server = await startForTest({}, own);
    await rm(own, { recursive: true });
    await build(own, { 'index.html': 'another build', 'assets/late-E1.js': '' });
    expect((await visit(server, '/')).body.toString()).toBe(INDEX);
    expect((await visit(server, '/assets/index-A1.js')).body.toString()).toBe(SCRIPT);
    expect((await visit(server, '/assets/late-E1.js')).status).toBe(404);
  });
});

describe('what is known already', () => {
  test('is not sent again', async () => {
    const { headers } = await visit(built, '/');
    const etag = String(headers.etag);
    for (const known of [etag, etag.replace('W/', ''), `"other", ${etag}`, '*']) {
      const again = await ask(built, '/', { headers: { 'if-none-match': known, 'accept-encoding': 'br' } });
      expect([known, again.status, again.body.length]).toEqual([known, 304, 0]);
      expect(again.headers).toMatchObject({ ...GUARDS, etag, 'cache-control': NO_CACHE });
    }
  });

  test('is sent when it is another', async () => {
    const other = await emptyFolder();
    await build(other, { 'index.html': `${INDEX}<!-- changed -->` });
    const { headers } = await visit(await startForTest({}, other), '/');
    const now = await ask(built, '/', { headers: { 'if-none-match': String(headers.etag) } });
    expect([now.status, now.body.toString()]).toEqual([200, INDEX]);
  });
});

describe('compression', () => {
  test.each([
    ['br', 'br'],
    ['gzip, deflate, br, zstd', 'br'],
    ['gzip', 'gzip'],
    ['GZIP;q=0.5', 'gzip'],
    ['br;q=0.1, gzip;q=0.9', 'gzip'],
    ['br;q=0, gzip', 'gzip'],
    ['*', 'br'],
    ['deflate', undefined],
    ['br;q=0, gzip;q=0', undefined],
    ['', undefined],
  ])('by "%s" is %s, and leads to the same bytes', async (accepted, coding) => {
    for (const [path, content] of [
      ['/', INDEX],
      ['/assets/index-A1.js', SCRIPT],
    ] as const) {
      const { headers, body } = await ask(built, path, { headers: { 'accept-encoding': accepted } });
      expect([headers['content-encoding'], headers['content-length']]).toEqual([coding, `${body.length}`]);
      expect(headers.vary).toMatch(/\baccept-encoding\b/);
      const plain =
        coding === 'br' ? brotliDecompressSync(body) : coding === 'gzip' ? gunzipSync(body) : body;
      expect(plain.toString()).toBe(content);
      if (coding !== undefined && path !== '/') expect(body.length).toBeLessThan(content.length / 2);
    }
  });

  test('is not tried on what is compressed already', async () => {
    for (const path of ['/assets/inter-C1.woff2', '/assets/mark-D1.png']) {
      const { headers, body } = await ask(built, path, { headers: { 'accept-encoding': 'br, gzip' } });
      expect(headers['content-encoding']).toBeUndefined();
      expect(body).toEqual(BUILD[path.slice(1)]);
    }
  });

  test('is done once', async () => {
    const file = (await readWebFiles(folder)).get('/assets/index-A1.js');
    for (const coding of ['br', 'gzip'] as const) {
      const [first, meanwhile] = await Promise.all([file?.encoded(coding), file?.encoded(coding)]);
      expect(meanwhile).toBe(first);
      expect(await file?.encoded(coding)).toBe(first);
    }
  });
});

describe('where it was not built', () => {
  test('the server runs, and says at / how to build it', async () => {
    const empty = await emptyFolder();
    for (const webFolder of [join(empty, 'none'), empty]) {
      const server = await startForTest({}, webFolder);
      for (const path of ['/', '/overview', '/event/1']) {
        const { status, headers, body } = await visit(server, path);
        expect([status, headers['content-type']]).toEqual([503, 'text/html; charset=utf-8']);
        expect(headers).toMatchObject({ ...GUARDS, 'cache-control': 'no-store' });
        expect(body.toString()).toContain('npm run build');
      }
      expect((await visit(server, '/assets/index-A1.js')).status).toBe(404);
      expect((await ask(server, '/', { method: 'POST' })).status).toBe(405);
      expect((await ask(server, '/readyz')).status).toBe(200);
      expect((await ask(server, '/web-config.json')).status).toBe(200);
    }
  });
});

describe('the settings of the UI', () => {
  const settingsOf = async (server: RunningServer, headers: Record<string, string> = {}) => {
    const { status, body } = await ask(server, '/web-config.json', { headers });
    return { status, settings: JSON.parse(body.toString()) };
  };

  test('hold a token in development mode', async () => {
    const server = await startDevelopment();
    const { settings } = await settingsOf(server);
    expect(settings).toEqual({ developmentToken: server.developmentToken, oidc: null, journal: 'main' });
    expect(settings.developmentToken).toMatch(/^eyJ/);
  });

  test('hold none elsewhere, and are nowhere kept', async () => {
    const answer = await ask(built, '/web-config.json');
    expect(JSON.parse(answer.body.toString())).toEqual({
      developmentToken: null,
      oidc: null,
      journal: 'main',
    });
    expect(answer.headers).toMatchObject({
      'content-type': 'application/json; charset=utf-8',
      'cache-control': 'no-store',
      'cross-origin-resource-policy': 'same-origin',
      'x-content-type-options': 'nosniff',
    });
  });

  test('say where people sign in', async () => {
    const provider = {
      EVENTREE_JWT_SECRET: '',
      EVENTREE_JWKS_URL: 'https://login.example/keys',
      EVENTREE_OIDC_AUTHORITY: 'https://login.example/realms/main',
      EVENTREE_OIDC_CLIENT_ID: 'eventree-web',
    };
    const oidc = { authority: 'https://login.example/realms/main', clientId: 'eventree-web' };
    const { settings } = await settingsOf(await startForTest(provider));
    expect(settings).toEqual({
      developmentToken: null,
      oidc: { ...oidc, scope: 'openid profile' },
      journal: 'main',
    });
    const asked = await startForTest({ ...provider, EVENTREE_OIDC_SCOPE: 'openid groups' });
    expect((await settingsOf(asked)).settings.oidc).toEqual({ ...oidc, scope: 'openid groups' });
  });

  test('are for pages of this server and for programs', async () => {
    const server = await startDevelopment();
    const { origin } = new URL(server.url);
    for (const headers of [
      {},
      { 'sec-fetch-site': 'same-origin' },
      { 'sec-fetch-site': 'none' },
      { origin },
      { origin, 'sec-fetch-site': 'same-origin' },
    ] as Record<string, string>[])
      expect(await settingsOf(server, headers)).toMatchObject({ status: 200 });
  });

  test.each<Record<string, string>>([
    { 'sec-fetch-site': 'cross-site' },
    // Another port of this machine: another program, of the same site.
    { 'sec-fetch-site': 'same-site' },
    { 'sec-fetch-site': 'something new' },
    { 'sec-fetch-site': '' },
    { origin: 'https://evil.example' },
    { origin: 'http://127.0.0.1:1' },
    { origin: 'http://127.0.0.1' },
    { origin: 'null' },
    { origin: '' },
    { origin: 'https://evil.example', 'sec-fetch-site': 'same-origin' },
    { origin: 'https://app.example', 'sec-fetch-site': 'none' },
    { host: 'evil.example' },
    { host: 'evil.example', origin: 'http://evil.example', 'sec-fetch-site': 'same-origin' },
  ])('are refused to %o, with a sentence and without the token', async (headers) => {
    const server = await startForTest({
      EVENTREE_JWT_SECRET: '',
      EVENTREE_DATA_DIR: await emptyFolder(),
      // Its pages may call the API, with tokens of their own.
      EVENTREE_ALLOWED_ORIGINS: 'https://app.example',
    });
    for (const method of ['GET', 'HEAD'])
      expect((await ask(server, '/web-config.json', { method, headers })).status).toBe(403);
    const answer = await ask(server, '/web-config.json', { headers });
    expect(JSON.parse(answer.body.toString())).toEqual({ error: expect.stringMatching(/^[A-Z].*\.$/) });
    expect(answer.headers['access-control-allow-origin']).toBeUndefined();
    expect(answer.body.toString()).not.toContain(server.developmentToken);
  });
});

test('pages are not handed to other origins, those that may call the API included', async () => {
  const server = await startForTest({ EVENTREE_ALLOWED_ORIGINS: 'https://app.example' });
  for (const path of ['/', '/assets/index-A1.js', '/favicon.svg']) {
    const { headers } = await ask(server, path, { headers: { origin: 'https://app.example' } });
    expect(Object.keys(headers).filter((name) => name.startsWith('access-control-'))).toEqual([]);
  }
});

test('in development mode, pages are not sent under another name of the server', async () => {
  const server = await startDevelopment();
  for (const path of ['/', '/overview', '/assets/index-A1.js'])
    expect((await ask(server, path, { headers: { host: 'evil.example' } })).status).toBe(403);
});

test('in a browser, the page calls the API and its WebSocket, and runs no script that stands in it', {
  timeout: 60_000,
}, async () => {
  const server = await startDevelopment();
  const page = await (await openBrowser()).newPage();
  const said: string[] = [];
  page.on('console', (message) => said.push(message.text()));
  await page.goto(server.url);
  await vi.waitFor(async () => expect(await page.title()).toBe('user/developer is connected'), {
    timeout: 20_000,
  });
  expect(said).toEqual([expect.stringMatching(/inline script/)]);
  const injected = await page.evaluate("document.body.innerHTML = '<p>injected</p>'").then(
    () => 'taken',
    (error: Error) => error.message,
  );
  expect(injected).toMatch(/TrustedHTML/);
});
