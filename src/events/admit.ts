/**
 * Decides whether a request's drafts may be appended: may this principal record on the resource, is the
 * parent there and visible, is the id new? Pure: what it needs to know of the database was looked up
 * before (`Known`) and is confirmed under the journal's lock by `append`.
 */
import { type Acl, holds, ownedBy } from '../access/acl.ts';
import type { Claim } from '../access/claim.ts';
import { isAdmin, isAnonymous, type Principal } from '../access/principal.ts';
import type { ResourceRef } from '../access/resource-ref.ts';
import { EventreeError } from '../base/errors.ts';
import type { Entry, JudgedResource } from './append.ts';
import { type Draft, saysTheSame } from './draft.ts';
import type { Event, EventId } from './event.ts';
import { levelOfEvent } from './visibility.ts';

export interface KnownResource {
  readonly acl: Acl;
  /** 0 for one that this batch creates. */
  readonly version: number;
}

/** Where an event to come will hang, or one that is there already. */
export interface KnownEvent {
  readonly event: Omit<Event, 'position' | 'recordedAt' | 'kept'>;
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
    const there = events.get(draft.id) ?? known.events.get(draft.id);
    if (there !== undefined) {
      if (saysTheSame(draft, there.event)) return;
      throw new EventreeError(
        'ID_CONFLICT',
        `There is another event with the id ${draft.id}: give each event an id of its own.`,
      );
    }
    const parent =
      draft.parentId === null
        ? null
        : (events.get(draft.parentId) ?? known.events.get(draft.parentId) ?? 'missing');
    // Those of this request were admitted a moment ago.
    const sees = (event: KnownEvent) =>
      events.has(event.event.id) || levelOfEvent(event.event, event.acl, principal.claims) > 0;
    if (parent === 'missing' || (parent !== null && !sees(parent))) {
      throw new EventreeError('NOT_FOUND', `There is no event ${draft.parentId} to record this one under.`);
    }
    if (parent !== null && parent.event.journal !== draft.journal) {
      throw new EventreeError(
        'BAD_USER_INPUT',
        `A tree stays in one journal: ${draft.parentId} stands in ${parent.event.journal}.`,
      );
    }
    const path = parent === null ? [] : [...parent.event.path, parent.event.id];
    if (path.length >= maxTreeDepth) {
      throw new EventreeError('LIMIT_EXCEEDED', `A tree has at most ${maxTreeDepth} levels.`);
    }
    const resource = draft.resource === null ? null : admitTo(draft.resource);
    if (resource === null && isAnonymous(principal)) throw unauthenticated();

    const entry: Entry = { ...draft, path };
    entries.push(entry);
    events.set(entry.id, { event: entry, acl: resource?.acl ?? null });
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
    try {
      if (draft.kept) admitOne(draft);
    } catch (error) {
      throw error instanceof EventreeError ? error.with({ at: draft.at, index: draft.index }) : error;
    }
  }
  for (const [id, event] of events) known.events.set(id, event);
  for (const [ref, resource] of resources) known.resources.set(ref, resource);
  return entries;
}

/** The resources that entries were judged by, for `append` to confirm. */
export function judgedResources(entries: readonly Entry[], known: Known): JudgedResource[] {
  const refs = new Set(entries.map(({ resource }) => resource).filter((ref) => ref !== null));
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

function unauthenticated(): EventreeError {
  return new EventreeError(
    'UNAUTHENTICATED',
    'Recording takes a token: send it as "authorization: Bearer <token>".',
  );
}
