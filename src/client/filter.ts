/**
 * The filter of queries and streams, as TypeScript: the API's `EventFilter`, field by field. All given
 * fields must hold. Times are RFC 3339; a field that is null or undefined says nothing.
 */
import type { Category, Severity } from './event.ts';

type Maybe<T> = T | null | undefined;

export interface EventFilter {
  readonly and?: Maybe<readonly EventFilter[]>;
  readonly or?: Maybe<readonly EventFilter[]>;
  readonly not?: Maybe<EventFilter>;
  readonly id?: Maybe<IdFilter>;
  readonly type?: Maybe<StringFilter>;
  readonly category?: Maybe<readonly Category[]>;
  readonly severity?: Maybe<SeverityFilter>;
  readonly resource?: Maybe<ResourceFilter>;
  readonly actor?: Maybe<StringFilter>;
  readonly sessionId?: Maybe<IdFilter>;
  readonly correlationId?: Maybe<StringFilter>;
  readonly root?: Maybe<string>;
  readonly parent?: Maybe<string>;
  /** The event and everything below it, at any depth. */
  readonly within?: Maybe<string>;
  readonly occurredAt?: Maybe<TimeFilter>;
  readonly recordedAt?: Maybe<TimeFilter>;
  readonly attributes?: Maybe<readonly AttributeFilter[]>;
  /** Words of the message. */
  readonly search?: Maybe<string>;
}

export interface IdFilter {
  readonly eq?: Maybe<string>;
  readonly in?: Maybe<readonly string[]>;
}

export interface StringFilter {
  readonly eq?: Maybe<string>;
  readonly in?: Maybe<readonly string[]>;
  readonly startsWith?: Maybe<string>;
  readonly ne?: Maybe<string>;
}

export interface SeverityFilter {
  readonly eq?: Maybe<Severity>;
  readonly in?: Maybe<readonly Severity[]>;
  readonly gte?: Maybe<Severity>;
}

export interface ResourceFilter {
  readonly eq?: Maybe<string>;
  readonly in?: Maybe<readonly string[]>;
  readonly type?: Maybe<string>;
}

export interface TimeFilter {
  readonly gte?: Maybe<string>;
  readonly gt?: Maybe<string>;
  readonly lt?: Maybe<string>;
  readonly lte?: Maybe<string>;
}

/** `name` is a declared attribute, and the values are of its kind. */
export interface AttributeFilter {
  readonly name: string;
  readonly eq?: unknown;
  readonly ne?: unknown;
  readonly in?: Maybe<readonly unknown[]>;
  readonly gt?: unknown;
  readonly gte?: unknown;
  readonly lt?: unknown;
  readonly lte?: unknown;
  readonly startsWith?: Maybe<string>;
  readonly exists?: Maybe<boolean>;
}
