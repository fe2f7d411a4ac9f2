/** `eventree serve`: runs a server until it is told to stop. */
import pc from 'picocolors';
import { createLogger } from '../base/logger.ts';
import { loadConfig } from '../config.ts';
import { type RunningServer, startServer } from '../server/server.ts';

export async function serve(): Promise<number> {
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
  const lines = [
    '',
    `  ${pc.bold('Eventree')} is running.`,
    '',
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
