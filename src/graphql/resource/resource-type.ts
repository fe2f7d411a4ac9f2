/** The resource and its ACL. Its `events` are added by event/queries.ts. */
import { type Acl, RIGHTS, type Right } from '../../access/acl.ts';
import type { Resource } from '../../access/resource.ts';
import { resourceId, resourceType } from '../../access/resource-ref.ts';
import { maySeeAcl } from '../../access/resources.ts';
import { builder } from '../builder.ts';
import type { Context } from '../context.ts';
import { SHARED } from '../sharing.ts';

/**
 * A resource, or no more of it than its reference: what else is asked for is looked up then. The name is given
 * away to whoever holds the reference, so for who may know no more than that it is null beforehand.
 */
export type ResourceOrRef =
  | Resource
  | Pick<Resource, 'ref'>
  | (Pick<Resource, 'ref'> & { readonly name: null });

export const ResourceType = builder.objectRef<ResourceOrRef>('Resource');
const AclType = builder.objectRef<Acl>('Acl');

/** What each right is for, as the schema tells it. */
export const RIGHT_MEANING: Readonly<Record<Right, string>> = {
  owners: 'Hold all rights, and alone see private parts of its events.',
  viewMeta: 'See the resource and the envelope of its events.',
  viewData: 'See attributes and payload of its events as well.',
  viewAcl: 'See this ACL, and the events that tell how it was changed.',
  editMeta: 'Rename the resource.',
  editData: 'Record events about it.',
  editAcl: 'Change this ACL.',
  manage: 'Reserved for applications: Eventree asks for it nowhere.',
  delete: 'Reserved for applications: Eventree asks for it nowhere.',
};

ResourceType.implement({
  description: 'A thing that events are about.',
  fields: (t) => ({
    ref: t.field({
      type: 'ResourceRef',
      extensions: SHARED,
      description: 'type/id.',
      resolve: ({ ref }) => ref,
    }),
    type: t.string({
      extensions: SHARED,
      description: 'What stands before the first slash of its reference.',
      resolve: ({ ref }) => resourceType(ref),
    }),
    id: t.id({
      extensions: SHARED,
      description: 'What stands behind the first slash of its reference.',
      resolve: ({ ref }) => resourceId(ref),
    }),
    name: t.string({
      extensions: SHARED,
      nullable: true,
      description: 'For a person to read.',
      resolve: (resource, _, context) =>
        'name' in resource ? resource.name : load(resource, context).then((whole) => whole?.name ?? null),
    }),
    acl: t.field({
      type: AclType,
      nullable: true,
      description: 'Null without the right to see it.',
      resolve: async (resource, _, context) => {
        const acl = 'acl' in resource ? resource.acl : (await load(resource, context))?.acl;
        return acl !== undefined && maySeeAcl(context.principal, acl) ? acl : null;
      },
    }),
  }),
});

function load({ ref }: ResourceOrRef, { resources }: Context): Promise<Resource | null> {
  return resources.load(ref);
}

AclType.implement({
  description: `Rights imply each other: owners ⊃ all; editAcl ⊃ editData, delete, manage, viewAcl;
editData ⊃ editMeta, viewData; viewAcl ⊃ viewData ⊃ viewMeta.
viewMeta shows an event's envelope, viewData its attributes and payload, owners its private payload;
editData allows recording events about the resource.`,
  fields: (t) =>
    Object.fromEntries(
      RIGHTS.map((right) => [
        right,
        t.field({ type: ['Claim'], description: RIGHT_MEANING[right], resolve: (acl) => [...acl[right]] }),
      ]),
    ),
});
