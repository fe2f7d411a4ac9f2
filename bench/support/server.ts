/** A PostgreSQL and a compiled server of the benchmark's own, in processes of their own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { signToken } from '../../src/access/authenticate.ts';
import { createLogger } from '../../src/base/logger.ts';
import { startEmbedded } from '../../src/db/embedded/embedded.ts';

export interface Stage {
  readonly databaseUrl: string;
  close(): Promise<void>;
}

export interface BenchServer {
  readonly port: number;
  readonly pid: number;
  stop(): Promise<void>;
}

const SECRET = 'a secret of benchmarks, long enough for HS256';

/** PostgreSQL as the server itself runs it: durable. */
export async function openStage(): Promise<Stage> {
  const dataDir = await mkdtemp(join(tmpdir(), 'eventree-bench-'));
  const embedded = await startEmbedded({ dataDir, logger: createLogger('warn') });
  return {
    databaseUrl: embedded.url,
    async close() {
      await embedded.stop();
      await rm(dataDir, { recursive: true });
    },
  };
}

export function tokenFor(subject: string, groups: readonly string[]): Promise<string> {
  return signToken(
    SECRET,
    { subject, groups, lifetimeSeconds: 86_400 },
    { issuer: undefined, audience: undefined },
  );
}

/** Options of Node.js that servers and peers run with. */
export const NODE_OPTIONS = ['--max-semi-space-size=64'];

export async function startBenchServer(
  databaseUrl: string,
  environment: Record<string, string> = {},
  { program = 'dist/cli.js', nodeOptions = NODE_OPTIONS } = {},
): Promise<BenchServer> {
  const port = await freePort();
  return startProcess([...nodeOptions, program, 'serve'], port, {
    DATABASE_URL: databaseUrl,
    EVENTREE_PORT: String(port),
    EVENTREE_JWT_SECRET: SECRET,
    EVENTREE_LOG_LEVEL: 'warn',
    ...environment,
  });
}

/** Starts a program of Node.js that listens on the port, and waits until it does. */
export async function startProcess(
  args: readonly string[],
  port: number,
  environment: Record<string, string>,
): Promise<BenchServer> {
  const child: ChildProcess = spawn(process.execPath, args, {
    env: { ...process.env, NODE_ENV: 'production', ...environment },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const abandon = () => child.kill('SIGKILL');
  process.once('exit', abandon);
  const exited = once(child, 'exit').finally(() => process.off('exit', abandon));
  const dead = exited.then(([code]) => {
    throw new Error(`${args[0]} ended with ${code} before it listened.`);
  });
  dead.catch(() => {});
  await Promise.race([untilListening(port), dead]);
  return {
    port,
    pid: child.pid as number,
    async stop() {
      child.kill('SIGTERM');
      await exited;
    },
  };
}

export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}

async function untilListening(port: number): Promise<void> {
  for (;;) {
    const answered = await fetch(`http://127.0.0.1:${port}/graphql?query={__typename}`).then(
      () => true,
      () => false,
    );
    if (answered) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
