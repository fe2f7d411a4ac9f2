/**
 * A filter as people type it and as the address keeps it: one text per condition.
 *
 *     type:github.push    type:deploy.*    -type:note           -…: does not hold
 *     severity>=HIGH      category:ALARM   resource:page/1      resource.type:page
 *     actor:user/jane     session:…        correlation:…        within:<id>
 *     is:failed (severe, or with an error)
 *     attr.branch:main    attr.size>=1000  attr.path:src/*      attr.error (is there)
 *     words of the message
 *
 * A value that ends in a star itself is written `\*` there.
 *
 * Conditions of one field are alternatives; different fields must all hold, and so must each that is negated.
 */

export const FIELDS = [
  'type',
  'category',
  'severity',
  'resource',
  'resource.type',
  'actor',
  'session',
  'correlation',
  'within',
  'is',
] as const;
export type Field = (typeof FIELDS)[number];

export type Operator = ':' | '>=' | '<=' | '>' | '<';

export type Chip =
  | {
      readonly on: 'field';
      readonly field: Field;
      readonly operator: ':' | '>=';
      readonly value: string;
      readonly isNot: boolean;
    }
  | {
      readonly on: 'attribute';
      readonly name: string;
      /** Null: it is there. */
      readonly test: { readonly operator: Operator; readonly value: string } | null;
      readonly isNot: boolean;
    }
  | { readonly on: 'words'; readonly words: string; readonly isNot: boolean };

const ATTRIBUTE = /^attr\.([A-Za-z][A-Za-z0-9_.-]*?)(?:(>=|<=|:|>|<)(.*))?$/s;
const FIELD = /^([a-z.]+)(>=|:)(.*)$/s;

/** What the text says. What names no field is words of the message. */
export function parseChip(text: string): Chip {
  const isNot = text.startsWith('-') && text.length > 1;
  const said = isNot ? text.slice(1) : text;
  const [, name, operator, value] = ATTRIBUTE.exec(said) ?? [];
  if (name !== undefined) {
    const test = operator === undefined ? null : { operator: operator as Operator, value: value ?? '' };
    return { on: 'attribute', name, test, isNot };
  }
  const [, field, by, rest = ''] = FIELD.exec(said) ?? [];
  if (isField(field) && rest !== '') {
    const isSeverity = field === 'severity';
    const isKnown = field !== 'is' || rest === 'failed';
    if (isKnown && (by === ':' || isSeverity)) {
      const upper = isSeverity || field === 'category' ? rest.toUpperCase() : rest;
      return { on: 'field', field, operator: by as ':' | '>=', value: upper, isNot };
    }
  }
  return { on: 'words', words: said, isNot };
}

export function printChip(chip: Chip): string {
  const not = chip.isNot ? '-' : '';
  switch (chip.on) {
    case 'field':
      return `${not}${chip.field}${chip.operator}${chip.value}`;
    case 'attribute':
      return `${not}attr.${chip.name}${chip.test === null ? '' : chip.test.operator + chip.test.value}`;
    case 'words':
      return not + chip.words;
  }
}

/** Fields of which a value that ends in `*` stands for all that begin so. */
const BY_PREFIX: readonly Field[] = ['type', 'actor', 'correlation'];

/** The chip that a click on a value adds: for that very value. */
export function fieldChip(field: Field, value: string, isNot = false): Chip {
  const text = BY_PREFIX.includes(field) ? escaped(value) : value;
  return { on: 'field', field, operator: ':', value: text, isNot };
}

/** The same for a value of an attribute. */
export function attributeChip(name: string, value: string): Chip {
  return { on: 'attribute', name, test: { operator: ':', value: escaped(value) }, isNot: false };
}

/** What a value asks for: `user/*` for all that begin so, `user/\*` for one that ends in a star. */
export function prefixOrValue(text: string): { readonly startsWith: string } | { readonly eq: string } {
  if (text.endsWith('\\*')) return { eq: `${text.slice(0, -2)}*` };
  return text.endsWith('*') ? { startsWith: text.slice(0, -1) } : { eq: text };
}

function escaped(value: string): string {
  return value.endsWith('*') ? `${value.slice(0, -1)}\\*` : value;
}

function isField(text: string | undefined): text is Field {
  return FIELDS.some((field) => field === text);
}
