/**
 * Decides whether a request's drafts may be appended: may this principal record on the resource, is the
 * parent there and visible, is the id new? Pure: what it needs to know of the database was looked up
 * before (`Known`) and is confirmed under the journal's lock by `append`.
 */
import { type Acl, holds, ownedBy, PRIVATE } from '../access/acl.ts';
import type { Claim } from '../access/claim.ts';
import { isAdmin, isAnonymous, type Principal } from '../access/principal.ts';
import type { ResourceRef } from '../access/resource-ref.ts';
import { EventreeError } from '../base/errors.ts';
import type { Entry, JudgedResource } from './append.ts';
import { CALL_LOST } from './builtin.ts';
import { type Draft, explained, saysTheSame } from './draft.ts';
import type { Event, EventId } from './event.ts';
import { levelOfEvent } from './visibility.ts';

export interface KnownResource {
  readonly acl: Acl;
  /** 0 for one that this batch creates. */
  readonly version: number;
}

/** Where an event to come will hang, or one that is there already. */
export interface KnownEvent {
  readonly event: Event;
  /** Of an event that is not committed yet: its own does not stand before it has a place. */
  readonly path: readonly EventId[];
  readonly acl: Acl | null;
}

/** What is known when a batch is judged; grows as its requests are admitted. */
export interface Known {
  /** Null for a resource that does not exist. */
  readonly resources: Map<ResourceRef, KnownResource | null>;
  readonly events: Map<EventId, KnownEvent>;
}

/**
 * @returns what is to be appended; drafts that are there already are left out.
 * @throws the refusal of one draft, and with it of the whole request; `known` is then unchanged.
 */
export function admit(
  drafts: readonly Draft[],
  principal: Principal,
  known: Known,
  { maxTreeDepth }: { readonly maxTreeDepth: number },
): Entry[] {
  const entries: Entry[] = [];
  const events = new Map<EventId, KnownEvent>();
  const resources = new Map<ResourceRef, KnownResource>();

  const admitOne = (draft: Draft): void => {
    const { event, parentId } = draft;
    const there = events.get(event.id) ?? known.events.get(event.id);
    if (there !== undefined) {
      if (mayKnow(there) && saysTheSame(draft, there.event, there.path)) return;
      throw new EventreeError(
        'ID_CONFLICT',
        `There is another event with the id ${event.id}: give each event an id of its own.`,
        // Who recorded a call as lost and has it after all is told why its id is taken.
        there.event.type === CALL_LOST && mayKnow(there) ? { lost: true } : {},
      );
    }
    const path = parentId === null ? [] : pathBelow(parentId, event);
    const resource = event.resource === null ? null : admitTo(event.resource);
    if (resource === null && isAnonymous(principal)) throw unauthenticated();
    entries.push({ draft, path });
    events.set(event.id, { event, path, acl: resource?.acl ?? null });
  };

  // That both say the same is known to who recorded the event or sees all of it: to others it would
  // confirm a guess at what is hidden from them.
  const mayKnow = ({ event, acl }: KnownEvent): boolean =>
    isRecorder(principal, event) || levelOfEvent(event, acl, principal.claims) === PRIVATE;

  const pathBelow = (parentId: EventId, event: Event): EventId[] => {
    const own = events.get(parentId);
    const parent = own ?? known.events.get(parentId);
    // Those of this request were admitted a moment ago; who recorded the parent knows that it is there.
    const sees =
      own !== undefined ||
      (parent !== undefined &&
        (isRecorder(principal, parent.event) ||
          levelOfEvent(parent.event, parent.acl, principal.claims) > 0));
    if (parent === undefined || !sees) {
      throw new EventreeError('NOT_FOUND', `There is no event ${parentId} to record this one under.`);
    }
    if (parent.event.journal !== event.journal) {
      throw new EventreeError(
        'BAD_USER_INPUT',
        `A tree stays in one journal: ${parentId} stands in ${parent.event.journal}.`,
      );
    }
    const path = [...parent.path, parentId];
    if (path.length < maxTreeDepth) return path;
    throw new EventreeError('LIMIT_EXCEEDED', `A tree has at most ${maxTreeDepth} levels.`);
  };

  const admitTo = (ref: ResourceRef): KnownResource => {
    const resource = resources.get(ref) ?? known.resources.get(ref) ?? null;
    if (resource !== null) {
      checkMayRecord(ref, resource.acl, principal);
      return resource;
    }
    if (isAnonymous(principal)) throw unauthenticated();
    const created = { acl: ownedBy(principal.subject), version: 0 };
    resources.set(ref, created);
    return created;
  };

  for (const draft of drafts) {
    explained(draft.place, () => {
      if (draft.event.kept) admitOne(draft);
      else if (draft.event.resource === null && isAnonymous(principal)) throw unauthenticated();
    });
  }
  for (const [id, event] of events) known.events.set(id, event);
  for (const [ref, resource] of resources) known.resources.set(ref, resource);
  return entries;
}

/** Nobody can be told from nobody else. */
export function isRecorder(principal: Principal, { recordedBy }: Event): boolean {
  return recordedBy === principal.subject && !isAnonymous(principal);
}

/** The resources that entries were judged by, for `append` to confirm. */
export function judgedResources(entries: readonly Entry[], known: Known): JudgedResource[] {
  const refs = new Set(entries.map(({ draft }) => draft.event.resource).filter((ref) => ref !== null));
  return [...refs].map((ref) => {
    const { version, acl } = known.resources.get(ref) as KnownResource;
    return { ref, version, owner: (acl.owners[0] ?? '') as Claim };
  });
}

function checkMayRecord(ref: ResourceRef, acl: Acl, principal: Principal): void {
  if (isAdmin(principal) || holds(principal.claims, acl, 'editData')) return;
  if (holds(principal.claims, acl, 'viewMeta')) {
    throw new EventreeError(
      'FORBIDDEN',
      `Recording on ${ref} takes the right editData, which you do not have.`,
    );
  }
  throw new EventreeError('NOT_FOUND', `There is no resource ${ref} that you could record on.`);
}

export function unauthenticated(): EventreeError {
  return new EventreeError(
    'UNAUTHENTICATED',
    'Recording takes a token: send it as "authorization: Bearer <token>".',
  );
}
