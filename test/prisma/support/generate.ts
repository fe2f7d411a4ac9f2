/**
 * Generates the client of the tests' own Prisma schema before any test runs, where that has not been done for this
 * schema and this version of Prisma: a checkout needs no step of its own for it.
 */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const SCHEMA = fileURLToPath(new URL('schema.prisma', import.meta.url));
const GENERATED = new URL('generated/internal/class.ts', import.meta.url);

export default async function setup(): Promise<void> {
  const require = createRequire(import.meta.url);
  const { version } = require('@prisma/client/package.json') as { version: string };
  const schema = await readFile(SCHEMA, 'utf8');
  const generated = await readFile(GENERATED, 'utf8').catch(() => '');
  const isCurrent =
    generated.includes(JSON.stringify(schema)) && generated.includes(`"clientVersion": "${version}"`);
  if (isCurrent) return;
  await promisify(execFile)('npx', ['prisma', 'generate', '--schema', SCHEMA]);
}
