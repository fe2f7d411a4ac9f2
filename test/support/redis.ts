/**
 * A Redis server of a test's own, on a free port, which it can kill and start again. The program is the
 * one on the PATH; where there is none, Debian's package is installed. It never skips a test.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { onTestFinished } from 'vitest';

export interface TestRedis {
  readonly url: string;
  /** As `kill -9` does. */
  kill(): Promise<void>;
  /** Starts it again, on the same port and empty. */
  start(): Promise<void>;
}

export async function startRedis(): Promise<TestRedis> {
  installRedis();
  const port = await freePort();
  let server: ChildProcess | null = null;

  const redis: TestRedis = {
    url: `redis://127.0.0.1:${port}`,
    async start() {
      server = spawn(
        'redis-server',
        ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'],
        {
          stdio: ['ignore', 'pipe', 'inherit'],
        },
      );
      for await (const text of server.stdout as AsyncIterable<Buffer>) {
        if (String(text).includes('Ready to accept connections')) break;
      }
    },
    async kill() {
      if (server === null) return;
      const exited = once(server, 'exit');
      server.kill('SIGKILL');
      await exited;
      server = null;
    },
  };
  await redis.start();
  onTestFinished(() => redis.kill());
  return redis;
}

export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}

function installRedis(): void {
  try {
    execFileSync('redis-server', ['--version'], { stdio: 'ignore' });
  } catch {
    execFileSync('sh', ['-c', 'apt-get update -qq && apt-get install -y -qq redis-server'], {
      stdio: 'ignore',
    });
  }
}
