import { describe, expect, test } from 'vitest';
import { MAX_CLAIM_CHARS, parseClaim } from '../../src/access/claim.ts';
import { MAX_REF_CHARS, parseResourceRef, resourceId, resourceType } from '../../src/access/resource-ref.ts';
import { unique, worldForFile } from '../support/world.ts';

const refusal = expect.objectContaining({ code: 'BAD_USER_INPUT' });

/** What neither may be. */
const NEITHER: readonly (readonly [string, unknown])[] = [
  ['an empty text', ''],
  ['a slash alone', '/'],
  ['no slash', 'user'],
  ['no name', 'user/'],
  ['no kind', '/jane'],
  ['a kind with a blank', 'us er/jane'],
  ['a kind that begins with a digit', '1user/jane'],
  ['a blank at the beginning', ' user/jane'],
  ['a name that begins with a blank', 'user/ jane'],
  ['a name that ends with a blank', 'user/jane '],
  ['a name that ends with a new line', 'user/jane\n'],
  ['a name that ends with a no-break space', 'user/jane\u00a0'],
  ['a name of blanks', 'user/  '],
  ['a name of two lines', 'user/ja\nne'],
  ['a tab', 'user/ja\tne'],
  ['U+0000', 'user/ja\0ne'],
  ['U+0085', 'user/ja\u0085ne'],
  ['a lone high surrogate', 'user/\ud83d'],
  ['a lone low surrogate', 'user/\ude00x'],
  ['a number', 7],
  ['null', null],
  ['nothing', undefined],
  ['a list of one', ['user/jane']],
  ['an object', { toString: () => 'user/jane' }],
];

describe('a claim', () => {
  test.each([
    'user/jane',
    'group/anonymous',
    'group/a/b/c',
    'user/jane doe',
    'user/jane@example.com',
    'service_account-2/x',
    'user/Jürgen 😀',
    'user//',
    'user/\u200bjane',
    `user/${'x'.repeat(MAX_CLAIM_CHARS - 5)}`,
  ])('may be %s', (text) => {
    expect(parseClaim(text)).toBe(text);
  });

  test.each([
    ...NEITHER,
    ['a kind in capitals', 'User/jane'],
    ['a kind with a dot', 'us.er/jane'],
    ['one that is too long', `user/${'x'.repeat(MAX_CLAIM_CHARS - 4)}`],
  ] as const)('is not %s', (_, value) => {
    expect(() => parseClaim(value)).toThrow(refusal);
  });
});

describe('a reference to a resource', () => {
  test.each([
    ['deployment/847a79a2', 'deployment', '847a79a2'],
    ['file/etc/passwd', 'file', 'etc/passwd'],
    ['file//', 'file', '/'],
    ['Repo.Tag-1_x/a b', 'Repo.Tag-1_x', 'a b'],
    ['seite/Übersicht 😀', 'seite', 'Übersicht 😀'],
    [`${'t'.repeat(64)}/x`, 't'.repeat(64), 'x'],
  ])('may be %s', (text, type, id) => {
    const ref = parseResourceRef(text);
    expect([ref, resourceType(ref), resourceId(ref)]).toEqual([text, type, id]);
  });

  test.each([
    ...NEITHER,
    ['a type that is too long', `${'t'.repeat(65)}/x`],
    ['a type with a colon', 'a:b/x'],
    ['one that is too long', `page/${'x'.repeat(MAX_REF_CHARS - 4)}`],
  ] as const)('is not %s', (_, value) => {
    expect(() => parseResourceRef(value)).toThrow(refusal);
  });
});

describe('through the API', () => {
  const world = worldForFile();
  const put = (ref: unknown) =>
    world().send('mutation ($ref: ResourceRef!) { putResource(input: { ref: $ref }) { ref type id } }', {
      ref,
    });

  test('a reference comes back in its parts', async () => {
    const id = unique('a/b c/Ü');
    const { data } = await put(`page/${id}`);
    expect(data.putResource).toEqual({ ref: `page/${id}`, type: 'page', id });
  });

  test('what is no reference is BAD_USER_INPUT, as a variable and as a literal', async () => {
    for (const [, value] of NEITHER) {
      if (typeof value === 'object' || value === undefined) continue;
      expect((await put(value)).errors?.[0]?.extensions.code).toBe('BAD_USER_INPUT');
    }
    const literal = await world().send('{ resource(ref: "nonsense") { ref } }');
    expect(literal.errors?.[0]).toMatchObject({
      message: expect.stringContaining('A resource is written type/id'),
      extensions: { code: expect.stringMatching(/^(BAD_USER_INPUT|GRAPHQL_VALIDATION_FAILED)$/) },
    });
  });

  test('what is no claim is BAD_USER_INPUT', async () => {
    const record = (actor: unknown) =>
      world().send(
        'mutation ($actor: Claim) { recordEvent(input: { type: "note", actor: $actor }) { event { actor } } }',
        { actor },
      );
    for (const [, value] of NEITHER) {
      if (value === null || value === undefined) continue;
      expect((await record(value)).errors?.[0]?.extensions.code).toBe('BAD_USER_INPUT');
    }
    expect((await record('user/jane doe')).data.recordEvent.event.actor).toBe('user/jane doe');
  });
});
