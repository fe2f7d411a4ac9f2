/**
 * A server in a process of its own, as it is started from the command line, that can be killed as by
 * `kill -9`, frozen, and started again on the same port and data. Nothing of it is left when the test is
 * over.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { onTestFinished, vi } from 'vitest';
import { freePort } from './redis.ts';

export interface ServerProcess {
  readonly url: string;
  /** Resolves when it is ready to work. */
  start(): Promise<void>;
  /** As `kill -9` does. Its database is not waited for. */
  kill(): Promise<void>;
  /** Lets it finish what is under way. */
  stop(): Promise<void>;
  /** As `kill -STOP` does: it is there and does nothing. */
  freeze(): void;
  thaw(): void;
  pid(): number;
  /** All that it has said since it was started. */
  said(): string;
}

const CLI = fileURLToPath(new URL('../../src/cli.ts', import.meta.url));
const FOLDER = fileURLToPath(new URL('../..', import.meta.url));

/** @param environment but for the port; DATABASE_URL, or a data folder of its own. */
export async function startServerProcess(
  environment: Readonly<Record<string, string>>,
): Promise<ServerProcess> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  let child: ChildProcess | null = null;
  let said = '';

  const server: ServerProcess = {
    url,
    async start() {
      const started = spawn(process.execPath, ['--import', 'tsx', CLI, 'serve'], {
        cwd: FOLDER,
        env: { PATH: process.env.PATH, ...environment, EVENTREE_PORT: String(port) },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      child = started;
      said = '';
      for (const stream of [started.stdout, started.stderr]) {
        stream?.on('data', (text: Buffer) => {
          said += text;
        });
      }
      const isReady = () =>
        fetch(`${url}/readyz`)
          .then(({ ok }) => ok)
          .catch(() => false);
      const hasEnded = () => started.exitCode !== null;
      await vi
        .waitUntil(async () => hasEnded() || (await isReady()), { timeout: 40_000, interval: 20 })
        .catch(() => {});
      if (hasEnded() || !(await isReady())) throw new Error(`The server does not start: ${said}`);
    },
    kill: () => end('SIGKILL'),
    stop: () => end('SIGTERM'),
    freeze: () => void child?.kill('SIGSTOP'),
    thaw: () => void child?.kill('SIGCONT'),
    pid: () => child?.pid ?? 0,
    said: () => said,
  };

  async function end(signal: NodeJS.Signals): Promise<void> {
    const running = child;
    child = null;
    if (running === null || running.exitCode !== null) return;
    const exited = once(running, 'exit');
    running.kill(signal);
    // One that is frozen hears nothing but SIGKILL.
    running.kill('SIGCONT');
    await exited;
  }

  onTestFinished(() => server.stop());
  await server.start();
  return server;
}
