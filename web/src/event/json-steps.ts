/** Any JSON value as something to unfold: what it is in a word, and its members so many at a time. Pure. */

export const STEP = 100;
/** Texts longer than this are folded. */
export const LONG_CHARS = 500;

export type Holder = Readonly<Record<string, unknown>> | readonly unknown[];

export function isHolder(value: unknown): value is Holder {
  return typeof value === 'object' && value !== null;
}

export function sizeOf(value: Holder): number {
  return isList(value) ? value.length : Object.keys(value).length;
}

/** The first of them, with their names; in a list, their places. */
export function membersOf(value: Holder, count: number): readonly (readonly [string, unknown])[] {
  if (isList(value)) return value.slice(0, count).map((item, place) => [String(place), item]);
  return Object.keys(value)
    .slice(0, count)
    .map((name) => [name, (value as Readonly<Record<string, unknown>>)[name]]);
}

/** What stands in its place while it is folded: `{ id, name, … }`, `[12 items]`. */
export function summaryOf(value: Holder): string {
  const size = sizeOf(value);
  if (isList(value))
    return size === 0 ? '[ ]' : `[${size.toLocaleString('en')} item${size === 1 ? '' : 's'}]`;
  if (size === 0) return '{ }';
  const names = Object.keys(value)
    .slice(0, 3)
    .map((name) => (name.length > 24 ? `${name.slice(0, 24)}…` : name));
  return `{ ${names.join(', ')}${size > 3 ? ', …' : ''} }`;
}

/** What is small is there at a glance. */
export function isOpenAtFirst(value: Holder, depth: number): boolean {
  return depth === 0 || (depth <= 2 && sizeOf(value) <= 4);
}

export function isList(value: Holder): value is readonly unknown[] {
  return Array.isArray(value);
}
