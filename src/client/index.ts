/** The client of Eventree's API: `import { createClient } from 'eventree/client'`. */
export {
  type Client,
  type ClientOptions,
  createClient,
  type QueryOptions,
  type TypedText,
} from './client.ts';
export { type ClientErrorCode, type ClientErrorFacts, EventreeClientError, isPassing } from './errors.ts';
export {
  CATEGORIES,
  type Category,
  EVENT_FIELDS,
  type EventNode,
  type Identified,
  LINE_FIELDS,
  type LineNode,
  type NewEvent,
  type PlainEvent,
  plainEvent,
  SEVERITIES,
  type Severity,
} from './event.ts';
export type {
  AttributeFilter,
  EventFilter,
  IdFilter,
  ResourceFilter,
  SeverityFilter,
  StringFilter,
  TimeFilter,
} from './filter.ts';
export type {
  Following,
  FollowOptions,
  FollowState,
  StreamGap,
  StreamMessage,
  StreamOptions,
} from './follow.ts';
export type { EventPage, PageOptions } from './page.ts';
export { newEventId, type Recorded, type RecordOptions } from './record.ts';
export type { TokenRequest, TokenSource } from './token.ts';
