import { chmod, lstat, mkdtemp, readdir, readFile, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  asOrdinaryUser,
  command,
  copiesOfOneCluster,
  isRoot,
  postmasterOf,
  query,
  spawnServer,
  startHere,
  temporaryFolder,
  untilNothingRunsOn,
} from './embedded-world.ts';

const dataFolder = copiesOfOneCluster();

describe('accounts', () => {
  it('runs as an ordinary user', async () => {
    const dataDir = await dataFolder();
    if (isRoot) await command('chown', ['-R', 'nobody:nogroup', dirname(dataDir)]);
    const server = await spawnServer(dataDir, asOrdinaryUser);
    expect(server.answer).toMatch(/^ready/);
    expect(await uidOf(await postmasterOf(dataDir))).toBe((await lstat(dataDir)).uid);
    server.process.kill('SIGKILL');
    await untilNothingRunsOn(dataDir);
  });

  it.runIf(isRoot)('runs as a user who has no name', async () => {
    const parent = await temporaryFolder();
    await command('chown', ['4242:4242', parent]);
    const prefix = ['setpriv', '--reuid=4242', '--regid=4242', '--clear-groups'];
    const server = await spawnServer(join(parent, 'data'), prefix);
    expect(server.answer).toMatch(/^ready/);
  });

  it.runIf(isRoot)('does not touch the database of another user', async () => {
    const dataDir = await dataFolder();
    await command('chown', ['nobody:nogroup', dirname(dataDir), dataDir]);
    const server = await spawnServer(dataDir, asOrdinaryUser);
    expect(server.answer).toMatch(/^refused The database in .* belongs to the user with id 0\./);
  });

  it.runIf(isRoot)('runs for root with data below a closed folder', async () => {
    const dataDir = await dataFolder();
    await chmod(dirname(dataDir), 0o700);
    const { url } = await startHere(dataDir);
    expect(await query(url, 'SELECT 1')).toEqual([[1]]);
    // Nobody else could use it, but it is not root that it believes to be.
    expect(await readFile(`/proc/${await postmasterOf(dataDir)}/uid_map`, 'utf8')).toMatch(
      /^ +[1-9]\d* +0 +1\n$/,
    );
  });

  it.runIf(isRoot)('runs for root as the user to whom the database belongs', async () => {
    const dataDir = await dataFolder();
    await command('chown', ['-R', 'nobody:nogroup', dataDir]);
    const { url } = await startHere(dataDir);
    expect(await query(url, 'SELECT 1')).toEqual([[1]]);
    expect(await uidOf(await postmasterOf(dataDir))).toBe((await lstat(dataDir)).uid);
  });

  describe.runIf(isRoot)('where user namespaces are forbidden', () => {
    /** In a changed root the kernel refuses new user namespaces; what is bound there is the root as it was. */
    async function withoutNamespaces(): Promise<string[]> {
      const root = await mkdtemp(join(tmpdir(), 'eventree-embedded-root-'));
      // Never recursively, whatever should have become of the mount.
      onTestFinished(() => rmdir(root));
      const enter = `mount --rbind / ${root} && exec chroot ${root} env --chdir="$PWD" "$@"`;
      return ['unshare', '--mount', 'sh', '-c', enter, 'sh'];
    }

    it('gives the data to an unprivileged user and runs as that', async () => {
      const dataDir = await dataFolder();
      const server = await spawnServer(dataDir, await withoutNamespaces());
      expect(server.answer).toMatch(/^ready/);
      expect(await query(server.url, 'SELECT 1')).toEqual([[1]]);
      const { uid } = await lstat(dataDir);
      expect(uid).not.toBe(0);
      expect(await uidOf(await postmasterOf(dataDir))).toBe(uid);
      server.process.kill('SIGKILL');
      await untilNothingRunsOn(dataDir);
    });

    it('says which folder that user cannot reach', async () => {
      const parent = await temporaryFolder();
      await chmod(parent, 0o700);
      const server = await spawnServer(join(parent, 'data'), await withoutNamespaces());
      expect(server.answer).toMatch(
        /^refused PostgreSQL does not run as root, but the user \w+ cannot reach .*data\./,
      );
      expect(await readdir(join(parent, 'data'))).toEqual([]);
    });
  });

  async function uidOf(pid: number): Promise<number> {
    return (await lstat(`/proc/${pid}`)).uid;
  }
});
