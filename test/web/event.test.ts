import { describe, expect, test } from 'vitest';
import { claimsIn, type Explanation, missingSentences, seenSentence } from '../../web/src/event/explain.ts';
import { isOpenAtFirst, membersOf, STEP, summaryOf } from '../../web/src/event/json-steps.ts';
import { lagOf, partsOf } from '../../web/src/event/parts.ts';

describe('attributes', () => {
  test('are told apart: what failed, what changed, and all others by name', () => {
    const attributes = {
      stack: 'E: no\n at x',
      where: 'x.ts:1',
      error: 'E',
      size: 3,
      new: 2,
      attribute: 'count',
      old: null,
    };
    const { change, failure, rest } = partsOf(attributes);
    expect(change).toEqual({ of: 'count', old: null, new: 2 });
    expect(failure).toEqual({ error: 'E', said: undefined, where: 'x.ts:1', stack: 'E: no\n at x' });
    expect(rest).toEqual([
      ['attribute', 'count'],
      ['size', 3],
    ]);
  });

  test('stay all together where none of them is of a change or a failure', () => {
    const { change, failure, rest } = partsOf({ where: 'Berlin', b: true, a: { c: 1 } });
    expect([change, failure]).toEqual([null, null]);
    expect(rest.map(([name]) => name)).toEqual(['a', 'b', 'where']);
  });

  test('lose none that is of another kind than that of a failure', () => {
    const { failure, rest } = partsOf({ error: 'E', where: { lat: 1 } });
    expect(failure?.where).toBeNull();
    expect(rest).toEqual([['where', { lat: 1 }]]);
  });

  test('show how rights were changed', () => {
    expect(partsOf({ old_acl: { owners: [] }, new_acl: { owners: ['user/jane'] } }).change).toEqual({
      of: null,
      old: { owners: [] },
      new: { owners: ['user/jane'] },
    });
  });
});

test('the time between occurring and being recorded is told where it is over a second', () => {
  const occurredAt = '2026-11-20T10:00:00.000Z';
  expect(lagOf({ occurredAt, recordedAt: '2026-11-20T10:00:01.000Z' })).toBeNull();
  expect(lagOf({ occurredAt, recordedAt: '2026-11-20T10:00:01.001Z' })).toBe(1_001);
  expect(lagOf({ occurredAt, recordedAt: '2026-11-20T09:00:00.000Z' })).toBeNull();
});

describe('JSON', () => {
  test('is shown so many members at a time', () => {
    const list = Array.from({ length: 250 }, (_, place) => place);
    expect(membersOf(list, STEP)).toHaveLength(100);
    expect(membersOf(list, STEP).at(-1)).toEqual(['99', 99]);
    expect(membersOf({ a: 1, b: 2 }, 1)).toEqual([['a', 1]]);
  });

  test('shows a member that is named like one of all objects', () => {
    expect(membersOf(JSON.parse('{"__proto__": 1, "constructor": 2}'), STEP)).toEqual([
      ['__proto__', 1],
      ['constructor', 2],
    ]);
  });

  test.each([
    [{}, '{ }'],
    [[], '[ ]'],
    [[1], '[1 item]'],
    [Array(1_200).fill(0), '[1,200 items]'],
    [{ a: 1, b: 2, c: 3 }, '{ a, b, c }'],
    [{ a: 1, b: 2, c: 3, d: 4 }, '{ a, b, c, … }'],
    [{ ['n'.repeat(30)]: 1 }, `{ ${'n'.repeat(24)}… }`],
  ])('is summed up: %j', (value, summary) => {
    expect(summaryOf(value)).toBe(summary);
  });

  test('is folded at first where it is large or deep', () => {
    expect(isOpenAtFirst(Array(500).fill(0), 0)).toBe(true);
    expect(isOpenAtFirst({ a: 1 }, 2)).toBe(true);
    expect(isOpenAtFirst({ a: 1 }, 3)).toBe(false);
    expect(isOpenAtFirst([1, 2, 3, 4, 5], 1)).toBe(false);
  });
});

describe('visibility', () => {
  const envelope: Explanation = {
    level: 'ENVELOPE',
    reasons: [{ claim: 'group/staff', right: 'viewMeta', level: 'ENVELOPE' }],
    missing: [
      { level: 'DATA', claims: ['group/audit', 'user/boss'] },
      { level: 'PRIVATE', claims: ['user/boss'] },
    ],
  };

  test('claims stand with commas or spaces between, each once', () => {
    expect(claimsIn(' user/jane,group/x  group/x;\ngroup/y ')).toEqual(['user/jane', 'group/x', 'group/y']);
    expect(claimsIn('  ')).toEqual([]);
  });

  test('says what is seen, why, and what more would take', () => {
    expect(seenSentence(['user/jane', 'group/staff'], envelope)).toBe(
      'user/jane with group/staff sees the envelope, without attributes and payload, because group/staff has viewMeta.',
    );
    expect(missingSentences(envelope)).toEqual([
      'For attributes and payload it would take one of: group/audit, user/boss.',
      'For private parts it would take user/boss.',
    ]);
  });

  test('gives as the reason only what gives as much as is seen', () => {
    const owner = { claim: 'user/boss', right: 'owners', level: 'PRIVATE' } as const;
    const explanation: Explanation = { level: 'PRIVATE', reasons: [...envelope.reasons, owner], missing: [] };
    expect(seenSentence(['user/boss'], explanation)).toBe(
      'user/boss sees all of the event, private parts too, because user/boss is an owner.',
    );
  });

  test('says of nothing that is seen what each level would take', () => {
    const missing = [{ level: 'ENVELOPE', claims: ['group/admin'] }] as const;
    expect(seenSentence(['user/joe'], { level: 'NONE', reasons: [], missing })).toBe(
      'user/joe sees nothing of the event.',
    );
    expect(missingSentences({ level: 'NONE', reasons: [], missing })).toEqual([
      'For the envelope it would take group/admin.',
    ]);
  });
});
