import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { listProcesses } from '../../src/db/embedded/processes.ts';
import { emptyFolder, eventree, startEventree } from '../support/cli.ts';
import { migratedDatabase } from '../support/database.ts';
import { freePort } from '../support/redis.ts';

const QUIET = { EVENTREE_PORT: '0', EVENTREE_LOG_LEVEL: 'error' };

describe('eventree serve', () => {
  test('runs with its own database until Ctrl-C, and refuses a second one on its folder', {
    timeout: 60_000,
  }, async () => {
    const folder = await emptyFolder();
    const running = await startEventree(['serve'], { environment: QUIET, folder });
    await running.untilLine(/GraphQL/);
    const url = running.lines.join('\n').match(/http:\S+(?=\/graphql)/)?.[0];
    expect((await fetch(`${url}/readyz`)).status).toBe(200);

    const second = await eventree(['serve'], { environment: QUIET, folder });
    expect({ code: second.code, stdout: second.stdout }).toEqual({ code: 2, stdout: '' });
    expect(second.stderr).toMatch(
      /^The data folder \S+ is in use by another Eventree server \(process \d+\)\..*\n$/,
    );
    expect((await fetch(`${url}/readyz`)).status).toBe(200);

    running.process.kill('SIGINT');
    const { code, stdout, stderr } = await running.ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/SIGINT: finishing what is under way …\nStopped\.\n$/);
    await expect(fetch(`${url}/readyz`)).rejects.toThrow();
    const left = (await listProcesses()).filter(({ command }) => command.includes(join(folder, '.eventree')));
    expect(left).toEqual([]);
  });

  test('prints a token by which it may be asked', async () => {
    const database = await migratedDatabase();
    onTestFinished(() => database.drop());
    const environment = { ...QUIET, DATABASE_URL: database.url };
    const running = await startEventree(['serve'], { environment });
    await running.untilLine(/^ {2}ey/);
    const text = running.lines.join('\n');
    const [page, url] = text.match(/http:\S+/g) ?? [];
    expect(url).toBe(`${page}graphql`);
    expect(text).toMatch(/^ {2}Web UI +http:\/\/127\.0\.0\.1:\d+\/$/m);
    const [, token] = /^ {2}(ey\S+)$/m.exec(text) ?? [];
    const recorded = await eventree(['record', 'note', '--url', String(url), '--token', String(token)]);
    expect(recorded).toMatchObject({ code: 0, stderr: '' });
    running.process.kill('SIGTERM');
    expect(await running.ended).toMatchObject({ code: 0 });
  });

  test('goes on when the reader of its greeting has gone', async () => {
    const database = await migratedDatabase();
    onTestFinished(() => database.drop());
    const folder = await emptyFolder();
    const port = String(await freePort());
    const environment = { ...QUIET, DATABASE_URL: database.url, EVENTREE_PORT: port };
    const running = await startEventree(['serve'], { environment, folder });
    running.process.stdout?.destroy();
    running.process.stderr?.destroy();
    const isReady = async () => (await fetch(`http://127.0.0.1:${port}/readyz`)).ok;
    await vi.waitUntil(() => isReady().catch(() => false), { timeout: 60_000, interval: 10 });
    // A process of its own: long after the greeting.
    const recorded = await eventree(['record', 'note'], { environment, folder });
    expect(recorded).toMatchObject({ code: 0, stderr: '' });
    running.process.kill('SIGTERM');
    expect(await running.ended).toMatchObject({ code: 0 });
  });

  test('fails with a sentence where its port is taken', async () => {
    const database = await migratedDatabase();
    onTestFinished(() => database.drop());
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    onTestFinished(() => void taken.close());
    const { port } = taken.address() as AddressInfo;
    const environment = {
      DATABASE_URL: database.url,
      EVENTREE_PORT: String(port),
      EVENTREE_LOG_LEVEL: 'error',
    };
    const { code, stdout, stderr } = await eventree(['serve'], { environment });
    expect({ code, stdout }).toEqual({ code: expect.toSatisfy((n) => n === 1 || n === 2), stdout: '' });
    expect(stderr).toContain(String(port));
    expect(stderr).not.toMatch(/^ +at /m);
  });
});
