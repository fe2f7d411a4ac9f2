/**
 * The visibility rule for an event at hand, asked from either end: what does the holder of these claims
 * see of it (`levelOfEvent`), and which claims see it (`viewersOf`). Both stand here so that they are
 * changed together; the same rule stands in row.ts for SQL, and in index/term.ts as terms.
 *
 * An event is seen by whom its resource's ACL lets see it, and a change of an ACL by who may see the ACL,
 * because that is what it tells. One without a resource, or that says so itself, is seen by its actor, with
 * its data and whatever an ACL says. `group/admin` sees all.
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

type JudgedByAcl = Pick<Event, 'type' | 'resource'>;
type JudgedByActor = Pick<Event, 'resource' | 'actor' | 'visibleToActor'>;
type Judged = JudgedByAcl & JudgedByActor;

/** @param acl of the event's resource; null for an event without one. */
export function levelOfEvent(event: Judged, acl: Acl | null, claims: ReadonlySet<Claim>): Level {
  const level = levelByAcl(event, acl, claims);
  return level < DATA && isSeenAsActor(event, claims) ? DATA : level;
}

/** What the ACL alone lets see, which a change of it takes away. */
export function levelByAcl(
  { type, resource }: JudgedByAcl,
  acl: Acl | null,
  claims: ReadonlySet<Claim>,
): Level {
  if (claims.has(ADMIN)) return PRIVATE;
  if (resource === null || acl === null) return NOTHING;
  if (type === ACL_CHANGE && !holds(claims, acl, 'viewAcl')) return NOTHING;
  return levelOf(claims, acl);
}

/** Whether they see it at least as its actor, whatever an ACL says. */
export function isSeenAsActor(event: JudgedByActor, claims: ReadonlySet<Claim>): boolean {
  const viewer = actorWhoSees(event);
  return viewer !== null && claims.has(viewer);
}

/** The claim that sees the event with its data whatever an ACL says, if there is one. */
export function actorWhoSees({ resource, actor, visibleToActor }: JudgedByActor): Claim | null {
  return resource === null || visibleToActor ? actor : null;
}

/** The claims that see the event, each with the level it gives; `group/admin`, which needs none, left out. */
export function viewersOf(event: Judged, acl: Acl | null): Map<Claim, Level> {
  const viewers = viewersByAcl(event, acl);
  const actor = actorWhoSees(event);
  if (actor !== null && (viewers.get(actor) ?? NOTHING) < DATA) viewers.set(actor, DATA);
  return viewers;
}

/** Those of them that the ACL lets see it. */
export function viewersByAcl({ type, resource }: JudgedByAcl, acl: Acl | null): Map<Claim, Level> {
  const viewers = new Map<Claim, Level>();
  const grant = (claims: readonly Claim[], level: Level) => {
    for (const claim of claims) viewers.set(claim, level);
  };
  if (resource === null || acl === null) return viewers;
  if (type === ACL_CHANGE) {
    grant(holders(acl, 'viewAcl'), DATA);
  } else {
    grant(holders(acl, 'viewMeta'), ENVELOPE);
    grant(holders(acl, 'viewData'), DATA);
  }
  grant(holders(acl, 'owners'), PRIVATE);
  return viewers;
}
