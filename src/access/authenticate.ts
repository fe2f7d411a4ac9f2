/**
 * Token → principal. A token that cannot be trusted is refused; it never quietly makes its bearer
 * anonymous, because a client with a stale token would then see an empty journal and believe it.
 *
 * Only the algorithms of the key at hand are accepted: HS256 for a secret, the asymmetric ones for a key
 * set. Taking both would let anyone sign with the public key as if it were a secret (RFC 8725, 2.1).
 */
import { createRemoteJWKSet, type JWTPayload, errors as joseErrors, jwtVerify, SignJWT } from 'jose';
import { EventreeError } from '../base/errors.ts';
import { type Claim, parseClaim } from './claim.ts';
import { anonymous, type Principal } from './principal.ts';

export interface TokenRules {
  readonly key: { readonly secret: string } | { readonly jwksUrl: string };
  readonly issuer: string | undefined;
  readonly audience: string | undefined;
}

/**
 * @param authorization what stood in the `authorization` header or connection parameter, if anything.
 * @throws UNAUTHENTICATED; UNAVAILABLE where the key set cannot be fetched.
 */
export type Authenticate = (authorization: unknown) => Promise<Principal>;

const KEY_SET_ALGORITHMS = ['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA'];
/** A token that is shown with every request is verified once a minute, not each time. */
const REMEMBERED_TOKENS = 1_000;
const REMEMBERED_MS = 60_000;

export function createAuthenticate(rules: TokenRules, now: () => number = Date.now): Authenticate {
  const { key, issuer, audience } = rules;
  const options = {
    requiredClaims: ['exp', 'sub'],
    algorithms: 'secret' in key ? ['HS256'] : KEY_SET_ALGORITHMS,
    ...(issuer !== undefined && { issuer }),
    ...(audience !== undefined && { audience }),
  };
  const verify =
    'secret' in key
      ? (token: string) =>
          jwtVerify(token, secretBytes(key.secret), { ...options, currentDate: new Date(now()) })
      : remoteVerify(key.jwksUrl, options, now);
  const remembered = new Map<string, { principal: Principal; until: number }>();

  return async (authorization) => {
    if (authorization === undefined || authorization === null || authorization === '') return anonymous;
    const token = typeof authorization === 'string' ? /^Bearer +(\S+)$/i.exec(authorization)?.[1] : undefined;
    if (token === undefined) throw refused('The authorization must read "Bearer <token>".');

    const known = remembered.get(token);
    if (known !== undefined && now() < known.until) return known.principal;
    remembered.delete(token);

    const principal = principalOf((await verify(token).catch(explain)).payload);
    if (remembered.size >= REMEMBERED_TOKENS) remembered.delete(remembered.keys().next().value as string);
    remembered.set(token, { principal, until: Math.min(principal.expiresAt ?? 0, now() + REMEMBERED_MS) });
    return principal;
  };
}

export interface TokenRequest {
  readonly subject: string;
  readonly groups: readonly string[];
  readonly lifetimeSeconds: number;
}

/** A token as this server's own secret signs it: for development and for `eventree token`. */
export function signToken(
  secret: string,
  { subject, groups, lifetimeSeconds }: TokenRequest,
  rules: { readonly issuer: string | undefined; readonly audience: string | undefined },
  nowMs = Date.now(),
): Promise<string> {
  const issuedAt = Math.floor(nowMs / 1000);
  const token = new SignJWT({ groups: [...groups] })
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .setSubject(subject)
    .setIssuedAt(issuedAt)
    .setExpirationTime(issuedAt + lifetimeSeconds);
  if (rules.issuer !== undefined) token.setIssuer(rules.issuer);
  if (rules.audience !== undefined) token.setAudience(rules.audience);
  return token.sign(secretBytes(secret));
}

function remoteVerify(jwksUrl: string, options: Parameters<typeof jwtVerify>[2], now: () => number) {
  const keySet = createRemoteJWKSet(new URL(jwksUrl), { timeoutDuration: 5_000, cooldownDuration: 30_000 });
  return (token: string) => jwtVerify(token, keySet, { ...options, currentDate: new Date(now()) });
}

function principalOf({ sub, groups, exp, iat = 0 }: JWTPayload): Principal {
  if (
    groups !== undefined &&
    !(Array.isArray(groups) && groups.every((group) => typeof group === 'string'))
  ) {
    throw refused('The token’s `groups` must be a list of names.');
  }
  if (typeof sub !== 'string') throw refused('The token’s `sub` must be a name.');
  try {
    const subject = parseClaim(`user/${sub}`);
    const claims = new Set<Claim>([
      subject,
      ...((groups ?? []) as string[]).map((name) => parseClaim(`group/${name}`)),
    ]);
    return { subject, claims, expiresAt: (exp as number) * 1000, issuedAt: iat * 1000 };
  } catch (error) {
    throw refused('The token’s `sub` and `groups` must be plain names without control characters.', error);
  }
}

function explain(error: unknown): never {
  if (error instanceof joseErrors.JWTExpired) throw refused('The token has expired: fetch a new one.', error);
  if (error instanceof joseErrors.JWTClaimValidationFailed) {
    throw refused(`The token’s \`${error.claim}\` is missing or not the one this server expects.`, error);
  }
  if (isAboutKeySet(error)) {
    throw new EventreeError(
      'UNAVAILABLE',
      'The keys that tokens are checked by cannot be fetched: try again.',
      {},
      error,
    );
  }
  throw refused('The token is not one that this server trusts.', error);
}

/** The key set's server is away, or what it answered with is no key set: nothing is said of the token. */
function isAboutKeySet(error: unknown): boolean {
  if (!(error instanceof joseErrors.JOSEError)) return true;
  return ['ERR_JWKS_TIMEOUT', 'ERR_JWKS_INVALID', 'ERR_JOSE_GENERIC'].includes(error.code);
}

function refused(sentence: string, cause?: unknown): EventreeError {
  return new EventreeError('UNAUTHENTICATED', sentence, {}, cause);
}

function secretBytes(secret: string): Uint8Array {
  return new TextEncoder().encode(secret);
}
