import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const SRC = fileURLToPath(new URL('../src', import.meta.url));

/**
 * For each room, the rooms that it may import from, besides itself and base: those that an event goes
 * through before it. Siblings (live, delivery) do not know each other. The client is a program of its own, and so
 * is the recorder, a library that runs in applications, with the outbox that it shares with the server; the commands
 * are programs that start servers and use the client.
 */
const BELOW: Readonly<Record<string, readonly string[]>> = {
  base: [],
  generated: [],
  db: ['generated'],
  access: ['db', 'generated'],
  events: ['access', 'db', 'generated'],
  live: ['events', 'access', 'db'],
  delivery: ['events', 'access', 'db'],
  outbox: ['client'],
  recorder: ['outbox', 'client'],
  graphql: ['outbox', 'live', 'delivery', 'events', 'access', 'db'],
  server: ['graphql', 'outbox', 'live', 'delivery', 'events', 'access', 'db', 'config'],
  testing: ['server', 'events', 'access', 'recorder', 'client', 'config', 'db'],
  client: [],
  config: [],
  cli: ['server', 'client', 'graphql', 'live', 'delivery', 'events', 'access', 'db', 'config'],
  main: ['cli'],
  index: ['events'],
};

/** Libraries that only these rooms may know: what is translated and what is stored are kept apart. */
const KEPT: readonly (readonly [RegExp, readonly string[]])[] = [
  [/^pg$/, ['db', 'events', 'cli', 'testing']],
  [/^@prisma\//, ['db', 'generated']],
  [/^ioredis$/, ['live', 'delivery']],
  [/^jose$/, ['access']],
  [/^(graphql-http|prom-client)$/, ['server']],
  [/^(ws|graphql-ws)$/, ['server', 'client']],
  [/^(graphql|graphql-yoga)$/, ['graphql', 'server', 'recorder']],
  [/^(@pothos\/.*|@escape\.tech\/.*|dataloader)$/, ['graphql', 'server']],
  [/^(commander|picocolors|cli-progress)$/, ['cli', 'main']],
];

interface Import {
  readonly from: string;
  readonly to: string;
  readonly isType: boolean;
}

const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter((file) => /\.ts$/.test(file));
const imports = files.flatMap((file) => importsOf(file, readFileSync(join(SRC, file), 'utf8')));
const within = imports.filter(({ to }) => to.startsWith('.')).map((each) => ({ ...each, to: resolve(each) }));

/** Every `import … from`, `export … from`, `import '…'` and `import('…')`. */
function importsOf(file: string, text: string): Import[] {
  const code = text.replace(/^\s*\/\*[\s\S]*?\*\//gm, '').replace(/^\s*\/\/.*$/gm, '');
  const statements = code.matchAll(
    /^(?:import|export)\s+(type\s)?(?:[\w*{][^'"`;]*?\sfrom\s+)?['"]([^'"]+)['"]/gm,
  );
  const expressions = code.matchAll(/\bimport\(\s*()['"]([^'"]+)['"]/g);
  return [...statements, ...expressions].map(([, type, to]) => ({
    from: file,
    to: to as string,
    isType: type !== undefined && type !== '',
  }));
}

function resolve({ from, to }: Import): string {
  return relative(SRC, join(SRC, dirname(from), to));
}

/** A file beside the rooms is a room of its own: config, main, index. The program is its commands. */
function roomOf(file: string): string {
  const [room] = file.split('/', 1) as [string];
  if (room === 'cli.ts') return 'main';
  return room.replace(/\.ts$/, '');
}

const show = ({ from, to }: { from: string; to: string }) => `${from} → ${to}`;

/** What in these imports does not point down. */
function upward(given: readonly Import[]): string[] {
  return given
    .filter(({ from, to }) => {
      const [room, other] = [roomOf(from), roomOf(to)];
      return room !== other && other !== 'base' && !BELOW[room]?.includes(other);
    })
    .map(show);
}

/** Files that import each other in a ring, each ring once. */
function rings(given: readonly Import[]): string[] {
  const targets = new Map<string, string[]>();
  for (const { from, to } of given) targets.set(from, [...(targets.get(from) ?? []), to]);
  const done = new Set<string>();
  const found: string[] = [];
  const visit = (file: string, path: readonly string[]): void => {
    const start = path.indexOf(file);
    if (start !== -1) found.push([...path.slice(start), file].join(' → '));
    if (start !== -1 || done.has(file)) return;
    for (const to of targets.get(file) ?? []) visit(to, [...path, file]);
    done.add(file);
  };
  for (const file of targets.keys()) visit(file, []);
  return found;
}

describe('imports', () => {
  test('are found, all of them', () => {
    expect(within.length).toBeGreaterThan(200);
    for (const { to } of within) expect(files).toContain(to);
    // Counted by another measure: no file but those without any, and as many lines as say `from`.
    const lines = files
      .filter((file) => !file.startsWith('generated'))
      .flatMap(
        (file) => readFileSync(join(SRC, file), 'utf8').match(/^(?:import|export|\}).* from '.*';$/gm) ?? [],
      );
    expect(imports.filter(({ from }) => !from.startsWith('generated')).length).toBeGreaterThanOrEqual(
      lines.length,
    );
  });

  test('point down only', () => {
    expect(files.map(roomOf).filter((room) => !(room in BELOW))).toEqual([]);
    expect(upward(within)).toEqual([]);
  });

  // Prisma's own files are not ours to order.
  const ours = within.filter(({ from }) => roomOf(from) !== 'generated');

  test('form no ring in which files are loaded', () => {
    expect(rings(ours.filter(({ isType }) => !isType))).toEqual([]);
  });

  test('form no ring among rooms, of types neither', () => {
    const ofRooms = ours.map(({ from, to, isType }) => ({ from: roomOf(from), to: roomOf(to), isType }));
    expect(rings(ofRooms.filter(({ from, to }) => from !== to))).toEqual([]);
  });

  test('of the client lead to nothing of the server but base, and to nothing of Node.js', () => {
    const ofClient = imports.filter(({ from }) => roomOf(from) === 'client');
    expect(ofClient.length).toBeGreaterThan(0);
    const elsewhere = within.filter(
      ({ from, to }) => roomOf(from) === 'client' && !/^(client|base)\//.test(to),
    );
    expect(elsewhere.map(show)).toEqual([]);
    const loaded = reached((file) => roomOf(file) === 'client');
    expect(loaded.filter(({ to }) => to.startsWith('node:'))).toEqual([]);
  });

  test('of the recorder, and of the outbox with it, lead to nothing of the server but base', () => {
    const rooms = filesReached(isOfRecorder).map(roomOf);
    expect([...new Set(rooms)].toSorted()).toEqual(['base', 'client', 'outbox', 'recorder']);
  });

  test('of the recorder load no library of a database or of GraphQL, but where it adapts to one', () => {
    const core = (file: string) =>
      isOfRecorder(file) && !/^recorder\/(yoga(-operation|-errors)?\.ts|prisma\/)/.test(file);
    const loaded = reached(core).filter(({ isType }) => !isType);
    expect(loaded.filter(({ to }) => /^(pg|graphql(-yoga)?|@prisma\/.*)$/.test(to))).toEqual([]);
  });

  test('of the outbox from the client are of types alone', () => {
    const ofOutbox = within.filter(({ from, to }) => roomOf(from) === 'outbox' && roomOf(to) === 'client');
    expect(ofOutbox.filter(({ isType }) => !isType).map(show)).toEqual([]);
  });

  test('of libraries stay in the rooms that they are for', () => {
    const strays = imports.filter(({ from, to, isType }) =>
      KEPT.some(
        ([library, rooms]) =>
          library.test(to) && !rooms.includes(roomOf(from)) && !(isType && isOfRecorder(from)),
      ),
    );
    expect(strays.map(show)).toEqual([]);
  });

  test('of base are of no domain', () => {
    const ofBase = imports.filter(({ from }) => roomOf(from) === 'base').map(({ to }) => to);
    expect(ofBase.filter((to) => to.startsWith('..'))).toEqual([]);
  });
});

test('the environment is read by config.ts alone', () => {
  const readers = files.filter(
    (file) => !file.startsWith('generated') && /process\.env/.test(readFileSync(join(SRC, file), 'utf8')),
  );
  // cli.ts sets NODE_ENV; what a terminal can show is no setting of ours.
  expect(readers.toSorted()).toEqual(['cli.ts', 'cli/terminal.ts', 'config.ts']);
});

/** What runs in applications: it knows what they bring along by its shape, or by types alone. */
function isOfRecorder(file: string): boolean {
  return ['recorder', 'outbox'].includes(roomOf(file));
}

/** These files, with all that they load. */
function filesReached(isOne: (file: string) => boolean): string[] {
  const seen = new Set(files.filter(isOne));
  for (const file of seen)
    for (const { from, to, isType } of within) if (from === file && !isType) seen.add(to);
  return [...seen];
}

/** Where they and all that they load import from libraries. */
function reached(isOne: (file: string) => boolean): Import[] {
  const seen = new Set(filesReached(isOne));
  return imports.filter(({ from, to }) => seen.has(from) && !to.startsWith('.'));
}

describe('these tests see', () => {
  const given = (from: string, to: string): Import => ({ from, to, isType: false });

  test.each([
    ['db/database.ts', 'events/append.ts'],
    ['events/append.ts', 'live/hub.ts'],
    ['live/hub.ts', 'delivery/sensor.ts'],
    ['live/hub.ts', 'graphql/schema.ts'],
    ['graphql/schema.ts', 'server/http.ts'],
    ['server/http.ts', 'cli/serve.ts'],
    ['client/client.ts', 'events/event.ts'],
    ['base/json.ts', 'access/claim.ts'],
    ['events/append.ts', 'config.ts'],
  ])('%s that imports %s', (from, to) => {
    expect(upward([given(from, to)])).toEqual([`${from} → ${to}`]);
  });

  test('a ring', () => {
    const ring = [given('a.ts', 'b.ts'), given('b.ts', 'c.ts'), given('c.ts', 'a.ts'), given('c.ts', 'd.ts')];
    expect(rings(ring)).toEqual(['a.ts → b.ts → c.ts → a.ts']);
  });

  test('every form of an import', () => {
    const text = [
      "import '../a.ts';",
      "import b from '../b.ts';",
      "import { c } from '../c.ts';",
      "import type { d } from '../d.ts';",
      "import * as e from '../e.ts';",
      "import {\n  f,\n  type g,\n} from '../f.ts';",
      "export { h } from '../h.ts';",
      "export * from '../i.ts';",
      "const k = () => import('../k.ts');",
      " * import { no } from '../no.ts';",
    ].join('\n');
    const found = importsOf('x/y.ts', text).map(({ to }) => to);
    expect(found).toEqual(['a', 'b', 'c', 'd', 'e', 'f', 'h', 'i', 'k'].map((name) => `../${name}.ts`));
  });
});
