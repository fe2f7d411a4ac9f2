/**
 * What a recorder hands over at once, in the shape in which it waits to be moved into the journal. All of a
 * parcel is recorded or none of it.
 */
import type { NewEvent } from '../client/event.ts';

/** An event with its place: its id is known, its parent stands before it or is there already. */
export type PlacedEvent = Omit<NewEvent, 'id' | 'children'> & { readonly id: string };

/** Lists of claims by right, as the API has them; a right that is left out is nobody's but the owners'. */
export type AclLists = Readonly<Partial<Record<AclRight, readonly string[]>>>;

export type AclRight =
  | 'owners'
  | 'viewMeta'
  | 'viewData'
  | 'viewAcl'
  | 'editMeta'
  | 'editData'
  | 'editAcl'
  | 'manage'
  | 'delete';

/** A resource that is created, or given another name or ACL, before the events are recorded. */
export interface ResourcePut {
  readonly ref: string;
  readonly name?: string | null;
  readonly acl?: AclLists;
}

export interface Parcel {
  /** Parents before children. */
  readonly events: readonly PlacedEvent[];
  readonly resources: readonly ResourcePut[];
  /** The scope below which it hangs, while that is open: it is not moved before the scope has ended. */
  readonly waitsFor: string | null;
  /**
   * The scopes above that one, nearest first. Where it is not kept, as a call whose type is disabled, what hangs below
   * it hangs below the next of them that is.
   */
  readonly above?: readonly string[];
  /** How many scopes lie above it: what lies higher is moved first. */
  readonly depth: number;
}

/**
 * Committed when a call starts and removed with the write of its tree. One whose recorder is gone becomes the
 * event that it holds: evidence of a crash.
 */
export interface Marker {
  /** Of the event, and of the call's own: it takes the call's place in the tree. */
  readonly id: string;
  readonly event: PlacedEvent;
  readonly waitsFor: string | null;
  readonly depth: number;
}

/** What is written at once. */
export interface Writing {
  readonly parcels: readonly Parcel[];
  /** Scopes that end with it: their markers are removed. */
  readonly ends: readonly string[];
  /** Scopes that go on, and must be recorded whatever becomes of the process: marked, where they are not yet. */
  readonly marks: readonly Marker[];
}

/** By whom a server records what it takes from its own database; elsewhere the relay's token says so. */
export interface Author {
  readonly subject: string;
  readonly claims: readonly string[];
  /** When the token was issued that it was written with, in ms since 1970: where that is revoked, it is not recorded. */
  readonly issuedAt?: number | null;
}
