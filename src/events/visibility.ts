/**
 * The visibility rule for an event at hand, asked from either end: what does the holder of these claims
 * see of it (`levelOfEvent`), and which claims see it (`viewersOf`). Both stand here so that they are
 * changed together; the same rule stands in row.ts for SQL.
 *
 * An event is seen by whom its resource's ACL lets see it; one without a resource by its actor; a change
 * of an ACL by who may see the ACL, because that is what it tells. `group/admin` sees all.
 */
import {
  type Acl,
  DATA,
  ENVELOPE,
  holders,
  holds,
  type Level,
  levelOf,
  NOTHING,
  PRIVATE,
} from '../access/acl.ts';
import { ADMIN, type Claim } from '../access/claim.ts';
import { ACL_CHANGE } from './builtin.ts';
import type { Event } from './event.ts';

type Judged = Pick<Event, 'type' | 'resource' | 'actor'>;

/** @param acl of the event's resource; null for an event without one. */
export function levelOfEvent(
  { type, resource, actor }: Judged,
  acl: Acl | null,
  claims: ReadonlySet<Claim>,
): Level {
  if (claims.has(ADMIN)) return PRIVATE;
  if (resource === null) return actor !== null && claims.has(actor) ? DATA : NOTHING;
  if (acl === null) return NOTHING;
  if (type === ACL_CHANGE && !holds(claims, acl, 'viewAcl')) return NOTHING;
  return levelOf(claims, acl);
}

/** The claims that see the event, each with the level it gives; `group/admin`, which needs none, left out. */
export function viewersOf({ type, resource, actor }: Judged, acl: Acl | null): Map<Claim, Level> {
  const viewers = new Map<Claim, Level>();
  const grant = (claims: readonly Claim[], level: Level) => {
    for (const claim of claims) viewers.set(claim, level);
  };
  if (resource === null) {
    if (actor !== null) grant([actor], DATA);
    return viewers;
  }
  if (acl === null) return viewers;
  if (type === ACL_CHANGE) {
    grant(holders(acl, 'viewAcl'), DATA);
  } else {
    grant(holders(acl, 'viewMeta'), ENVELOPE);
    grant(holders(acl, 'viewData'), DATA);
  }
  grant(holders(acl, 'owners'), PRIVATE);
  return viewers;
}
