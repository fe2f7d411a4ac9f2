/** Who asks, as the server understood it. */
import type { Principal } from '../access/principal.ts';
import { builder } from './builder.ts';

const ViewerType = builder.objectRef<Principal>('Viewer').implement({
  description: 'Who asks, as the server understood the token.',
  fields: (t) => ({
    subject: t.field({
      type: 'Claim',
      description: 'user/<sub> of the token; group/anonymous without one.',
      resolve: ({ subject }) => subject,
    }),
    claims: t.field({
      type: ['Claim'],
      description: 'All that the viewer holds, the subject included.',
      resolve: ({ claims }) => [...claims],
    }),
    expiresAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When the token ends, and with it every stream; null without one.',
      resolve: ({ expiresAt }) => expiresAt,
    }),
  }),
});

builder.queryField('viewer', (t) =>
  t.field({
    type: ViewerType,
    description: 'Who asks.',
    resolve: async (_, __, { core, principal }) => {
      await core.registry.confirm(principal);
      return principal;
    },
  }),
);
