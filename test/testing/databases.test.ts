/** The PostgreSQL that tests share: one for all processes, and none when the last of them is gone. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readdir, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { expect, onTestFinished, test, vi } from 'vitest';
import { type Databases, openDatabases } from '../../src/testing/databases.ts';

const USER = fileURLToPath(new URL('support/database-user.ts', import.meta.url));
const WAIT = { timeout: 30_000, interval: 20 };
/** An initdb, where other tests run beside. */
const TIMEOUT_MS = 120_000;

/** A place to meet that no other test knows. */
async function meetingPlace(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'eventree-meeting-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

interface User {
  readonly keeper: number;
  readonly url: string;
  readonly process: ChildProcess;
}

/** A process that opens databases and has one of them. */
async function startUser(folder: string, lingerMs: number): Promise<User> {
  const child = spawn(process.execPath, ['--import', 'tsx', USER, folder, String(lingerMs)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const [line] = await once(createInterface({ input: child.stdout }), 'line');
  return { ...JSON.parse(line), process: child };
}

const isAlive = (pid: number) => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};
const untilGone = (pid: number) => vi.waitUntil(() => !isAlive(pid), WAIT);

async function namesIn(url: string): Promise<string[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const { rows } = await client.query('select datname from pg_database');
  await client.end();
  return rows.map(({ datname }) => datname);
}

const nameIn = (url: string) => new URL(url).pathname.slice(1);

test(
  'is one for all processes, which take what they made with them, and is gone after the last',
  async () => {
    const folder = await meetingPlace();
    // At once: whoever comes first starts it.
    const [one, other] = await Promise.all([startUser(folder, 500), startUser(folder, 500)]);
    expect(other.keeper).toBe(one.keeper);
    const names = () => namesIn(other.url);
    expect(await names()).toEqual(expect.arrayContaining([nameIn(one.url), nameIn(other.url)]));

    one.process.kill('SIGKILL');
    await vi.waitUntil(async () => !(await names()).includes(nameIn(one.url)), WAIT);
    expect(await names()).toContain(nameIn(other.url));

    other.process.stdin?.end();
    expect(await once(other.process, 'exit')).toEqual([0, null]);
    await untilGone(one.keeper);
    expect(await readdir(folder)).toEqual([]);
  },
  TIMEOUT_MS,
);

test(
  'waits for the next who comes',
  async () => {
    const folder = await meetingPlace();
    const keepers: number[] = [];
    let databases: Databases | undefined;
    for (let nth = 0; nth < 3; nth++) {
      databases = await openDatabases({ folder, lingerMs: 5_000 });
      keepers.push(databases.keeper);
      await databases.leave();
    }
    expect(new Set(keepers).size).toBe(1);
    await untilGone(keepers[0] as number);
  },
  TIMEOUT_MS,
);

test(
  'is started again when it was killed, and what was left is removed',
  async () => {
    const folder = await meetingPlace();
    const first = await startUser(folder, 0);
    process.kill(first.keeper, 'SIGKILL');
    await untilGone(first.keeper);
    const second = await openDatabases({ folder, lingerMs: 0 });
    expect(second.keeper).not.toBe(first.keeper);
    const { url, drop } = await second.create('eventree');
    expect(await namesIn(url)).not.toContain(nameIn(first.url));
    await drop();
    await drop();
    await second.leave();
    await untilGone(second.keeper);
    expect(await readdir(folder)).toEqual([]);
  },
  TIMEOUT_MS,
);

test('is not looked for where somebody else could have laid a socket', async () => {
  const folder = await meetingPlace();
  const link = join(folder, 'link');
  await symlink(await meetingPlace(), link);
  await expect(openDatabases({ folder: link })).rejects.toThrow('belongs to somebody else');
});

test('is not looked for where others may write', async () => {
  const folder = await meetingPlace();
  await chmod(folder, 0o777);
  await expect(openDatabases({ folder })).rejects.toThrow('Others may write');
});

test('that cannot be started says why', async () => {
  const folder = await meetingPlace();
  await mkdir(join(folder, 'keeper.sock'));
  await expect(openDatabases({ folder })).rejects.toThrow(/cannot be started in .*: .*keeper\.sock/);
});
