/** Changes of rights, as one reader notices them. */
import { type Acl, type Level, levelOf, PRIVATE } from '../access/acl.ts';
import { ADMIN, type Claim } from '../access/claim.ts';
import type { Principal } from '../access/principal.ts';
import type { ResourceRef } from '../access/resource-ref.ts';
import type { Event } from '../events/event.ts';

/**
 * What a change of an ACL makes of the principal's sight of the resource's events. Those that are seen by their
 * actor whatever it says are not meant.
 */
export function sightOf(
  change: Event,
  { claims }: Pick<Principal, 'claims'>,
): { resource: ResourceRef; before: Level; after: Level } | null {
  const { resource } = change;
  if (resource === null) return null;
  const { old_acl, new_acl } = aclsOf(change);
  return { resource, before: levelUnder(old_acl, claims), after: levelUnder(new_acl, claims) };
}

/** The level at which the holder of these claims sees a resource's ordinary events by its ACL. */
export function levelUnder(acl: Acl, claims: ReadonlySet<Claim>): Level {
  return claims.has(ADMIN) ? PRIVATE : levelOf(claims, acl);
}

/** Written by acl-change.ts and nobody else: the door refuses this type. */
export function aclsOf({ attributes }: Event): { old_acl: Acl; new_acl: Acl } {
  return attributes as unknown as { old_acl: Acl; new_acl: Acl };
}
