/** Which of the declared things are shown, and in which order. Pure. */
import type { CountOf } from './count-of.ts';

export type Order = 'name' | 'count';

interface Named {
  readonly name: string;
  readonly description: string | null;
}

/** @param words each must stand in the name or the description. */
export function arrange<T extends Named>(
  things: readonly T[],
  words: string,
  order: Order,
  countOf: CountOf,
): T[] {
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
  const found = things.filter(({ name, description }) => {
    const text = `${name} ${description ?? ''}`.toLowerCase();
    return wanted.every((word) => text.includes(word));
  });
  const byName = (a: T, b: T) => (a.name < b.name ? -1 : 1);
  if (order === 'name') return found.sort(byName);
  return found.sort((a, b) => (countOf(b.name) ?? -1) - (countOf(a.name) ?? -1) || byName(a, b));
}

export function mostOf(things: readonly Named[], countOf: CountOf): number {
  return things.reduce((most, { name }) => Math.max(most, countOf(name) ?? 0), 0);
}
