/**
 * The filter as sets of positions: an expression over terms, evaluated chunk by chunk with bit operations.
 *
 * Every condition is planned as two sets, the events that meet it and those that do not; what the viewer
 * may not see is in neither, so `not` is an exchange of the two (Kleene's logic; see filter.ts). Where
 * the index cannot tell exactly, a set holds more than it should, never less: then the plan is not
 * `exact` and the events themselves are asked.
 */
import { DATA, ENVELOPE, type Level, PRIVATE } from '../../access/acl.ts';
import { ADMIN, type Claim } from '../../access/claim.ts';
import { afterPrefix } from '../../base/text.ts';
import type { EventId } from '../event.ts';
import type { Condition, TextField, TextTest } from '../filter/filter.ts';
import type { Registry } from '../registry.ts';
import {
  actorTerm,
  ancestorTerm,
  categoryTerm,
  correlationTerm,
  isCut,
  isIndexedWord,
  MASKED,
  maskedWordTerm,
  parentTerm,
  presenceTerm,
  resourceTerm,
  resourceTypeTerm,
  sessionTerm,
  severityTerm,
  sortableValue,
  type Term,
  typeTerm,
  valuePrefix,
  valueTerm,
  viewerTerm,
  wordTerm,
} from './term.ts';

export type SetExpression =
  | { readonly set: 'all' | 'none' }
  | { readonly set: 'term'; readonly term: Term }
  /** Terms from `from` up to but without `before`; there may be too many of them to look at. */
  | { readonly set: 'range'; readonly from: Term; readonly before: Term }
  | { readonly set: 'position'; readonly position: number }
  /** By when they occurred, to the millisecond; or by what each chunk spans, where one that spans more holds others too. */
  | {
      readonly set: 'time';
      readonly field: 'occurredAt' | 'recordedAt';
      readonly from: number;
      readonly before: number;
    }
  | { readonly set: 'and' | 'or'; readonly of: readonly SetExpression[] }
  /** Of sets that are exact, but for ranges that turn out too large: see evaluate.ts. */
  | { readonly set: 'not'; readonly of: SetExpression };

export interface Plan {
  readonly set: SetExpression;
  /** Whether every event in the set meets the filter. */
  readonly exact: boolean;
}

/** What is known of an event that the filter names and the viewer sees. */
export interface NamedEvent {
  /** Null where it stands in another journal, as all of its tree does. */
  readonly position: number | null;
  readonly isRoot: boolean;
}

interface Planned {
  readonly met: SetExpression;
  readonly unmet: SetExpression;
  readonly exact: boolean;
}

const ALL: SetExpression = { set: 'all' };
const NONE: SetExpression = { set: 'none' };

/**
 * The events that meet the condition and that the holder of these claims sees.
 *
 * @param named the filter's named events that the viewer sees.
 * @param registry in force now: the condition may be older, and what is no longer indexed must not be
 *   looked for in the index.
 */
export function planSearch(
  condition: Condition,
  claims: ReadonlySet<Claim>,
  named: ReadonlyMap<EventId, NamedEvent>,
  registry: Registry,
): Plan {
  const visible = visibleFrom(claims);
  const { met, exact } = planCondition(condition, visible, named, registry);
  return { set: and(visible(ENVELOPE), met), exact };
}

type Visible = (level: Level) => SetExpression;

function visibleFrom(claims: ReadonlySet<Claim>): Visible {
  if (claims.has(ADMIN)) return () => ALL;
  return (least) => {
    const levels = ([ENVELOPE, DATA, PRIVATE] as const).filter((level) => level >= least);
    return or(...levels.flatMap((level) => [...claims].map((claim) => term(viewerTerm(level, claim)))));
  };
}

function planCondition(
  condition: Condition,
  visible: Visible,
  named: ReadonlyMap<EventId, NamedEvent>,
  registry: Registry,
): Planned {
  const plan = (part: Condition): Planned => {
    switch (part.on) {
      case 'and':
      case 'or': {
        const parts = part.of.map(plan);
        const conjunction = part.on === 'and';
        return {
          met: (conjunction ? and : or)(...parts.map(({ met }) => met)),
          unmet: (conjunction ? or : and)(...parts.map(({ unmet }) => unmet)),
          exact: parts.every(({ exact }) => exact),
        };
      }
      case 'not': {
        const { met, unmet, exact } = plan(part.of);
        return { met: unmet, unmet: met, exact };
      }
      case 'category':
        return exactly(or(...part.in.map((category) => term(categoryTerm(category)))));
      case 'severity':
        return exactly(or(...part.in.map((severity) => term(severityTerm(severity)))));
      case 'text':
        return planText(part.field, part.test);
      case 'words':
        return planWords(part.all, visible);
      case 'time':
        return planTime(part);
      case 'tree':
        return planTree(part.relation, part.id, named.get(part.id));
      case 'attribute': {
        const { attribute } = part;
        const sees = visible(attribute.private ? PRIVATE : DATA);
        const declared = registry.attributes.get(attribute.name);
        const indexed = declared?.indexed && declared.indexReady;
        const { met, unmet, exact } = indexed ? planValue(part) : atMost(ALL);
        return { met: and(sees, met), unmet: and(sees, unmet), exact };
      }
      case 'id':
      case 'depth':
        return atMost(ALL);
    }
  };
  return plan(condition);
}

function planTime({ field, from, before }: Extract<Condition, { on: 'time' }>): Planned {
  const set: SetExpression = { set: 'time', field, from, before };
  // Of when events were recorded there is no column.
  return field === 'occurredAt' ? exactly(set) : atMost(set);
}

function planText(field: TextField, test: TextTest): Planned {
  const toTerm = TEXT_TERM[field];
  switch (test.is) {
    case 'in':
      return exactly(or(...test.values.map((value) => term(toTerm(value)))));
    case 'startsWith':
      return exactly(prefixed(toTerm(test.prefix)));
    case 'not': {
      const equal = term(toTerm(test.value));
      // Of a field that may be missing, the events without it are met by neither.
      return field === 'type' ? { met: not(equal), unmet: equal, exact: true } : atMost(not(equal));
    }
  }
}

const TEXT_TERM: Record<TextField, (value: string) => Term> = {
  type: typeTerm,
  resource: resourceTerm,
  resourceType: resourceTypeTerm,
  actor: actorTerm,
  sessionId: sessionTerm,
  correlationId: correlationTerm,
};

function planWords(words: readonly string[], visible: Visible): Planned {
  const indexed = words.filter(isIndexedWord);
  const full = and(...indexed.map((word) => term(wordTerm(word))));
  const masked = and(...indexed.map((word) => term(maskedWordTerm(word))));
  const data = visible(DATA);
  const met = or(
    and(data, full),
    and(not(data), not(term(MASKED)), full),
    and(not(data), term(MASKED), masked),
  );
  return indexed.length === words.length ? exactly(met) : atMost(met);
}

function planTree(
  relation: 'root' | 'parent' | 'within',
  id: EventId,
  event: NamedEvent | undefined,
): Planned {
  if (event === undefined) return { met: NONE, unmet: NONE, exact: true };
  if (event.position === null) return exactly(NONE);
  if (relation === 'parent') return exactly(term(parentTerm(id)));
  if (relation === 'root' && !event.isRoot) return exactly(NONE);
  return exactly(
    or({ set: 'position', position: event.position }, term(parentTerm(id)), term(ancestorTerm(id))),
  );
}

function planValue({ attribute, test }: Extract<Condition, { on: 'attribute' }>): Planned {
  const present = term(presenceTerm(attribute.name));
  switch (test.is) {
    case 'present':
      return exactly(present);
    case 'absent':
      return { met: not(present), unmet: present, exact: true };
    case 'in': {
      const equal = or(...test.values.map((value) => term(valueTerm(attribute, value))));
      return test.values.some(isCutValue) ? atMost(equal) : exactly(equal);
    }
    case 'not': {
      const equal = term(valueTerm(attribute, test.value));
      if (isCutValue(test.value)) return atMost(present);
      return { met: and(present, not(equal)), unmet: or(equal, not(present)), exact: true };
    }
    case 'startsWith':
      return isCut(test.prefix)
        ? atMost(present)
        : exactly(prefixed(valuePrefix(attribute.name) + test.prefix));
    default:
      return isCutValue(test.value)
        ? atMost(present)
        : exactly(compared(attribute.name, test.is, sortableValue(attribute, test.value)));
  }
}

function compared(name: string, is: 'gt' | 'gte' | 'lt' | 'lte', value: string): SetExpression {
  const least = valuePrefix(name);
  const most = afterPrefix(least) as Term;
  // The smallest text after a text is that text with U+0001: U+0000 cannot be stored.
  const next = `${least + value}\u0001`;
  switch (is) {
    case 'gt':
      return { set: 'range', from: next, before: most };
    case 'gte':
      return { set: 'range', from: least + value, before: most };
    case 'lt':
      return { set: 'range', from: least, before: least + value };
    case 'lte':
      return { set: 'range', from: least, before: next };
  }
}

function isCutValue(value: unknown): boolean {
  return typeof value === 'string' && isCut(value);
}

function prefixed(prefix: Term): SetExpression {
  // Every term begins with a letter or sign, so there is always a text after it.
  return { set: 'range', from: prefix, before: afterPrefix(prefix) as Term };
}

function exactly(set: SetExpression): Planned {
  return { met: set, unmet: not(set), exact: true };
}

/** The index tells only that nothing outside the set meets the condition. */
function atMost(set: SetExpression): Planned {
  return { met: set, unmet: ALL, exact: false };
}

function term(of: Term): SetExpression {
  return { set: 'term', term: of };
}

export function and(...parts: SetExpression[]): SetExpression {
  const of = parts
    .flatMap((part) => (part.set === 'and' ? part.of : [part]))
    .filter(({ set }) => set !== 'all');
  if (of.some(({ set }) => set === 'none')) return NONE;
  return of.length === 0 ? ALL : of.length === 1 ? (of[0] as SetExpression) : { set: 'and', of };
}

export function or(...parts: SetExpression[]): SetExpression {
  const of = parts
    .flatMap((part) => (part.set === 'or' ? part.of : [part]))
    .filter(({ set }) => set !== 'none');
  if (of.some(({ set }) => set === 'all')) return ALL;
  return of.length === 0 ? NONE : of.length === 1 ? (of[0] as SetExpression) : { set: 'or', of };
}

function not(of: SetExpression): SetExpression {
  if (of.set === 'all') return NONE;
  if (of.set === 'none') return ALL;
  return of.set === 'not' ? of.of : { set: 'not', of };
}
