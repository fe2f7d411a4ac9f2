/**
 * A fact: something that was done, happened or changed. Never edited once recorded.
 */
import type { Level } from '../access/acl.ts';
import { DATA, ENVELOPE, PRIVATE } from '../access/acl.ts';
import type { Claim } from '../access/claim.ts';
import type { ResourceRef } from '../access/resource-ref.ts';
import type { Json, JsonObject } from '../base/json.ts';

export type EventId = string & { readonly __brand: 'EventId' };

/** Place in a journal: 1, 2, 3, … without holes, in commit order. At most 2^53 - 1. */
export type Position = number & { readonly __brand: 'Position' };

export const CATEGORIES = [
  'ACTION',
  'ALARM',
  'CALL',
  'CHANGE',
  'CRUD',
  'EMAIL',
  'STATE',
  'SYSTEM',
  'USER',
] as const;
export type Category = (typeof CATEGORIES)[number];

/** In rising order. */
export const SEVERITIES = ['LOW', 'MEDIUM', 'HIGH', 'CRITICAL'] as const;
export type Severity = (typeof SEVERITIES)[number];

/** Times are milliseconds since 1970, UTC. */
export interface Event {
  readonly id: EventId;
  readonly journal: string;
  readonly position: Position;
  readonly type: string;
  readonly category: Category;
  readonly severity: Severity;
  readonly message: string;
  /** The message for who sees the envelope only; null where it is the same. */
  readonly maskedMessage: string | null;
  /** As `search` compares them; see words.ts. */
  readonly words: string;
  readonly occurredAt: number;
  readonly recordedAt: number;
  readonly resource: ResourceRef | null;
  readonly actor: Claim | null;
  readonly activeClaim: Claim | null;
  readonly sessionId: string | null;
  readonly correlationId: string | null;
  /** Ancestors from the root down to the parent; empty for a root. */
  readonly path: readonly EventId[];
  readonly attributes: JsonObject;
  /** JSON text: most readers pass it on, so it is parsed by who looks into it. */
  readonly payload: string | null;
  readonly privatePayload: string | null;
  /** Subject of the token it was recorded with, whoever `actor` says. */
  readonly recordedBy: Claim;
  /** Its actor sees it too, whatever the ACL of its resource says; see visibility.ts. */
  readonly visibleToActor: boolean;
  /** False for an event of a disabled type: it was accepted, and is nowhere but in this answer. */
  readonly kept: boolean;
}

/** An event as one viewer sees it. Whoever holds one has passed the visibility rule. */
export interface SeenEvent {
  readonly event: Event;
  readonly level: Exclude<Level, 0>;
  /**
   * Of its resource the viewer sees no more than which it is. Said by the live path, for events that are seen by
   * their actor alone: what is shared there is worked out for nobody in particular.
   */
  readonly resourceHidden?: true;
}

export function messageFor({ event, level }: SeenEvent): string {
  return level >= DATA ? event.message : (event.maskedMessage ?? event.message);
}

/** Null where only the envelope is seen; private attributes are left out for all but owners. */
export function attributesFor(
  { event, level }: SeenEvent,
  registry: { isPrivate(attribute: string): boolean },
): JsonObject | null {
  if (level === ENVELOPE) return null;
  if (level === PRIVATE) return event.attributes;
  const open = Object.entries(event.attributes).filter(([name]) => !registry.isPrivate(name));
  return Object.fromEntries(open);
}

export function payloadFor({ event, level }: SeenEvent): Json {
  return level >= DATA ? parsed(event.payload) : null;
}

export function privatePayloadFor({ event, level }: SeenEvent): Json {
  return level === PRIVATE ? parsed(event.privatePayload) : null;
}

function parsed(text: string | null): Json {
  return text === null ? null : (JSON.parse(text) as Json);
}
