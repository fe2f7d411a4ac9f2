/**
 * Resources as somebody may see them: what a viewer may not see does not exist.
 *
 * Changing an ACL is not here: it takes a place in the journal, see events/acl-change.ts.
 */
import { EventreeError } from '../base/errors.ts';
import { textArray } from '../db/binary-array.ts';
import type { Database } from '../db/database.ts';
import { type Acl, holds } from './acl.ts';
import { isAdmin, isAnonymous, type Principal } from './principal.ts';
import { RESOURCE_COLUMNS, type Resource, type ResourceRow, toResource } from './resource.ts';
import { type ResourceRef, resourceType } from './resource-ref.ts';

export interface Resources {
  /** Those of the list that exist, seen or not: for who decides about rights. */
  find(refs: readonly ResourceRef[]): Promise<Map<ResourceRef, Resource>>;
  /** In order of their references. */
  list(request: ResourceListRequest, principal: Principal): Promise<Resource[]>;
  /** Creates the resource. @returns null where there is one already. @throws UNAUTHENTICATED */
  create(ref: ResourceRef, name: string | null, acl: Acl, principal: Principal): Promise<Resource | null>;
  /** @throws NOT_FOUND, FORBIDDEN */
  rename(resource: Resource, name: string | null, principal: Principal): Promise<Resource>;
}

export interface ResourceListRequest {
  readonly type: string | null;
  readonly after: ResourceRef | null;
  readonly limit: number;
}

export const MAX_NAME_CHARS = 500;

export function maySee(principal: Principal, acl: Acl): boolean {
  return isAdmin(principal) || holds(principal.claims, acl, 'viewMeta');
}

export function maySeeAcl(principal: Principal, acl: Acl): boolean {
  return isAdmin(principal) || holds(principal.claims, acl, 'viewAcl');
}

export function createResources({ pool, prisma }: Database): Resources {
  return {
    async find(refs) {
      const { rows } = await pool.query<ResourceRow>({
        name: 'find-resources',
        text: `select ${RESOURCE_COLUMNS} from resource where ref = any($1)`,
        values: [textArray(refs, (ref) => ref)],
      });
      return new Map(rows.map((row) => [row.ref, toResource(row)]));
    },

    async list({ type, after, limit }, principal) {
      const claims = [...principal.claims];
      const mine = { hasSome: claims };
      const rows = await prisma.resource.findMany({
        where: {
          ...(type !== null && { type }),
          ...(after !== null && { ref: { gt: after } }),
          ...(!isAdmin(principal) && {
            OR: [
              { owners: mine },
              { editAcl: mine },
              { editData: mine },
              { viewAcl: mine },
              { viewData: mine },
              { viewMeta: mine },
            ],
          }),
        },
        orderBy: { ref: 'asc' },
        take: limit,
      });
      const found = await this.find(rows.map(({ ref }) => ref as ResourceRef));
      return rows
        .map(({ ref }) => found.get(ref as ResourceRef))
        .filter((resource) => resource !== undefined);
    },

    async create(ref, name, acl, principal) {
      if (isAnonymous(principal)) {
        throw new EventreeError(
          'UNAUTHENTICATED',
          'Creating a resource takes a token: send it as "authorization: Bearer <token>".',
        );
      }
      const lists = Object.fromEntries(Object.entries(acl).map(([right, claims]) => [right, [...claims]]));
      const { count } = await prisma.resource.createMany({
        data: [{ ref, type: resourceType(ref), name, ...lists }],
        skipDuplicates: true,
      });
      return count === 0 ? null : { ref, name, acl, version: 1 };
    },

    async rename(resource, name, principal) {
      const { ref, acl } = resource;
      if (!isAdmin(principal) && !holds(principal.claims, acl, 'editMeta'))
        throw mayNot(principal, ref, acl, 'editMeta');
      await prisma.resource.update({ where: { ref }, data: { name } });
      return { ...resource, name };
    },
  };
}

/** The refusal that fits: who may not even see a resource is not told that there is one. */
export function mayNot(principal: Principal, ref: ResourceRef, acl: Acl, right: string): EventreeError {
  return maySee(principal, acl)
    ? new EventreeError('FORBIDDEN', `This takes the right ${right} on ${ref}, which you do not have.`)
    : new EventreeError('NOT_FOUND', `There is no resource ${ref}.`);
}
