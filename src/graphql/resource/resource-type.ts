/** The resource and its ACL. Its `events` are added by event/queries.ts. */
import type { Acl } from '../../access/acl.ts';
import { RIGHTS } from '../../access/acl.ts';
import type { Resource } from '../../access/resource.ts';
import { resourceId, resourceType } from '../../access/resource-ref.ts';
import { maySeeAcl } from '../../access/resources.ts';
import { builder } from '../builder.ts';

export const ResourceType = builder.objectRef<Resource>('Resource');
const AclType = builder.objectRef<Acl>('Acl');

ResourceType.implement({
  fields: (t) => ({
    ref: t.field({ type: 'ResourceRef', resolve: ({ ref }) => ref }),
    type: t.string({ resolve: ({ ref }) => resourceType(ref) }),
    id: t.id({ resolve: ({ ref }) => resourceId(ref) }),
    name: t.exposeString('name', { nullable: true }),
    acl: t.field({
      type: AclType,
      nullable: true,
      description: 'Null without the right to see it.',
      resolve: ({ acl }, _, { principal }) => (maySeeAcl(principal, acl) ? acl : null),
    }),
  }),
});

AclType.implement({
  description: `Rights imply each other: owners ⊃ all; editAcl ⊃ editData, delete, manage, viewAcl;
editData ⊃ editMeta, viewData; viewAcl ⊃ viewData ⊃ viewMeta.
viewMeta shows an event's envelope, viewData its attributes and payload, owners its private payload;
editData allows recording events about the resource.`,
  fields: (t) =>
    Object.fromEntries(
      RIGHTS.map((right) => [right, t.field({ type: ['Claim'], resolve: (acl) => [...acl[right]] })]),
    ),
});
