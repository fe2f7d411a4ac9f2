/**
 * The server a command speaks to, and as whom.
 *
 *     --token, EVENTREE_TOKEN ──▶ that token
 *     neither, and the server is this machine's, in development mode, with its secret in the data folder
 *                             ──▶ a token of group/admin, signed here
 *     neither                 ──▶ group/anonymous
 */
import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { StartError } from '../base/errors.ts';
import { type Client, createClient } from '../client/client.ts';
import { type Config, isDevelopment, isLoopback, loadConfig, serverUrl } from '../config.ts';
import { secretFile } from '../server/development.ts';

export interface ConnectionOptions {
  readonly url?: string;
  readonly token?: string;
}

const LIFETIME_SECONDS = 60 * 60;

export function addConnectionOptions(command: Command): Command {
  return command
    .option('--url <url>', 'server to speak to (default: EVENTREE_URL, else the one of this machine)')
    .option('--token <token>', 'who you are (default: EVENTREE_TOKEN, else the development secret)');
}

/** @throws StartError */
export async function connect(given: ConnectionOptions): Promise<Client> {
  const config = loadConfig();
  return connectBy({ ...config, url: given.url ?? config.url, token: given.token ?? config.token });
}

/** The same without a command line: as the settings say. @throws StartError */
export async function connectBy(config: Config): Promise<Client> {
  const url = parseUrl(serverUrl(config));
  const { token } = config;
  if (token !== undefined) return createClient({ url: url.href, token: parseToken(token) });
  const secret = await developmentSecret(config, url);
  if (secret === null) return createClient({ url: url.href });
  return createClient({ url: url.href, token: () => sign(secret, config) });
}

function parseUrl(given: string): URL {
  if (URL.canParse(given)) {
    const url = new URL(given);
    if (url.protocol === 'http:' || url.protocol === 'https:') return url;
  }
  throw new StartError(`${JSON.stringify(given)} is not the URL of a server, as in http://127.0.0.1:4000.`);
}

function parseToken(given: string): string {
  const token = given.trim();
  // Anything else would fail as an HTTP header, with words that nobody understands.
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  throw new StartError('The token is not one: it is a single word, as `eventree token` prints it.');
}

/** Null where no server of this folder would trust it. */
async function developmentSecret(config: Config, url: URL): Promise<string | null> {
  if (!isDevelopment(config) || !isLoopback(url.hostname.replace(/^\[|\]$/g, ''))) return null;
  try {
    return await readFile(secretFile(config.dataDir), 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
}

async function sign(secret: string, { jwtIssuer: issuer, jwtAudience: audience }: Config): Promise<string> {
  const { signToken } = await import('../access/authenticate.ts');
  const request = { subject: 'developer', groups: ['admin'], lifetimeSeconds: LIFETIME_SECONDS };
  return signToken(secret, request, { issuer, audience });
}
