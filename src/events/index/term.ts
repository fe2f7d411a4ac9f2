/**
 * Terms: what the index knows of an event. Each is one text, made here and nowhere else, both when events
 * are indexed and when a filter looks for them.
 *
 *     t:github.push        type                  a:user/jane          actor
 *     c:ALARM              category              i:4f1c…              session
 *     s:HIGH               severity              k:order-77           correlation
 *     r:repository/acme/x  resource              u:<id>               parent
 *     R:repository         type of resource      n:<id>               ancestor above the parent
 *     w:deploy             word of the message   W:deploy             of the masked message
 *     m:                   has a masked message
 *     @branch              has the attribute     =branch:main         attribute and value
 *     v2:group/dev         claim that sees it at level 2
 *     x:user/jane          claim that sees it whatever its resource's ACL says, at level 2
 *
 * Terms sort by their bytes, and values are written so that this is the order of the values too: a range
 * of values is a range of terms.
 */
import { type Acl, DATA, type Level } from '../../access/acl.ts';
import type { Claim } from '../../access/claim.ts';
import { resourceType } from '../../access/resource-ref.ts';
import type { Json } from '../../base/json.ts';
import { firstPoints } from '../../base/text.ts';
import type { Attribute } from '../attribute.ts';
import type { Event } from '../event.ts';
import type { Registry } from '../registry.ts';
import { actorWhoSees, viewersByAcl } from '../visibility.ts';

export type Term = string;

/** Longer values are cut: what begins alike meets under one term, and the events themselves decide. */
const MAX_VALUE_POINTS = 200;
const MAX_WORD_CHARS = 60;

export const typeTerm = (type: string): Term => `t:${type}`;
export const categoryTerm = (category: string): Term => `c:${category}`;
export const severityTerm = (severity: string): Term => `s:${severity}`;
export const resourceTerm = (ref: string): Term => `r:${ref}`;
export const resourceTypeTerm = (type: string): Term => `R:${type}`;
export const actorTerm = (actor: string): Term => `a:${actor}`;
export const sessionTerm = (session: string): Term => `i:${session}`;
export const correlationTerm = (correlation: string): Term => `k:${correlation}`;
export const parentTerm = (id: string): Term => `u:${id}`;
export const ancestorTerm = (id: string): Term => `n:${id}`;
export const presenceTerm = (attribute: string): Term => `@${attribute}`;
export const viewerTerm = (level: Level, claim: Claim): Term => `v${level}:${claim}`;
export const lastingTerm = (claim: Claim): Term => `x:${claim}`;

export const wordTerm = (word: string): Term => `w:${word}`;
export const maskedWordTerm = (word: string): Term => `W:${word}`;
/** Of events whose message has a second form; only these have terms of masked words. */
export const MASKED: Term = 'm:';

/** Numbers and ids would be as many words as there are events, so they are not indexed. */
export function isIndexedWord(word: string): boolean {
  return word !== '' && word.length <= MAX_WORD_CHARS && !/\p{N}/u.test(word);
}

/** All terms of one attribute's value begin with this. */
export const valuePrefix = (attribute: string): Term => `=${attribute}:`;

export function valueTerm(attribute: Attribute, value: Json): Term {
  return valuePrefix(attribute.name) + sortableValue(attribute, value);
}

/** The value as text that sorts as the values of its kind do. */
export function sortableValue({ kind }: Attribute, value: Json): string {
  switch (kind) {
    case 'INTEGER':
    case 'FLOAT':
      return sortableNumber(value as number);
    case 'BOOLEAN':
      return value === true ? 't' : 'f';
    default:
      // DATETIME is kept in a form whose text sorts as the time does; JSON is never indexed.
      return firstPoints(value as string, MAX_VALUE_POINTS);
  }
}

/** Whether a text may have been cut, so that its term stands for others too. */
export function isCut(value: string): boolean {
  return [...value].length >= MAX_VALUE_POINTS;
}

/** What of an event its terms are made from. */
export type IndexedEvent = Pick<
  Event,
  | 'position'
  | 'type'
  | 'category'
  | 'severity'
  | 'words'
  | 'resource'
  | 'actor'
  | 'sessionId'
  | 'correlationId'
  | 'path'
  | 'attributes'
  | 'visibleToActor'
>;

/** What takes an event's terms. Many events share a term, whose text need not be made for each of them. */
export interface TermTaker {
  /** @param make the term of a value; null where there is none. */
  take(make: (value: string) => Term | null, value: string): void;
  takeValue(attribute: Attribute, value: Json): void;
}

/**
 * Tells the terms of an event, all but those of who sees it. The same registry version must decide about every
 * event that a search relies on: see indexer.ts.
 */
export function tellTerms(event: IndexedEvent, registry: Registry, to: TermTaker): void {
  const { resource, path, attributes } = event;
  to.take(typeTerm, event.type);
  to.take(categoryTerm, event.category);
  to.take(severityTerm, event.severity);
  if (resource !== null) {
    to.take(resourceTerm, resource);
    to.take(resourceTypeTerm, resourceType(resource));
  }
  if (event.actor !== null) to.take(actorTerm, event.actor);
  if (event.sessionId !== null) to.take(sessionTerm, event.sessionId);
  if (event.correlationId !== null) to.take(correlationTerm, event.correlationId);
  path.forEach((id, i) => {
    to.take(i === path.length - 1 ? parentTerm : ancestorTerm, id);
  });
  for (const name of Object.keys(attributes)) {
    const attribute = registry.attributes.get(name);
    if (!attribute?.indexed) continue;
    to.take(presenceTerm, name);
    to.takeValue(attribute, attributes[name] as Json);
  }
  tellWords(event.words, to);
}

/** Whom the ACL lets see the event, as terms. @param acl of its resource, as it stands. */
export function viewerTerms(event: Pick<Event, 'type' | 'resource'>, acl: Acl | null): Term[] {
  return [...viewersByAcl(event, acl)].map(([claim, level]) => viewerTerm(level, claim));
}

/**
 * Who sees the event whatever an ACL says, as terms. What the ACL gives the same claim stands beside it: who
 * looks for what is seen at one level takes the higher ones too. The second term tells a change of the ACL
 * which events keep the first.
 */
export function lastingTerms(event: Pick<Event, 'resource' | 'actor' | 'visibleToActor'>): readonly Term[] {
  const actor = actorWhoSees(event);
  if (actor === null) return NO_TERMS;
  const seen = viewerTerm(DATA, actor);
  return event.resource === null ? [seen] : [seen, lastingTerm(actor)];
}
const NO_TERMS: readonly Term[] = Object.freeze([]);

/** The term of those events that stay under the other one whatever becomes of the ACL; null where all can go. */
export function lastingUnder(term: Term): Term | null {
  const prefix = viewerTerm(DATA, '' as Claim);
  return term.startsWith(prefix) ? lastingTerm(term.slice(prefix.length) as Claim) : null;
}

function tellWords(stored: string, to: TermTaker): void {
  const [first = '', second] = stored.split('|');
  if (second === undefined) {
    tellEach(first, indexedWordTerm, to);
    return;
  }
  to.take(maskedTerm, '');
  tellEach(first, indexedMaskedWordTerm, to);
  tellEach(second, indexedWordTerm, to);
}

function tellEach(words: string, make: (word: string) => Term | null, to: TermTaker): void {
  for (const word of words.split(' ')) to.take(make, word);
}

const indexedWordTerm = (word: string) => (isIndexedWord(word) ? wordTerm(word) : null);
const indexedMaskedWordTerm = (word: string) => (isIndexedWord(word) ? maskedWordTerm(word) : null);
const maskedTerm = () => MASKED;

// An IEEE 754 double sorts as its bits do, once the sign is flipped and negative ones are inverted.
function sortableNumber(value: number): string {
  const buffer = Buffer.allocUnsafe(8);
  buffer.writeDoubleBE(value);
  const bits = buffer.readBigUInt64BE();
  const sortable = value < 0 ? ~bits & 0xffff_ffff_ffff_ffffn : bits | 0x8000_0000_0000_0000n;
  return sortable.toString(16).padStart(16, '0');
}
