/**
 * What a principal holds: `user/jane`, `group/admins`. Compared as text, never taken apart by a rule.
 */
import { EventreeError } from '../base/errors.ts';
import { checkText } from '../base/json.ts';

export type Claim = string & { readonly __brand: 'Claim' };

/** Sees and does everything. */
export const ADMIN = 'group/admin' as Claim;
/** All that a request without a token holds. */
export const ANONYMOUS = 'group/anonymous' as Claim;

export const MAX_CLAIM_CHARS = 300;

// A kind, a slash, and a name without control characters or blanks at its ends.
const FORM = /^[a-z][a-z0-9_-]*\/(?![\s])[^\p{Cc}]+(?<![\s])$/u;

/** @throws BAD_USER_INPUT */
export function parseClaim(value: unknown): Claim {
  if (typeof value !== 'string' || value.length > MAX_CLAIM_CHARS || !FORM.test(value)) {
    throw new EventreeError(
      'BAD_USER_INPUT',
      `A claim is written kind/name, as in user/jane or group/admins, in at most ${MAX_CLAIM_CHARS} characters.`,
    );
  }
  return checkText(value, 'A claim') as Claim;
}
