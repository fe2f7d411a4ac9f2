/** `eventree config`: all settings with the values in force. */
import type { Command } from 'commander';
import { StartError } from '../base/errors.ts';
import { describeConfig, loadConfig, type SettingInForce } from '../config.ts';
import { colorsFor, print, printJson } from './terminal.ts';

const EXAMPLES = `
Settings are environment variables. Secrets are never shown. Where a setting is wrong, misspelt or contradicts
another one, that is said on standard error and the exit code is 2.

Examples:
  eventree config                          what a server started here would work by
  EVENTREE_PORT=5000 eventree config       the same with another port
  eventree config --json | jq '.[] | select(.value != .fallback)'`;

export function declare(command: Command, exitWith: (code: number) => void): void {
  command
    .option('--json', 'one JSON array of { variable, value, fallback, meaning }')
    .addHelpText('after', EXAMPLES)
    .action(async (options: { json?: true }) => {
      const settings = describeConfig();
      if (options.json) await printJson(settings);
      else await print(table(settings));
      exitWith(check());
    });
}

function check(): number {
  try {
    loadConfig();
    return 0;
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return 2;
  }
}

function table(settings: readonly SettingInForce[]): string {
  const colors = colorsFor(process.stdout);
  return settings
    .map(({ variable, value, fallback, meaning }) => {
      const isDefault = value === fallback;
      const shown = value === null ? colors.dim('(not set)') : isDefault ? value : colors.green(value);
      const otherwise = isDefault || fallback === null ? '' : ` (default: ${fallback || 'empty'})`;
      return `${colors.bold(variable)} = ${shown}\n    ${colors.dim(`${meaning}${otherwise}`)}\n`;
    })
    .join('');
}
