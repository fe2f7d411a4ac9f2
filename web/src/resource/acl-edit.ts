/**
 * Changing an ACL: what is changed is kept apart from what stands, so that it holds on what somebody else changes
 * meanwhile. Pure; who holds what is decided by src/access/acl.ts, as the server decides it.
 */
import {
  type Acl,
  holds,
  type Level,
  levelOf,
  NOTHING,
  RIGHTS,
  type Right,
} from '../../../src/access/acl.ts';
import { type Claim, parseClaim } from '../../../src/access/claim.ts';
import type { AclLists } from './resource.ts';

/** One claim given to, or taken from, one list. */
export interface Edit {
  readonly right: Right;
  readonly claim: string;
  readonly isGiven: boolean;
}

/** Null, or what is wrong with it, as the server would say it. */
export function claimFault(text: string): string | null {
  try {
    parseClaim(text);
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

/** An edit takes the place of what was done before with the same claim and right. */
export function withEdit(edits: readonly Edit[], edit: Edit): Edit[] {
  return [...edits.filter(({ right, claim }) => right !== edit.right || claim !== edit.claim), edit];
}

export function applied(acl: AclLists, edits: readonly Edit[]): AclLists {
  const lists = RIGHTS.map((right) => {
    const own = edits.filter((edit) => edit.right === right);
    const taken = new Set(own.filter(({ isGiven }) => !isGiven).map(({ claim }) => claim));
    const given = own.filter(({ isGiven, claim }) => isGiven && !acl[right].includes(claim));
    return [right, [...acl[right].filter((claim) => !taken.has(claim)), ...given.map(({ claim }) => claim)]];
  });
  return Object.fromEntries(lists) as AclLists;
}

/** Those that change anything of what stands. */
export function effective(acl: AclLists, edits: readonly Edit[]): Edit[] {
  return edits.filter(({ right, claim, isGiven }) => acl[right].includes(claim) !== isGiven);
}

export function has(claims: readonly string[], acl: AclLists, right: Right): boolean {
  return holds(new Set(claims as readonly Claim[]), acl as Acl, right);
}

/** Rights that somebody has now and would not have then. */
export function lost(claims: readonly string[], before: AclLists, after: AclLists): Right[] {
  return RIGHTS.filter((right) => has(claims, before, right) && !has(claims, after, right));
}

/** Claims that have the right by another one only, and by which: `group/staff` through editData. */
export function implied(acl: AclLists, right: Right): { claim: string; through: Right }[] {
  const found = new Map<string, Right>();
  for (const through of RIGHTS) {
    if (through === right) continue;
    for (const claim of acl[through]) {
      const isHolder = has([claim], onlyOn(acl, claim, through), right);
      if (isHolder && !acl[right].includes(claim) && !found.has(claim)) found.set(claim, through);
    }
  }
  return [...found].map(([claim, through]) => ({ claim, through }));
}

/** An ACL that names the claim in one list alone. */
function onlyOn(acl: AclLists, claim: string, only: Right): AclLists {
  return Object.fromEntries(
    Object.keys(acl).map((right) => [right, right === only ? [claim] : []]),
  ) as unknown as AclLists;
}

export interface Sight {
  readonly claim: string;
  readonly level: Level;
  /** It sees the ACL as well. */
  readonly seesAcl: boolean;
}

/** Who sees it in the end, most first. */
export function sightOf(acl: AclLists): Sight[] {
  const claims = [...new Set(RIGHTS.flatMap((right) => acl[right]))];
  return claims
    .map((claim) => ({
      claim,
      level: levelOf(new Set([claim as Claim]), acl as Acl),
      seesAcl: has([claim], acl, 'viewAcl'),
    }))
    .filter(({ level }) => level !== NOTHING)
    .sort((a, b) => b.level - a.level || a.claim.localeCompare(b.claim));
}
