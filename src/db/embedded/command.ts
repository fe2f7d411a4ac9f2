/**
 * Runs a program under an account, away from the server's own surroundings: environment, folder and
 * terminal.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';

export interface Account {
  /** What stands before the program on the command line. */
  readonly prefix: readonly string[];
  /** Where root steps down to another user. */
  readonly stepDown?: { readonly uid: number; readonly gid: number; readonly name: string };
}

/** Whoever the server is: for programs that touch no data. */
export const OWN_ACCOUNT: Account = { prefix: [] };

/** Nothing is inherited: PostgreSQL reads PGDATA, PGPORT, the locale and more from there. */
const ENVIRONMENT = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' };

export interface Outcome {
  /** Null where it was ended by a signal or could not be started. */
  readonly code: number | null;
  /** What it wrote to both of its streams. */
  readonly output: string;
}

/** Runs a program to its end. Never rejects. */
export function run(account: Account, program: string, args: readonly string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = spawnAs(account, program, args);
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text;
      });
    }
    child.on('error', (error) => resolve({ code: null, output: error.message }));
    child.on('close', (code) => resolve({ code, output }));
  });
}

/**
 * Starts a program in a process group of its own: a Ctrl-C in the terminal reaches the server only, which
 * still needs its database to finish what it is doing.
 */
export function spawnAs(
  account: Account,
  program: string,
  args: readonly string[],
): ChildProcessByStdio<null, Readable, Readable> {
  const [command = program, ...rest] = [...account.prefix, program, ...args];
  const { uid, gid } = account.stepDown ?? {};
  return spawn(command, rest, {
    // The server's own folder may be closed to the account.
    cwd: '/',
    env: ENVIRONMENT,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(uid !== undefined && gid !== undefined && { uid, gid }),
  });
}
