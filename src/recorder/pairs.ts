/**
 * Names that stand beside their values: `{ name: 'authorization', value: … }`, `{ attribute: 'iban', old: …, new: … }`,
 * `{ op: 'add', path: '/user/password', value: … }`, and lists of names and values in turn, as Node.js has raw headers, and a process its arguments. Pure.
 */

const NAMING: ReadonlySet<string> = new Set([
  'name',
  'Name',
  'key',
  'Key',
  'header',
  'field',
  'attribute',
  'parameter',
  'param',
  'variable',
  'column',
  'property',
  'path',
]);
const VALUES: ReadonlySet<string> = new Set([
  'value',
  'values',
  'Value',
  'Values',
  'old',
  'new',
  'oldValue',
  'newValue',
  'old_value',
  'new_value',
  'from',
  'to',
  'before',
  'after',
]);

/** Whether an object's member of this name may hold the name of another. */
export function isNaming(member: string): boolean {
  return NAMING.has(member);
}

/** The end of a path, `/user/tokens/0` or `['user', 'tokens', 0]`, behind which places in lists do not count. */
const PATH_END = /[/.]([^/.]+)(?:[/.](?:\d+|-))*$/;

/** The names that such a member gives: as it is, and of a path its end. A path alone says nothing but by that. */
export function namesGiven(member: string, given: unknown): readonly string[] {
  const isPath = member === 'path';
  if (isPath && Array.isArray(given)) return given.filter((part) => typeof part === 'string').slice(-1);
  if (typeof given !== 'string') return [];
  const end = PATH_END.exec(given.slice(-MOST_PATH_CHARS))?.[1];
  const ends = end === undefined ? [] : [end];
  return isPath ? ends : [given, ...ends];
}

const MOST_PATH_CHARS = 1_000;

/** Whether an object's member of this name may hold what another names. */
export function isNamed(member: string): boolean {
  return VALUES.has(member);
}

/** By their own form: in a list of fields `password` is not followed by one. */
const HEADER = /^(?:authorization|cookie|[a-z]+(?:-[a-z]+)+)$/i;
const OPTION = /^--?[a-z]+(?:-[a-z]+)*$/i;

/** Of which header or option the item at this place of a list is the value, if of any. */
export function nameBefore(items: readonly unknown[], place: number): string | null {
  const before = place === 0 ? undefined : items[place - 1];
  if (typeof before !== 'string') return null;
  if (before.startsWith('-')) return OPTION.test(before) ? before : null;
  const isInTurn = place % 2 === 1 && items.length % 2 === 0;
  return isInTurn && HEADER.test(before) ? before : null;
}
