/** The client of Eventree's API: `import { createClient } from 'eventree/client'`. */
export {
  type Client,
  type ClientOptions,
  createClient,
  type RequestOptions,
  type TokenSource,
} from './client.ts';
export { type ClientErrorCode, type ClientErrorFacts, EventreeClientError, isPassing } from './errors.ts';
export {
  CATEGORIES,
  type Category,
  EVENT_FIELDS,
  type EventNode,
  LINE_FIELDS,
  type LineNode,
  type PlainEvent,
  plainEvent,
  SEVERITIES,
  type Severity,
} from './event.ts';
export type { ConnectionState, FollowRequest, StreamMessage } from './follow.ts';
