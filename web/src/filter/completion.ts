/** What can follow what has been typed into the filter. */
import { CATEGORIES, SEVERITIES } from '../../../src/client/index.ts';
import { FIELDS, parseChip } from './chip.ts';
import type { AttributeKind } from './event-filter.ts';
import type { Registry } from './registry.ts';
import { LASTS } from './view.ts';

export interface Suggestion {
  /** What the input holds when it is taken. */
  readonly text: string;
  readonly hint: string;
  /** Whether a chip is whole with it; else one goes on typing. */
  readonly isWhole: boolean;
}

/** Values that occur, most frequent first. */
export interface Occurring {
  readonly resources: readonly string[];
  readonly resourceTypes: readonly string[];
  readonly actors: readonly string[];
}

const MOST = 12;

const FIELD_HINTS: Readonly<Record<(typeof FIELDS)[number], string>> = {
  type: 'what kind of event',
  category: 'what it is in nature',
  severity: 'severity>=HIGH for that and above',
  resource: 'what it is about, type/id',
  'resource.type': 'about any of this type',
  actor: 'who caused it',
  session: 'the session of the application',
  correlation: 'the correlation id',
  within: 'an event’s id, and all below it',
  is: 'is:failed, severe or with an error',
};

export function suggest(typed: string, registry: Registry | null, occurring: Occurring): Suggestion[] {
  const not = typed.startsWith('-') ? '-' : '';
  const said = typed.slice(not.length);
  const value = (
    field: string,
    operator: string,
    values: readonly string[],
    hint: (value: string) => string,
  ) => {
    const rest = said.slice(field.length + operator.length).toLowerCase();
    return ranked(values, rest).map((each) => ({
      text: `${not}${field}${operator}${each}`,
      hint: hint(each),
      isWhole: true,
    }));
  };
  const nothing = () => '';

  if (said.startsWith('type:')) {
    const types = registry?.types ?? [];
    const groups = prefixesOf(types.map(({ name }) => name));
    const described = new Map(types.map(({ name, description }) => [name, description ?? '']));
    return value(
      'type',
      ':',
      [...described.keys(), ...groups],
      (name) => described.get(name) ?? 'all of them',
    ).slice(0, MOST);
  }
  if (said.startsWith('category:')) return value('category', ':', CATEGORIES, nothing);
  if (said.startsWith('severity>=')) return value('severity', '>=', SEVERITIES, () => 'and above');
  if (said.startsWith('severity')) {
    return [
      ...value('severity', ':', SEVERITIES, nothing),
      ...SEVERITIES.slice(1).map((each) => ({
        text: `${not}severity>=${each}`,
        hint: 'and above',
        isWhole: true,
      })),
    ].filter(({ text }) => text.toLowerCase().startsWith(typed.toLowerCase().replace(/:$/, '')));
  }
  if (said.startsWith('resource.type:'))
    return value('resource.type', ':', occurring.resourceTypes, nothing).slice(0, MOST);
  if (said.startsWith('resource:'))
    return value('resource', ':', occurring.resources, nothing).slice(0, MOST);
  if (said.startsWith('actor:')) return value('actor', ':', occurring.actors, nothing).slice(0, MOST);
  if (said.startsWith('last:')) return value('last', ':', LASTS, () => 'of when it happened').slice(0, MOST);
  if (said.startsWith('is:')) return value('is', ':', ['failed'], () => 'severe, or with an error');
  if (said.startsWith('attr.')) return suggestAttributes(said.slice('attr.'.length), `${not}attr.`, registry);
  const fields = FIELDS.filter((field) => field.startsWith(said)).map((field) => ({
    text: `${not}${field}:`,
    hint: FIELD_HINTS[field],
    isWhole: false,
  }));
  const attributes = { text: `${not}attr.`, hint: 'an attribute of the event', isWhole: false };
  const time = { text: 'last:', hint: 'when it happened: last:24h', isWhole: false };
  const isTime = not === '' && 'last:'.startsWith(said);
  const isAttribute = 'attr.'.startsWith(said);
  // Half a word may be the name of a type.
  const types =
    said.length < 2
      ? []
      : ranked(
          (registry?.types ?? []).map(({ name }) => name),
          said.toLowerCase(),
        )
          .slice(0, 5)
          .map((name) => ({ text: `${not}type:${name}`, hint: 'type', isWhole: true }));
  const isWords = said !== '' && parseChip(typed).on === 'words' && !isUnfinished(typed);
  const words = !isWords ? [] : [{ text: typed, hint: 'words of the message', isWhole: true }];
  return [...fields, ...(isAttribute ? [attributes] : []), ...(isTime ? [time] : []), ...types, ...words];
}

const ATTRIBUTE = /^(.*?)(>=|<=|:|>|<)(.*)$/s;
/** Kinds that have more and less. */
const ORDERED: readonly AttributeKind[] = ['INTEGER', 'FLOAT', 'DATETIME'];
const COMPARISONS = { '>=': 'this or more', '<=': 'this or less' } as const;

/** @param said what follows `attr.`: a part of a name, or a name with a test. */
function suggestAttributes(said: string, prefix: string, registry: Registry | null): Suggestion[] {
  // The contents of a document cannot be asked for.
  const attributes = (registry?.attributes ?? []).filter(({ kind }) => kind !== 'JSON');
  const [, tested, operator = '', value = ''] = ATTRIBUTE.exec(said) ?? [];
  const name = tested ?? said;
  const exact = attributes.find((attribute) => attribute.name === name);
  const comparisons =
    exact === undefined || !ORDERED.includes(exact.kind)
      ? []
      : Object.entries(COMPARISONS).map(([each, hint]) => ({
          text: `${prefix}${name}${each}`,
          hint,
          isWhole: false,
        }));
  if (tested !== undefined) {
    if (exact?.kind === 'BOOLEAN' && operator === ':') {
      return ranked(['true', 'false'], value.toLowerCase()).map((each) => ({
        text: `${prefix}${name}:${each}`,
        hint: '',
        isWhole: true,
      }));
    }
    const typed = `${prefix}${said}`;
    if (value !== '') return [];
    return comparisons.filter(({ text }) => operator === ':' || (text.startsWith(typed) && text !== typed));
  }
  const lower = name.toLowerCase();
  const named = attributes
    .filter((attribute) => attribute.name.toLowerCase().includes(lower))
    .map((attribute) => ({
      text: `${prefix}${attribute.name}:`,
      hint: [attribute.kind.toLowerCase(), attribute.description].filter(Boolean).join(' · '),
      isWhole: false,
    }));
  return [...comparisons, ...named].slice(0, MOST);
}

const TEST = /^-?(attr\.[^:<>]*|[a-z.]+)(>=|<=|:|>|<)(.*)$/s;

/** Whether it names a field, and no value of it yet, or one by which the field cannot be asked for: it is no words. */
export function isUnfinished(text: string): boolean {
  if (text === 'attr.' || text === '-attr.') return true;
  const [, field = '', operator, value = ''] = TEST.exec(text.trim()) ?? [];
  const isAttribute = field.startsWith('attr.');
  if (text.trim() === 'last:') return true;
  if (!isAttribute && !FIELDS.some((each) => each === field)) return false;
  if (value.trim() === '') return true;
  // Of a severity one asks for itself and above.
  return field === 'severity' && operator !== ':' && operator !== '>=';
}

/** Those that hold the text, those that begin with it first. */
function ranked(values: readonly string[], text: string): string[] {
  const holding = values.filter((value) => value.toLowerCase().includes(text));
  const begins = (value: string) => value.toLowerCase().startsWith(text);
  return [...holding.filter(begins), ...holding.filter((value) => !begins(value))].slice(0, MOST);
}

/** `github.*` where several types begin so. */
function prefixesOf(names: readonly string[]): string[] {
  const counts = new Map<string, number>();
  for (const name of names) {
    const parts = name.split('.');
    for (let i = 1; i < parts.length; i++) {
      const prefix = `${parts.slice(0, i).join('.')}.*`;
      counts.set(prefix, (counts.get(prefix) ?? 0) + 1);
    }
  }
  return [...counts].filter(([, count]) => count > 1).map(([prefix]) => prefix);
}
