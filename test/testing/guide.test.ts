/** The examples of docs/recording.md compile, and those that show a tree leave that tree. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import pg from 'pg';
import { describe, expect, onTestFinished, test } from 'vitest';
import manifest from '../../package.json' with { type: 'json' };
import { eventTreeMatchers, startEventree } from '../../src/testing/index.ts';
import { compile, sourcesOf } from '../client/support/compile.ts';

expect.extend(eventTreeMatchers);

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const run = promisify(execFile);
/** A compiler, or a program that is compiled, on a busy machine. */
const TIMEOUT_MS = 120_000;

interface Example {
  readonly code: string;
  /** What it leaves in an empty journal. */
  readonly tree: string | null;
}

const guide = await readFile(join(ROOT, 'docs/recording.md'), 'utf8');
const examples: Example[] = [...guide.matchAll(/```ts\n(.*?)```(?:\n\n```text\n(.*?)```)?/gs)].map(
  ([, code, tree]) => ({
    // The client that an application generates of its own schema: here, the bank's.
    code: (code as string).replaceAll('./generated/', '../../examples/bank/generated/'),
    tree: tree ?? null,
  }),
);

/** What an application imports from the package, from what that is built of. */
function fromSources(code: string): string {
  const sources = sourcesOf(manifest.exports);
  return code.replaceAll(/from '(eventree[^']*)'/g, (_, entry) => `from '${sources[entry]?.[0]}'`);
}

test('the examples are found, all of them, each with the tree that stands below it', () => {
  const fences = (language: string) => guide.match(new RegExp(`^ *\`\`\`${language}$`, 'gm'))?.length;
  expect(examples).toHaveLength(fences('ts') ?? 0);
  expect(examples.filter(({ tree }) => tree !== null)).toHaveLength(fences('text') ?? 0);
  expect(examples.length).toBeGreaterThan(8);
});

test(
  'the examples of the guide compile',
  async () => {
    const texts = Object.fromEntries(examples.map(({ code }, nth) => [`example-${nth}.ts`, code]));
    expect(await compile(texts)).toBe('');
  },
  TIMEOUT_MS,
);

/** What is there before an example runs: the application's own tables. */
async function runSql(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(sql);
  await client.end();
}

describe('an example leaves the tree that stands below it:', () => {
  const shown = examples.flatMap(({ code, tree }) => (tree === null ? [] : [{ code, tree }]));

  test.each(shown)(
    '$tree',
    async ({ code, tree }) => {
      const eventree = await startEventree();
      onTestFinished(() => eventree.close());
      const databaseUrl = await eventree.database();
      await runSql(databaseUrl, await readFile(join(ROOT, 'examples/bank/tables.sql'), 'utf8'));
      const folder = await mkdtemp(join(ROOT, 'node_modules', '.eventree-run-'));
      onTestFinished(() => rm(folder, { recursive: true }));
      const program = join(folder, 'example.ts');
      await writeFile(join(folder, 'package.json'), '{"type":"module"}');
      await writeFile(program, fromSources(code).replaceAll('http://127.0.0.1:4000', eventree.url));
      const { stderr } = await run(process.execPath, ['--import', 'tsx', program], {
        env: {
          PATH: process.env.PATH,
          EVENTREE_TOKEN: await eventree.token(),
          DATABASE_URL: databaseUrl,
        },
      });
      expect(stderr).toBe('');
      expect(await eventree.journal()).toMatchEventTree(tree);
    },
    TIMEOUT_MS,
  );
});
