import { access, chmod, lstat, mkdir, readdir, readlink, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pino } from 'pino';
import { describe, expect, it, vi } from 'vitest';
import { StartError } from '../../src/base/errors.ts';
import { findBinaries, hydrateLinks } from '../../src/db/embedded/binaries.ts';
import { refuseOtherSystems } from '../../src/db/embedded/embedded.ts';
import { chooseBase } from '../../src/db/embedded/socket.ts';
import {
  command,
  copiesOfOneCluster,
  expectedSocketFolder,
  isRoot,
  processOn,
  query,
  runningOn,
  spawnServer,
  startHere,
  temporaryFolder,
  untilNothingRunsOn,
} from './embedded-world.ts';

const dataFolder = copiesOfOneCluster();

describe('from start to start', { timeout: 60_000 }, () => {
  it('keeps what was stored, and leaves nothing behind but the data', async () => {
    const dataDir = join(await temporaryFolder(), 'not', 'there', 'yet');
    const first = await startHere(dataDir);
    await query(first.url, 'CREATE TABLE fact (id int)');
    await query(first.url, 'INSERT INTO fact VALUES (1)');
    await Promise.all([first.stop(), first.stop()]);
    expect(await first.ended).toEqual({ reason: 'stopped' });

    const socketFolder = new URL(first.url).searchParams.get('host') ?? '';
    await expect(access(socketFolder)).rejects.toThrow('ENOENT');
    expect(await runningOn(dataDir)).toEqual([]);
    expect(await readdir(dataDir)).toEqual(['postgres']);
    expect((await lstat(dataDir)).mode & 0o777).toBe(0o700);

    const second = await startHere(dataDir);
    expect(await query(second.url, 'SELECT id FROM fact')).toEqual([[1]]);
  });

  it('is durable whatever the settings say', async () => {
    const off = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' };
    const { url } = await startHere(await dataFolder(), { settings: { ...off, max_connections: '17' } });
    const settings = "SELECT name, setting FROM pg_settings WHERE name = ANY ('{%}') ORDER BY name";
    const names = [...Object.keys(off), 'max_connections', 'listen_addresses', 'TimeZone', 'jit'];
    expect(Object.fromEntries(await query(url, settings.replace('%', names.join())))).toEqual({
      fsync: 'on',
      synchronous_commit: 'on',
      full_page_writes: 'on',
      max_connections: '17',
      listen_addresses: '',
      TimeZone: 'UTC',
      jit: 'off',
    });
  });

  it('is reached by its URL whatever the environment says', async () => {
    for (const name of ['PGPORT', 'PGHOST', 'PGDATABASE', 'PGUSER', 'PGDATA']) vi.stubEnv(name, '1');
    vi.stubEnv('PGSSLMODE', 'require');
    try {
      const { url } = await startHere(await dataFolder());
      expect(await query(url, 'SELECT current_user, current_database()')).toEqual([['eventree', 'eventree']]);
    } finally {
      vi.unstubAllEnvs();
    }
  });

  it('creates the database where only the cluster is there', async () => {
    const dataDir = await dataFolder();
    const first = await startHere(dataDir);
    const postgres = new URL(first.url);
    postgres.pathname = 'postgres';
    await query(postgres.href, 'DROP DATABASE eventree');
    await first.stop();
    const second = await startHere(dataDir);
    expect(await query(second.url, 'SELECT current_database()')).toEqual([['eventree']]);
  });

  it('cuts a shutdown short that takes too long, and recovers from it', async () => {
    const dataDir = await dataFolder();
    let checkpointer = 0;
    const log: string[] = [];
    const logger = pino(
      { level: 'debug' },
      {
        write(line: string) {
          log.push(line);
          // It goes on, now that it is too late: PostgreSQL itself would wait 5 s before it kills it.
          if (line.includes('does not stop in time')) process.kill(checkpointer, 'SIGCONT');
        },
      },
    );
    const first = await startHere(dataDir, { stopWithinMs: 100, logger });
    await query(first.url, 'CREATE TABLE fact AS SELECT 1 AS id');
    checkpointer = (await processOn(dataDir, / checkpointer$/)).pid;
    // It cannot write its checkpoint, and a fast shutdown waits for that.
    process.kill(checkpointer, 'SIGSTOP');
    await first.stop();
    expect(log.join()).toContain('received immediate shutdown request');
    await untilNothingRunsOn(dataDir);
    const second = await startHere(dataDir);
    expect(await query(second.url, 'SELECT id FROM fact')).toEqual([[1]]);
  });
});

describe('refuses', () => {
  it('a data folder in use', async () => {
    const dataDir = await dataFolder();
    await startHere(dataDir);
    const sentence =
      `The data folder ${dataDir} is in use by another Eventree server (process ${process.pid}). ` +
      'Stop it, or set EVENTREE_DATA_DIR to another folder.';
    await expect(startHere(dataDir)).rejects.toThrow(new StartError(sentence));
    expect((await spawnServer(dataDir)).answer).toBe(`refused ${sentence}`);
  });

  it('a data folder that cannot be created', async () => {
    const file = join(await temporaryFolder(), 'file');
    await writeFile(file, '');
    await expect(startHere(join(file, 'data'))).rejects.toThrow(StartError);
  });

  it('data of another major version', async () => {
    const dataDir = await dataFolder();
    await writeFile(join(dataDir, 'postgres/PG_VERSION'), '17\n');
    await expect(startHere(dataDir)).rejects.toThrow(
      /was written by PostgreSQL 17, .* comes with PostgreSQL 18/,
    );
    expect(await readdir(dataDir)).toEqual(['postgres']);
  });

  it('a folder that holds something else', async () => {
    const dataDir = await temporaryFolder();
    await mkdir(join(dataDir, 'postgres'));
    await writeFile(join(dataDir, 'postgres/notes.txt'), 'mine');
    await expect(startHere(dataDir)).rejects.toThrow('holds files but no database');
    expect(await readdir(dataDir)).toEqual(['postgres']);
  });

  it('a setting that PostgreSQL does not know, with what PostgreSQL says', async () => {
    const dataDir = await dataFolder();
    const start = startHere(dataDir, { settings: { shared_bufers: '1GB' } });
    await expect(start).rejects.toThrow(
      /does not start.*unrecognized configuration parameter "shared_bufers"/s,
    );
    await expect(start).rejects.toThrow(StartError);
    expect(await readdir(dataDir)).toEqual(['postgres']);
    await expect(access(expectedSocketFolder(dataDir))).rejects.toThrow('ENOENT');
  });

  it('to run where there are no sockets with permissions', () => {
    expect(() => refuseOtherSystems('win32')).toThrow(/Set DATABASE_URL/);
  });
});

describe('the socket', () => {
  // The last is for root only: nobody else can give a folder away.
  it.each(['a link', 'an open folder', ...(isRoot ? ['a folder of his own'] : [])])(
    'is not put where somebody else has laid %s',
    async (what) => {
      const dataDir = await dataFolder();
      const trap = await temporaryFolder();
      await chmod(trap, 0o700);
      const path = expectedSocketFolder(dataDir);
      if (what === 'a link') await symlink(trap, path);
      else await mkdir(path, { mode: 0o700 });
      if (what === 'an open folder') await chmod(path, 0o777);
      if (what === 'a folder of his own') await command('chown', ['nobody', path]);
      try {
        const { url } = await startHere(dataDir);
        const host = new URL(url).searchParams.get('host') ?? '';
        expect(host).not.toBe(path);
        expect((await lstat(host)).mode & 0o777).toBe(0o700);
        expect(await readdir(path)).toEqual([]);
        expect(await query(url, 'SELECT 1')).toEqual([[1]]);
      } finally {
        await rm(path, { recursive: true });
      }
    },
  );

  it('lies where its path is short enough', () => {
    expect(chooseBase(['/var/tmp', '/tmp'], 'eventree-0')).toBe('/var/tmp');
    expect(chooseBase([`/${'long'.repeat(20)}`, '/tmp'], 'eventree-0')).toBe('/tmp');
  });
});

describe('the libraries', () => {
  it('get the links that an installation without scripts has not made', async () => {
    const { postgres } = await findBinaries();
    const installed = join(dirname(postgres), '../..');
    const copy = await temporaryFolder();
    await command('cp', ['-a', join(installed, 'native'), copy]);
    const { stdout } = await command('find', [
      join(copy, 'native/lib'),
      '-maxdepth',
      '1',
      '-type',
      'l',
      '-print',
      '-delete',
    ]);
    const run = () => command(join(copy, 'native/bin/postgres'), ['--version']);
    await expect(run()).rejects.toThrow('error while loading shared libraries');

    await hydrateLinks(copy);
    await hydrateLinks(copy);
    expect((await run()).stdout).toMatch(/PostgreSQL/);
    for (const link of stdout.trim().split('\n')) {
      expect(await readlink(link)).toBe(await readlink(link.replace(copy, installed)));
    }
  });
});
