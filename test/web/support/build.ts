/** Before all tests: the web UI as its sources stand, where the server takes it from. */
import { fileURLToPath } from 'node:url';
import { build } from 'vite';

export default async function buildWeb(): Promise<void> {
  const { NODE_ENV } = process.env;
  // Else React would be put in as it is for who writes the UI, and not as people get it.
  process.env.NODE_ENV = 'production';
  const configFile = fileURLToPath(new URL('../../../web/vite.config.ts', import.meta.url));
  await build({ configFile, logLevel: 'error' });
  process.env.NODE_ENV = NODE_ENV;
}
