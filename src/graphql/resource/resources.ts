/** Reading resources, and changing their names and rights. */
import { type Acl, NOBODY, ownedBy, RIGHTS } from '../../access/acl.ts';
import type { Claim } from '../../access/claim.ts';
import type { Principal } from '../../access/principal.ts';
import type { Resource } from '../../access/resource.ts';
import { parseResourceRef, type ResourceRef } from '../../access/resource-ref.ts';
import { MAX_NAME_CHARS, maySee } from '../../access/resources.ts';
import { EventreeError } from '../../base/errors.ts';
import { checkText } from '../../base/json.ts';
import { builder, costOfPage } from '../builder.ts';
import type { Core } from '../context.ts';
import { DEFAULT_PAGE, PageInfoType, pageSize } from '../event/connection.ts';
import { ResourceType, RIGHT_MEANING } from './resource-type.ts';

const MAX_ACL_CLAIMS = 1_000;

interface ResourceConnection {
  readonly resources: readonly Resource[];
  readonly more: boolean;
  readonly continued: boolean;
}

const ResourceConnectionType = builder.objectRef<ResourceConnection>('ResourceConnection');
const ResourceEdgeType = builder.objectRef<Resource>('ResourceEdge');

ResourceConnectionType.implement({
  description: 'A page of resources.',
  fields: (t) => ({
    edges: t.field({
      type: [ResourceEdgeType],
      description: 'The resources, each with its cursor.',
      resolve: ({ resources }) => [...resources],
    }),
    nodes: t.field({
      type: [ResourceType],
      description: 'The resources.',
      resolve: ({ resources }) => [...resources],
    }),
    pageInfo: t.field({
      type: PageInfoType,
      description: 'Where the page ends, and whether more follows.',
      resolve: ({ resources, more, continued }) => ({
        hasNextPage: more,
        hasPreviousPage: continued,
        startCursor: cursorOf(resources.at(0)),
        endCursor: cursorOf(resources.at(-1)),
      }),
    }),
  }),
});

ResourceEdgeType.implement({
  description: 'A resource in a page.',
  fields: (t) => ({
    cursor: t.string({
      description: 'Pass it as `after` to go on behind this one.',
      resolve: (resource) => cursorOf(resource) as string,
    }),
    node: t.field({ type: ResourceType, description: 'The resource.', resolve: (resource) => resource }),
  }),
});

builder.queryFields((t) => ({
  resource: t.field({
    type: ResourceType,
    nullable: true,
    description: 'The one of this reference, if the viewer may see it.',
    args: { ref: t.arg({ type: 'ResourceRef', required: true }) },
    resolve: async (_, { ref }, { core, resources, principal }) => {
      const resource = await resources.load(ref);
      await core.registry.confirm(principal);
      return resource !== null && maySee(principal, resource.acl) ? resource : null;
    },
  }),
  resources: t.field({
    type: ResourceConnectionType,
    extensions: costOfPage(DEFAULT_PAGE),
    description: 'Those that the viewer may see, in order of their references.',
    args: { type: t.arg.string(), first: t.arg.int(), after: t.arg.string() },
    resolve: async (_, { type, first, after }, { core, principal }) => {
      const { size } = pageSize({ first });
      const request = {
        type: type ?? null,
        after: after == null ? null : openCursor(after),
        limit: size + 1,
      };
      const found = await core.resources.list(request, principal);
      await core.registry.confirm(principal);
      return { resources: found.slice(0, size), more: found.length > size, continued: after != null };
    },
  }),
}));

type AclLists = { readonly [Right in keyof Acl]?: readonly Claim[] | null | undefined };

const AclInput = builder.inputRef<AclLists>('AclInput');

AclInput.implement({
  description:
    'The ACL as a whole: a list left out is empty. Only `owners`, left out, stay as they are, so that nobody locks themselves out by leaving something unsaid.',
  fields: (t) =>
    Object.fromEntries(
      RIGHTS.map((right) => [right, t.field({ type: ['Claim'], description: RIGHT_MEANING[right] })]),
    ),
});

const PutResourceInput = builder.inputType('PutResourceInput', {
  description: 'A resource to create, or what to change of it.',
  fields: (t) => ({
    ref: t.field({ type: 'ResourceRef', required: true, description: 'Which one.' }),
    name: t.string({ description: 'Null takes the name away; left out, it stays.' }),
    acl: t.field({
      type: AclInput,
      description: 'Left out: the owner is who creates it; an existing one stays.',
    }),
  }),
});

builder.mutationFields((t) => ({
  putResource: t.field({
    type: ResourceType,
    description:
      'Creates or renames a resource. One that an event names first is created with the recorder as its owner. Renaming takes `editMeta`, another ACL `editAcl`.',
    args: { input: t.arg({ type: PutResourceInput, required: true }) },
    resolve: async (_, { input }, { core, principal }) => {
      await core.registry.confirm(principal);
      return putResource(input, core, principal);
    },
  }),
  setResourceAcl: t.field({
    type: ResourceType,
    description:
      'Sets who may see and change a resource and its events. Takes `editAcl`, other `owners` take being one of them. The change has its place in the journal: nothing recorded after it is seen by who lost the right.',
    args: {
      ref: t.arg({ type: 'ResourceRef', required: true }),
      acl: t.arg({ type: AclInput, required: true }),
    },
    resolve: async (_, { ref, acl }, { core, principal }) => {
      await core.registry.confirm(principal);
      const existing = (await core.resources.find([ref])).get(ref);
      return core.changeAcl(ref, toAcl(acl, existing?.acl.owners ?? []), principal);
    },
  }),
}));

async function putResource(
  {
    ref,
    name,
    acl,
  }: { ref: ResourceRef; name?: string | null | undefined; acl?: AclLists | null | undefined },
  core: Core,
  principal: Principal,
): Promise<Resource> {
  if (name != null && name.length > MAX_NAME_CHARS) {
    throw new EventreeError('LIMIT_EXCEEDED', `A name is at most ${MAX_NAME_CHARS} characters long.`);
  }
  if (name != null) checkText(name, 'The name');
  const existing = (await core.resources.find([ref])).get(ref);
  if (existing === undefined) {
    const first = acl == null ? ownedBy(principal.subject) : toAcl(acl, [principal.subject]);
    const created = await core.resources.create(ref, name ?? null, first, principal);
    // Somebody created it a moment ago: then this is a change of theirs.
    return created ?? putResource({ ref, name, acl }, core, principal);
  }
  if (acl != null) return core.changeAcl(ref, toAcl(acl, existing.acl.owners), principal, name);
  return core.resources.rename(existing, name === undefined ? existing.name : name, principal);
}

function toAcl(lists: AclLists, owners: readonly Claim[]): Acl {
  const given = RIGHTS.map(
    (right) => [right, [...new Set(lists[right] ?? (right === 'owners' ? owners : []))]] as const,
  );
  if (given.reduce((sum, [, claims]) => sum + claims.length, 0) > MAX_ACL_CLAIMS) {
    throw new EventreeError(
      'LIMIT_EXCEEDED',
      `An ACL names at most ${MAX_ACL_CLAIMS} claims: give rights to groups.`,
    );
  }
  return { ...NOBODY, ...Object.fromEntries(given) };
}

function cursorOf(resource: Resource | undefined): string | null {
  return resource === undefined ? null : Buffer.from(resource.ref).toString('base64url');
}

function openCursor(cursor: string): ResourceRef {
  try {
    return parseResourceRef(Buffer.from(cursor, 'base64url').toString());
  } catch (error) {
    throw new EventreeError('CURSOR_INVALID', 'The cursor is not one of a list of resources.', {}, error);
  }
}
