/** Filters as people type them: what they say, and that the address and other tools say the same. */
import fc from 'fast-check';
import { parse } from 'graphql';
import { describe, expect, it } from 'vitest';
import {
  attributeChip,
  type Chip,
  FIELDS,
  fieldChip,
  parseChip,
  printChip,
} from '../../web/src/filter/chip.ts';
import { asCommand, asGraphql, type Kinds, toEventFilter } from '../../web/src/filter/event-filter.ts';
import { ALL_TIME, printView, readView, type View } from '../../web/src/filter/view.ts';

const NOW = Date.parse('2026-11-21T12:00:00Z');
const KINDS: Kinds = new Map([
  ['size', 'INTEGER'],
  ['branch', 'STRING'],
  ['draft', 'BOOLEAN'],
]);

function viewOf(...texts: string[]): View {
  return { journal: 'main', chips: texts.map(parseChip), time: ALL_TIME };
}
const filterOf = (...texts: string[]) => toEventFilter(viewOf(...texts), KINDS, NOW);

describe('a condition', () => {
  it.each([
    ['type:note', { type: { eq: 'note' } }],
    ['type:github.*', { type: { startsWith: 'github.' } }],
    ['-type:note', { not: { type: { eq: 'note' } } }],
    ['severity>=high', { severity: { gte: 'HIGH' } }],
    ['severity:LOW', { severity: { eq: 'LOW' } }],
    ['category:alarm', { category: ['ALARM'] }],
    ['resource:page/a/b', { resource: { eq: 'page/a/b' } }],
    ['resource.type:page', { resource: { type: 'page' } }],
    ['actor:user/jane', { actor: { eq: 'user/jane' } }],
    ['session:4', { sessionId: { eq: '4' } }],
    ['correlation:a:b', { correlationId: { eq: 'a:b' } }],
    ['within:01a1ff57-7c5e-77bb-8bbe-4f7fcca3e2b0', { within: '01a1ff57-7c5e-77bb-8bbe-4f7fcca3e2b0' }],
    ['attr.size>=1000', { attributes: [{ name: 'size', gte: 1000 }] }],
    ['attr.size:12', { attributes: [{ name: 'size', eq: 12 }] }],
    ['attr.size:many', { attributes: [{ name: 'size', eq: 'many' }] }],
    ['attr.draft:true', { attributes: [{ name: 'draft', eq: true }] }],
    ['attr.branch:feat*', { attributes: [{ name: 'branch', startsWith: 'feat' }] }],
    ['attr.branch', { attributes: [{ name: 'branch', exists: true }] }],
    ['-attr.branch', { not: { attributes: [{ name: 'branch', exists: true }] } }],
    ['is:failed', { or: [{ severity: { gte: 'HIGH' } }, { attributes: [{ name: 'error', exists: true }] }] }],
    ['is:new', { search: 'is:new' }],
    ['two words', { search: 'two words' }],
    ['colour:red', { search: 'colour:red' }],
    ['type:', { search: 'type:' }],
    ['-', { search: '-' }],
  ])('%s', (text, filter) => expect(filterOf(text)).toEqual(filter));

  it('is one of several for the same field, and holds beside those of others', () => {
    expect(filterOf('type:a', 'type:b.*', 'actor:user/x', '-type:c')).toEqual({
      and: [
        { actor: { eq: 'user/x' } },
        { or: [{ type: { eq: 'a' } }, { type: { startsWith: 'b.' } }] },
        { not: { type: { eq: 'c' } } },
      ],
    });
  });

  it('holds beside another range of the same attribute', () => {
    expect(filterOf('attr.size>1', 'attr.size<9')).toEqual({
      and: [{ attributes: [{ name: 'size', gt: 1 }] }, { attributes: [{ name: 'size', lt: 9 }] }],
    });
  });

  it('is nothing where there is none', () => expect(filterOf()).toBeNull());
});

describe('a click on a value', () => {
  it.each(['user/st*', 'user/st\\*', '*', 'tail ', ' a', '50%', '-x'])(
    'asks for that very value: %s',
    (text) => {
      const chips = [fieldChip('actor', text), attributeChip('branch', text)];
      const view = { journal: 'main', chips, time: ALL_TIME };
      const again = readView(`?${printView(view, 'main')}`, 'main');
      expect(toEventFilter(again, KINDS, NOW)).toEqual({
        and: [{ attributes: [{ name: 'branch', eq: text }] }, { actor: { eq: text } }],
      });
    },
  );
});

describe('the time', () => {
  it('is counted from now, or lies between two moments', () => {
    const last = toEventFilter({ ...viewOf(), time: { is: 'last', text: '1h', ms: 3_600_000 } }, KINDS, NOW);
    expect(last).toEqual({ occurredAt: { gte: '2026-11-21T11:00:00.000Z' } });
    const time = {
      is: 'between',
      from: '2026-01-01T00:00:00.000Z',
      before: '2026-02-01T00:00:00.000Z',
    } as const;
    expect(toEventFilter({ ...viewOf('type:note'), time }, KINDS, NOW)).toEqual({
      and: [{ type: { eq: 'note' } }, { occurredAt: { gte: time.from, lt: time.before } }],
    });
  });

  it('is all of it where the address says what cannot be', () => {
    for (const text of [
      'last=0h',
      'last=soon',
      'last=5y',
      'from=x&before=y',
      'from=2026-02-01&before=2026-01-01',
      'from=2026-01-01',
    ]) {
      expect(readView(text, 'main').time).toEqual(ALL_TIME);
    }
  });
});

// A value after `>` that begins with `=` would be read as `>=`.
const value = fc
  .stringMatching(/^[A-Za-z0-9_./:@ *&?#%+äé-][A-Za-z0-9_./:@ *&=?#%+äé-]{0,20}$/)
  .map((text) => text.trim().replace(/^=+/, '') || 'x');
const chips: fc.Arbitrary<Chip> = fc.oneof(
  fc.record({
    on: fc.constant('field' as const),
    field: fc.constantFrom(...FIELDS.filter((field) => !['severity', 'category', 'is'].includes(field))),
    operator: fc.constant(':' as const),
    value,
    isNot: fc.boolean(),
  }),
  fc.record({
    on: fc.constant('attribute' as const),
    name: fc.stringMatching(/^[a-z][a-z0-9_]{0,8}$/),
    test: fc.option(fc.record({ operator: fc.constantFrom(':', '>=', '<=', '>', '<'), value }), {
      nil: null,
    }),
    isNot: fc.boolean(),
  }),
);

describe('a view', () => {
  it('is the same when its address is opened again', () => {
    const times = fc.constantFrom(
      ALL_TIME,
      { is: 'last', text: '7d', ms: 604_800_000 } as const,
      {
        is: 'between',
        from: '2026-01-01T00:00:00.000Z',
        before: '2026-02-01T00:00:00.000Z',
      } as const,
    );
    fc.assert(
      fc.property(
        fc.array(chips, { maxLength: 5 }),
        times,
        fc.constantFrom('main', 'eu'),
        (list, time, journal) => {
          const view: View = { journal, chips: list, time };
          expect(readView(`?${printView(view, 'main')}`, 'main')).toEqual(view);
        },
      ),
    );
  });

  it('keeps each condition as it is written', () => {
    fc.assert(
      fc.property(chips, (chip) => {
        expect(parseChip(printChip(chip))).toEqual(chip);
      }),
    );
  });
});

describe('the same filter for other tools', () => {
  it('is GraphQL that can be parsed, with enums as names', () => {
    const text = asGraphql('eu', filterOf('severity>=HIGH', 'category:ALARM', '-type:a"b', 'attr.size>=3'));
    expect(() => parse(text)).not.toThrow();
    expect(text).toContain('severity: { gte: HIGH }');
    expect(text).toContain('category: [ALARM]');
    expect(text).toContain('journal: "eu"');
  });

  it('is a command with the options that there are, else with the filter whole', () => {
    const plain = viewOf('type:github.*', 'type:note', 'severity>=HIGH', 'attr.branch:main', "it's late");
    expect(asCommand(plain, toEventFilter(plain, KINDS, NOW))).toBe(
      "eventree tail -n 50 --type 'github.*' --type note --severity HIGH --attribute branch=main --search 'it'\\''s late'",
    );
    const whole = viewOf('-type:note');
    expect(asCommand(whole, toEventFilter(whole, KINDS, NOW))).toBe(
      `eventree tail -n 50 --filter '{"not":{"type":{"eq":"note"}}}'`,
    );
    // The options of one attribute must all hold, and of words the last one counts.
    for (const twice of [viewOf('attr.branch:a', 'attr.branch:b'), viewOf('one', 'two')]) {
      expect(asCommand(twice, toEventFilter(twice, KINDS, NOW))).toContain('--filter');
    }
  });
});
