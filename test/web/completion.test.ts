/** What the filter's input offers, and what it does not take yet. */
import { describe, expect, it } from 'vitest';
import { isUnfinished, type Occurring, suggest } from '../../web/src/filter/completion.ts';
import type { Registry } from '../../web/src/filter/registry.ts';

const attribute = (name: string, kind: Registry['attributes'][number]['kind']) => ({
  name,
  kind,
  description: null,
});
const REGISTRY: Registry = {
  types: ['github.push', 'github.pull', 'note'].map((name) => ({ name, description: null })),
  attributes: [
    attribute('size', 'INTEGER'),
    attribute('sizeOfAll', 'FLOAT'),
    attribute('due', 'DATETIME'),
    attribute('forced', 'BOOLEAN'),
    attribute('branch', 'STRING'),
    attribute('payload', 'JSON'),
  ],
};
const OCCURRING: Occurring = { resources: ['page/1'], resourceTypes: ['page'], actors: ['user/jane'] };
const offered = (typed: string) => suggest(typed, REGISTRY, OCCURRING).map(({ text }) => text);
const wholes = (typed: string) => suggest(typed, REGISTRY, OCCURRING).map(({ isWhole }) => isWhole);

describe('an attribute', () => {
  it('is found by a part of its name, documents are not', () => {
    expect(offered('attr.bra')).toEqual(['attr.branch:']);
    expect(offered('attr.')).toHaveLength(5);
    expect(offered('attr.payload')).toEqual([]);
  });

  it('that is true or false is asked for by one of the two', () => {
    expect(offered('attr.forced:')).toEqual(['attr.forced:true', 'attr.forced:false']);
    expect(offered('-attr.forced:f')).toEqual(['-attr.forced:false']);
    expect(wholes('attr.forced:')).toEqual([true, true]);
  });

  it.each(['size', 'due'])('that has more and less is compared: %s', (name) => {
    const both = [`attr.${name}>=`, `attr.${name}<=`];
    expect(offered(`attr.${name}`).slice(0, 2)).toEqual(both);
    expect(offered(`attr.${name}:`)).toEqual(both);
    expect(offered(`attr.${name}>`)).toEqual([both[0]]);
    expect(offered(`-attr.${name}<`)).toEqual([`-${both[1]}`]);
    expect(offered(`attr.${name}>=`)).toEqual([]);
    expect(offered(`attr.${name}>=1`)).toEqual([]);
    expect(wholes(`attr.${name}:`)).toEqual([false, false]);
  });

  it('of text has no comparisons, and one that is not declared has nothing', () => {
    expect(offered('attr.branch:')).toEqual([]);
    expect(offered('attr.branch')).toEqual(['attr.branch:']);
    expect(offered('attr.unheard:')).toEqual([]);
  });
});

describe('a field', () => {
  it('is completed, and then its values', () => {
    expect(offered('sev')).toContain('severity:');
    expect(offered('type:github')).toEqual(
      ['github.push', 'github.pull', 'github.*'].map((t) => `type:${t}`),
    );
    expect(offered('severity>=H')).toEqual(['severity>=HIGH']);
  });

  it('of severity knows no less than', () => {
    expect(offered('severity<')).toEqual([]);
    expect(offered('severity<H')).toEqual([]);
  });
});

describe('what is typed', () => {
  it.each([
    'type:',
    '-type:',
    'type: ',
    'attr.',
    '-attr.',
    'attr.size>=',
    'attr.branch:',
    'severity<',
    'severity<HIGH',
    'severity>',
    'last:',
  ])('is not finished: %s', (text) => {
    expect(isUnfinished(text)).toBe(true);
  });

  it.each([
    'type:note',
    '-type:note',
    'attr.error',
    'attr.size>=5',
    'severity>=HIGH',
    'severity:LOW',
    'is:failed',
    'nearly full',
    'a < b',
    'http://example.com',
    'status: fine',
    'last:24h',
  ])('is finished: %s', (text) => {
    expect(isUnfinished(text)).toBe(false);
  });
});
