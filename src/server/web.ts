/**
 * The web UI: the pages and files of dist/web, and what the UI must know before it can ask for anything.
 *
 * It is for its own origin alone: no page of another site reads it or shows it within its own, whatever
 * EVENTREE_ALLOWED_ORIGINS lets into the API. What its pages may load stands in the headers below.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { isOriginAllowed } from './door.ts';
import { type Route, sendJson } from './route.ts';
import { type Coding, readWebFiles, type WebFile } from './web-files.ts';

export interface WebOptions {
  /** Where `npm run build` has put the UI. */
  readonly folder: string;
  readonly settings: WebSettings;
}

/** What the UI is told at /web-config.json. */
export interface WebSettings {
  /** By which it signs in by itself; null where tokens are made elsewhere. */
  readonly developmentToken: string | null;
  readonly oidc: OidcClient | null;
  readonly journal: string;
}

/** The UI as a client of an OpenID Connect provider. */
export interface OidcClient {
  /** The provider's issuer, from where its metadata is read. */
  readonly authority: string;
  readonly clientId: string;
  /** Separated by spaces. */
  readonly scope: string;
}

export interface Web {
  /** What answers this request, if it is for the UI. */
  find(path: string, request: IncomingMessage): Route | undefined;
}

type Headers = Readonly<Record<string, string>>;

const SETTINGS_PATH = '/web-config.json';

/** The paths that the UI tells apart itself. */
const PAGES = /^\/(|overview|types|login|callback|resource|(event|tree|resource)\/.+)$/;

/** Files whose names change with their content. */
const ASSETS = '/assets/';
const FOR_EVER = 'public, max-age=31536000, immutable';

/** @param others whom the pages may call beside this server. */
const contentSecurityPolicy = (others: readonly string[]) =>
  [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "font-src 'self'",
    // The WebSocket of the same host and port is 'self' too: in Firefox and Chromium since 2018, in Safari since 16.
    ["connect-src 'self'", ...others].join(' '),
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "manifest-src 'self'",
    "require-trusted-types-for 'script'",
  ].join('; ');

const NOT_BUILT = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Eventree</title>
<h1>The web UI is not built</h1>
<p>Run <code>npm run build</code> and start the server again.</p>
<p>The server itself runs: GraphQL is at <a href="/graphql">/graphql</a>.</p>
</html>
`;

export async function openWeb({ folder, settings }: WebOptions): Promise<Web> {
  const files = new Map(await readWebFiles(folder));
  const index = files.get('/index.html');
  // It shows the page that its address names, and that is no name of a page.
  files.delete('/index.html');

  const headers = createHeaders(settings.oidc);
  const toPage = { ...headers, 'cache-control': 'no-cache', vary: 'accept, accept-encoding' };
  const answerPage = index === undefined ? answerNotBuilt(headers) : answerFile(index, toPage);
  const routes = new Map<string, Route>([[SETTINGS_PATH, answerSettings(settings)]]);
  for (const [path, file] of files) {
    const cacheControl = path.startsWith(ASSETS) ? FOR_EVER : 'no-cache';
    routes.set(
      path,
      answerFile(file, { ...headers, 'cache-control': cacheControl, vary: 'accept-encoding' }),
    );
  }
  return {
    find(path, request) {
      const route = routes.get(path) ?? (PAGES.test(path) ? answerPage : undefined);
      if (route === undefined) return undefined;
      if (request.method !== 'GET' && request.method !== 'HEAD') return refuseMethod;
      // Who wants JSON there is told that there is none.
      return route === answerPage && !wantsPage(request) ? undefined : route;
    },
  };
}

function wantsPage({ headers: { accept = '*/*' } }: IncomingMessage): boolean {
  return qualityOf(accept, 'text/html', 'text/*', '*/*') > 0;
}

/** What every page and file of the UI carries. */
function createHeaders(oidc: OidcClient | null): Headers {
  return {
    'content-security-policy': contentSecurityPolicy(oidc === null ? [] : [new URL(oidc.authority).origin]),
    'x-frame-options': 'DENY',
    'referrer-policy': 'no-referrer',
    'cross-origin-opener-policy': 'same-origin',
    'permissions-policy': 'camera=(), microphone=(), geolocation=()',
  };
}

function answerFile(file: WebFile, headers: Headers): Route {
  const always = { ...headers, etag: file.etag };
  return async (request, response) => {
    if (isUnchanged(file, request)) {
      response.writeHead(304, always).end();
      return;
    }
    const coding = chooseCoding(file, request);
    const body = await file.encoded(coding);
    response.writeHead(200, {
      ...always,
      'content-type': file.type,
      'content-length': body.length,
      ...(coding !== 'identity' && { 'content-encoding': coding }),
    });
    // To HEAD, Node.js sends none of it.
    response.end(body);
  };
}

function answerNotBuilt(headers: Headers): Route {
  return (_, response) => {
    response
      .writeHead(503, { ...headers, 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' })
      .end(NOT_BUILT);
  };
}

/** They may hold a token: nobody gets them but programs of this machine and pages of this very server. */
function answerSettings(settings: WebSettings): Route {
  return (request, response) => {
    response.setHeader('cache-control', 'no-store');
    response.setHeader('cross-origin-resource-policy', 'same-origin');
    if (isOwnPage(request)) sendJson(response, 200, settings);
    else sendJson(response, 403, { error: 'Only the web UI of this server may read its settings.' });
  };
}

/** By both signs: older browsers do not say where a request comes from, and not every request has an origin. */
function isOwnPage({ headers }: IncomingMessage): boolean {
  const { origin, host, 'sec-fetch-site': site = 'none' } = headers;
  if (site !== 'same-origin' && site !== 'none') return false;
  return isOriginAllowed({ allowed: new Set(), localOnly: false }, origin, host);
}

function refuseMethod(_: IncomingMessage, response: ServerResponse): void {
  response.setHeader('allow', 'GET, HEAD');
  sendJson(response, 405, { error: 'Only GET and HEAD are taken here; GraphQL is at /graphql.' });
}

function isUnchanged({ etag }: WebFile, { headers }: IncomingMessage): boolean {
  const known = headers['if-none-match']?.split(',').map((each) => bare(each.trim())) ?? [];
  return known.includes(bare(etag)) || known.includes('*');
}

/** Weak validators are compared without their mark (RFC 9110, 8.8.3.2), which proxies may take off. */
function bare(etag: string): string {
  return etag.replace(/^W\//, '');
}

function chooseCoding(file: WebFile, { headers }: IncomingMessage): Coding {
  const accepted = String(headers['accept-encoding'] ?? '');
  const wanted = (coding: Coding) => qualityOf(accepted, coding, '*');
  const [best = 'identity'] = file.codings
    .filter((coding) => coding !== 'identity' && wanted(coding) > 0)
    .toSorted((a, b) => wanted(b) - wanted(a));
  return best;
}

/** How much of something is wanted, from 0 to 1, by the first of these names that stands there (RFC 9110, 12.4.2). */
function qualityOf(header: string, ...names: string[]): number {
  const items = header.split(',').map((item) => item.split(';').map((part) => part.trim().toLowerCase()));
  for (const name of names) {
    const item = items.find(([first]) => first === name);
    if (item === undefined) continue;
    const quality = item.find((part) => part.startsWith('q='));
    return quality === undefined ? 1 : Number(quality.slice(2)) || 0;
  }
  return 0;
}
