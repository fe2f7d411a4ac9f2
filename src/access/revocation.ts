/**
 * Tokens that are no longer accepted, though they have not expired. A token says what its bearer holds and
 * cannot be changed: where that no longer holds, the tokens of the subject are revoked that were issued
 * before a moment, and whoever issues them gives a new one that says what holds now.
 */
import { EventreeError } from '../base/errors.ts';
import type { Claim } from './claim.ts';
import type { Principal } from './principal.ts';

/** By subject, the moment before which its tokens were issued in vain, in ms since 1970. */
export type Revocations = ReadonlyMap<Claim, number>;

export interface TokenRevocation {
  readonly subject: Claim;
  readonly issuedBefore: number;
}

/** What tokens tell of when they were issued is in whole seconds. */
const TOKEN_TIME_MS = 1_000;

export function isRevoked({ subject, issuedAt }: Principal, revocations: Revocations): boolean {
  const issuedBefore = revocations.get(subject);
  return issuedBefore !== undefined && issuedAt !== null && issuedAt < issuedBefore;
}

/**
 * @throws UNAUTHENTICATED where the principal's token was revoked; with `retryAfterMs` as long as one that is
 *   issued now would be taken for an older one.
 */
export function checkToken(principal: Principal, revocations: Revocations, nowMs = Date.now()): void {
  if (!isRevoked(principal, revocations)) return;
  const issuedBefore = revocations.get(principal.subject) as number;
  const retryAfterMs = Math.ceil(issuedBefore / TOKEN_TIME_MS) * TOKEN_TIME_MS - nowMs;
  throw new EventreeError(
    'UNAUTHENTICATED',
    'The token was revoked: fetch a new one.',
    retryAfterMs > 0 ? { retryAfterMs } : {},
  );
}
