/** The library side of Eventree: `import { createRecorder } from 'eventree/recorder'`. */
export type { TokenRequest, TokenSource } from '../client/token.ts';
export { installOutbox } from '../outbox/install.ts';
export type { AclLists, AclRight, PlacedEvent, ResourcePut } from '../outbox/parcel.ts';
export type { PgQueryable, PrismaQueryable, Queryable } from '../outbox/statement.ts';
export { createRecorder } from './create.ts';
export { RecorderError, type RecorderErrorCode } from './errors.ts';
export { type IsExpected, isExpectedError } from './failure.ts';
export type { RecorderOptions } from './options.ts';
export { type CallSummary, type KeepPolicy, keepNotable } from './policy.ts';
export type {
  CallOptions,
  RecordAloneOptions,
  RecordedAlone,
  Recorder,
  RecorderStats,
  RecordInOptions,
} from './recorder.ts';
export type {
  ActionHandle,
  ActionOptions,
  Actions,
  BeginOptions,
  BindingOptions,
  BulkEvents,
  BulkOptions,
  OpenAction,
  Running,
} from './resource-type/actions.ts';
export type { BulkOutcome } from './resource-type/bulk.ts';
export type { Declared } from './resource-type/declare.ts';
export type {
  AttributeDeclaration,
  EventTypeChange,
  EventTypeDeclaration,
} from './resource-type/events.ts';
export {
  declarations,
  defineResourceType,
  type ResourceType,
  type ResourceTypeOptions,
} from './resource-type/resource-type.ts';
export type { AddedEvent, Call, CallAmendment, Scope } from './scope.ts';
export type { Session, SessionOptions } from './session.ts';
