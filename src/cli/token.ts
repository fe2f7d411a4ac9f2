/** `eventree token`: signs a token by the secret that the server checks tokens by. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { signToken } from '../access/authenticate.ts';
import { parseClaim } from '../access/claim.ts';
import { EventreeError, StartError } from '../base/errors.ts';
import { type Config, loadConfig } from '../config.ts';
import { developmentSecret } from '../server/development.ts';
import { collect } from './options.ts';
import { print, printJson } from './terminal.ts';

interface TokenOptions {
  readonly subject: string;
  readonly group?: readonly string[];
  readonly lifetime: number;
  readonly json?: true;
}

const EXAMPLES = `
The token is signed with EVENTREE_JWT_SECRET or, in development mode, with the secret in the data folder, which a
server started there uses too. It carries the claims user/<subject> and group/<group> for each group; group/admin
sees and does everything.

Examples:
  eventree token --subject jane
  eventree token --subject jane --group admin --group dev --lifetime 30d
  EVENTREE_TOKEN=$(eventree token --subject ci --lifetime 15m) eventree record note --message "Built"`;

const SECONDS = { s: 1, m: 60, h: 3_600, d: 86_400, w: 604_800 } as const;
const LONGEST_SECONDS = 10 * 365 * SECONDS.d;

export function declare(command: Command, exitWith: (code: number) => void): void {
  command
    .requiredOption('--subject <name>', 'whom it is for: becomes the claim user/<name>', claimName('user'))
    .option('--group <name>', 'a group of theirs; may be given several times', collect(claimName('group')))
    .addOption(
      new Option('--lifetime <time>', 'how long it is good for: 90s, 30m, 8h, 30d, 2w')
        .argParser(parseLifetime)
        .default(SECONDS.h * 8, '8h'),
    )
    .option('--json', 'print { token, expiresAt }')
    .addHelpText('after', EXAMPLES)
    .action(async (options: TokenOptions) => {
      await sign(options);
      exitWith(0);
    });
}

async function sign({ subject, group = [], lifetime, json }: TokenOptions): Promise<void> {
  const config = loadConfig();
  const rules = { issuer: config.jwtIssuer, audience: config.jwtAudience };
  const nowMs = Date.now();
  const request = { subject, groups: group, lifetimeSeconds: lifetime };
  const token = await signToken(await secretOf(config), request, rules, nowMs);
  if (!json) return print(`${token}\n`);
  const expiresAt = new Date((Math.floor(nowMs / 1_000) + lifetime) * 1_000).toISOString();
  return printJson({ token, expiresAt });
}

async function secretOf({ jwtSecret, jwksUrl, dataDir }: Config): Promise<string> {
  if (jwtSecret !== undefined) return jwtSecret;
  if (jwksUrl === undefined) return developmentSecret(dataDir);
  throw new StartError(
    'EVENTREE_JWKS_URL is set: tokens are signed by whoever holds the private keys of that key set, not here.',
  );
}

/** @returns seconds. */
function parseLifetime(text: string): number {
  const [, amount, unit] = /^(\d{1,9})([smhdw])$/.exec(text) ?? [];
  const seconds = Number(amount) * SECONDS[unit as keyof typeof SECONDS];
  if (seconds >= 1 && seconds <= LONGEST_SECONDS) return seconds;
  throw new InvalidArgumentError(
    'A lifetime is written like 90s, 30m, 8h, 30d or 2w; ten years are the most.',
  );
}

function claimName(kind: string): (name: string) => string {
  return (name) => {
    try {
      parseClaim(`${kind}/${name}`);
      return name;
    } catch (error) {
      throw error instanceof EventreeError ? new InvalidArgumentError(error.message) : error;
    }
  };
}
