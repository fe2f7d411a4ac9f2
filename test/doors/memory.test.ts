/** What a stranger sends is not kept for ever. */
import { expect, test } from 'vitest';
import { startServerProcess } from '../support/server-process.ts';
import { openWorld } from '../support/world.ts';

const TEXTS = 400;
const HEAP_MB = 256;

test('many long operations, each another, do not fill the memory', { timeout: 120_000 }, async () => {
  const world = await openWorld({ servers: 0 });
  const NODE_OPTIONS = `--max-old-space-size=${HEAP_MB}`;
  const { url } = await startServerProcess({ ...world.environment, NODE_OPTIONS });
  const values = '1 '.repeat(4_800);
  for (let nth = 0; nth < TEXTS; nth++) {
    const query = `query Q${nth} { events(filter: { id: { in: [${values}] } }) { totalCount } }`;
    const response = await fetch(`${url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query }),
    });
    expect(response.status).toBeLessThan(500);
    await response.arrayBuffer();
  }
});
