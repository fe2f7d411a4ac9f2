import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openDataFolder } from '../../src/db/embedded/data-folder.ts';
import { parseStat } from '../../src/db/embedded/processes.ts';
import { temporaryFolder } from './embedded-world.ts';

it.runIf(process.platform === 'linux')('is refused where no folder can be made, and at once', async () => {
  await expect(openDataFolder('/proc/eventree/data')).rejects.toThrow(/cannot be created.*EVENTREE_DATA_DIR/);
});

describe('the lock', () => {
  const dead = (token: string) => JSON.stringify({ pid: process.pid, started: 'long ago', token });

  it('is taken over from a process whose id was used again', async () => {
    const folder = await temporaryFolder();
    await writeFile(join(folder, 'server.lock'), dead('a'));
    const { release } = await openDataFolder(folder);
    await expect(openDataFolder(folder)).rejects.toThrow('is in use');
    await release();
    await release();
    expect(await readdir(folder)).toEqual([]);
  });

  it('is taken over from one who was killed while he took it over', async () => {
    const folder = await temporaryFolder();
    await writeFile(join(folder, 'server.lock'), dead('a'));
    await writeFile(join(folder, 'server.lock.behind-a'), dead('b'));
    await writeFile(join(folder, 'server.lock.b'), dead('b'));
    await openDataFolder(folder);
    expect(await readdir(folder)).toEqual(['server.lock']);
  });

  it('is taken over where a power failure has emptied it', async () => {
    const folder = await temporaryFolder();
    await writeFile(join(folder, 'server.lock'), '');
    await openDataFolder(folder);
    await expect(openDataFolder(folder)).rejects.toThrow('is in use');
  });

  it('stays with its new owner when the old one releases it late', async () => {
    const folder = await temporaryFolder();
    const first = await openDataFolder(folder);
    await writeFile(join(folder, 'server.lock'), dead('a'));
    await openDataFolder(folder);
    await first.release();
    await expect(openDataFolder(folder)).rejects.toThrow('is in use');
  });

  it.each(['', 'a'])('is taken by exactly one of many who start at once (stale: %j)', async (stale) => {
    for (let round = 0; round < 30; round++) {
      const folder = await temporaryFolder();
      if (stale !== '') await writeFile(join(folder, 'server.lock'), dead(stale));
      const starts = await Promise.allSettled(Array.from({ length: 8 }, () => openDataFolder(folder)));
      expect(starts.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
      expect(await readdir(folder)).toEqual(['server.lock']);
    }
  });

  it('tells a zombie and a process with an odd name', () => {
    const fields = Array.from({ length: 18 }, (_, i) => i).join(' ');
    expect(parseStat(`12 (a) Z (b) S ${fields} 777 0`, 'boot')).toBe('boot 777');
    expect(parseStat(`12 (a) Z ${fields} 777 0`, 'boot')).toBeUndefined();
  });
});
