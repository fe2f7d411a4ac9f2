/**
 * Random stories of a journal: who comes to look, what is recorded, and how rights change in between.
 */
import fc from 'fast-check';
import {
  acl,
  CLAIMS,
  type EventRecipe,
  eventRecipe,
  type FilterRecipe,
  filterRecipe,
  RESOURCES,
} from './arbitraries.ts';
import type { Lists } from './oracle.ts';

/** Who asks: a token's subject and groups, or nobody. */
export interface Visitor {
  readonly token: { readonly subject: string; readonly groups: readonly string[] } | null;
  readonly claims: readonly string[];
}

export interface Question {
  readonly visitor: Visitor;
  readonly filter: FilterRecipe;
  /** Most events of a page, and of a message. */
  readonly size: number;
  readonly order: 'NEWEST_FIRST' | 'OLDEST_FIRST';
  readonly by: 'ws' | 'sse';
}

export interface Step {
  /** Before anything is recorded, this resource gets other rights. */
  readonly change: { readonly resource: number; readonly acl: Lists } | null;
  readonly events: readonly EventRecipe[];
  /** Whether all that was recorded is then brought into the index. */
  readonly indexed: boolean;
}

export interface Story {
  readonly acls: readonly Lists[];
  readonly steps: readonly Step[];
  readonly questions: readonly Question[];
}

/** Holds one of these, or is `group/admin`. */
export const EVERYONE = [...CLAIMS, 'user/nobody'];
const SUBJECTS = EVERYONE.filter((claim) => claim.startsWith('user/')).map((claim) => claim.slice(5));
const GROUPS = CLAIMS.filter((claim) => claim.startsWith('group/')).map((claim) => claim.slice(6));

const visitor: fc.Arbitrary<Visitor> = fc.oneof(
  { weight: 7, arbitrary: bearer(fc.constantFrom(...SUBJECTS), fc.subarray(GROUPS)) },
  { weight: 1, arbitrary: fc.constant({ token: null, claims: ['group/anonymous'] }) },
  { weight: 1, arbitrary: bearer(fc.constant('chief'), fc.constant(['admin'])) },
);

function bearer(subject: fc.Arbitrary<string>, groups: fc.Arbitrary<string[]>): fc.Arbitrary<Visitor> {
  return fc.record({ subject, groups }).map((token) => ({
    token,
    claims: [`user/${token.subject}`, ...token.groups.map((group) => `group/${group}`)],
  }));
}

const question: fc.Arbitrary<Question> = fc.record({
  visitor,
  // Most filters let little through: often it is rights alone that decide.
  filter: fc.oneof(fc.constant({}), filterRecipe),
  size: fc.integer({ min: 1, max: 5 }),
  order: fc.constantFrom('NEWEST_FIRST', 'OLDEST_FIRST'),
  by: fc.constantFrom('ws', 'sse'),
});

/** Half of the messages are left to the type’s template, which masks. */
const event = fc
  .tuple(eventRecipe, fc.boolean())
  .map(([made, rendered]) => (rendered ? { ...made, message: undefined } : made));

const step: fc.Arbitrary<Step> = fc.record({
  change: fc.option(fc.record({ resource: fc.nat(RESOURCES - 1), acl: acl(CLAIMS) }), { freq: 4 }),
  events: fc.array(event, { minLength: 1, maxLength: 7, size: 'max' }),
  indexed: fc.boolean(),
});

export const story: fc.Arbitrary<Story> = fc.record({
  acls: fc.array(acl(CLAIMS), { minLength: RESOURCES, maxLength: RESOURCES }),
  steps: fc.array(step, { minLength: 2, maxLength: 4, size: 'max' }),
  questions: fc.array(question, { minLength: 3, maxLength: 3 }),
});
