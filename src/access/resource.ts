/** The things events are about, each with its ACL. */
import { type Acl, RIGHTS, type Right } from './acl.ts';
import type { Claim } from './claim.ts';
import type { ResourceRef } from './resource-ref.ts';

export interface Resource {
  readonly ref: ResourceRef;
  readonly name: string | null;
  readonly acl: Acl;
  /** Counts changes of the ACL. */
  readonly version: number;
}

/** A row of `resource` as plain SQL has it. */
export type ResourceRow = { ref: ResourceRef; name: string | null; version: number } & AclRow;
export type AclRow = Record<string, Claim[]>;

export const ACL_COLUMN = Object.fromEntries(
  RIGHTS.map((right) => [right, right.replace(/[A-Z]/, (letter) => `_${letter.toLowerCase()}`)]),
) as Record<Right, string>;

/** Columns of the ACL, in the order of RIGHTS: `owners, view_meta, …`. */
export const ACL_COLUMNS = RIGHTS.map((right) => ACL_COLUMN[right]).join(', ');

export const RESOURCE_COLUMNS = `ref, name, version, ${ACL_COLUMNS}`;

export function toResource(row: ResourceRow): Resource {
  return { ref: row.ref, name: row.name, version: row.version, acl: toAcl(row) };
}

export function toAcl(row: AclRow): Acl {
  const lists = RIGHTS.map((right) => [right, row[ACL_COLUMN[right]] ?? []]);
  return Object.fromEntries(lists) as Acl;
}
