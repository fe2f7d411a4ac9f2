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

/** Equal where rights, revocations and time decide alike: for the same claims, by tokens of the same moments. */
export function nameOfPrincipal(principal: Principal): string {
  const known = names.get(principal) ?? nameNow(principal);
  names.set(principal, known);
  return known;
}

function nameNow({ issuedAt, expiresAt, claims }: Principal): string {
  return [issuedAt, expiresAt, ...[...claims].sort()].join('\n');
}

export function isAdmin(principal: Principal): boolean {
  return principal.claims.has(ADMIN);
}

export function isAnonymous(principal: Principal): boolean {
  return principal.subject === ANONYMOUS;
}
