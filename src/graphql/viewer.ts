/** Who asks, as the server understood it. */
import type { Principal } from '../access/principal.ts';
import { builder } from './builder.ts';

const ViewerType = builder.objectRef<Principal>('Viewer').implement({
  fields: (t) => ({
    subject: t.field({ type: 'Claim', resolve: ({ subject }) => subject }),
    claims: t.field({ type: ['Claim'], resolve: ({ claims }) => [...claims] }),
    expiresAt: t.field({ type: 'DateTime', nullable: true, resolve: ({ expiresAt }) => expiresAt }),
  }),
});

builder.queryField('viewer', (t) =>
  t.field({ type: ViewerType, resolve: (_, __, { principal }) => principal }),
);
