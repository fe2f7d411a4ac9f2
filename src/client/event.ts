/** Events as a client gives them, as it has them, and what it selects to get them so. */

/** In rising order. */
export const SEVERITIES = ['LOW', 'MEDIUM', 'HIGH', 'CRITICAL'] as const;
export type Severity = (typeof SEVERITIES)[number];

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

/** What one line about an event needs. */
export const LINE_FIELDS = 'id cursor occurredAt severity message actor type { name } resource { ref }';

/** All there is of an event. */
export const EVENT_FIELDS = `id cursor journal type { name } resource { ref } category severity message occurredAt recordedAt
  actor activeClaim sessionId correlationId parent { id } parentHidden attributes payload privatePayload visibleToActor`;

/** Of LINE_FIELDS. */
export interface LineNode {
  readonly id: string;
  readonly cursor: string;
  readonly occurredAt: string;
  readonly severity: Severity;
  readonly message: string;
  readonly actor: string | null;
  readonly type: { readonly name: string };
  readonly resource: { readonly ref: string } | null;
}

/** Of EVENT_FIELDS. Times are RFC 3339 in UTC. */
export interface EventNode extends LineNode {
  readonly journal: string;
  readonly category: Category;
  readonly recordedAt: string;
  readonly activeClaim: string | null;
  readonly sessionId: string | null;
  readonly correlationId: string | null;
  readonly parent: { readonly id: string } | null;
  readonly parentHidden: boolean;
  readonly attributes: Readonly<Record<string, unknown>> | null;
  readonly payload: unknown;
  readonly privatePayload: unknown;
  readonly visibleToActor: boolean;
}

/** What every event that is selected comes with, whatever else is: its identity, and where to go on from. */
export interface Identified {
  readonly id: string;
  readonly cursor: string;
}

/** An event to record: the API's `RecordEventInput`. What is left out falls back to what its type says. */
export interface NewEvent {
  /**
   * A UUID of version 7, by which the event is recorded once however often it is sent. Left out: made here,
   * from this machine's clock; see `newEventId`.
   */
  readonly id?: Maybe<string>;
  /** `main` where it is left out. */
  readonly journal?: string | undefined;
  readonly type: string;
  /** `type/id`. One that is not there is created, with the recorder as its owner. */
  readonly resource?: Maybe<string>;
  readonly category?: Maybe<Category>;
  readonly severity?: Maybe<Severity>;
  /** Left out: rendered from the type's template. */
  readonly message?: Maybe<string>;
  /** RFC 3339. Left out: the time in the id. */
  readonly occurredAt?: Maybe<string>;
  /** Left out: the subject of the token. */
  readonly actor?: Maybe<string>;
  readonly activeClaim?: Maybe<string>;
  readonly sessionId?: Maybe<string>;
  readonly correlationId?: Maybe<string>;
  readonly parentId?: Maybe<string>;
  readonly attributes?: Maybe<Readonly<Record<string, unknown>>>;
  readonly payload?: unknown;
  /** For owners of the resource alone. */
  readonly privatePayload?: unknown;
  /** Its actor sees it too, with attributes and payload, whatever the resource's ACL says. */
  readonly visibleToActor?: boolean | undefined;
  /** What happened as part of it, recorded with it, all or none. */
  readonly children?: Maybe<readonly NewEvent[]>;
}

type Maybe<T> = T | null | undefined;

/** An event in the shape in which it is recorded: the fields of RecordEventInput, without nulls. */
export interface PlainEvent {
  readonly id: string;
  readonly journal: string;
  readonly type: string;
  readonly resource?: string;
  readonly category: Category;
  readonly severity: Severity;
  readonly message: string;
  readonly occurredAt: string;
  readonly actor?: string;
  readonly activeClaim?: string;
  readonly sessionId?: string;
  readonly correlationId?: string;
  readonly parentId?: string;
  readonly attributes?: Readonly<Record<string, unknown>>;
  readonly payload?: unknown;
  readonly privatePayload?: unknown;
  readonly visibleToActor?: true;
}

/** The event so that it can be recorded elsewhere and is the same there. */
export function plainEvent({
  id,
  journal,
  type,
  resource,
  category,
  severity,
  message,
  occurredAt,
  actor,
  activeClaim,
  sessionId,
  correlationId,
  parent,
  attributes,
  payload,
  privatePayload,
  visibleToActor,
}: EventNode): PlainEvent {
  const said = {
    id,
    journal,
    type: type.name,
    resource: resource?.ref,
    category,
    severity,
    message,
    occurredAt,
    actor,
    activeClaim,
    sessionId,
    correlationId,
    parentId: parent?.id,
    attributes,
    payload,
    privatePayload,
    // As it is recorded where it is not said.
    visibleToActor: visibleToActor || undefined,
  };
  // What is left has a value for every field that PlainEvent requires: the API gives no null for them.
  return Object.fromEntries(
    Object.entries(said).filter(([, value]) => value != null),
  ) as unknown as PlainEvent;
}
