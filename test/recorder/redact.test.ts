import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkJson } from '../../src/base/json.ts';
import { createRedactor } from '../../src/recorder/redact.ts';
import { takesAtMost } from '../support/processor-time.ts';
import { unique, worldForFile } from '../support/world.ts';
import { eventsIn, recorderOf } from './support/recording.ts';

const { json, isSecret } = createRedactor();

describe('a name', () => {
  test.each([
    'password',
    'PASSWORD',
    'newPassword',
    'DB_PASSWORD',
    'DBPassword',
    'userpassword',
    'passwd',
    'pwd',
    'secret',
    'clientSecret',
    'token',
    'accessToken',
    'refresh_token',
    'authtoken',
    'Authorization',
    'proxy-authorization',
    'apiKey',
    'api_key',
    'x-api-key',
    'X-API-Key',
    'apikey',
    'credential',
    'awsCredentials',
    'cookie',
    'Set-Cookie',
    'privateKey',
    'private_key',
    'cvv',
    'cardCvc',
    'pin',
    'pinCode',
    'pin1',
    'token2',
    'secRet',
    'pw',
    'dbPw',
    'sid',
    'connect.sid',
    'sessionId',
    'session_id',
    'sessionid',
    'PHPSESSID',
  ])('%s is of a secret', (name) => expect(isSecret(name)).toBe(true));

  test.each([
    'tokenizer',
    'pinned',
    'monkey',
    'key',
    'keyboard',
    'spin',
    'secretary',
    'passenger',
    'compass',
    'author',
    'apiKeyboard',
    'public_key',
    'cookiecutter',
    'accountSid',
    'session',
    'sessionIdea',
    'pwa',
    'name',
    '',
    'constructor',
    '__proto__',
  ])('%s is not', (name) => expect(isSecret(name)).toBe(false));

  test('is of a secret where the application says so', () => {
    const own = createRedactor({ secrets: ['iban', 'dateOfBirth'] });
    expect(own.json({ IBAN: 1, debtor_iban: 2, date_of_birth: 3, birthDate: 4, ibanez: 5 })).toEqual({
      IBAN: '[redacted]',
      debtor_iban: '[redacted]',
      date_of_birth: '[redacted]',
      birthDate: 4,
      ibanez: 5,
    });
  });
});

describe('a value', () => {
  test('loses its secrets at any depth, and shows where there is none', () => {
    const value = {
      user: { name: 'jane', password: 'p', tokens: ['a', 'b'] },
      list: [{ apiKey: { deep: 1 } }],
      map: new Map<unknown, unknown>([
        ['token', 1],
        ['x', new Map([['pin', 2]])],
      ]),
      set: new Set([{ cookie: 'c' }]),
      secret: null,
      pin: undefined,
    };
    expect(json(value)).toEqual({
      user: { name: 'jane', password: '[redacted]', tokens: '[redacted]' },
      list: [{ apiKey: '[redacted]' }],
      map: { token: '[redacted]', x: { pin: '[redacted]' } },
      set: [{ cookie: '[redacted]' }],
      secret: null,
    });
  });

  test('becomes JSON, whatever it is', () => {
    const error = Object.assign(new RangeError('far'), { code: 7, token: 't' });
    const value = {
      date: new Date(0),
      never: new Date(Number.NaN),
      big: 12345678901234567890n,
      unsafe: 2 ** 60,
      vast: 1e300,
      nan: Number.NaN,
      infinite: -Infinity,
      half: 0.5,
      fn: () => 1,
      symbol: Symbol('s'),
      missing: undefined,
      list: [undefined, () => 1, 1],
      buffer: Buffer.from('hello world!'),
      floats: new Float64Array(2),
      text: 'a\0b\ud800c',
      'na\0me': 1,
      error,
      url: new URL('http://a/b'),
      tuple: { toJSON: () => ({ password: 'p', x: 1 }) },
    };
    expect(json(value)).toEqual({
      date: '1970-01-01T00:00:00.000Z',
      never: null,
      big: '12345678901234567890',
      unsafe: '1152921504606847000',
      vast: 1e300,
      nan: null,
      infinite: null,
      half: 0.5,
      list: [null, null, 1],
      buffer: '<12 bytes>',
      floats: '<16 bytes>',
      text: 'a\uFFFDb\uFFFDc',
      'na\uFFFDme': 1,
      error: { name: 'RangeError', message: 'far', code: 7, token: '[redacted]' },
      url: 'http://a/b',
      tuple: { password: '[redacted]', x: 1 },
    });
    expect(json(undefined)).toBeUndefined();
    expect(json(() => 1)).toBeUndefined();
  });

  test('ends where it comes back to itself, and where it is too deep', () => {
    const ring: Record<string, unknown> = { a: 1 };
    ring.self = { ring };
    const twice = { x: 1 };
    expect(json(ring)).toEqual({ a: 1, self: { ring: '[circular]' } });
    expect(json([twice, twice])).toEqual([twice, twice]);
    let deep: unknown = 'bottom';
    for (let i = 0; i < 100_000; i++) deep = [deep];
    expect(JSON.stringify(json(deep))).toBe(`${'['.repeat(12)}"[deep]"${']'.repeat(12)}`);
    let endless: { toJSON?: unknown } = {};
    endless = { toJSON: () => ({ ...endless }) };
    expect(JSON.stringify(json(endless))).toContain('[deep]');
  });

  test('is cut where it is too long, and its neighbours stay', () => {
    const short = createRedactor({ maxValueChars: 1_000 });
    const cut = short.json({ text: 'x'.repeat(5_000), name: 'jane', list: Array(5_000).fill('y'), after: 1 });
    expect(cut).toEqual({
      text: `${'x'.repeat(200)}… [cut: 5000 characters]`,
      name: 'jane',
      list: '[cut: more than 1000 characters of JSON]',
      after: 1,
    });
    expect(short.json('z'.repeat(5_000))).toBe(`${'z'.repeat(200)}… [cut: 5000 characters]`);
    expect(short.json(Array(5_000).fill(1))).toBe('[cut: more than 1000 characters of JSON]');
    expect(short.json(`${'a'.repeat(199)}😀${'b'.repeat(1_000)}`)).toMatch(/^a{199}\uFFFD…/);
  });

  test('takes no time where there is no end to it', () => {
    const wide = (depth: number): object =>
      Object.fromEntries(
        Array.from({ length: 10 }, (_, nth) => [
          `name${nth}`,
          depth === 0
            ? 'x'.repeat(1_000)
            : {
                get it() {
                  return wide(depth - 1);
                },
              },
        ]),
      );
    let text = '';
    const isQuick = takesAtMost(2_000, () => {
      text = JSON.stringify(json(wide(10)));
    });
    expect(isQuick).toBe(true);
    expect(text.length).toBeLessThan(3 * 16_384);
  });

  test('does no harm where looking at it does', () => {
    const value = {
      get bad() {
        throw new Error('no');
      },
      proxy: new Proxy(
        {},
        {
          ownKeys: () => {
            throw new Error('no');
          },
        },
      ),
      json: {
        toJSON() {
          throw new Error('no');
        },
      },
      ok: 1,
    };
    expect(json(value)).toEqual({
      bad: '[unreadable]',
      proxy: '[unreadable]',
      json: '[unreadable]',
      ok: 1,
    });
  });

  test('is JSON that the API takes, never much longer than its limit', () => {
    const limited = createRedactor({ maxValueChars: 500 });
    const anything = fc.anything({
      withBigInt: true,
      withBoxedValues: true,
      withDate: true,
      withMap: true,
      withSet: true,
      withObjectString: true,
      withTypedArray: true,
      withSparseArray: true,
      withUnicodeString: true,
    } as never);
    fc.assert(
      fc.property(anything, (value) => {
        const made = limited.json(value);
        if (made === undefined) return;
        checkJson(made, 'it');
        expect(JSON.parse(JSON.stringify(made))).toEqual(made);
      }),
      { numRuns: 300 },
    );
  });

  test('loses the secrets in names of its members, and no member by that', () => {
    const jwt = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJqYW5lIn0.c2lnbmF0dXJl';
    const sessions = {
      [jwt]: 1,
      [`${jwt}x`]: 2,
      'https://u:hunter2@host/': 3,
      '[redacted]': 4,
      '[redacted] (2)': 5,
    };
    expect(json({ sessions })).toEqual({
      sessions: {
        '[redacted]': 1,
        '[redacted] (2)': 2,
        'https://[redacted]@host/': 3,
        '[redacted] (3)': 4,
        '[redacted] (2) (2)': 5,
      },
    });
    expect(
      json(
        new Map<unknown, number>([
          [1, 1],
          ['1', 2],
        ]),
      ),
    ).toEqual({ 1: 1, '1 (2)': 2 });
    expect(createRedactor({ private: ['iban'] }).split({ [jwt]: { iban: 'DE1' }, 'iban=DE1': 2 })).toEqual({
      open: { '[redacted]': { iban: '[private]' }, 'iban=[private]': 2 },
      apart: { '[redacted].iban': 'DE1' },
    });
  });

  test('is parted where names are private, at any depth', () => {
    const value = { iban: 'DE1', to: [{ iban: 'DE2', token: 't' }], card: { number: 1, pin: 2 }, amount: 3 };
    const { split, json: whole } = createRedactor({ private: ['iban', 'card'] });
    expect(split(value)).toEqual({
      open: {
        iban: '[private]',
        to: [{ iban: '[private]', token: '[redacted]' }],
        card: '[private]',
        amount: 3,
      },
      apart: { iban: 'DE1', 'to.0.iban': 'DE2', card: { number: 1, pin: '[redacted]' } },
    });
    expect(whole(value)).toMatchObject({ iban: 'DE1', card: { number: 1, pin: '[redacted]' } });
    expect(createRedactor({ private: ['nope'] }).split(value).apart).toBeNull();
  });

  test('is parted by further names too, of which the others know nothing', () => {
    const one = createRedactor({ private: ['iban'] });
    const both = one.withPrivate(['amount']);
    const value = { iban: 'DE1', amount: 3 };
    expect(both.split(value).open).toEqual({ iban: '[private]', amount: '[private]' });
    expect(one.split(value).open).toEqual({ iban: '[private]', amount: 3 });
    expect(both.isPrivate('amount')).toBe(true);
  });

  test('is parted where a text gives it a private name', () => {
    const { split, text } = createRedactor({ private: ['iban', 'note'] });
    const value = { urls: ['/a?iban=DE1&token=t', '/b'], note: 'iban=DE2' };
    expect(split(value)).toEqual({
      open: { urls: ['/a?iban=[private]&token=[redacted]', '/b'], note: '[private]' },
      apart: { 'urls.0': '/a?iban=DE1&token=[redacted]', note: 'iban=DE2' },
    });
    expect(split('iban=DE1')).toEqual({ open: 'iban=[private]', apart: { text: 'iban=DE1' } });
    expect(text('iban=[private] ibans=DE1')).toBe('iban=[private] ibans=DE1');
    expect(text(`iban="${'x'.repeat(500)}"`, 300)).toBe('iban="[private]"… [cut: 507 characters]');
  });

  test('keeps its private part where the rest is cut, which has a limit of its own', () => {
    const { split } = createRedactor({ private: ['iban'], maxValueChars: 1_000 });
    const texts = Object.fromEntries(Array.from({ length: 20 }, (_, n) => [`name${n}`, 'x'.repeat(150)]));
    const wide = { ...texts, iban: 'DE1' };
    expect(split(wide)).toEqual({
      open: '[cut: more than 1000 characters of JSON]',
      apart: { iban: 'DE1' },
    });
    expect(split({ wide, after: 1 })).toEqual({
      open: { wide: '[cut: more than 1000 characters of JSON]', after: 1 },
      apart: { 'wide.iban': 'DE1' },
    });
    const long = { iban: 'y'.repeat(5_000), after: 1 };
    expect(split(long)).toEqual({
      open: { iban: '[private]', after: 1 },
      apart: { iban: `${'y'.repeat(200)}… [cut: 5000 characters]` },
    });
    const many = Array.from({ length: 3_000 }, () => ({ iban: 'y'.repeat(50) }));
    expect(JSON.stringify(split(many).apart).length).toBeLessThan(2_000);
  });

  test('that was parted before stays as it is', () => {
    const { split } = createRedactor({ private: ['iban', 'name'] });
    const value = { iban: '[private]', name: '[redacted]' };
    expect(split(value)).toEqual({ open: value, apart: null });
  });
});

describe('beside its name, a value', () => {
  const own = createRedactor({ private: ['iban'] });

  test.each(['name', 'Name', 'key', 'Key', 'header', 'field', 'attribute', 'parameter', 'param', 'variable'])(
    'that %s names loses its secret',
    (naming) => {
      const pair = { [naming]: 'Authorization', value: 'XYZZY', note: 'kept' };
      expect(json([pair])).toEqual([{ [naming]: 'Authorization', value: '[redacted]', note: 'kept' }]);
      expect(json({ value: ['XYZZY'], [naming]: 'set-cookie' })).toEqual({
        value: '[redacted]',
        [naming]: 'set-cookie',
      });
    },
  );

  test('may stand under several names', () => {
    const values = { value: 1, values: [2], Value: 3, Values: [4], old: 5, new: 6 };
    expect(json({ name: 'pin', ...values })).toEqual({
      name: 'pin',
      ...Object.fromEntries(Object.keys(values).map((name) => [name, '[redacted]'])),
    });
    for (const plain of [
      { name: 'amount', ...values },
      { kind: 'password', ...values },
    ]) {
      expect(json(plain)).toEqual(plain);
    }
    expect(
      json(
        new Map([
          ['name', 'pin'],
          ['value', '1234'],
        ]),
      ),
    ).toEqual({ name: 'pin', value: '[redacted]' });
  });

  test('is parted where the name is private', () => {
    expect(own.split({ to: [{ name: 'iban', value: 'DE1' }] })).toEqual({
      open: { to: [{ name: 'iban', value: '[private]' }] },
      apart: { 'to.0.value': 'DE1' },
    });
    expect(own.split([['iban', 'DE1']])).toEqual({ open: [['iban', '[private]']], apart: { '0.1': 'DE1' } });
  });

  test('is found in lists of pairs, as entries are', () => {
    const entries = Object.entries({ password: 'XYZZY', name: 'jane' });
    expect(json(entries)).toEqual([
      ['password', '[redacted]'],
      ['name', 'jane'],
    ]);
    expect(json(new Set([['password', 'XYZZY']]))).toEqual([['password', '[redacted]']]);
    // Fields, and no values of theirs.
    expect(json({ fields: ['password', 'email'] })).toEqual({ fields: ['password', 'email'] });
    expect(json([['token', 'email', 'name']])).toEqual([['token', 'email', 'name']]);
  });

  test('is found in lists of headers and options', () => {
    const headers = [
      'Host',
      'a',
      'authorization',
      'XYZZY',
      'Cookie',
      'XYZZY',
      'X-Api-Key',
      'XYZZY',
      'vary',
      'cookie',
    ];
    const options = ['--user', 'jane', '--password', 'XYZZY', '-token', 'XYZZY', '--', 'pin', '1'];
    const seen = JSON.stringify(json({ headers, options }));
    expect(seen).not.toContain('XYZZY');
    expect(json(headers)).toEqual(headers.map((item) => (item === 'XYZZY' ? '[redacted]' : item)));
    expect(json(options)).toEqual(options.map((item) => (item === 'XYZZY' ? '[redacted]' : item)));
    // Names of headers in another place than that of names, or that cannot be in turn with values; no option.
    for (const list of [
      ['- the token', 'is gone'],
      ['vary', 'cookie', 'host', 'a'],
      ['cookie', 'authorization', 'host'],
    ]) {
      expect(json(list)).toEqual(list);
    }
  });

  test.each([
    { op: 'replace', path: '/user/password', value: 'XYZZY' },
    { op: 'add', path: '/tokens/0', value: 'XYZZY' },
    { op: 'add', path: '/tokens/-', value: 'XYZZY' },
    { op: 'replace', path: ['user', 'password'], value: 'XYZZY' },
    { field: 'password', from: 'XYZZY', to: 'XYZZY' },
    { field: 'user.password', from: 'XYZZY', to: 'XYZZY' },
    { column: 'password', old: 'XYZZY', new: 'XYZZY' },
    { property: 'password', oldValue: 'XYZZY', newValue: 'XYZZY' },
    { column: 'password', old_value: 'XYZZY', new_value: 'XYZZY' },
    { key: 'password', before: 'XYZZY', after: 'XYZZY' },
  ])('is found in patches and audits: %j', (change) => {
    const safe = JSON.parse(JSON.stringify(change).replaceAll('XYZZY', '[redacted]'));
    expect(json([change])).toEqual([safe]);
  });

  test('stays in patches and audits of what is no secret', () => {
    for (const change of [
      { op: 'replace', path: '/auth/login', value: 1 },
      { op: 'replace', path: 'token', value: 1 },
      { path: [1, 2], value: 1 },
      { field: 'amount', from: 1, to: 2 },
    ]) {
      expect(json(change)).toEqual(change);
    }
    expect(own.split({ path: '/to/0/iban', value: 'DE1' })).toEqual({
      open: { path: '/to/0/iban', value: '[private]' },
      apart: { value: 'DE1' },
    });
  });

  test('is a list where its name comes more than once', () => {
    const form = new FormData();
    form.append('tag', 'a');
    form.append('tag', 'b');
    form.append('token', 'XYZZY');
    form.append('token', 'XYZZY');
    const headers = new Headers([
      ['set-cookie', 'XYZZY'],
      ['set-cookie', 'XYZZY'],
    ]);
    expect(json([new URLSearchParams('tag=a&one=1&tag=b&tag=c&__proto__=d'), form, headers])).toEqual([
      JSON.parse('{ "tag": ["a", "b", "c"], "one": "1", "__proto__": "d" }'),
      { tag: ['a', 'b'], token: '[redacted]' },
      { 'set-cookie': '[redacted]' },
    ]);
  });

  test('is found in what has its entries behind methods', () => {
    const form = new FormData();
    form.set('password', 'XYZZY');
    form.set('name', 'jane');
    const value = {
      headers: new Headers({ authorization: 'Bearer XYZZY', host: 'a' }),
      query: new URLSearchParams({ token: 'XYZZY', page: '2' }),
      form,
    };
    expect(json(value)).toEqual({
      headers: { authorization: '[redacted]', host: 'a' },
      query: { token: '[redacted]', page: '2' },
      form: { password: '[redacted]', name: 'jane' },
    });
  });
});

describe('what is recorded', () => {
  const world = worldForFile();

  test('holds no secret, wherever it may stand', async () => {
    const journal = unique('journal');
    const { recorder } = await recorderOf(world(), { journal });
    const secret = 'XYZZY';
    const bag = { password: secret, name: 'jane' };
    const failing = recorder.call('a', { params: { bag }, payload: bag }, (call) => {
      const more = { always: true, payload: bag, privatePayload: bag };
      call.record({ type: 'create', attributes: { values: bag }, ...more });
      call.record({ type: 'update', attributes: { attribute: 'bag', old: bag, new: bag }, ...more });
      call.record({ type: 'update', attributes: { attribute: 'password', old: null, new: secret }, ...more });
      call.record({
        type: 'field_update',
        attributes: { field: 'api_key', old: secret, new: secret },
        ...more,
      });
      call.record({ type: 'note', ...more, children: [{ type: 'note', payload: bag }] });
      throw Object.assign(new Error('no'), bag);
    });
    await failing.catch(() => {});
    await recorder.flush();
    const seen = await eventsIn(world(), {}, journal);
    expect(seen).toHaveLength(7);
    expect(JSON.stringify(seen)).not.toContain(secret);
    expect(seen[3]?.attributes).toEqual({ attribute: 'password', new: '[redacted]' });
    expect(JSON.stringify(seen).match(/jane/g)?.length).toBeGreaterThanOrEqual(7);
  });

  test('holds no secret within a text, wherever that may stand', async () => {
    const journal = unique('journal');
    const { recorder } = await recorderOf(world(), { journal });
    const url = 'postgres://user:XYZZY@host';
    const options = { message: url, params: [url], payload: { url } };
    const failing = recorder.call(`GET /reset?token=XYZZY`, options, async (call) => {
      call.record({ type: 'note', message: 'Bearer XYZZY', always: true });
      call.record({ type: 'update', attributes: { attribute: 'url', old: url, new: url }, always: true });
      await recorder
        .call('inner?pin=XYZZY', () => Promise.reject(Object.assign(new Error('no'), { url })))
        .catch(() => {});
      call.amend({ function: `GET /reset?pin=XYZZY`, payload: { more: url } });
      throw new Error(`Cannot connect to ${url}`);
    });
    await failing.catch(() => {});
    await recorder.flush();
    const seen = await eventsIn(world(), {}, journal);
    const safe = 'postgres://user:[redacted]@host';
    expect(JSON.stringify(seen)).not.toContain('XYZZY');
    expect(seen.map(({ message }) => message)).toEqual([
      safe,
      'Bearer [redacted]',
      `user/bank changed url of —: ${safe} → ${safe}`,
      expect.any(String),
    ]);
    expect(seen[0]).toMatchObject({
      attributes: {
        function: 'GET /reset?pin=[redacted]',
        params: [safe],
        error_value: `Cannot connect to ${safe}`,
        stack: expect.stringMatching(
          /^Error: Cannot connect to postgres:\/\/user:\[redacted\]@host\n {4}at /,
        ),
      },
      payload: { url: safe, more: safe },
    });
  });

  test('shows private parameters to owners only', async () => {
    const journal = unique('journal');
    const { recorder } = await recorderOf(world(), { journal, private: ['iban'] });
    const ref = `account/${unique('a')}`;
    const acl = { owners: ['user/jane'], viewData: ['user/john'] };
    await world().ask('mutation ($input: PutResourceInput!) { putResource(input: $input) { ref } }', {
      input: { ref, acl },
    });
    const params = { iban: 'DE1', note: 'rent', amount: 3 };
    await recorder.call('pay', { params, private: ['note'], resource: ref }, () => 1);
    await recorder.flush();
    const seenBy = async (subject: string) => {
      const token = await world().token({ subject });
      const { events } = await world().ask(
        'query ($journal: String!) { events(journal: $journal) { nodes { attributes privatePayload } } }',
        { journal },
        { token },
      );
      return events.nodes[0];
    };
    const open = { iban: '[private]', note: '[private]', amount: 3 };
    expect(await seenBy('jane')).toMatchObject({
      attributes: { params: open },
      privatePayload: { params: { iban: 'DE1', note: 'rent' } },
    });
    expect(await seenBy('john')).toMatchObject({ attributes: { params: open }, privatePayload: null });
  });

  test('stays with what was there where what is said more of it is too long', async () => {
    const journal = unique('journal');
    const { recorder } = await recorderOf(world(), { journal, maxValueChars: 300 });
    const long = Object.fromEntries(Array.from({ length: 100 }, (_, nth) => [`name${nth}`, nth]));
    await recorder.call('a', { payload: { method: 'POST' } }, (call) => call.amend({ payload: long }));
    await recorder.flush();
    const [call] = await eventsIn(world(), {}, journal);
    expect(call?.payload).toEqual({ method: 'POST', amended: '[cut: more than 300 characters of JSON]' });
  });

  test('is taken as it was when it was given', async () => {
    const journal = unique('journal');
    const { recorder } = await recorderOf(world(), { journal });
    const params = { amount: 1 };
    await recorder.call('a', { params }, (call) => {
      call.record({ type: 'note', payload: params });
      params.amount = 2;
    });
    await recorder.flush();
    const [call, note] = await eventsIn(world(), {}, journal);
    expect([call?.attributes.params, note?.payload]).toEqual([{ amount: 1 }, { amount: 1 }]);
  });
});
