/**
 * The visibility rule for an event at hand, asked from either end: what does the holder of these claims
 * see of it (`levelOfEvent`), and which claims see it (`viewersOf`); and for people why (`explainLevel`). All stand here so that they are
 * changed together; the same rule stands in row.ts for SQL, and in index/term.ts as terms.
 *
 * An event is seen by whom its resource's ACL lets see it, and a change of an ACL by who may see the ACL,
 * because that is what it tells. One without a resource, or that says so itself, is seen by its actor, with
 * its data and whatever an ACL says. `group/admin` sees all.
 */
import {
  type Acl,
  DATA,
  ENVELOPE,
  holders,
  holds,
  type Level,
  levelOf,
  NOBODY,
  NOTHING,
  PRIVATE,
  RIGHTS,
  type Right,
} from '../access/acl.ts';
import { ADMIN, type Claim } from '../access/claim.ts';
import { ACL_CHANGE } from './builtin.ts';
import type { Event } from './event.ts';

type JudgedByAcl = Pick<Event, 'type' | 'resource'>;
type JudgedByActor = Pick<Event, 'resource' | 'actor' | 'visibleToActor'>;
type Judged = JudgedByAcl & JudgedByActor;

/** @param acl of the event's resource; null for an event without one. */
export function levelOfEvent(event: Judged, acl: Acl | null, claims: ReadonlySet<Claim>): Level {
  const level = levelByAcl(event, acl, claims);
  return level < DATA && isSeenAsActor(event, claims) ? DATA : level;
}

/** What the ACL alone lets see, which a change of it takes away. */
export function levelByAcl(
  { type, resource }: JudgedByAcl,
  acl: Acl | null,
  claims: ReadonlySet<Claim>,
): Level {
  if (claims.has(ADMIN)) return PRIVATE;
  if (resource === null || acl === null) return NOTHING;
  if (type === ACL_CHANGE && !holds(claims, acl, 'viewAcl')) return NOTHING;
  return levelOf(claims, acl);
}

/** Whether they see it at least as its actor, whatever an ACL says. */
export function isSeenAsActor(event: JudgedByActor, claims: ReadonlySet<Claim>): boolean {
  const viewer = actorWhoSees(event);
  return viewer !== null && claims.has(viewer);
}

/** The claim that sees the event with its data whatever an ACL says, if there is one. */
export function actorWhoSees({ resource, actor, visibleToActor }: JudgedByActor): Claim | null {
  return resource === null || visibleToActor ? actor : null;
}

/** The claims that see the event, each with the level it gives; `group/admin`, which needs none, left out. */
export function viewersOf(event: Judged, acl: Acl | null): Viewers {
  const viewers = viewersByAcl(event, acl);
  const actor = actorWhoSees(event);
  if (actor === null || (viewers.get(actor) ?? NOTHING) >= DATA) return viewers;
  return new Map([...viewers, [actor, DATA]]);
}

/** Those of them that the ACL lets see it. */
export function viewersByAcl({ type, resource }: JudgedByAcl, acl: Acl | null): Viewers {
  if (resource === null || acl === null) return NO_VIEWERS;
  const known = type === ACL_CHANGE ? viewersOfChanges : viewersOfOthers;
  let viewers = known.get(acl);
  if (viewers === undefined) {
    const grants: readonly [Right, Level][] =
      type === ACL_CHANGE
        ? [['viewAcl', DATA]]
        : [
            ['viewMeta', ENVELOPE],
            ['viewData', DATA],
          ];
    // The last level that a claim is given is the highest.
    viewers = new Map(
      [...grants, ['owners', PRIVATE] as const].flatMap(([right, level]) =>
        holders(acl, right).map((claim) => [claim, level] as const),
      ),
    );
    known.set(acl, viewers);
  }
  return viewers;
}

type Viewers = ReadonlyMap<Claim, Level>;
const NO_VIEWERS: Viewers = new Map();
/** Worked out once for an ACL: one decides about many events. */
const viewersOfChanges = new WeakMap<Acl, Viewers>();
const viewersOfOthers = new WeakMap<Acl, Viewers>();

export interface Explanation {
  readonly level: Level;
  /** Each claim by which something is seen, by what it does so, and how much by that alone. */
  readonly reasons: readonly Reason[];
  /** For each level that is not reached, the claims that would give it. */
  readonly missing: readonly { readonly level: Level; readonly claims: readonly Claim[] }[];
}

export interface Reason {
  readonly claim: Claim;
  /** The list of the ACL that holds the claim, or what stands above any ACL. */
  readonly right: Right | 'actor' | 'admin';
  readonly level: Level;
}

/** What the holder of these claims sees of the event, and why: the rule, asked for one claim in one list at a time. */
export function explainLevel(event: Judged, acl: Acl | null, claims: ReadonlySet<Claim>): Explanation {
  const level = levelOfEvent(event, acl, claims);
  const reasons = [...claims].flatMap((claim): Reason[] => {
    const alone = new Set([claim]);
    if (claim === ADMIN) return [{ claim, right: 'admin', level: levelOfEvent(event, acl, alone) }];
    const byAcl = RIGHTS.filter((right) => acl?.[right].includes(claim)).map((right) => {
      const list: Acl = { ...NOBODY, [right]: [claim] };
      return { claim, right, level: levelByAcl(event, list, alone) };
    });
    const asActor: Reason[] = isSeenAsActor(event, alone)
      ? [{ claim, right: 'actor', level: levelOfEvent(event, null, alone) }]
      : [];
    return [...byAcl.filter((reason) => reason.level > NOTHING), ...asActor];
  });
  const viewers = [...viewersOf(event, acl), [ADMIN, PRIVATE] as const];
  const missing = ([ENVELOPE, DATA, PRIVATE] as const)
    .filter((higher) => higher > level)
    .map((higher) => ({
      level: higher,
      claims: [...new Set(viewers.filter(([, given]) => given >= higher).map(([claim]) => claim))],
    }));
  return { level, reasons, missing };
}
