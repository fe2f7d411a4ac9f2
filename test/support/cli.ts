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
import { onTestFinished, vi } from 'vitest';
import type { Who, World } from './world.ts';

export interface CliOptions {
  readonly environment?: Readonly<Record<string, string>>;
  /** All that stands on standard input. */
  readonly input?: string | Buffer;
  readonly folder?: string;
  /** Run it in a terminal (Linux only), where its standard error also stands in its standard output. */
  readonly terminal?: true;
  /** A program that a shell pipes its standard output to. */
  readonly reader?: string;
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
  /** Resolves when one of its lines matches. */
  untilLine(pattern: RegExp): Promise<void>;
  /** Resolves when standard error matches. */
  untilSaid(pattern: RegExp): Promise<void>;
  readonly ended: Promise<CliResult>;
}

/** Longer than a command waits before it connects again. */
const PATIENCE_MS = 60_000;
const CLI = fileURLToPath(new URL('../../src/cli.ts', import.meta.url));
// The sources, not dist: that may be older than what is tested.
const TSX = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;

export async function eventree(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  return (await startEventree(args, options)).ended;
}

export async function startEventree(args: readonly string[], options: CliOptions = {}): Promise<RunningCli> {
  const { environment = {}, input, folder = await emptyFolder(), terminal = false, reader } = options;
  const words = [process.execPath, '--import', TSX, CLI, ...args];
  const quoted = words.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ');
  const [program, ...rest] = terminal
    ? ['script', '--quiet', '--return', '--command', quoted, '/dev/null']
    : reader !== undefined
      ? ['bash', '--norc', '-c', `${quoted} | ${reader}; exit \${PIPESTATUS[0]}`]
      : words;
  const child = spawn(program as string, rest, {
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
  // A sign of several bytes may come in two pieces.
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const ended = once(child, 'close').then(([code, signal]) => ({ code, signal, stdout, stderr }));
  const until = async (isSo: () => boolean, what: unknown) => {
    let hasEnded = false;
    void ended.then(() => {
      hasEnded = true;
    });
    await vi
      .waitUntil(() => isSo() || hasEnded, { timeout: PATIENCE_MS, interval: 10 })
      .catch(() => undefined);
    if (isSo()) return;
    const how = hasEnded ? 'has ended' : `is still running after ${PATIENCE_MS} ms`;
    throw new Error(`The command ${how} without ${what}. It has said: ${stdout.slice(-2_000)}\n${stderr}`);
  };
  return {
    process: child,
    lines,
    stderr: () => stderr,
    untilLines: (count) => until(() => lines.length >= count, `${count} lines`),
    untilLine: (pattern) => until(() => lines.some((line) => pattern.test(line)), pattern),
    untilSaid: (pattern) => until(() => pattern.test(stderr), pattern),
    ended,
  };
}

/** What a command needs to speak to the server of a world, as this one; by default as `group/admin`. */
export async function environmentOf(
  world: World,
  who: Who = { groups: ['admin'] },
): Promise<Record<string, string>> {
  return { EVENTREE_URL: String(world.servers[0]?.url), EVENTREE_TOKEN: await world.token(who) };
}

/**
 * A command that follows a journal and is known to have begun: what is recorded from now on, it is to show.
 *
 * @param url of the server, which nobody else follows.
 */
export async function startFollowing(
  url: string,
  args: readonly string[],
  options: CliOptions,
): Promise<RunningCli> {
  const before = await delivered(url);
  const running = await startEventree(args, options);
  // Its first message tells a stream where it stands.
  await vi.waitUntil(async () => (await delivered(url)) > before, { timeout: PATIENCE_MS, interval: 10 });
  return running;
}

/** Messages of subscriptions that a server has sent. */
export async function delivered(url: string): Promise<number> {
  const metrics = await (await fetch(`${url}/metrics`)).text();
  return Number(/^eventree_messages_delivered_total (\d+)$/m.exec(metrics)?.[1]);
}

export async function emptyFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'eventree-cli-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true, maxRetries: 10 }));
  return folder;
}
