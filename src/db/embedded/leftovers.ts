/**
 * Processes of PostgreSQL that outlived their server. Where the kernel does not end it with the server
 * (macOS), the whole of it stays. Anywhere, a query that is busy when the postmaster is killed runs on to
 * its end, and as long as it does no new postmaster starts on the same data.
 *
 * Only who holds the lock of the data folder may ask for this: there can be no other server whose database
 * it would be.
 */
import { StartError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import { pause } from '../../base/retry.ts';
import type { Cluster } from './cluster.ts';
import { listProcesses, type RunningProcess } from './processes.ts';

/**
 * SIGINT asks the postmaster for a fast shutdown, SIGQUIT for an immediate one, after which the next start
 * recovers. A child whose postmaster is gone is not asked: SIGINT would have the checkpointer write a
 * checkpoint of a database that was cut off.
 */
const STEPS = [
  { signal: 'SIGINT', waitMs: 20_000 },
  { signal: 'SIGQUIT', waitMs: 10_000 },
  { signal: 'SIGKILL', waitMs: 5_000 },
] as const;

/** @throws StartError where they cannot be stopped. */
export async function stopLeftovers(cluster: Cluster, logger: Logger): Promise<void> {
  let left = leftoversOf(cluster, await listProcesses());
  for (const { signal, waitMs } of STEPS) {
    if (left.length === 0) return;
    const postmasters = left.filter((process) => isPostmaster(cluster, process));
    if (postmasters.length === 0 && signal === 'SIGINT') continue;
    const targets = postmasters.length === 0 || signal === 'SIGKILL' ? left : postmasters;
    logger.warn(
      { pids: targets.map(({ pid }) => pid), signal },
      'stopping what is left of an earlier server',
    );
    for (const { pid } of targets) tryKill(pid, signal);
    left = await untilGone(cluster, waitMs);
  }
  if (left.length === 0) return;
  throw new StartError(
    `PostgreSQL of an earlier server still runs in ${cluster.folder} and cannot be stopped (process ${left.map(({ pid }) => pid).join(', ')}). Stop it, or set EVENTREE_DATA_DIR to another folder.`,
  );
}

function leftoversOf(cluster: Cluster, processes: readonly RunningProcess[]): RunningProcess[] {
  return processes.filter(
    (process) => isPostmaster(cluster, process) || process.command.startsWith(`postgres: ${cluster.name}: `),
  );
}

function isPostmaster(cluster: Cluster, { command }: RunningProcess): boolean {
  return command.includes(`/postgres -D ${cluster.folder} `);
}

/** These are not our children: nobody tells us when they end. */
async function untilGone(cluster: Cluster, waitMs: number): Promise<RunningProcess[]> {
  const deadline = Date.now() + waitMs;
  for (;;) {
    const left = leftoversOf(cluster, await listProcesses());
    if (left.length === 0 || Date.now() > deadline) return left;
    await pause(20);
  }
}

function tryKill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // Ended meanwhile, or not ours to signal: the wait that follows tells.
  }
}
