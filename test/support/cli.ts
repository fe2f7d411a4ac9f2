/**
 * `eventree` as it is run in a terminal: a process of its own, in an empty folder, with no environment but
 * what the test gives it. What still runs when the test is over is killed.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { onTestFinished } from 'vitest';

export interface CliOptions {
  readonly environment?: Readonly<Record<string, string>>;
  /** All that stands on standard input. */
  readonly input?: string | Buffer;
  readonly folder?: string;
}

export interface CliResult {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunningCli {
  readonly process: ChildProcess;
  /** Whole lines of standard output so far. */
  readonly lines: readonly string[];
  stderr(): string;
  /** Resolves when standard output has this many lines. */
  untilLines(count: number): Promise<void>;
  /** Resolves when standard error matches. */
  untilSaid(pattern: RegExp): Promise<void>;
  readonly ended: Promise<CliResult>;
}

const CLI = fileURLToPath(new URL('../../src/cli.ts', import.meta.url));
// The sources, not dist: that may be older than what is tested.
const TSX = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;

export async function eventree(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  return (await startEventree(args, options)).ended;
}

export async function startEventree(args: readonly string[], options: CliOptions = {}): Promise<RunningCli> {
  const { environment = {}, input, folder = await emptyFolder() } = options;
  const child = spawn(process.execPath, ['--import', TSX, CLI, ...args], {
    cwd: folder,
    env: { PATH: process.env.PATH, ...environment },
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  // A command that has failed does not read what is left.
  child.stdin.on('error', () => {});
  if (input !== undefined) child.stdin.end(input);

  const lines: string[] = [];
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (text: Buffer) => {
    stdout += text;
  });
  const reader = createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  child.stderr.on('data', (text: Buffer) => {
    stderr += text;
  });
  const ended = once(child, 'close').then(([code, signal]) => ({ code, signal, stdout, stderr }));
  const orEnd = (event: Promise<unknown>) =>
    Promise.race([
      event,
      ended.then((result) => {
        throw new Error(`The command has ended: ${JSON.stringify(result)}`);
      }),
    ]);
  return {
    process: child,
    lines,
    stderr: () => stderr,
    async untilLines(count) {
      while (lines.length < count) await orEnd(once(reader, 'line'));
    },
    async untilSaid(pattern) {
      while (!pattern.test(stderr)) await orEnd(once(child.stderr, 'data'));
    },
    ended,
  };
}

export async function emptyFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'eventree-cli-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true, maxRetries: 10 }));
  return folder;
}
