/** The rooms of the web UI: what may know what. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const WEB = fileURLToPath(new URL('../../web/src', import.meta.url));

/** For each room, those that it may import from. Screens do not know each other, but that some show an event. */
const BELOW: Readonly<Record<string, readonly string[]>> = {
  api: [],
  ui: ['api'],
  session: ['ui', 'api'],
  filter: ['session', 'ui', 'api'],
  event: ['filter', 'session', 'ui', 'api'],
  live: ['event', 'filter', 'session', 'ui', 'api'],
  tree: ['event', 'filter', 'session', 'ui', 'api'],
  resource: ['filter', 'session', 'ui', 'api'],
  types: ['filter', 'session', 'ui', 'api'],
  overview: ['filter', 'session', 'ui', 'api'],
  app: ['overview', 'types', 'resource', 'tree', 'live', 'event', 'filter', 'session', 'ui', 'api'],
  main: ['app', 'ui'],
};

/** The client of the public API, and the rule by which rights imply each other: it is written once. */
const OUTSIDE = ['src/client/index.ts', 'src/access/acl.ts', 'src/access/claim.ts'];

const files = readdirSync(WEB, { recursive: true, encoding: 'utf8' }).filter((file) => /\.tsx?$/.test(file));
const imports = files.flatMap((from) => {
  const text = readFileSync(join(WEB, from), 'utf8');
  return [...text.matchAll(/(?:from |import\(|import )'(\.[^']+)'/g)].map(([, to = '']) => ({
    from,
    to: relative(WEB, join(WEB, dirname(from), to)),
  }));
});
const roomOf = (file: string) => (file.split('/', 1)[0] as string).replace(/\.tsx?$/, '');

describe('the rooms of the web UI', () => {
  test('are all known, and so are their imports', () => {
    expect(imports.length).toBeGreaterThan(100);
    expect(files.map(roomOf).filter((room) => !(room in BELOW))).toEqual([]);
  });

  test('know of the server’s sources no more than the client and the rule of rights', () => {
    const outside = imports.filter(({ to }) => to.startsWith('..')).map(({ to }) => relative('../..', to));
    expect([...new Set(outside)].filter((file) => !OUTSIDE.includes(file))).toEqual([]);
  });

  test('import from those below only', () => {
    const upward = imports
      .filter(({ to }) => !to.startsWith('..') && !to.endsWith('.css'))
      .filter(({ from, to }) => roomOf(from) !== roomOf(to) && !BELOW[roomOf(from)]?.includes(roomOf(to)))
      .map(({ from, to }) => `${from} → ${to}`);
    expect(upward).toEqual([]);
  });
});
