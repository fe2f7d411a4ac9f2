/**
 * Redis servers of a test's own, on free ports, which it can kill, freeze and start again. The program is
 * the one on the PATH; where there is none, Debian's package is installed. It never skips a test.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { onTestFinished } from 'vitest';

export interface TestRedis {
  readonly url: string;
  readonly port: number;
  /** As `kill -9` does. */
  kill(): Promise<void>;
  /** Starts it again, on the same port and, unless it has a folder, empty. */
  start(): Promise<void>;
  /** As `kill -STOP` does: it is there and does not answer. */
  freeze(): void;
  thaw(): void;
}

/** @param settings further ones, as on its command line. */
export function startRedis(...settings: readonly string[]): Promise<TestRedis> {
  return launch(['--save', '', '--appendonly', 'no', ...settings]);
}

/** @param file its configuration, which it writes what it learns into. */
export function startSentinel(file: string): Promise<TestRedis> {
  return launch([file, '--sentinel']);
}

async function launch(settings: readonly string[]): Promise<TestRedis> {
  installRedis();
  const port = await freePort();
  let server: ChildProcess | null = null;

  const redis: TestRedis = {
    url: `redis://127.0.0.1:${port}`,
    port,
    async start() {
      server = spawn('redis-server', [...settings, '--port', String(port), '--bind', '127.0.0.1'], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      for await (const text of server.stdout as AsyncIterable<Buffer>) {
        if (/Ready to accept connections|Sentinel ID is/.test(String(text))) break;
      }
    },
    async kill() {
      if (server === null) return;
      const exited = once(server, 'exit');
      server.kill('SIGKILL');
      await exited;
      server = null;
    },
    freeze: () => void server?.kill('SIGSTOP'),
    thaw: () => void server?.kill('SIGCONT'),
  };
  await redis.start();
  onTestFinished(() => redis.kill());
  return redis;
}

/** Below those that systems hand out by themselves: it stays free until its program listens, and while that is away. */
const PORTS = { from: 12_000, count: 18_000 };
/** Where this process looks next: no two of its programs get the same one. */
let nextPort = Math.floor(Math.random() * PORTS.count);

export async function freePort(): Promise<number> {
  for (;;) {
    const port = PORTS.from + (nextPort++ % PORTS.count);
    if (await isFree(port)) return port;
  }
}

async function isFree(port: number): Promise<boolean> {
  const probe = createServer().listen(port, '127.0.0.1');
  try {
    await once(probe, 'listening');
  } catch {
    return false;
  }
  probe.close();
  await once(probe, 'close');
  return true;
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
