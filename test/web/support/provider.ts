/** A real OpenID Connect provider, on a port of its own: whoever names themselves at its page is signed in as that. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import Provider from 'oidc-provider';
import { onTestFinished } from 'vitest';

export interface RunningProvider {
  readonly issuer: string;
  readonly jwksUrl: string;
}

export const CLIENT_ID = 'eventree-web';
const AUDIENCE = 'https://eventree.example';

export interface ProviderOptions {
  readonly redirectUri: string;
  /** Of the claims in each token. */
  readonly groups: readonly string[];
  readonly lifetimeSeconds: number;
}

/** Started before it is known where the client is: `register` says so. */
export async function startProvider(): Promise<
  RunningProvider & { register(options: ProviderOptions): void }
> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    issuer,
    jwksUrl: `${issuer}/jwks`,
    register({ redirectUri, groups, lifetimeSeconds }) {
      const provider = new Provider(issuer, {
        clients: [
          {
            client_id: CLIENT_ID,
            redirect_uris: [redirectUri],
            token_endpoint_auth_method: 'none',
            application_type: 'native',
            grant_types: ['authorization_code', 'refresh_token'],
            response_types: ['code'],
          },
        ],
        clientBasedCORS: () => true,
        issueRefreshToken: async () => true,
        extraTokenClaims: () => ({ groups: [...groups] }),
        features: {
          resourceIndicators: {
            enabled: true,
            defaultResource: () => AUDIENCE,
            useGrantedResource: () => true,
            getResourceServerInfo: () => ({
              scope: 'openid profile offline_access',
              accessTokenFormat: 'jwt',
              accessTokenTTL: lifetimeSeconds,
              jwt: { sign: { alg: 'RS256' } },
            }),
          },
        },
        findAccount: (_, sub) => ({ accountId: sub, claims: () => ({ sub }) }),
      });
      server.on('request', provider.callback());
    },
  };
}
