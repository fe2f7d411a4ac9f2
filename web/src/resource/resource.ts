/** A resource as this screen asks for it, and what it may change of it. */
import { gql } from 'urql';
import type { Right } from '../../../src/access/acl.ts';

/** Claims as texts: what is typed here is not yet one. */
export type AclLists = Readonly<Record<Right, readonly string[]>>;

export interface Resource {
  readonly ref: string;
  readonly name: string | null;
  /** Null without the right to see it. */
  readonly acl: AclLists | null;
}

const FIELDS = 'ref name acl { owners viewMeta viewData viewAcl editMeta editData editAcl manage delete }';

export const RESOURCE = gql<{ resource: Resource | null }, { ref: string }>`
  query Resource($ref: ResourceRef!) { resource(ref: $ref) { ${FIELDS} } }
`;

export const SET_ACL = gql<{ setResourceAcl: Resource }, { ref: string; acl: AclLists }>`
  mutation SetResourceAcl($ref: ResourceRef!, $acl: AclInput!) { setResourceAcl(ref: $ref, acl: $acl) { ${FIELDS} } }
`;

/** @property name null takes it away. */
export const RENAME = gql<{ putResource: Resource }, { ref: string; name: string | null }>`
  mutation RenameResource($ref: ResourceRef!, $name: String) { putResource(input: { ref: $ref, name: $name }) { ${FIELDS} } }
`;
