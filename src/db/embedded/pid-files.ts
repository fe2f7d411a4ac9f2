/**
 * PostgreSQL's own locks: files with the id of the postmaster, of which it looks only whether some process
 * of its user has that id. That refuses a start for good where the id was used again, by any process of
 * ours, and for a while where the killed postmaster is a zombie that nobody has collected yet.
 *
 * They are removed where their process is no PostgreSQL. What they protect is protected still: the data
 * folder's own lock keeps other servers out, leftovers were stopped before, and PostgreSQL's shared memory
 * tells it of processes that still use the data.
 */
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Cluster, SOCKET } from './cluster.ts';
import { listProcesses } from './processes.ts';

export async function removeStalePidFiles(cluster: Cluster, socketFolder: string): Promise<void> {
  for (const file of [join(cluster.folder, 'postmaster.pid'), join(socketFolder, `${SOCKET}.lock`)]) {
    const pid = Number.parseInt(await readFile(file, 'utf8').catch(() => ''), 10);
    if (Number.isNaN(pid)) continue;
    const owner = (await listProcesses()).find((process) => process.pid === pid);
    // Somebody may have started it by hand, in a way that we do not recognise: then it is PostgreSQL that
    // refuses, and says why.
    if (owner?.command.includes('postgres') !== true) await rm(file, { force: true });
  }
}
