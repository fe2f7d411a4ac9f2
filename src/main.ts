/**
 * The commands of `eventree`: which there are, and how they end. What a command takes and does stands in
 * cli/<command>.ts, which is loaded when it is asked for.
 */
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { endWithReader } from './cli/terminal.ts';

/** Each module declares its arguments, options and examples, and what is done. */
interface CommandModule {
  declare(command: Command, exitWith: (code: number) => void): void;
}

const COMMANDS: Record<string, { description: string; load: () => Promise<CommandModule> }> = {
  serve: { description: 'run a server until Ctrl-C', load: () => import('./cli/serve.ts') },
  record: { description: 'record one event', load: () => import('./cli/record.ts') },
  tail: { description: 'show events as they arrive', load: () => import('./cli/tail.ts') },
  export: { description: 'write events to a file, oldest first', load: () => import('./cli/export.ts') },
  import: { description: 'record the events of a file', load: () => import('./cli/import.ts') },
  token: { description: 'sign a token for somebody', load: () => import('./cli/token.ts') },
  migrate: {
    description: 'bring the database to the shape this version needs',
    load: () => import('./cli/migrate.ts'),
  },
  config: {
    description: 'show all settings with the values in force',
    load: () => import('./cli/config.ts'),
  },
};

const OVERVIEW = `
Examples:
  eventree serve                                    a server of your own, with its database
  eventree tail                                     in another terminal of the same folder
  eventree record note --message "Hello"            and in a third one
  eventree help tail                                what a command can do

Exit codes: 0 done, 1 failed, 2 used wrongly.
Settings are environment variables; \`eventree config\` explains them all.`;

/** @returns the exit code: 0 done, 1 failed, 2 used wrongly. */
export async function main(argv: readonly string[]): Promise<number> {
  endWithReader();
  let exitCode = 0;
  const program = new Command('eventree')
    .description('The record of what happened in a platform, and the live wire to it.')
    .version(packageVersion())
    .addHelpText('after', OVERVIEW)
    .exitOverride();
  try {
    for (const [name, { description, load }] of Object.entries(COMMANDS)) {
      const command = program
        .command(name)
        .description(description)
        .showHelpAfterError(`\`eventree ${name} --help\` tells how it is used.`);
      if (!argv.includes(name)) continue;
      const { declare } = await load();
      declare(command, (code) => {
        exitCode = code;
      });
    }
    await program.parseAsync(argv);
    return exitCode;
  } catch (error) {
    // Commander has said what is wrong, or shown what was asked for.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    const { complain } = await import('./cli/complain.ts');
    return complain(error);
  }
}

function packageVersion(): string {
  // The same one step up from src and from dist.
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
