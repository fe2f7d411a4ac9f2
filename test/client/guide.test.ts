/** The examples of docs/client.md are what they say. */
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { COMPILED_MS, compile } from './support/compile.ts';

async function examples(): Promise<string[]> {
  const text = await readFile(new URL('../../docs/client.md', import.meta.url), 'utf8');
  return [...text.matchAll(/```ts\n(.*?)```/gs)].map(([, example]) => example as string);
}

test('the examples of the guide compile', { timeout: COMPILED_MS }, async () => {
  const texts = await examples();
  expect(texts.length).toBeGreaterThan(5);
  expect(await compile(Object.fromEntries(texts.map((text, nth) => [`example-${nth}.ts`, text])))).toBe('');
});

test('an example with a mistake does not', { timeout: COMPILED_MS }, async () => {
  const [text] = await examples();
  expect(await compile({ 'example.ts': String(text).replace("'HIGH'", "'high'") })).toContain('TS2820');
});
