/** Who asks: a subject and the claims it holds, until a moment. */
import { ADMIN, ANONYMOUS, type Claim } from './claim.ts';

export interface Principal {
  readonly subject: Claim;
  readonly claims: ReadonlySet<Claim>;
  /** When the token ends, in ms since 1970; null for who came without one. */
  readonly expiresAt: number | null;
  /** When the token was issued, in ms since 1970: 0 where it does not say; null for who came without one. */
  readonly issuedAt: number | null;
}

export const anonymous: Principal = Object.freeze({
  subject: ANONYMOUS,
  claims: new Set([ANONYMOUS]),
  expiresAt: null,
  issuedAt: null,
});

const names = new WeakMap<Principal, string>();

/** Equal where rights and revocations decide alike: for the same claims, by tokens of one moment. */
export function nameOfPrincipal(principal: Principal): string {
  const known = names.get(principal) ?? [principal.issuedAt, ...[...principal.claims].sort()].join('\n');
  names.set(principal, known);
  return known;
}

export function isAdmin(principal: Principal): boolean {
  return principal.claims.has(ADMIN);
}

export function isAnonymous(principal: Principal): boolean {
  return principal.subject === ANONYMOUS;
}
