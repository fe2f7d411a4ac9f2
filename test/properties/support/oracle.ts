/**
 * Who sees what, and which events a filter lets through, written down from the words of contract.graphql,
 * docs and the headers of src/events, in the plainest way there is: slow, and sharing no code with src.
 */
import { isDeepStrictEqual } from 'node:util';
import type { AttributeFilterInput, EventFilterInput } from '../../../src/events/filter/filter.ts';
import { ATTRIBUTES, type Kind } from './vocabulary.ts';

export const RIGHTS = [
  'owners',
  'viewMeta',
  'viewData',
  'viewAcl',
  'editMeta',
  'editData',
  'editAcl',
  'manage',
  'delete',
] as const;
export type Right = (typeof RIGHTS)[number];
export type Lists = Readonly<Record<Right, readonly string[]>>;

/** An event as the oracle knows it. */
export interface Fact {
  readonly id: string;
  readonly type: string;
  readonly category: string;
  readonly severity: string;
  /** For who sees its data, and for who sees the envelope only. */
  readonly message: string;
  readonly masked: string;
  readonly occurredAt: number;
  readonly recordedAt: number;
  readonly resource: string | null;
  readonly actor: string;
  readonly sessionId: string | null;
  readonly correlationId: string | null;
  /** From the root down to the parent. */
  readonly ancestors: readonly string[];
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly visibleToActor: boolean;
}

/** Nothing, the envelope, attributes and payload, private parts too. */
export type Sight = 0 | 1 | 2 | 3;

/** The arrows of the contract: "Rights imply each other". */
const IMPLIES: Readonly<Partial<Record<Right, readonly Right[]>>> = {
  owners: RIGHTS,
  editAcl: ['editData', 'delete', 'manage', 'viewAcl'],
  editData: ['editMeta', 'viewData'],
  // Of editMeta the contract says nothing more: what it lets one see is what src/access/acl.ts says, nothing.
  viewAcl: ['viewData'],
  viewData: ['viewMeta'],
};

export function rightsOf(claims: readonly string[], acl: Lists): Set<Right> {
  const found = new Set<Right>();
  const add = (right: Right) => {
    if (found.has(right)) return;
    found.add(right);
    for (const implied of IMPLIES[right] ?? []) add(implied);
  };
  if (claims.includes('group/admin')) add('owners');
  for (const right of RIGHTS) if (acl[right].some((claim) => claims.includes(claim))) add(right);
  return found;
}

/** @param acl of the event's resource, as it stands. */
export function sightOf(
  fact: Pick<Fact, 'type' | 'resource' | 'actor' | 'visibleToActor'>,
  acl: Lists | null,
  claims: readonly string[],
): Sight {
  const { resource, actor, visibleToActor } = fact;
  const byAcl = sightByAcl(fact, acl, claims);
  const asActor = (resource === null || visibleToActor) && claims.includes(actor) ? 2 : 0;
  return byAcl > asActor ? byAcl : asActor;
}

function sightByAcl(
  { type, resource }: Pick<Fact, 'type' | 'resource'>,
  acl: Lists | null,
  claims: readonly string[],
): Sight {
  if (claims.includes('group/admin')) return 3;
  if (resource === null || acl === null) return 0;
  const rights = rightsOf(claims, acl);
  if (type === 'acl_change' && !rights.has('viewAcl')) return 0;
  if (rights.has('owners')) return 3;
  if (rights.has('viewData')) return 2;
  return rights.has('viewMeta') ? 1 : 0;
}

/** Met, not met, or not for this viewer to know. */
export type Verdict = boolean | null;

/** @param sees whether the viewer sees an event, by its id. */
export function verdictOf(
  filter: EventFilterInput,
  fact: Fact,
  sight: Sight,
  sees: (id: string) => boolean,
): Verdict {
  const judge = (inner: EventFilterInput) => verdictOf(inner, fact, sight, sees);
  const said: Verdict[] = [];
  const say = (given: unknown, answer: () => Verdict) => {
    if (given != null) said.push(answer());
  };
  const { and, or, not, id, category, severity, resource, root, parent, within, search } = filter;
  say(and, () => every((and ?? []).map(judge)));
  say(or, () => some((or ?? []).map(judge)));
  say(not, () => opposite(judge(not ?? {})));
  say(id?.eq, () => fact.id === id?.eq?.toLowerCase());
  say(id?.in, () => id?.in?.some((one) => one.toLowerCase() === fact.id) ?? false);
  for (const field of ['type', 'actor', 'sessionId', 'correlationId'] as const) {
    const value = fact[field];
    const test: EventFilterInput['type'] = filter[field];
    say(test?.eq, () => value === test?.eq);
    say(test?.in, () => value !== null && (test?.in?.includes(value) ?? false));
    say(test?.startsWith, () => value !== null && value.indexOf(test?.startsWith ?? '') === 0);
    say(test?.ne, () => value !== null && value !== test?.ne);
  }
  say(category, () => category?.some((one) => one === fact.category) ?? false);
  const rank = ['LOW', 'MEDIUM', 'HIGH', 'CRITICAL'];
  say(severity?.eq, () => severity?.eq === fact.severity);
  say(severity?.in, () => severity?.in?.some((one) => one === fact.severity) ?? false);
  say(severity?.gte, () => rank.indexOf(fact.severity) >= rank.indexOf(severity?.gte ?? ''));
  say(resource?.eq, () => fact.resource === resource?.eq);
  say(resource?.in, () => fact.resource !== null && (resource?.in?.includes(fact.resource) ?? false));
  say(resource?.type, () => fact.resource?.split('/')[0] === resource?.type);
  const named = (name: string, met: (id: string) => boolean) => {
    const sought = name.toLowerCase();
    return sees(sought) ? met(sought) : null;
  };
  say(root, () => named(root ?? '', (sought) => (fact.ancestors[0] ?? fact.id) === sought));
  say(parent, () => named(parent ?? '', (sought) => fact.ancestors.at(-1) === sought));
  say(within, () => named(within ?? '', (sought) => [...fact.ancestors, fact.id].includes(sought)));
  for (const field of ['occurredAt', 'recordedAt'] as const) {
    const span = filter[field];
    say(span?.gte, () => fact[field] >= (span?.gte ?? 0));
    say(span?.gt, () => fact[field] > (span?.gt ?? 0));
    say(span?.lt, () => fact[field] < (span?.lt ?? 0));
    say(span?.lte, () => fact[field] <= (span?.lte ?? 0));
  }
  for (const test of filter.attributes ?? []) said.push(verdictOfAttribute(test, fact, sight));
  say(search, () => {
    const read = wordsOf(sight >= 2 ? fact.message : fact.masked);
    return wordsOf(search ?? '').every((word) => read.includes(word));
  });
  return every(said);
}

function verdictOfAttribute(
  { name, in: list, startsWith, exists, ...filter }: AttributeFilterInput,
  { attributes }: Fact,
  sight: Sight,
): Verdict {
  const { kind, private: isPrivate } = ATTRIBUTES[name] as { kind: Kind; private?: boolean };
  if (sight < (isPrivate ? 3 : 2)) return null;
  const value = Object.hasOwn(attributes, name) ? attributes[name] : undefined;
  if (value === undefined)
    return (
      exists === false && Object.keys(filter).length + Number(list != null) + Number(startsWith != null) === 0
    );
  const order = (given: unknown) => compare(kind, value, given);
  const tests: boolean[] = [];
  if (filter.eq !== undefined) tests.push(order(filter.eq) === 0);
  if (filter.ne !== undefined) tests.push(order(filter.ne) !== 0);
  if (filter.gt !== undefined) tests.push(order(filter.gt) > 0);
  if (filter.gte !== undefined) tests.push(order(filter.gte) >= 0);
  if (filter.lt !== undefined) tests.push(order(filter.lt) < 0);
  if (filter.lte !== undefined) tests.push(order(filter.lte) <= 0);
  if (list != null) tests.push(list.some((one) => order(one) === 0));
  if (startsWith != null) tests.push((value as string).indexOf(startsWith) === 0);
  if (exists != null) tests.push(exists);
  return tests.every(Boolean);
}

/** Below, at or above 0; for kinds without an order whether they are the same is all that counts. */
function compare(kind: Kind, a: unknown, b: unknown): number {
  switch (kind) {
    case 'INTEGER':
    case 'FLOAT':
      return (a as number) === (b as number) ? 0 : (a as number) < (b as number) ? -1 : 1;
    case 'DATETIME':
      return Date.parse(a as string) - Date.parse(b as string);
    case 'STRING':
      return Buffer.compare(Buffer.from(a as string), Buffer.from(b as string));
    default:
      return isDeepStrictEqual(asSent(a), asSent(b)) ? 0 : 1;
  }
}

/** JSON writes -0 as 0. */
function asSent(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}

/** Letters, marks and digits that stand together, in lower case. */
export function wordsOf(text: string): string[] {
  const words = [''];
  for (const character of text.normalize('NFKC').toLowerCase().normalize('NFKC')) {
    if (/[\p{L}\p{M}\p{N}]/u.test(character)) words.push(words.pop() + character);
    else words.push('');
  }
  return words.filter((word) => word !== '');
}

function every(said: readonly Verdict[]): Verdict {
  return said.includes(false) ? false : said.includes(null) ? null : true;
}

function some(said: readonly Verdict[]): Verdict {
  return said.includes(true) ? true : said.includes(null) ? null : false;
}

function opposite(said: Verdict): Verdict {
  return said === null ? null : !said;
}
