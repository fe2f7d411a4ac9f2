/** `eventree/prisma`: records what is written by a Prisma client. */
export type { AclLists, AclRight } from '../../outbox/parcel.ts';
export { RecorderError, type RecorderErrorCode } from '../errors.ts';
export { type EventreeExtension, eventree } from './extension.ts';
export type { Row } from './models.ts';
export type { EventreeOptions, ModelOptions } from './settings.ts';
