/** How often each of the declared things occurs, by its name. Pure. */
import { type AttributeCounts, MOST_COUNTED, type TypeCounts } from './registry.ts';

/** Undefined: not known, or not yet. Null: it is not counted. */
export type Count = number | null | undefined;
export type CountOf = (name: string) => Count;

export function typeCounts(data: TypeCounts | undefined): CountOf {
  if (data === undefined) return () => undefined;
  const { values } = data.eventStatistics.facet;
  const counts = new Map(values.map(({ value, count }) => [value, count]));
  // One that is not among the most frequent may be rare, or not there at all.
  const absent = values.length < MOST_COUNTED ? 0 : undefined;
  return (name) => counts.get(name) ?? absent;
}

export function attributeCounts(data: AttributeCounts | undefined): CountOf {
  const counts = new Map((data?.attributes ?? []).map(({ name, eventCount }) => [name, eventCount]));
  return (name) => counts.get(name);
}
