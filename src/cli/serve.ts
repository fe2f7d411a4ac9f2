/** `eventree serve`: runs a server until it is told to stop. */
import type { Command } from 'commander';
import { createLogger } from '../base/logger.ts';
import { loadConfig } from '../config.ts';
import { type RunningServer, startServer } from '../server/server.ts';
import { colorsFor, goOnWithoutReader } from './terminal.ts';

const EXAMPLES = `
Without any setting the server runs its own PostgreSQL in the folder ./.eventree, listens on 127.0.0.1:4000 and
makes its own tokens, for programs on this machine. \`eventree config\` shows what may be set.

Examples:
  eventree serve
  EVENTREE_PORT=5000 EVENTREE_DATA_DIR=/var/lib/eventree eventree serve
  DATABASE_URL=postgresql://eventree@db.example/eventree REDIS_URL=redis://cache.example \\
    EVENTREE_HOST=0.0.0.0 EVENTREE_JWT_SECRET=… eventree serve

Ctrl-C finishes what is under way and stops; a second one ends the process at once.`;

export function declare(command: Command, exitWith: (code: number) => void): void {
  command.addHelpText('after', EXAMPLES).action(async () => exitWith(await serve()));
}

async function serve(): Promise<number> {
  goOnWithoutReader();
  const config = loadConfig();
  const logger = createLogger(config.logLevel);
  const told = untilTold();
  const server = await startServer(config, logger);
  process.stdout.write(greeting(server));
  try {
    const signal = await Promise.race([told, server.failed]);
    process.stdout.write(`\n${signal}: finishing what is under way …\n`);
  } finally {
    await server.stop();
  }
  process.stdout.write('Stopped.\n');
  return 0;
}

/** Resolves at the first signal; a second one ends the process at once. */
function untilTold(): Promise<string> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.once(signal, () => {
        resolve(signal);
        process.once(signal, () => process.exit(1));
      });
    }
  });
}

function greeting({ url, database, signals, developmentToken }: RunningServer): string {
  const pc = colorsFor(process.stdout);
  const lines = [
    '',
    `  ${pc.bold('Eventree')} is running.`,
    '',
    `  Web UI     ${pc.cyan(`${url}/`)}`,
    `  GraphQL    ${pc.cyan(`${url}/graphql`)}   open it in a browser to explore`,
    `  Database   ${database}`,
    `  Signals    ${signals}`,
  ];
  if (developmentToken !== null) {
    lines.push(
      '',
      `  Development mode. A token of group/admin, for this machine only:`,
      '',
      `  ${pc.dim(developmentToken)}`,
    );
  }
  return `${lines.join('\n')}\n\n`;
}
