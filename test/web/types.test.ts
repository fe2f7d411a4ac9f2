/** The lists of what is declared: what is found, in which order, and how often it occurs. */
import { describe, expect, it } from 'vitest';
import { arrange, mostOf } from '../../web/src/types/arrange.ts';
import { attributeCounts, type CountOf, typeCounts } from '../../web/src/types/count-of.ts';
import { MOST_COUNTED } from '../../web/src/types/registry.ts';

const TYPES = [
  { name: 'github.push', description: 'Commits were pushed.' },
  { name: 'github.issues.opened', description: null },
  { name: 'note', description: 'What a person wanted to be remembered.' },
];
const COUNTS: Readonly<Record<string, number | null>> = {
  'github.push': 3,
  note: 70,
  'github.issues.opened': null,
};
const countOf: CountOf = (name) => COUNTS[name];
const found = (words: string, order: 'name' | 'count' = 'name') =>
  arrange(TYPES, words, order, countOf).map(({ name }) => name);

describe('a list', () => {
  it('is found by words of name and description, in any case', () => {
    expect(found('PUSH commits')).toEqual(['github.push']);
    expect(found('github')).toEqual(['github.issues.opened', 'github.push']);
    expect(found('nothing')).toEqual([]);
  });

  it('is sorted by how often, what is not counted last', () => {
    expect(found('', 'count')).toEqual(['note', 'github.push', 'github.issues.opened']);
    expect(mostOf(TYPES, countOf)).toBe(70);
  });
});

describe('counts', () => {
  const answer = (values: { value: string; count: number }[]) => ({ eventStatistics: { facet: { values } } });

  it('of types that do not occur are nothing, once it is known', () => {
    expect(typeCounts(undefined)('note')).toBeUndefined();
    expect(typeCounts(answer([{ value: 'note', count: 2 }]))('note')).toBe(2);
    expect(typeCounts(answer([{ value: 'note', count: 2 }]))('call')).toBe(0);
  });

  it('of types beyond the most frequent are not known', () => {
    const values = Array.from({ length: MOST_COUNTED }, (_, i) => ({ value: `t${i}`, count: 9 }));
    expect(typeCounts(answer(values))('rare')).toBeUndefined();
  });

  it('of attributes tell those that are not indexed from those that do not occur', () => {
    const count = attributeCounts({
      attributes: [
        { name: 'a', eventCount: 0 },
        { name: 'b', eventCount: null },
      ],
    });
    expect(['a', 'b', 'c'].map(count)).toEqual([0, null, undefined]);
  });
});
