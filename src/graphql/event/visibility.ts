/** At which level an event is seen, and why; the rule itself stands in events/visibility.ts. */
import type { Level } from '../../access/acl.ts';
import type { Claim } from '../../access/claim.ts';
import { isAdmin } from '../../access/principal.ts';
import { EventreeError } from '../../base/errors.ts';
import { toEventId } from '../../events/id.ts';
import { type Explanation, explainLevel, type Reason } from '../../events/visibility.ts';
import { builder } from '../builder.ts';

const MAX_CLAIMS = 1_000;

export const VisibilityLevelEnum = builder.enumType('VisibilityLevel', {
  description: 'How much of an event is seen. In rising order: NONE, ENVELOPE, DATA, PRIVATE.',
  values: {
    NONE: { value: 0, description: 'Nothing, not even that there is one.' },
    ENVELOPE: {
      value: 1,
      description: 'That it happened: no attributes, no payload, and the message masked.',
    },
    DATA: { value: 2, description: 'Attributes and payload as well.' },
    PRIVATE: { value: 3, description: 'Private attributes and the private payload as well.' },
  } as const satisfies Record<string, { value: Level; description: string }>,
});

const VisibilityReasonType = builder.objectRef<Reason>('VisibilityReason').implement({
  description: 'A claim by which something of an event is seen.',
  fields: (t) => ({
    claim: t.field({ type: 'Claim', description: 'Which one.', resolve: ({ claim }) => claim }),
    right: t.exposeString('right', {
      description:
        'The list of the resource’s ACL that holds it; `actor` where the event is seen by its actor whatever the ACL says; `admin` for group/admin.',
    }),
    level: t.field({
      type: VisibilityLevelEnum,
      description: 'What is seen by this alone.',
      resolve: ({ level }) => level,
    }),
  }),
});

const VisibilityGapType = builder.objectRef<Explanation['missing'][number]>('VisibilityGap').implement({
  description: 'A level that is not reached.',
  fields: (t) => ({
    level: t.field({ type: VisibilityLevelEnum, description: 'Which one.', resolve: ({ level }) => level }),
    claims: t.field({
      type: ['Claim'],
      description: 'Any of these would give it, or more.',
      resolve: ({ claims }): Claim[] => [...claims],
    }),
  }),
});

const VisibilityExplanationType = builder.objectRef<Explanation>('VisibilityExplanation').implement({
  description: 'What is seen of an event, and why.',
  fields: (t) => ({
    level: t.field({
      type: VisibilityLevelEnum,
      description: 'The highest that any of the claims gives.',
      resolve: ({ level }) => level,
    }),
    reasons: t.field({
      type: [VisibilityReasonType],
      description: 'Why it is seen; empty where it is not.',
      resolve: ({ reasons }) => [...reasons],
    }),
    missing: t.field({
      type: [VisibilityGapType],
      description: 'What is not seen: each higher level, and who would see it.',
      resolve: ({ missing }) => [...missing],
    }),
  }),
});

builder.queryField('explainVisibility', (t) =>
  t.field({
    type: VisibilityExplanationType,
    nullable: true,
    description: `What a holder of these claims sees of an event by the rights in force, and why. Takes \`group/admin\`; null where there is no such event. At most ${MAX_CLAIMS.toLocaleString('en')} claims.`,
    args: {
      id: t.arg.id({ required: true }),
      claims: t.arg({ type: ['Claim'], required: true }),
    },
    resolve: async (_, { id, claims }, { core, events, resources, principal }) => {
      await core.registry.confirm(principal);
      if (!isAdmin(principal)) {
        throw new EventreeError('FORBIDDEN', 'Explaining what others see takes the claim group/admin.');
      }
      if (claims.length > MAX_CLAIMS) {
        throw new EventreeError(
          'LIMIT_EXCEEDED',
          `There are ${claims.length} claims: ask about at most ${MAX_CLAIMS} at a time.`,
        );
      }
      const eventId = toEventId(String(id));
      const seen = eventId === null ? null : await events.load(eventId);
      if (seen === null) return null;
      const { resource: ref } = seen.event;
      const resource = ref === null ? null : await resources.load(ref);
      return explainLevel(seen.event, resource?.acl ?? null, new Set(claims));
    },
  }),
);
