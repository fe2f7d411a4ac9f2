/** The matcher, on events as they are given: what it lets pass, what it does not, and what it says then. */
import { describe, expect, test } from 'vitest';
import {
  type ExpectedTree,
  eventTreeMatchers,
  type MatchOptions,
  printTree,
  type TreeEvent,
} from '../../src/testing/index.ts';

expect.extend(eventTreeMatchers);

interface Given {
  readonly type: string;
  readonly resource?: string;
  readonly attributes?: Record<string, unknown>;
  readonly message?: string;
  readonly children?: readonly Given[];
}

/** As the API gives them: parents before children. */
function events(...roots: readonly Given[]): TreeEvent[] {
  const list: TreeEvent[] = [];
  const add = (
    { type, resource, attributes = {}, message = '', children = [] }: Given,
    parent: { id: string } | null,
  ) => {
    const id = `event-${list.length}`;
    list.push({
      id,
      type: { name: type },
      resource: resource === undefined ? null : { ref: resource },
      parent,
      attributes,
      message,
    });
    for (const child of children) add(child, { id });
  };
  for (const root of roots) add(root, null);
  return list;
}

const changed = (account: string, before: number, after: number): Given => ({
  type: 'update',
  resource: `account/${account}`,
  children: [
    {
      type: 'update',
      resource: `account/${account}`,
      attributes: { attribute: 'balance', old: before, new: after },
    },
  ],
});

const transfer = events({
  type: 'call',
  attributes: { function: 'transfer', elapsed_ms: 1.5, params: { cents: 2500 } },
  message: 'user/jane called transfer',
  children: [changed('1', 10_000, 7_500), changed('2', 0, 2_500)],
});

const OUTLINE = `
  call transfer ✓
    update account/1
      update account/1 balance 10000 → 7500
    update account/2
      update account/2 balance 0 → 2500
`;

/** What the matcher says of it; null where it lets it pass. Without colours. */
function complaint(received: TreeEvent[], expected: ExpectedTree, options?: MatchOptions): string | null {
  try {
    expect(received).toMatchEventTree(expected, options);
    return null;
  } catch (error) {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what colours are.
    return (error as Error).message.replace(/\u001b\[\d+m/g, '');
  }
}

describe('an outline', () => {
  test('matches the tree that it shows', () => {
    expect(transfer).toMatchEventTree(OUTLINE);
  });

  test('is what is printed of a tree', () => {
    const outline = printTree(transfer);
    expect(outline.split('\n').map((line) => line.trim())).toEqual(
      OUTLINE.trim()
        .split('\n')
        .map((line) => line.trim()),
    );
    const strange = events({
      type: 'call',
      resource: 'file/a b "c"',
      attributes: { function: 'POST /transfers', error: 'Not Found' },
      children: [
        { type: 'call', attributes: { function: 'graphql/transfer', elapsed_ms: 1 } },
        { type: 'call', attributes: { function: 'failed' } },
        { type: 'update', attributes: { attribute: 'owner', old: 'a → b', new: '5' } },
        { type: 'update', attributes: { attribute: 'tags', old: [{ a: 'x y' }], new: 'plain' } },
        { type: 'update', attributes: { attribute: 'a=b', old: true, new: '' } },
        { type: 'update', attributes: { attribute: 'first', new: 'user/jane' } },
      ],
    });
    expect(strange).toMatchEventTree(printTree(strange));
  });

  test('is indented by any number of blanks', () => {
    const deep = events({ type: 'a', children: [{ type: 'b', children: [{ type: 'c' }] }, { type: 'd' }] });
    expect(deep).toMatchEventTree('a\n b\n    c\n d');
    expect(deep).not.toMatchEventTree('a\n b\n c\n d');
  });

  test.each([
    ['names two resources', 'update account/1 account/2', 'Line 1 of the outline has more than one resource'],
    ['names two names', 'call\n  call one two', 'Line 2 of the outline has more than one name'],
  ])('that %s is refused', (_, outline, message) => {
    expect(() => expect(transfer).toMatchEventTree(outline)).toThrow(message);
  });
});

describe('a node', () => {
  const call = (attributes: Record<string, unknown>, resource?: string) =>
    events({ type: 'call', attributes, message: 'Well done', ...(resource !== undefined && { resource }) });

  test.each<[string, TreeEvent[], ExpectedTree, boolean]>([
    ['its type', call({}), 'call', true],
    ['another type', call({}), 'update', false],
    ['a type with *', call({}), 'ca*', true],
    ['its name', call({ function: 'pay' }), 'call pay', true],
    ['another name', call({ function: 'pay' }), 'call play', false],
    ['no name', call({}), 'call pay', false],
    ['its resource', call({}, 'account/1'), 'call account/1', true],
    ['another resource', call({}, 'account/1'), 'call account/2', false],
    ['a resource where there is none', call({}), 'call account/1', false],
    ['a resource with *', call({}, 'account/1.2'), 'call account/*', true],
    ['a resource with * and signs of expressions', call({}, 'account/1x2'), 'call account/1.*', false],
    ['any resource', call({}, 'account/1'), 'call *', true],
    ['any resource where there is none', call({}), 'call *', false],
    ['no resource', call({}), 'call -', true],
    ['no resource where there is one', call({}, 'account/1'), 'call -', false],
    ['nothing of its resource', call({}, 'account/1'), 'call', true],
    ['an expression for its resource', call({}, 'account/17'), 'call /^account\\/\\d+$/', true],
    ['an expression for another', call({}, 'account/a'), 'call /^account\\/\\d+$/', false],
    ['an expression in an object', call({}, 'account/17'), { type: /^c/, resource: /\d$/g }, true],
    ['that it went well', call({ elapsed_ms: 1 }), 'call ✓', true],
    ['that it went well, in a word', call({ error: 'Late' }), 'call ok', false],
    ['nothing of how a call went that failed', call({ error: 'Late' }), 'call', false],
    ['that a call failed', call({ error: 'Late' }), 'call ✗', true],
    ['that a call failed, in a word', call({ error: 'Late' }), 'call failed', true],
    ['that one failed that did not', call({ elapsed_ms: 1 }), 'call ✗', false],
    ['its error', call({ error: 'Late' }), 'call ✗ Late', true],
    ['another error', call({ error: 'Late' }), 'call ✗ Early', false],
    ['any outcome', call({ error: 'Late' }), 'call ?', true],
    ['an attribute', call({ count: 3 }), 'call count=3', true],
    ['an attribute of another kind', call({ count: '3' }), 'call count=3', false],
    ['an attribute with blanks', call({ params: { a: 'b c' } }), 'call params={"a": "b c"}', true],
    ['an error and an attribute', call({ error: 'Late', count: 3 }), 'call ✗ count=3', true],
    [
      'an asymmetric matcher',
      call({ elapsed_ms: 3 }),
      { type: 'call', attributes: { elapsed_ms: expect.any(Number) } },
      true,
    ],
    ['its message', call({}), { type: 'call', message: 'Well*' }, true],
    ['another message', call({}), { type: 'call', message: 'Done' }, false],
  ])('is told by %s', (_, received, expected, matches) => {
    expect(complaint(received, expected) === null).toBe(matches);
  });
});

describe('what is below a node', () => {
  const [a, b, c] = ['a', 'b', 'c'].map((type): Given => ({ type })) as [Given, Given, Given];
  const above = (...children: Given[]) => events({ type: 'call', children });
  const outline = (...lines: string[]) => ['call', ...lines.map((line) => `  ${line}`)].join('\n');

  test.each<[string, TreeEvent[], string, boolean]>([
    ['all of it', above(a, b), outline('a', 'b'), true],
    ['less than there is', above(a, b), outline('a'), false],
    ['more than there is', above(a), outline('a', 'b'), false],
    ['another order', above(b, a), outline('a', 'b'), false],
    ['the rest left open', above(a, b, c), outline('a', '…'), true],
    ['a gap', above(a, b, b, c), outline('a', '...', 'c'), true],
    ['a gap of nothing', above(a, c), outline('a', '…', 'c'), true],
    ['a gap and nothing behind it', above(a, b), outline('a', '…', 'c'), false],
    ['a level too deep', above({ type: 'a', children: [b] }), outline('a', 'b'), false],
  ])('is told by %s', (_, received, expected, matches) => {
    expect(complaint(received, expected) === null).toBe(matches);
  });

  test('stands in any order where that is asked for', () => {
    const anyOrder = { siblings: 'any' } as const;
    expect(above(b, a)).toMatchEventTree(outline('a', 'b'), anyOrder);
    expect(above(b, a)).not.toMatchEventTree(outline('a', 'b', 'b'), anyOrder);
    expect(above(b, a, a)).not.toMatchEventTree(outline('a', 'b'), anyOrder);
    expect(above(b, c, a)).toMatchEventTree(outline('a', 'b', '…'), anyOrder);
    expect(above(b, c)).not.toMatchEventTree(outline('a', '…'), anyOrder);
  });

  test('in any order, none takes what another needs', () => {
    expect(above(a, b)).toMatchEventTree(outline('*', 'a'), { siblings: 'any' });
    expect(above(b, a)).toMatchEventTree(outline('*', 'b'), { siblings: 'any' });
  });

  test('may have several roots', () => {
    expect(events(a, b)).toMatchEventTree('a\nb');
    expect(events(a, b)).toMatchEventTree([{ type: 'a' }, '…']);
    expect(events(a, b)).not.toMatchEventTree('a');
    expect([]).toMatchEventTree('…');
    expect([]).not.toMatchEventTree('a');
  });

  test('a part of a tree is one: its top is whose parent is not among them', () => {
    expect(transfer.slice(1, 3)).toMatchEventTree('update account/1\n  update balance');
  });
});

describe('the difference', () => {
  test('stands between the two trees', () => {
    const expected = `${OUTLINE.replace('account/2\n', 'account/9\n')}    note\n`;
    expect(complaint(transfer, expected)).toBe(
      [
        'The events are not the expected tree.',
        '',
        '  expected                                      recorded',
        '  call transfer ✓                               call transfer ✓',
        '    update account/1                              update account/1',
        '      update account/1 balance 10000 → 7500         update account/1 balance 10000 → 7500',
        '    update account/9                         ≠    update account/2',
        '      update account/2 balance 0 → 2500             update account/2 balance 0 → 2500',
        '    note                                     −',
      ].join('\n'),
    );
  });

  test('shows what is missing and what is there too much, with all below it', () => {
    const received = events({
      type: 'call',
      children: [{ type: 'a' }, { type: 'x', children: [{ type: 'y' }] }, { type: 'c' }],
    });
    expect(complaint(received, 'call\n  a\n  b\n    b1\n  c')?.split('\n').slice(3)).toEqual([
      '  call         call',
      '    a            a',
      '    b       −',
      '      b1    −',
      '            +    x',
      '            +      y',
      '    c            c',
    ]);
  });

  test('does not count what was left open', () => {
    const received = events({ type: 'call', children: [{ type: 'a' }, { type: 'b' }] });
    expect(complaint(received, 'call\n  …\n  c')?.split('\n').slice(3)).toEqual([
      '  call         call',
      '    c       −',
      '    …            a',
      '    …            b',
    ]);
  });

  test('in any order lays those beside each other that fit', () => {
    const received = events({
      type: 'call',
      children: [changed('2', 0, 1), changed('1', 5, 4), { type: 'note' }],
    });
    const expected =
      'call\n  update account/1\n    update balance 5 → 4\n  update account/2\n    update balance 0 → 2';
    expect(complaint(received, expected, { siblings: 'any' })?.split('\n').slice(3)).toEqual([
      '  call                         call',
      '    update account/1             update account/1',
      '      update balance 5 → 4         update account/1 balance 5 → 4',
      '    update account/2             update account/2',
      '      update balance 0 → 2  ≠      update account/2 balance 0 → 1',
      '                            +    note',
    ]);
  });

  test('shows what is said beside: attributes and message', () => {
    const received = events({ type: 'a', attributes: { count: 3 }, message: 'One' });
    const expected = { type: 'a', attributes: { count: 4 }, message: 'Two', outcome: 'Late' };
    expect(complaint(received, expected)).toContain(
      'a ✗ Late message Two count=4  ≠  a message "One" count=3',
    );
  });

  test('is in colours where the reader sees some', () => {
    const { toMatchEventTree } = eventTreeMatchers;
    const color = (name: string) => (text: string) => `<${name} ${text}>`;
    const utils = { EXPECTED_COLOR: color('E'), RECEIVED_COLOR: color('R'), DIM_COLOR: color('D') };
    const result = toMatchEventTree.call({ equals: Object.is, utils }, transfer, 'call pay\n  …');
    expect(result).toMatchObject({ pass: false });
    const text = 'message' in result ? result.message() : '';
    expect(text).toContain('<E call pay>  ≠  <R call transfer ✓>');
    expect(text).toContain('<D   …>          <D   update account/1>');
  });

  test('of large trees is found in time', () => {
    const wide = Array.from(
      { length: 300 },
      (_, nth): Given => ({ type: 'a', resource: `a/${nth}`, children: [{ type: 'b' }] }),
    );
    const received = events({ type: 'call', children: wide });
    const expected = `call\n${wide.map(({ resource }) => `  a ${resource}\n    c`).join('\n')}`;
    expect(complaint(received, expected)?.match(/−/g)).toHaveLength(300);
  });

  test('of deep trees is found in time', () => {
    const chain = (depth: number): Given => ({ type: 'a', children: depth === 0 ? [] : [chain(depth - 1)] });
    const expected = Array.from({ length: 102 }, (_, depth) => `${' '.repeat(depth)}a`).join('\n');
    const complained = complaint(events(chain(100)), expected);
    expect(complained?.match(/−/g)).toHaveLength(1);
  });

  test('is not asked for where the tree should be another: it is shown', () => {
    expect(() => expect(transfer).not.toMatchEventTree(OUTLINE)).toThrow(
      /should not be:\n\ncall transfer ✓\n {2}update account\/1\n/,
    );
  });
});

test('what is no list of events is refused', () => {
  const match = (received: unknown) => () => expect(received).toMatchEventTree('call');
  for (const received of [null, 5, {}, [null], [{ id: 'a' }], [{ type: { name: 'a' } }]])
    expect(match(received), JSON.stringify(received)).toThrow('is for a list of events');
  expect(() => expect('an id').toMatchEventTree('call')).toThrow('give a client as well');
});
