/** What a long import or export meets: files larger than memory, servers that go away, terminals. */
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { emptyFolder, environmentOf, eventree, startEventree } from '../support/cli.ts';
import { newEvents } from '../support/load.ts';
import { startServerProcess } from '../support/server-process.ts';
import { addressOf, startTcpProxy } from '../support/tcp-proxy.ts';
import { openWorld, unique, worldForFile } from '../support/world.ts';

const LINES = 20_000;

describe('a file of 20,000 lines', () => {
  const world = worldForFile();

  test('is imported and exported with a heap that could not hold it', { timeout: 120_000 }, async () => {
    const folder = await emptyFolder();
    const payload = 'x'.repeat(4_000);
    const lines = newEvents(LINES).map((event) => JSON.stringify({ ...event, payload }));
    await writeFile(join(folder, 'events.ndjson'), `${lines.join('\n')}\n`);
    const environment = { ...(await environmentOf(world())), NODE_OPTIONS: '--max-old-space-size=56' };
    const options = { environment, folder };

    const imported = await eventree(['import', 'events.ndjson', '--json'], options);
    expect(imported).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(imported.stdout)).toMatchObject({ read: LINES, recorded: LINES });
    const exported = await eventree(['export', '-o', 'again.ndjson'], options);
    expect(exported).toEqual({ code: 0, signal: null, stdout: '', stderr: '' });
    const again = (await readFile(join(folder, 'again.ndjson'), 'utf8')).trimEnd().split('\n');
    expect(again.map((line) => JSON.parse(line).id)).toEqual(lines.map((line) => JSON.parse(line).id));
  });
});

describe('an import', () => {
  test('goes on where a server that was killed comes back, and records each line once', {
    timeout: 120_000,
  }, async () => {
    const world = await openWorld({ servers: 0 });
    const server = await startServerProcess(world.environment);
    const environment = {
      EVENTREE_URL: server.url,
      EVENTREE_TOKEN: await world.token({ groups: ['admin'] }),
    };
    const lines = Array.from({ length: 3_000 }, (_, nth) => ({
      type: 'note',
      message: String(nth),
      occurredAt: '2026-01-01T00:00:00Z',
    }));
    const input = lines.map((line) => `${JSON.stringify(line)}\n`).join('');
    const count = async () => Number((await world.db.query('SELECT count(*) FROM event')).rows[0].count);

    const running = await startEventree(['import', '-', '--json', '--batch', '20'], { environment, input });
    for (const least of [200, 1_000]) {
      await vi.waitUntil(async () => (await count()) >= least, { timeout: 20_000, interval: 5 });
      await server.kill();
      await server.start();
    }
    const { code, stdout, stderr } = await running.ended;
    expect({ code, ...JSON.parse(stdout) }).toMatchObject({ code: 0, read: 3_000, refusedInAll: 0 });
    expect(stderr).toMatch(/^(The server at .* cannot be reached: .*\. Trying again …\n)+$/);
    const { rows } = await world.db.query('SELECT message FROM event ORDER BY position');
    expect(rows.map(({ message }) => message)).toEqual(lines.map(({ message }) => message));
  });

  test('records a batch once whose answer was lost', async () => {
    const world = await openWorld();
    const proxy = await startTcpProxy(addressOf(String(world.servers[0]?.url)));
    const environment = { ...(await environmentOf(world)), EVENTREE_URL: `http://127.0.0.1:${proxy.port}` };
    const lost = proxy.loseAnswerTo('the lost one');
    const lines = ['a', 'the lost one', 'c'].map((message) => JSON.stringify({ type: 'note', message }));
    const running = await startEventree(['import', '-', '--json'], { environment, input: lines.join('\n') });
    await lost;
    const { code, stdout } = await running.ended;
    expect({ code, ...JSON.parse(stdout) }).toMatchObject({ code: 0, recorded: 3 });
    const { events } = await world.ask('{ events { totalCount } }');
    expect(events.totalCount).toBe(3);
  });

  test('that has to stop says how far it came, and goes on from there the next time', async () => {
    const world = await openWorld();
    const environment = await environmentOf(world);
    const input = ['a', 'b', 'c'].map((message) => JSON.stringify({ type: 'note', message })).join('\n');
    // One batch is looked up and recorded.
    const url = await startDoor(String(world.servers[0]?.url), { requests: 2 });
    const stopped = await eventree(['import', '-', '--batch', '1'], {
      environment: { ...environment, EVENTREE_URL: url },
      input,
    });
    expect(stopped).toMatchObject({ code: 1, stdout: '' });
    expect(stopped.stderr).toMatch(
      /^The import stops here and may be run again\. 2 events read: 1 recorded, .*\.\n.* answered HTTP 404 and no GraphQL: gone\.\n$/,
    );
    const { stdout } = await eventree(['import', '-', '--json'], { environment, input });
    expect(JSON.parse(stdout)).toMatchObject({ recorded: 2, alreadyThere: 1 });
  });
});

/** A way to a server that is closed after so many requests. */
async function startDoor(target: string, { requests: most }: { requests: number }): Promise<string> {
  let requests = 0;
  const server = createServer(async (request, response) => {
    if (requests++ >= most) return response.writeHead(404).end('gone');
    const { authorization = '', 'content-type': type = '' } = request.headers;
    const answer = await fetch(`${target}${request.url}`, {
      method: 'POST',
      headers: { authorization, 'content-type': type },
      body: await text(request),
    });
    return response.writeHead(answer.status).end(await answer.text());
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe.runIf(process.platform === 'linux')('in a terminal', () => {
  const world = worldForFile();
  const terminal = true;

  test('an import shows how far it is, and bad lines above', async () => {
    const folder = await emptyFolder();
    const journal = unique('journal');
    const lines = [{ type: 'note', journal }, 'nope', { type: 'note', journal }];
    await writeFile(join(folder, 'events.ndjson'), lines.map((line) => JSON.stringify(line)).join('\n'));
    const environment = await environmentOf(world());
    const { code, stdout } = await eventree(['import', 'events.ndjson'], { environment, folder, terminal });
    expect(code).toBe(1);
    expect(stdout).toMatch(/100 % {2}(\d+)\/\1 bytes/);
    expect(stdout).toContain('\r\u001b[Kline 2: The line is not a JSON object.\r\n');
    expect(stdout).toContain('3 events read: 2 recorded, 0 already there, 1 refused.');
  });

  test('an export shows how far it is', async () => {
    const environment = await environmentOf(world());
    await eventree(['record', 'note'], { environment });
    const { code, stdout } = await eventree(['export', '-o', 'events.ndjson'], { environment, terminal });
    expect(code).toBe(0);
    expect(stdout).toMatch(/100 % {2}(\d+)\/\1 events/);
  });
});
