/**
 * Development mode: where nothing says by what tokens are checked, the server makes them itself. The
 * secret is kept in the data folder, so that a token outlives the server and the command line, run in the
 * same folder, can sign its own.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The folder's secret, made if there is none. */
export async function developmentSecret(dataDir: string): Promise<string> {
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const file = secretFile(dataDir);
  try {
    await writeFile(file, randomBytes(32).toString('base64url'), { mode: 0o600, flag: 'wx' });
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  }
  return readFile(file, 'utf8');
}

export function secretFile(dataDir: string): string {
  return join(dataDir, 'token-secret');
}
