/** Revoking tokens whose claims no longer hold. */
import type { TokenRevocation } from '../access/revocation.ts';
import { builder } from './builder.ts';

const TokenRevocationType = builder.objectRef<TokenRevocation>('TokenRevocation').implement({
  description: 'Tokens that are no longer accepted, though they have not expired.',
  fields: (t) => ({
    subject: t.field({
      type: 'Claim',
      description: 'Whose tokens: user/<sub>.',
      resolve: ({ subject }) => subject,
    }),
    issuedBefore: t.field({
      type: 'DateTime',
      description: 'Those issued (`iat`) before this moment; the latest that was ever given for the subject.',
      resolve: ({ issuedBefore }) => issuedBefore,
    }),
  }),
});

const RevokeTokensInput = builder.inputType('RevokeTokensInput', {
  description: 'Whose tokens to revoke, and which.',
  fields: (t) => ({
    subject: t.field({ type: 'Claim', required: true, description: 'user/<sub> of the tokens.' }),
    issuedBefore: t.field({
      type: 'DateTime',
      description:
        'By the clock of whoever issues tokens; left out: now. Tokens without `iat` count as issued before any moment.',
    }),
  }),
});

builder.mutationField('revokeTokens', (t) =>
  t.field({
    type: TokenRevocationType,
    description: `Refuses tokens of a subject that were issued before a moment, whose claims no longer hold, on every
server from now on. Takes \`group/admin\`, and cannot be taken back. It has its place in every journal: a stream that was
opened by such a token gets nothing recorded after it and ends with UNAUTHENTICATED; with a new token it goes on from its
cursor.`,
    args: { input: t.arg({ type: RevokeTokensInput, required: true }) },
    resolve: (_, { input: { subject, issuedBefore } }, { core, principal }) =>
      core.revokeTokens(subject, issuedBefore ?? null, principal),
  }),
);
