/** The whole schema: one import per thing. Printed as schema.graphql by `npm run schema`. */
import { builder } from './builder.ts';
import { checkSharing } from './sharing.ts';
import './viewer.ts';
import './token-revocation.ts';
import './marker.ts';
import './registry/registry.ts';
import './resource/resource-type.ts';
import './resource/resources.ts';
import './event/event.ts';
import './event/queries.ts';
import './event/record.ts';
import './event/statistics.ts';
import './event/stream.ts';

export const schema = checkSharing(builder.toSchema());
