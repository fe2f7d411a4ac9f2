/**
 * What the events of property tests are made of: attributes of every kind, indexed and not, private and
 * not, with names that begin alike; and types with and without a template.
 */
export type Kind = 'STRING' | 'INTEGER' | 'FLOAT' | 'BOOLEAN' | 'DATETIME' | 'RESOURCE' | 'JSON';

interface Declared {
  readonly kind: Kind;
  readonly indexed?: boolean;
  readonly private?: boolean;
}

export const ATTRIBUTES: Readonly<Record<string, Declared>> = {
  text: { kind: 'STRING' },
  'text.b': { kind: 'STRING' },
  textPlain: { kind: 'STRING', indexed: false },
  textPrivate: { kind: 'STRING', private: true },
  whole: { kind: 'INTEGER' },
  wholePrivate: { kind: 'INTEGER', indexed: false, private: true },
  real: { kind: 'FLOAT' },
  realPlain: { kind: 'FLOAT', indexed: false },
  flag: { kind: 'BOOLEAN' },
  moment: { kind: 'DATETIME' },
  momentPlain: { kind: 'DATETIME', indexed: false },
  thing: { kind: 'RESOURCE' },
  json: { kind: 'JSON' },
  // A name that every object seems to have.
  ['constructor' as string]: { kind: 'STRING' },
};

const OF_ALL = Object.fromEntries(Object.keys(ATTRIBUTES).map((name) => [name, {}]));

export const TYPES = {
  thing: { category: 'CHANGE', severity: 'LOW', attributes: OF_ALL },
  'thing.told': {
    category: 'USER',
    severity: 'HIGH',
    attributes: OF_ALL,
    messageTemplate: '{actor} told {text} and {whole} of {resource}, and {textPrivate}.',
  },
  'thing.shown': {
    category: 'STATE',
    severity: 'MEDIUM',
    attributes: OF_ALL,
    messageTemplate: '{type} {sessionId} {textPrivate}',
  },
  'thing.plain': { category: 'SYSTEM', severity: 'CRITICAL', attributes: {} },
} as const;

export type TypeName = keyof typeof TYPES;

interface Told {
  readonly type: TypeName;
  readonly resource: string | null;
  readonly actor: string;
  readonly sessionId: string | null;
  readonly attributes: Readonly<Record<string, unknown>>;
}

/** The message of an event that was given none, for who sees its data and for who sees the envelope. */
export function renderedMessage(told: Told): { message: string; masked: string } {
  const { type, resource, actor, sessionId, attributes } = told;
  const render = (text: string, whole: string) => ({
    thing: `thing${resource === null ? '' : ` on ${resource}`} by ${actor}`,
    'thing.plain': `thing.plain${resource === null ? '' : ` on ${resource}`} by ${actor}`,
    'thing.told': `${actor} told ${text} and ${whole} of ${resource ?? '—'}, and ….`,
    'thing.shown': `thing.shown ${sessionId ?? '—'} …`,
  });
  const shown = (value: unknown) => (value === undefined ? '—' : cut(String(value)));
  return {
    message: render(shown(attributes.text), shown(attributes.whole))[type],
    masked: render('…', '…')[type],
  };
}

function cut(text: string): string {
  return text.length <= 200 ? text : `${text.slice(0, 200).toWellFormed()}…`;
}
