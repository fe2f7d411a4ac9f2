/** What applications import is there once the package is built: from its own folder, and from theirs. */
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createRequire, isBuiltin } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import manifest from '../package.json' with { type: 'json' };

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** A compiler on a busy machine. */
const TIMEOUT_MS = 120_000;

/** What each is imported for. */
const ENTRIES: Readonly<Record<string, readonly string[]>> = {
  eventree: ['defineTypes'],
  'eventree/client': ['createClient'],
  'eventree/recorder': ['createRecorder', 'defineResourceType', 'installOutbox', 'RecorderError'],
  'eventree/prisma': ['eventree'],
  'eventree/yoga': ['useEventree'],
  'eventree/http': ['recordRequests', 'recordListener', 'recordFastify'],
  'eventree/testing': ['startEventree', 'eventTreeMatchers', 'readTree', 'readJournal', 'printTree'],
};

let home: string;
/** A copy of the package with a build of its own: the one in `dist` is whoever's works there. */
let built: string;
let application: string;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'eventree-built-'));
  built = join(home, 'eventree');
  application = join(home, 'application');
  await mkdir(join(application, 'node_modules'), { recursive: true });
  await mkdir(built);
  await cp(join(ROOT, 'package.json'), join(built, 'package.json'));
  await cp(join(ROOT, 'prisma'), join(built, 'prisma'), { recursive: true });
  await symlink(join(ROOT, 'node_modules'), join(built, 'node_modules'));
  await symlink(built, join(application, 'node_modules', 'eventree'));
  for (const library of ['vitest', '@types']) {
    await symlink(join(ROOT, 'node_modules', library), join(application, 'node_modules', library));
  }
  await writeFile(join(application, 'package.json'), '{"type":"module"}');
  await compile('-p', join(ROOT, 'tsconfig.build.json'), '--outDir', join(built, 'dist'));
}, TIMEOUT_MS);
afterAll(() => rm(home, { recursive: true }));

/** @returns what the compiler complains about. */
async function compile(...args: string[]): Promise<string> {
  const path = createRequire(import.meta.url).resolve('typescript/package.json');
  const { bin } = createRequire(import.meta.url)(path) as { bin: { tsc: string } };
  return run(process.execPath, [join(dirname(path), bin.tsc), ...args]).then(
    () => '',
    ({ stdout, message }) => stdout || message,
  );
}

test('each is said where packages say it', () => {
  const said = Object.keys(manifest.exports).filter((name) => name !== './package.json');
  expect(said.map((name) => name.replace('.', 'eventree')).toSorted()).toEqual(
    Object.keys(ENTRIES).toSorted(),
  );
});

test.each(Object.entries(ENTRIES))(
  '%s is imported, from both',
  async (entry, names) => {
    const script = `const found = await import('${entry}'); console.log(JSON.stringify(Object.keys(found)))`;
    for (const cwd of [built, application]) {
      const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script], { cwd });
      expect(JSON.parse(stdout), cwd).toEqual(expect.arrayContaining([...names]));
    }
  },
  TIMEOUT_MS,
);

test(
  'what is imported has its types, and vitest knows of the matcher',
  async () => {
    const names = Object.entries(ENTRIES).map(
      ([entry, names]) => `import { ${names.join(', ')} } from '${entry}';`,
    );
    const text = `
    ${names.join('\n')}
    import { expect } from 'vitest';
    expect.extend(eventTreeMatchers);
    expect([]).toMatchEventTree('call', { siblings: 'any' });
    // @ts-expect-error an outline is a text
    expect([]).toMatchEventTree(5);
    const used: object = { ${Object.values(ENTRIES).flat().join(', ')} };
    console.log(used);`;
    await writeFile(join(application, 'application.ts'), text);
    await writeFile(
      join(application, 'tsconfig.json'),
      JSON.stringify({
        compilerOptions: {
          strict: true,
          module: 'nodenext',
          target: 'es2023',
          skipLibCheck: true,
          noEmit: true,
          types: ['node'],
        },
        files: ['application.ts'],
      }),
    );
    expect(await compile('-p', application)).toBe('');
  },
  TIMEOUT_MS,
);

const COMMENT = /\/\*[\s\S]*?\*\//g;
/** `import … from`, `export … from`, `import '…'`, `import('…')`, `declare module '…'` */
const IMPORT =
  /(?:^(?:import|export)\s[^'"`;=]*?\sfrom\s|^import\s|\bimport\(|^declare module\s)\s*['"]([^'"]+)['"]/gm;

test('what the package imports comes with it; of an optional peer it knows the types alone', async () => {
  // Prisma's own files are not ours to order.
  const files = (await readdir(join(built, 'dist'), { recursive: true })).filter(
    (file) => !file.startsWith('generated'),
  );
  const strangers = async (ending: string): Promise<string[]> => {
    const found = new Set<string>();
    for (const file of files.filter((name) => name.endsWith(ending))) {
      const text = await readFile(join(built, 'dist', file), 'utf8');
      for (const [, name] of text.replaceAll(COMMENT, '').matchAll(IMPORT)) {
        const [scope, rest] = (name as string).split('/');
        const library = scope?.startsWith('@') ? `${scope}/${rest}` : scope;
        if (!isBuiltin(name as string) && !/^\.|^#/.test(name as string)) found.add(library as string);
      }
    }
    expect(found.size).toBeGreaterThan(5);
    return [...found].filter((name) => !Object.hasOwn(manifest.dependencies, name));
  };
  expect(await strangers('.js')).toEqual([]);
  expect(await strangers('.d.ts')).toEqual(Object.keys(manifest.peerDependencies));
  for (const name of Object.keys(manifest.peerDependencies)) {
    expect(manifest.peerDependenciesMeta).toHaveProperty([name, 'optional'], true);
  }
});

test('none loads vitest: it is whoever’s runs the tests', async () => {
  const files = (await readdir(join(built, 'dist'), { recursive: true })).filter((file) =>
    file.endsWith('.js'),
  );
  expect(files).toContain('testing/matcher.js');
  for (const file of files) {
    expect(await readFile(join(built, 'dist', file), 'utf8'), file).not.toMatch(
      /^(import|export) .*'vitest/m,
    );
  }
});
