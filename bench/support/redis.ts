/** A Redis server of the benchmark's own, in a process of its own. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { freePort } from './server.ts';

export interface BenchRedis {
  readonly url: string;
  stop(): Promise<void>;
}

/** The `redis-server` of the PATH, keeping nothing on disk. */
export async function startRedis(): Promise<BenchRedis> {
  const port = await freePort();
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
  const child = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const abandon = () => child.kill('SIGKILL');
  process.once('exit', abandon);
  const exited = once(child, 'exit').finally(() => process.off('exit', abandon));
  exited.catch(() => {});
  for await (const text of child.stdout as AsyncIterable<Buffer>) {
    if (String(text).includes('Ready to accept connections')) break;
  }
  return {
    url: `redis://127.0.0.1:${port}`,
    async stop() {
      child.kill('SIGTERM');
      await exited;
    },
  };
}
