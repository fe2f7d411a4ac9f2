import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, mkdir, readdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { pino } from 'pino';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { findBinaries } from '../../src/db/embedded/binaries.ts';
import { clusterIn } from '../../src/db/embedded/cluster.ts';
import { openDataFolder } from '../../src/db/embedded/data-folder.ts';
import { startOf } from '../../src/db/embedded/processes.ts';
import {
  copiesOfOneCluster,
  expectedSocketFolder,
  isRoot,
  killIfThere,
  postmasterOf,
  processOn,
  query,
  runningOn,
  spawnServer,
  spawnStarting,
  startHere,
  temporaryFolder,
  untilNothingRunsOn,
} from './embedded-world.ts';

const dataFolder = copiesOfOneCluster();

describe('killed', { timeout: 60_000 }, () => {
  /** Writes with several connections until they break; answers what was acknowledged. */
  async function writeUntilBroken(url: string, enough: () => void): Promise<Set<number>> {
    const acknowledged = new Set<number>();
    await query(url, 'CREATE TABLE fact (id int PRIMARY KEY)');
    let next = 0;
    const write = async () => {
      const client = new pg.Client({ connectionString: url });
      client.on('error', () => {});
      await client.connect();
      for (;;) {
        const id = next++;
        await client.query('INSERT INTO fact VALUES ($1)', [id]);
        acknowledged.add(id);
        if (acknowledged.size === 200) enough();
      }
    };
    await Promise.allSettled([write(), write(), write(), write()]);
    return acknowledged;
  }

  it.each(['the server', 'the server and PostgreSQL'])(
    'loses nothing acknowledged and leaves no orphan: %s',
    async (what) => {
      const dataDir = await dataFolder();
      const server = await spawnServer(dataDir);
      const postmaster = await postmasterOf(dataDir);
      const acknowledged = await writeUntilBroken(server.url, () => {
        if (what.endsWith('PostgreSQL')) process.kill(postmaster, 'SIGKILL');
        server.process.kill('SIGKILL');
      });
      expect(acknowledged.size).toBeGreaterThanOrEqual(200);
      await untilNothingRunsOn(dataDir);

      const again = await startHere(dataDir);
      const found = new Set((await query(again.url, 'SELECT id FROM fact')).map(([id]) => id));
      expect([...acknowledged].filter((id) => !found.has(id))).toEqual([]);
      await again.stop();
      expect(await readdir(dataDir)).toEqual(['postgres']);
    },
  );

  it('is running again after PostgreSQL was killed over a busy query', async () => {
    const dataDir = await dataFolder();
    const { url, ended } = await startHere(dataDir);
    await query(url, 'CREATE TABLE fact AS SELECT 1 AS id');
    // Busy for minutes, without a pause in which it would notice that its postmaster is gone.
    const busy = query(url, 'SELECT count(*) FROM generate_series(1, 1e10::bigint) AS busy').catch(() => {});
    const [[pid] = []] = await vi.waitUntil(
      () =>
        query(
          url,
          "SELECT pid FROM pg_stat_activity WHERE query LIKE '%AS busy' AND state = 'active' AND pid <> pg_backend_pid()",
        ).then((rows) => rows.length === 1 && rows),
      { timeout: 10_000 },
    );
    process.kill(await postmasterOf(dataDir), 'SIGKILL');

    const rows = await vi.waitFor(() => query(url, 'SELECT id FROM fact'), { timeout: 20_000, interval: 20 });
    expect(rows).toEqual([[1]]);
    await busy;
    expect(await startOf(Number(pid))).toBeUndefined();
    expect(await Promise.race([ended, 'running'])).toBe('running');
  });

  it('gives up when it ends again and again', async () => {
    const dataDir = await dataFolder();
    const embedded = await startHere(dataDir);
    const postmaster = await postmasterOf(dataDir);
    await rename(join(dataDir, 'postgres'), join(dataDir, 'elsewhere'));
    process.kill(postmaster, 'SIGKILL');
    const end = await embedded.ended;
    expect(end.reason === 'failed' && end.error.message).toMatch(
      /ended 6 times within a minute and is not started again.*could not access directory/s,
    );
    await expect(openDataFolder(dataDir)).rejects.toThrow('is in use');
    await embedded.stop();
    await (await openDataFolder(dataDir)).release();
  });

  it('is not started again once it is to stop', async () => {
    const dataDir = await dataFolder();
    let stopping: Promise<void> | undefined;
    const write = (line: string) => {
      if (line.includes('starting it again')) stopping = embedded.stop();
    };
    const embedded = await startHere(dataDir, { logger: pino({ level: 'error' }, { write }) });
    process.kill(await postmasterOf(dataDir), 'SIGKILL');
    expect(await embedded.ended).toEqual({ reason: 'stopped' });
    await stopping;
    await untilNothingRunsOn(dataDir);
    expect(await readdir(dataDir)).toEqual(['postgres']);
  });

  it('leaves nothing half made of an initdb', async () => {
    const dataDir = join(await temporaryFolder(), 'data');
    const server = await spawnStarting(dataDir);
    const initdb = await processOn(dataDir, /\/initdb .*postgres\.init-/);
    await vi.waitFor(async () => access(join(dataDir, (await draftsIn(dataDir))[0] ?? '', 'PG_VERSION')), {
      timeout: 10_000,
      interval: 1,
    });
    const gone = once(server.process, 'exit');
    server.process.kill('SIGKILL');
    killIfThere(initdb.pid);
    await gone;
    await untilNothingRunsOn(dataDir);
    expect(await draftsIn(dataDir)).toHaveLength(1);
    await expect(access(join(dataDir, 'postgres'))).rejects.toThrow('ENOENT');

    const again = await startHere(dataDir);
    expect(await query(again.url, 'SELECT 1')).toEqual([[1]]);
    expect(await draftsIn(dataDir)).toEqual([]);
  });

  it('leaves nothing of an initdb that is killed under it', async () => {
    const dataDir = join(await temporaryFolder(), 'data');
    const starting = startHere(dataDir);
    const refused = expect(starting).rejects.toThrow(/^The database in .* cannot be created/);
    killIfThere((await processOn(dataDir, /\/initdb .*postgres\.init-/)).pid);
    await refused;
    expect(await readdir(dataDir)).toEqual([]);
  });

  async function draftsIn(dataDir: string): Promise<string[]> {
    return (await readdir(dataDir)).filter((name) => name.startsWith('postgres.init-'));
  }

  it('stops an orphan of a system that does not stop it with the server', async () => {
    const dataDir = await dataFolder();
    const { postgres } = await findBinaries();
    const { folder, name } = clusterIn(dataDir);
    const unprivileged = isRoot ? ['unshare', '--user', '--map-user=65534', '--map-group=65534', '--'] : [];
    const settings = [`cluster_name=${name}`, 'listen_addresses=', `unix_socket_directories=${dataDir}`];
    const [program = postgres, ...args] = [
      ...[...unprivileged, postgres, '-D', folder],
      ...settings.flatMap((setting) => ['-c', setting]),
    ];
    const orphan = spawn(program, args, { stdio: 'ignore' });
    const ended = once(orphan, 'exit');
    await processOn(dataDir, / walwriter$/);

    const embedded = await startHere(dataDir);
    // A fast shutdown, and a clean one.
    expect(await ended).toEqual([0, null]);
    expect(await query(embedded.url, 'SELECT 1')).toEqual([[1]]);
  });

  it('starts where the ids in its stale files belong to another process by now', async () => {
    const dataDir = await dataFolder();
    const other = spawn('sleep', ['60'], { stdio: 'ignore' });
    onTestFinished(() => void other.kill());
    const socketFolder = expectedSocketFolder(dataDir);
    await mkdir(socketFolder, { mode: 0o700 });
    for (const file of [join(dataDir, 'postgres/postmaster.pid'), join(socketFolder, '.s.PGSQL.5432.lock')]) {
      await writeFile(file, `${other.pid}\n${dataDir}/postgres\n1795230000\n5432\n${socketFolder}\n`);
    }
    const { url } = await startHere(dataDir);
    expect(new URL(url).searchParams.get('host')).toBe(socketFolder);
    expect(await query(url, 'SELECT 1')).toEqual([[1]]);
  });

  it('lets one of two servers run that start at once behind a killed one', async () => {
    const dataDir = await dataFolder();
    await writeFile(
      join(dataDir, 'server.lock'),
      JSON.stringify({ pid: process.pid, started: 'long ago', token: 'a' }),
    );
    const servers = await Promise.all([spawnServer(dataDir), spawnServer(dataDir)]);
    expect(servers.map(({ answer }) => answer.split(' ')[0]).sort()).toEqual(['ready', 'refused']);
  });

  it('is stopped by Ctrl-C only after the server has drained', async () => {
    const dataDir = await dataFolder();
    const server = await spawnServer(dataDir);
    // What a terminal does: the signal goes to the whole process group.
    process.kill(-(server.process.pid ?? 0), 'SIGINT');
    expect(await server.ended).toEqual([0, null]);
    expect(server.said.slice(1)).toEqual(['drained']);
    expect(await runningOn(dataDir)).toEqual([]);
    expect(await readdir(dataDir)).toEqual(['postgres']);
  });
});
