/** The commands of `eventree`: which there are, what they take, and what they answer with. */
import { Command } from 'commander';
import { messageOf, StartError } from './base/errors.ts';

/** @returns the exit code: 0 done, 1 failed, 2 used wrongly. */
export async function main(argv: readonly string[]): Promise<number> {
  let exitCode = 0;
  const program = new Command('eventree').description(
    'The record of what happened in a platform, and the live wire to it.',
  );
  program
    .command('serve')
    .description('run a server until Ctrl-C')
    .action(async () => {
      const { serve } = await import('./cli/serve.ts');
      exitCode = await serve();
    });
  try {
    await program.parseAsync(argv);
    return exitCode;
  } catch (error) {
    process.stderr.write(`${messageOf(error)}\n`);
    return error instanceof StartError ? 2 : 1;
  }
}
