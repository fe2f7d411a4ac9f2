/**
 * Who may do what with a resource, and what of its events they may see. Pure; everything that decides
 * about rights calls this file.
 *
 *     owners ⊃ all
 *     editAcl ⊃ editData, delete, manage, viewAcl
 *     editData ⊃ editMeta, viewData
 *     viewAcl ⊃ viewData ⊃ viewMeta
 */
import type { Claim } from './claim.ts';

export const RIGHTS = [
  'owners',
  'viewMeta',
  'viewData',
  'viewAcl',
  'editMeta',
  'editData',
  'editAcl',
  'manage',
  'delete',
] as const;

export type Right = (typeof RIGHTS)[number];
export type Acl = Readonly<Record<Right, readonly Claim[]>>;

/** How much of an event is seen: nothing, its envelope, its attributes and payload, its private parts too. */
export type Level = 0 | 1 | 2 | 3;
export const NOTHING = 0;
export const ENVELOPE = 1;
export const DATA = 2;
export const PRIVATE = 3;

/** For each right, all rights that include it. */
const HELD_BY: Readonly<Record<Right, readonly Right[]>> = {
  owners: ['owners'],
  editAcl: ['owners', 'editAcl'],
  editData: ['owners', 'editAcl', 'editData'],
  editMeta: ['owners', 'editAcl', 'editData', 'editMeta'],
  viewAcl: ['owners', 'editAcl', 'viewAcl'],
  viewData: ['owners', 'editAcl', 'editData', 'viewAcl', 'viewData'],
  viewMeta: ['owners', 'editAcl', 'editData', 'viewAcl', 'viewData', 'viewMeta'],
  manage: ['owners', 'editAcl', 'manage'],
  delete: ['owners', 'editAcl', 'delete'],
};

/** All claims that hold the right, directly or through one that includes it; some may appear twice. */
export function holders(acl: Acl, right: Right): Claim[] {
  return HELD_BY[right].flatMap((list) => acl[list]);
}

export function holds(claims: ReadonlySet<Claim>, acl: Acl, right: Right): boolean {
  return HELD_BY[right].some((list) => acl[list].some((claim) => claims.has(claim)));
}

/** What who holds these claims sees of a resource's events. */
export function levelOf(claims: ReadonlySet<Claim>, acl: Acl): Level {
  if (holds(claims, acl, 'owners')) return PRIVATE;
  if (holds(claims, acl, 'viewData')) return DATA;
  if (holds(claims, acl, 'viewMeta')) return ENVELOPE;
  return NOTHING;
}

/** The ACL of a resource that is created with nothing said about it. */
export function ownedBy(owner: Claim): Acl {
  return { ...NOBODY, owners: [owner] };
}

/** The same rights, whatever the order in which they were given. */
export function aclEquals(a: Acl, b: Acl): boolean {
  return RIGHTS.every((right) => sameClaims(a[right], b[right]));
}

/** In whatever order, however often. */
export function sameClaims(a: readonly Claim[], b: readonly Claim[]): boolean {
  const left = new Set(a);
  const right = new Set(b);
  return left.size === right.size && [...left].every((claim) => right.has(claim));
}

export const NOBODY: Acl = Object.freeze(
  Object.fromEntries(RIGHTS.map((right) => [right, []])) as unknown as Acl,
);
