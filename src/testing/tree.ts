/** Events as the tree that they are: what a node shows of itself, and what is expected of it. */

/** An event as far as it is shown in a tree. Those of the API are such, and those of `eventree/client`. */
export interface TreeEvent {
  readonly id: string;
  readonly type: { readonly name: string };
  readonly resource?: { readonly ref: string } | null;
  readonly parent?: { readonly id: string } | null;
  /** Null to who may see the envelope only: then neither names nor errors are known. */
  readonly attributes?: Readonly<Record<string, unknown>> | null;
  readonly message?: string;
}

export interface TreeNode {
  readonly event: TreeEvent;
  readonly children: readonly TreeNode[];
}

/** Siblings stand in the order in which they are given. An event whose parent is not among them is a root. */
export function growTrees(events: readonly TreeEvent[]): TreeNode[] {
  const nodes = new Map(events.map((event) => [event.id, { event, children: [] as TreeNode[] }]));
  const roots: TreeNode[] = [];
  for (const node of nodes.values()) {
    const parent = nodes.get(node.event.parent?.id ?? '');
    (parent?.children ?? roots).push(node);
  }
  return roots;
}

/** What an event is called besides its type: the function of a call, the attribute that an update changed. */
export function nameOf({ attributes }: TreeEvent): string | null {
  const name = attributes?.function ?? attributes?.attribute;
  return typeof name === 'string' ? name : null;
}

/** The name of the error that it ended with; null where it did not fail. */
export function errorOf({ attributes }: TreeEvent): string | null {
  return attributes?.error == null ? null : String(attributes.error);
}

/** Whether it is known to have come to its end, and well. */
export function hasSucceeded(event: TreeEvent): boolean {
  return errorOf(event) === null && event.attributes?.elapsed_ms != null;
}

/** A text in which `*` stands for any characters, or a regular expression. */
export type Pattern = string | RegExp;

/** Any number of events, with what is below them. */
export const ANY_EVENTS = '…';
export type Expected = ExpectedEvent | typeof ANY_EVENTS;

/** What is left out is not looked at, but for the outcome and the children. */
export interface ExpectedEvent {
  readonly type: Pattern;
  /** Of the function that was called, or of the attribute that was changed. */
  readonly name?: Pattern;
  /** Null: it has none. */
  readonly resource?: Pattern | null;
  /**
   * `ok`, which it is where this is left out: it has no error. `failed`: it has one. `any`: whether or not. Else the
   * name of its error.
   */
  readonly outcome?: 'ok' | 'failed' | 'any' | (string & {});
  readonly message?: Pattern;
  /** Those that it must have; it may have others. Asymmetric matchers (`expect.any(Number)`) do. */
  readonly attributes?: Readonly<Record<string, unknown>>;
  /** Left out: none. */
  readonly children?: readonly Expected[];
}

export type Equals = (left: unknown, right: unknown) => boolean;

/** Whether the event itself is as expected, whatever is below it. */
export function matchesEvent(expected: ExpectedEvent, event: TreeEvent, equals: Equals): boolean {
  const { type, name, resource, outcome, message, attributes = {} } = expected;
  return (
    matchesText(type, event.type.name) &&
    (name === undefined || matchesText(name, nameOf(event))) &&
    (resource === undefined || matchesText(resource, event.resource?.ref ?? null)) &&
    matchesOutcome(outcome, errorOf(event)) &&
    (message === undefined || matchesText(message, event.message ?? null)) &&
    // One without a value is not kept.
    Object.entries(attributes).every(([key, value]) => equals(event.attributes?.[key] ?? null, value ?? null))
  );
}

/** @param pattern null: for nothing. */
export function matchesText(pattern: Pattern | null, text: string | null): boolean {
  if (pattern === null || text === null) return pattern === text;
  if (pattern instanceof RegExp) return text.search(pattern) !== -1;
  if (!pattern.includes('*')) return pattern === text;
  const parts = pattern.split('*').map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`, 's').test(text);
}

function matchesOutcome(expected: ExpectedEvent['outcome'] = 'ok', error: string | null): boolean {
  if (expected === 'any') return true;
  if (expected === 'ok') return error === null;
  return expected === 'failed' ? error !== null : error === expected;
}
