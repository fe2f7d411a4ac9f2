/**
 * Names that stand beside their values: `{ name: 'authorization', value: … }`, `{ attribute: 'iban', old: …, new: … }`,
 * and lists of names and values in turn, as Node.js has raw headers, and a process its arguments. Pure.
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
]);
const VALUES: ReadonlySet<string> = new Set(['value', 'values', 'Value', 'Values', 'old', 'new']);

/** Whether an object's member of this name may hold the name of another. */
export function isNaming(member: string): boolean {
  return NAMING.has(member);
}

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
