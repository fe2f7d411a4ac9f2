/**
 * The visibility rule for an event at hand: what the holder of these claims sees of it.
 *
 * The same rule stands in row.ts for SQL and in index/term.ts for the index.
 */
import { type Acl, DATA, holds, type Level, levelOf, NOTHING, PRIVATE } from '../access/acl.ts';
import { ADMIN, type Claim } from '../access/claim.ts';
import { ACL_CHANGE } from './builtin.ts';
import type { Event } from './event.ts';

/** @param acl of the event's resource; null for an event without one. */
export function levelOfEvent(
  { type, resource, actor }: Pick<Event, 'type' | 'resource' | 'actor'>,
  acl: Acl | null,
  claims: ReadonlySet<Claim>,
): Level {
  if (claims.has(ADMIN)) return PRIVATE;
  if (resource === null) return actor !== null && claims.has(actor) ? DATA : NOTHING;
  if (acl === null) return NOTHING;
  // A change of an ACL tells the ACL, so it takes the right to see that.
  if (type === ACL_CHANGE && !holds(claims, acl, 'viewAcl')) return NOTHING;
  return levelOf(claims, acl);
}
