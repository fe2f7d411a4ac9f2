/**
 * Speaking to a server: GraphQL over HTTP, nothing that another program or language could not do as well.
 */
import { readFile } from 'node:fs/promises';
import { signToken } from '../../src/access/authenticate.ts';
import { type Config, serverUrl } from '../../src/config.ts';
import { secretFile } from '../../src/server/development.ts';

/** What whoever runs the demo can mend: printed as a sentence, without a stack. */
export class DemoError extends Error {}

export interface Client {
  readonly url: string;
  /** An operation, as the token's subject. @throws DemoError with what the server says is wrong. */
  ask<Data>(query: string, variables?: object): Promise<Data>;
}

/** @throws DemoError where there is no server, or no token for it. */
export async function connect(config: Config): Promise<Client> {
  const url = serverUrl(config);
  await send(url, null, '{ viewer { subject } }');
  const token = config.token ?? (await developmentToken(config));
  return {
    url,
    async ask<Data>(query: string, variables: object = {}) {
      return (await send(url, token, query, variables)) as Data;
    },
  };
}

async function send(url: string, token: string | null, query: string, variables = {}): Promise<unknown> {
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(token !== null && { authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify({ query, variables }),
  }).catch((cause: unknown) => {
    throw new DemoError(`No server answers at ${url}. Start one first, in another terminal: npm start`, {
      cause,
    });
  });
  const answer = await response.json().catch(() => null);
  if (answer?.errors?.length > 0) throw new DemoError(explain(answer.errors[0]));
  if (!answer?.data) {
    throw new DemoError(
      `What answers at ${url} is not Eventree (status ${response.status}): set EVENTREE_URL.`,
    );
  }
  return answer.data;
}

interface GraphQLFault {
  readonly message: string;
  readonly extensions?: { readonly code?: string; readonly at?: string };
}

function explain({ message, extensions: { code, at } = {} }: GraphQLFault): string {
  const where = at === undefined ? '' : ` (${at})`;
  if (code === 'UNAUTHENTICATED') {
    return `${message} Set EVENTREE_TOKEN to one that it does, or EVENTREE_DATA_DIR to the server’s data folder.`;
  }
  return `${code}: ${message}${where}`;
}

/** As the server in development mode makes it: the secret in its data folder is all that it takes. */
async function developmentToken({ dataDir, jwtIssuer, jwtAudience }: Config): Promise<string> {
  const secret = await readFile(secretFile(dataDir), 'utf8').catch((cause: unknown) => {
    throw new DemoError(
      `Recording takes a token: set EVENTREE_TOKEN, or EVENTREE_DATA_DIR to the server’s data folder (there is no secret in ${dataDir}).`,
      { cause },
    );
  });
  return signToken(
    secret,
    { subject: 'developer', groups: ['admin'], lifetimeSeconds: 3_600 },
    { issuer: jwtIssuer, audience: jwtAudience },
  );
}
