/**
 * Speaking to a server: Eventree's client, which does nothing that another program or language could not
 * do as well, and what to tell whoever runs the demo where that fails.
 */
import { StartError } from '../../src/base/errors.ts';
import { connectBy } from '../../src/cli/connect.ts';
import { type Client, EventreeClientError } from '../../src/client/index.ts';
import type { Config } from '../../src/config.ts';

/** @throws StartError or EventreeClientError where there is no server, or no token for it. */
export async function connect(config: Config): Promise<Client> {
  const client = await connectBy(config);
  const { viewer } = await client.query<{ viewer: { subject: string } }>('{ viewer { subject } }');
  if (viewer.subject !== 'group/anonymous') return client;
  throw new StartError(
    'Recording takes a token: set EVENTREE_TOKEN or, where the server runs on this machine and makes its own tokens, EVENTREE_DATA_DIR to its data folder.',
  );
}

/** What whoever runs the demo can mend, as a sentence; null for what is a fault of the demo. */
export function explain(error: unknown): string | null {
  if (error instanceof StartError) return error.message;
  if (!(error instanceof EventreeClientError)) return null;
  const { code, message, facts } = error;
  switch (code) {
    case 'UNREACHABLE':
      return `${message} Start one first, in another terminal: npm start`;
    case 'BAD_RESPONSE':
      return `${message} It is not Eventree: set EVENTREE_URL.`;
    case 'UNAUTHENTICATED':
      return `${message} Set EVENTREE_TOKEN to one that it does, or EVENTREE_DATA_DIR to the server’s data folder.`;
    default:
      return `${code}: ${message}${facts.at === undefined ? '' : ` (${facts.at})`}`;
  }
}
