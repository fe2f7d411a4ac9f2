/** Changes of rights, as one reader notices them. */
import type { Acl, Level } from '../access/acl.ts';
import type { Principal } from '../access/principal.ts';
import type { ResourceRef } from '../access/resource-ref.ts';
import type { Event } from '../events/event.ts';
import { levelOfEvent } from '../events/visibility.ts';

/** What a change of an ACL makes of the principal's sight of the resource's events. */
export function sightOf(
  change: Event,
  { claims }: Pick<Principal, 'claims'>,
): { resource: ResourceRef; before: Level; after: Level } | null {
  const { resource } = change;
  if (resource === null) return null;
  const { old_acl, new_acl } = aclsOf(change);
  const ordinary = { type: '', resource, actor: null };
  return {
    resource,
    before: levelOfEvent(ordinary, old_acl, claims),
    after: levelOfEvent(ordinary, new_acl, claims),
  };
}

/** Written by acl-change.ts and nobody else: the door refuses this type. */
export function aclsOf({ attributes }: Event): { old_acl: Acl; new_acl: Acl } {
  return attributes as unknown as { old_acl: Acl; new_acl: Acl };
}
