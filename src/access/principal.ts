/** Who asks: a subject and the claims it holds, until a moment. */
import { ADMIN, ANONYMOUS, type Claim } from './claim.ts';

export interface Principal {
  readonly subject: Claim;
  readonly claims: ReadonlySet<Claim>;
  /** When the token ends, in ms since 1970; null for who came without one. */
  readonly expiresAt: number | null;
}

export const anonymous: Principal = Object.freeze({
  subject: ANONYMOUS,
  claims: new Set([ANONYMOUS]),
  expiresAt: null,
});

export function isAdmin(principal: Principal): boolean {
  return principal.claims.has(ADMIN);
}

export function isAnonymous(principal: Principal): boolean {
  return principal.subject === ANONYMOUS;
}
