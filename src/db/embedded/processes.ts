/**
 * The process table, as far as the embedded database needs it: when a process started, and what runs.
 *
 * A process id alone names nobody: ids are used again, after a reboot from the beginning. Id and start
 * together name one process. On Linux both are read from /proc, because slim images come without `ps`;
 * on macOS `ps` is part of the system.
 */
import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

export interface RunningProcess {
  readonly pid: number;
  /** The program and its arguments with a space between; PostgreSQL's children write their title there. */
  readonly command: string;
}

/**
 * When the process started, to be compared and not read: no other process with this id ever has the same.
 * Undefined if there is none. A zombie counts as none: it does nothing any more, however long its parent
 * takes to notice (the first process of a container often never does).
 */
export async function startOf(pid: number): Promise<string | undefined> {
  if (process.platform === 'darwin') return parsePs(await ps('-o', 'stat=,lstart=', '-p', String(pid)));
  const stat = await readProc(`${pid}/stat`);
  if (stat === undefined) return undefined;
  // The start counts from the boot, so that only together with the boot's id it says when.
  return parseStat(stat, (await readProc('sys/kernel/random/boot_id'))?.trim() ?? '');
}

/** See proc_pid_stat(5): field 3 is the state, field 22 the start in ticks since the boot. */
export function parseStat(stat: string, bootId: string): string | undefined {
  // The program's name stands in parentheses and may itself hold spaces and parentheses.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state, ticks] = [fields[0], fields[19]];
  return state === 'Z' || state === 'X' || ticks === undefined ? undefined : `${bootId} ${ticks}`;
}

function parsePs(line: string): string | undefined {
  const [state, ...start] = line.trim().split(/\s+/);
  return state === undefined || state === '' || state.startsWith('Z') ? undefined : start.join(' ');
}

/** All processes that the caller may see; kernel threads and zombies, which have no command, left out. */
export async function listProcesses(): Promise<RunningProcess[]> {
  if (process.platform === 'darwin') {
    return (await ps('-axww', '-o', 'pid=,command=')).split('\n').flatMap((line) => {
      const [, pid, command] = /^\s*(\d+) (.+)$/.exec(line) ?? [];
      return pid === undefined || command === undefined ? [] : [{ pid: Number(pid), command }];
    });
  }
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const commands = await Promise.all(pids.map((pid) => readProc(`${pid}/cmdline`)));
  return pids.flatMap((pid, i) => {
    const command = commands[i]?.replaceAll('\0', ' ').trimEnd();
    return command === undefined || command === '' ? [] : [{ pid: Number(pid), command }];
  });
}

/** A process may end between being listed and being read: that is not an error, it is the answer. */
async function readProc(file: string): Promise<string | undefined> {
  return await readFile(`/proc/${file}`, 'utf8').catch(() => undefined);
}

async function ps(...args: string[]): Promise<string> {
  // Dates are written in the zone and language of who asks: both are fixed, so that they can be compared.
  const env = { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };
  // `ps -p` exits with 1 where there is no such process.
  return await promisify(execFile)('ps', args, { env, maxBuffer: 64 * 1024 * 1024 }).then(
    ({ stdout }) => stdout,
    () => '',
  );
}
