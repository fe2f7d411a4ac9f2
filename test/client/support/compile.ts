/** TypeScript files as an application that uses the client would compile them. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { onTestFinished } from 'vitest';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const run = promisify(execFile);
/** A compiler on a busy machine. */
export const COMPILED_MS = 120_000;

/**
 * @param texts by the names of their files.
 * @param files beside them.
 * @returns what the compiler complains about; empty where all is well.
 */
export async function compile(
  texts: Readonly<Record<string, string>>,
  files: readonly string[] = [],
): Promise<string> {
  // Where the packages of this project are found.
  const folder = await mkdtemp(join(ROOT, 'node_modules', '.eventree-compiled-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(texts)) await writeFile(join(folder, name), text);
  const config = {
    extends: join(ROOT, 'tsconfig.json'),
    compilerOptions: {
      rootDir: '/',
      // An example shows what there is, and makes nothing of it.
      noUnusedLocals: false,
      typeRoots: [join(ROOT, 'node_modules', '@types')],
      paths: sourcesOf(JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')).exports),
    },
    include: [],
    files: [...Object.keys(texts), ...files],
  };
  await writeFile(join(folder, 'package.json'), '{"type":"module"}');
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(config));
  const manifest = createRequire(import.meta.url).resolve('typescript/package.json');
  const { bin } = JSON.parse(await readFile(manifest, 'utf8'));
  const compiler = join(dirname(manifest), bin.tsc);
  return run(process.execPath, [compiler, '-p', folder]).then(
    () => '',
    ({ stdout, message }) => stdout || message,
  );
}

/** What an application imports, by the sources that it is built from. */
export function sourcesOf(
  exports: Readonly<Record<string, string | { types: string }>>,
): Record<string, string[]> {
  const entries = Object.entries(exports).flatMap(([name, to]) => {
    if (typeof to === 'string') return [];
    const source = to.types.replace(/^\.\/dist/, 'src').replace(/\.d\.ts$/, '.ts');
    return [[name.replace('.', 'eventree'), [join(ROOT, source)]] as [string, string[]]];
  });
  return Object.fromEntries(entries);
}
