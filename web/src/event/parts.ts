/** What of an event is told apart from the rest. Pure. */

type Values = Readonly<Record<string, unknown>>;

export interface Parts {
  /** Of a change: each is there or not by itself. */
  readonly change: { readonly of: string | null; readonly old: unknown; readonly new: unknown } | null;
  /** What they tell of one; whether it is one, failure.ts says. */
  readonly failure: FailureTold | null;
  /** All others, by their names. */
  readonly rest: readonly (readonly [string, unknown])[];
}

export interface FailureTold {
  /** Of any kind; null where there is none. */
  readonly error: unknown;
  readonly said: unknown;
  readonly where: string | null;
  readonly stack: string | null;
}

/** Attributes of a change and of a failure stand by themselves; what names the changed one stays a filter too. */
export function partsOf(attributes: Values): Parts {
  const taken = new Set<string>();
  const change = changeOf(attributes, taken);
  const failure = failureIn(attributes, taken);
  const rest = Object.entries(attributes).filter(([name]) => !taken.has(name));
  return { change, failure, rest: rest.sort(([a], [b]) => a.localeCompare(b)) };
}

const CHANGES = [
  ['old', 'new'],
  ['old_acl', 'new_acl'],
] as const;

function changeOf(attributes: Values, taken: Set<string>): Parts['change'] {
  const pair = CHANGES.find((names) => names.some((name) => Object.hasOwn(attributes, name)));
  if (pair === undefined) return null;
  const [before, after] = pair;
  taken.add(before).add(after);
  return {
    of: textOf(attributes.attribute) ?? textOf(attributes.field) ?? null,
    old: own(attributes, before),
    new: own(attributes, after),
  };
}

function failureIn(attributes: Values, taken: Set<string>): FailureTold | null {
  const error = own(attributes, 'error') ?? null;
  if (error === null && typeof attributes.stack !== 'string') return null;
  taken.add('error').add('error_value');
  // Of another kind, as a type of the application's may have them, these stay among the others.
  for (const name of ['where', 'stack']) if (typeof attributes[name] === 'string') taken.add(name);
  return {
    error,
    said: own(attributes, 'error_value'),
    where: textOf(attributes.where),
    stack: textOf(attributes.stack),
  };
}

function own(attributes: Values, name: string): unknown {
  return Object.hasOwn(attributes, name) ? attributes[name] : undefined;
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

/** How long after it occurred the journal took it; null for what is not worth a word. */
export function lagOf({
  occurredAt,
  recordedAt,
}: {
  readonly occurredAt: string;
  readonly recordedAt: string;
}): number | null {
  const ms = Date.parse(recordedAt) - Date.parse(occurredAt);
  return ms > 1_000 ? ms : null;
}
