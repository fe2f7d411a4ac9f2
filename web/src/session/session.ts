/**
 * Who looks: by the token of development mode, by one that was pasted, or by one of an OpenID Connect provider.
 *
 * A pasted token lives as long as its tab; one of a provider is renewed before it ends.
 */
import type { User, UserManager } from 'oidc-client-ts';
import { EventreeClientError, type TokenSource } from '../../../src/client/index.ts';

/** What the server says of itself at /web-config.json. */
export interface WebConfig {
  readonly developmentToken: string | null;
  readonly oidc: OidcConfig | null;
  readonly journal: string;
}

export interface OidcConfig {
  readonly authority: string;
  readonly clientId: string;
  readonly scope: string;
}

export interface Session {
  readonly by: 'development' | 'pasted' | 'provider' | 'nobody';
  readonly token: string | null | TokenSource;
}

const PASTED = 'eventree.token';
const NOBODY: Session = { by: 'nobody', token: null };

export async function loadConfig(): Promise<WebConfig> {
  const response = await fetch('/web-config.json', { headers: { accept: 'application/json' } });
  if (!response.ok) throw new Error(`The server answered HTTP ${response.status} to /web-config.json.`);
  return (await response.json()) as WebConfig;
}

/** The session that there is, without asking anybody. */
export async function openSession(config: WebConfig): Promise<Session> {
  const pasted = sessionStorage.getItem(PASTED);
  if (pasted !== null) return { by: 'pasted', token: pasted };
  if (config.oidc !== null) {
    const manager = await managerOf(config.oidc);
    const user = await manager.getUser();
    if (user !== null && !(user.expired && user.refresh_token === undefined)) return ofProvider(manager);
  }
  if (config.developmentToken !== null) return { by: 'development', token: config.developmentToken };
  return NOBODY;
}

/** What was pasted, without what it stood behind in a header. */
export function bareToken(pasted: string): string {
  return pasted.trim().replace(/^bearer\s+/i, '');
}

export function pasteToken(token: string): Session {
  sessionStorage.setItem(PASTED, token);
  return { by: 'pasted', token };
}

/** Leaves for the provider's page; it comes back to /callback. */
export async function signIn(oidc: OidcConfig, returnTo: string): Promise<void> {
  await (await managerOf(oidc)).signinRedirect({ state: returnTo });
}

/** At /callback. @returns where to go on. */
export async function finishSignIn(oidc: OidcConfig): Promise<{ session: Session; returnTo: string }> {
  const manager = await managerOf(oidc);
  const user = await manager.signinRedirectCallback();
  const returnTo = typeof user.state === 'string' && /^\/(?!\/)/.test(user.state) ? user.state : '/';
  return { session: ofProvider(manager), returnTo };
}

export async function signOut(config: WebConfig): Promise<Session> {
  sessionStorage.removeItem(PASTED);
  if (config.oidc !== null) await (await managerOf(config.oidc)).removeUser();
  return config.developmentToken === null ? NOBODY : { by: 'development', token: config.developmentToken };
}

function ofProvider(manager: UserManager): Session {
  return {
    by: 'provider',
    async token({ refused }) {
      const user = await manager.getUser();
      const held = fresh(user);
      if (held !== null && held !== refused) return held;
      // Without a refresh token it would ask the provider in a frame, which this page has none of.
      if (user?.refresh_token !== undefined) {
        const renewed = fresh(await manager.signinSilent().catch(() => null));
        if (renewed !== null) return renewed;
      }
      throw new EventreeClientError('UNAUTHENTICATED', 'Your session has ended: sign in again.');
    },
  };
}

function fresh(user: User | null): string | null {
  return user === null || user.expired ? null : user.access_token;
}

/** The library is loaded where there is a provider. */
async function managerOf({ authority, clientId, scope }: OidcConfig): Promise<UserManager> {
  const { UserManager, WebStorageStateStore } = await import('oidc-client-ts');
  return new UserManager({
    authority,
    client_id: clientId,
    scope,
    redirect_uri: `${location.origin}/callback`,
    userStore: new WebStorageStateStore({ store: sessionStorage }),
    // When the server refuses the token, and not by a timer.
    automaticSilentRenew: false,
  });
}
