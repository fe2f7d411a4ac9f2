import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type JWTPayload, SignJWT } from 'jose';
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { createAuthenticate, signToken, type TokenRules } from '../../src/access/authenticate.ts';
import { ask, codeOf, DOORS, openBareSocket, post } from '../doors/support/doors.ts';
import { freePort } from '../support/redis.ts';
import { openWorld, type World, worldForFile } from '../support/world.ts';

const SECRET = 'a secret that is long enough for HS256';
const NOW = Date.parse('2026-11-20T23:18:04.000Z');
const rules = (more: Partial<TokenRules> = {}): TokenRules => ({
  key: { secret: SECRET },
  issuer: undefined,
  audience: undefined,
  ...more,
});

/** Undefined: the token does not say it. */
type Claims = { readonly [Name in keyof JWTPayload]: JWTPayload[Name] | undefined };

/** A token with these claims; it expires in a minute of NOW unless they say otherwise. */
function sign(
  claims: Claims,
  { alg = 'HS256', key = Buffer.from(SECRET), kid }: Signing = {},
): Promise<string> {
  const header = { alg, ...(kid !== undefined && { kid }) };
  const payload = { sub: 'jane', exp: NOW / 1000 + 60, ...claims };
  return new SignJWT(payload as JWTPayload).setProtectedHeader(header).sign(key);
}

interface Signing {
  readonly alg?: string;
  readonly key?: Uint8Array | KeyObject;
  readonly kid?: string;
}

const authenticate = (given: TokenRules = rules(), now = () => NOW) => createAuthenticate(given, now);

/** One that no library would make: `header.payload.signature` as they are given. */
function bare(header: object, payload: object, signature = ''): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part(header)}.${part(payload)}.${signature}`;
}

const refusal = (sentence: RegExp) =>
  expect.objectContaining({ code: 'UNAUTHENTICATED', message: expect.stringMatching(sentence) });

describe('a token of the secret', () => {
  test('becomes a principal', async () => {
    const token = await sign({ groups: ['admins', 'dev'] });
    expect(await authenticate()(`Bearer ${token}`)).toEqual({
      subject: 'user/jane',
      claims: new Set(['user/jane', 'group/admins', 'group/dev']),
      expiresAt: NOW + 60_000,
      issuedAt: 0,
    });
  });

  test('tells when it was issued, to a part of a second if it says so', async () => {
    const issuedAt = async (iat?: number) => (await authenticate()(`Bearer ${await sign({ iat })}`)).issuedAt;
    expect(await issuedAt(NOW / 1000 - 10)).toBe(NOW - 10_000);
    expect(await issuedAt(NOW / 1000 - 9.5)).toBe(NOW - 9_500);
    expect(await issuedAt()).toBe(0);
  });

  test.each([
    ['none at all', undefined],
    ['no groups', []],
  ])('holds the claim of its subject alone with %s', async (_, groups) => {
    const { claims } = await authenticate()(`Bearer ${await sign({ groups })}`);
    expect([...claims]).toEqual(['user/jane']);
  });

  test('is read however its scheme is written', async () => {
    const token = await sign({});
    for (const scheme of ['bearer', 'BEARER', 'Bearer  '])
      expect((await authenticate()(`${scheme} ${token}`)).subject).toBe('user/jane');
  });

  test('may hold names of any script, with slashes and blanks within', async () => {
    const token = await sign({ sub: 'Jürgen Ω/2', groups: ['日本/東京'] });
    expect([...(await authenticate()(`Bearer ${token}`)).claims]).toEqual([
      'user/Jürgen Ω/2',
      'group/日本/東京',
    ]);
  });

  test('that we signed ourselves is one of them', async () => {
    const given = rules({ issuer: 'https://login.example', audience: 'eventree' });
    const request = { subject: 'jane', groups: ['dev'], lifetimeSeconds: 60 };
    const token = await signToken(SECRET, request, given, NOW);
    expect((await authenticate(given)(`Bearer ${token}`)).subject).toBe('user/jane');
  });
});

describe('a token that cannot be trusted is refused, and makes nobody anonymous:', () => {
  const signature = 'c2lnbmF0dXJl';
  const claims = { sub: 'jane', exp: NOW / 1000 + 60 };

  test.each<[string, () => Promise<string> | string, RegExp]>([
    ['expired', () => sign({ exp: NOW / 1000 - 1 }), /expired/],
    ['expired at this very moment', () => sign({ exp: NOW / 1000 }), /expired/],
    ['not yet valid', () => sign({ nbf: NOW / 1000 + 60 }), /`nbf`/],
    ['without an end', () => sign({ exp: undefined }), /`exp`/],
    ['with an end that is no number', () => sign({ exp: 'never' as never }), /`exp`/],
    ['with a moment of issue that is no number', () => sign({ iat: 'then' as never }), /`iat`/],
    ['without a subject', () => sign({ sub: undefined }), /`sub`/],
    ['with a subject that is no name', () => sign({ sub: 7 as never }), /`sub`/],
    ['with an empty subject', () => sign({ sub: '' }), /`sub`/],
    ['with a subject that ends with a blank', () => sign({ sub: 'jane ' }), /`sub`/],
    ['with a subject of two lines', () => sign({ sub: 'jane\nadmin' }), /`sub`/],
    ['with U+0000 in its subject', () => sign({ sub: 'ja\0ne' }), /`sub`/],
    ['with half a surrogate pair in its subject', () => sign({ sub: 'ja\ud800ne' }), /`sub`/],
    ['with a subject that is too long', () => sign({ sub: 'x'.repeat(300) }), /`sub`/],
    ['with groups in one text', () => sign({ groups: 'admin' }), /`groups`/],
    ['with groups in an object', () => sign({ groups: { admin: true } }), /`groups`/],
    ['with null for groups', () => sign({ groups: null }), /`groups`/],
    ['with a number among its groups', () => sign({ groups: ['dev', 7] }), /`groups`/],
    ['with a list among its groups', () => sign({ groups: [['admin']] }), /`groups`/],
    ['with an empty group', () => sign({ groups: [''] }), /`groups`/],
    ['with a group of two lines', () => sign({ groups: ['dev\nadmin'] }), /`groups`/],
    ['of another secret', () => sign({}, { key: Buffer.from('another secret that is long') }), /trusts/],
    ['of another algorithm, of the same secret', () => sign({}, { alg: 'HS512' }), /trusts/],
    ['with `alg: none`', () => bare({ alg: 'none' }, claims), /trusts/],
    ['with `alg: none` and a signature', () => bare({ alg: 'none' }, claims, signature), /trusts/],
    ['with `alg: NONE`', () => bare({ alg: 'NONE' }, claims), /trusts/],
    ['without an algorithm', () => bare({}, claims, signature), /trusts/],
    ['without a signature', async () => (await sign({})).replace(/[^.]+$/, ''), /trusts/],
    [
      'with what it says changed',
      async () => bare({ alg: 'HS256' }, { ...claims, groups: ['admin'] }, (await sign({})).split('.')[2]),
      /trusts/,
    ],
    [
      'with a critical header nobody knows',
      () => bare({ alg: 'HS256', crit: ['x'], x: 1 }, claims, signature),
      /trusts/,
    ],
    ['that is no token', () => 'nonsense', /trusts/],
    ['of three empty parts', () => '..', /trusts/],
  ])('%s', async (_, token, sentence) => {
    await expect(authenticate()(`Bearer ${await token()}`)).rejects.toEqual(refusal(sentence));
  });

  test.each([
    ['another scheme', 'Basic amFuZTpwYXNzd29yZA=='],
    ['no scheme', 'abc.def.ghi'],
    ['a scheme alone', 'Bearer'],
    ['a scheme and a blank', 'Bearer '],
    ['two tokens', 'Bearer a.b.c d.e.f'],
    ['a number', 7],
    ['a list', ['Bearer a.b.c']],
    ['an object', { Bearer: 'a.b.c' }],
    ['true', true],
    ['false', false],
  ])('%s in place of one', async (_, authorization) => {
    await expect(authenticate()(authorization)).rejects.toEqual(refusal(/Bearer <token>/));
  });

  test('its issuer is another one, or is not said', async () => {
    const check = authenticate(rules({ issuer: 'https://login.example' }));
    expect((await check(`Bearer ${await sign({ iss: 'https://login.example' })}`)).subject).toBe('user/jane');
    for (const iss of ['https://evil.example', 'https://login.example/', undefined])
      await expect(check(`Bearer ${await sign({ iss })}`)).rejects.toEqual(refusal(/`iss`/));
  });

  test('it is for somebody else, or for nobody in particular', async () => {
    const check = authenticate(rules({ audience: 'eventree' }));
    for (const aud of ['eventree', ['other', 'eventree']])
      expect((await check(`Bearer ${await sign({ aud })}`)).subject).toBe('user/jane');
    for (const aud of ['other', ['other'], [], undefined])
      await expect(check(`Bearer ${await sign({ aud: aud as string })}`)).rejects.toEqual(refusal(/`aud`/));
  });

  test('the refusal holds neither the token nor the secret', async () => {
    const token = await sign({ exp: 1 });
    const error = await authenticate()(`Bearer ${token}`).catch((thrown: Error) => thrown);
    expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain(token.split('.')[2]);
    expect(String(error)).not.toContain(SECRET);
  });
});

describe('a token that was seen before', () => {
  test('is refused when it has expired meanwhile', async () => {
    let now = NOW;
    const check = authenticate(rules(), () => now);
    const token = await sign({ exp: NOW / 1000 + 30 });
    expect((await check(`Bearer ${token}`)).subject).toBe('user/jane');
    now += 29_999;
    expect((await check(`Bearer ${token}`)).subject).toBe('user/jane');
    now += 1;
    await expect(check(`Bearer ${token}`)).rejects.toEqual(refusal(/expired/));
  });

  test('is refused when the key that signed it is gone for a minute', async () => {
    const keys = await startKeyServer();
    let now = NOW;
    const check = authenticate(rules({ key: { jwksUrl: keys.url } }), () => now);
    const first = keys.add('first');
    const token = await sign({ exp: NOW / 1000 + 3_600 }, first);
    expect((await check(`Bearer ${token}`)).subject).toBe('user/jane');
    keys.remove('first');
    now += 60_001;
    // jose has its own clock: it keeps a key set for ten minutes.
    vi.useFakeTimers({ now: Date.now() + 11 * 60_000, toFake: ['Date'] });
    await expect(check(`Bearer ${token}`)).rejects.toEqual(refusal(/trusts/));
  });
});

afterEach(() => {
  vi.useRealTimers();
});

describe('nobody', () => {
  test.each([undefined, null, ''])('is who shows %o', async (authorization) => {
    expect(await authenticate()(authorization)).toEqual({
      subject: 'group/anonymous',
      claims: new Set(['group/anonymous']),
      expiresAt: null,
      issuedAt: null,
    });
  });
});

describe('a key set', () => {
  const checkBy = (url: string) => authenticate(rules({ key: { jwksUrl: url } }));

  test.each(['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA'])('checks tokens of %s', async (alg) => {
    const keys = await startKeyServer();
    const token = await sign({ groups: ['dev'] }, keys.add('one', alg));
    expect([...(await checkBy(keys.url)(`Bearer ${token}`)).claims]).toEqual(['user/jane', 'group/dev']);
  });

  test('is fetched once for many tokens', async () => {
    const keys = await startKeyServer();
    const key = keys.add('one');
    const check = checkBy(keys.url);
    const tokens = await Promise.all(
      Array.from({ length: 20 }, (_, nth) => sign({ sub: `user-${nth}` }, key)),
    );
    await Promise.all(tokens.map((token) => check(`Bearer ${token}`)));
    expect(keys.asked()).toBe(1);
  });

  test('is fetched again for a key that is new', async () => {
    const keys = await startKeyServer();
    const check = checkBy(keys.url);
    expect((await check(`Bearer ${await sign({}, keys.add('old'))}`)).subject).toBe('user/jane');
    const fresh = keys.add('new');
    keys.remove('old');
    // No sooner than half a minute after the last time.
    vi.useFakeTimers({ now: Date.now() + 31_000, toFake: ['Date'] });
    expect((await check(`Bearer ${await sign({ sub: 'joe' }, fresh)}`)).subject).toBe('user/joe');
    expect(keys.asked()).toBe(2);
  });

  test('is not fetched for every token with a key that nobody knows', async () => {
    const keys = await startKeyServer();
    keys.add('one');
    const check = checkBy(keys.url);
    const unknown = keyPair('RS256');
    for (let i = 0; i < 20; i++) {
      const token = await sign({ sub: `user-${i}` }, { ...unknown, kid: `unknown-${i}` });
      await expect(check(`Bearer ${token}`)).rejects.toEqual(refusal(/trusts/));
    }
    expect(keys.asked()).toBeLessThanOrEqual(2);
  });

  test('does not check a token that is signed with the public key as if it were a secret', async () => {
    const keys = await startKeyServer();
    const { publicKey } = keys.add('one');
    const check = checkBy(keys.url);
    for (const form of [
      publicKey.export({ type: 'spki', format: 'pem' }),
      publicKey.export({ type: 'spki', format: 'der' }),
      JSON.stringify(publicKey.export({ format: 'jwk' })),
    ]) {
      const token = await sign({ groups: ['admin'] }, { key: Buffer.from(form), kid: 'one' });
      await expect(check(`Bearer ${token}`)).rejects.toEqual(refusal(/trusts/));
    }
  });

  test('does not take a key that the token itself brings along', async () => {
    const keys = await startKeyServer();
    keys.add('one');
    const mine = keyPair('RS256');
    const jwk = mine.publicKey.export({ format: 'jwk' });
    const token = await new SignJWT({ sub: 'jane', exp: NOW / 1000 + 60 })
      .setProtectedHeader({ alg: 'RS256', kid: 'one', jwk, jku: 'https://evil.example/keys' })
      .sign(mine.key);
    await expect(checkBy(keys.url)(`Bearer ${token}`)).rejects.toEqual(refusal(/trusts/));
  });

  test.each(['HS256', 'none'])('does not check a token of %s', async (alg) => {
    const keys = await startKeyServer();
    keys.add('one');
    const token = bare({ alg, kid: 'one' }, { sub: 'jane', exp: NOW / 1000 + 60 }, 'c2lnbmF0dXJl');
    await expect(checkBy(keys.url)(`Bearer ${token}`)).rejects.toEqual(refusal(/trusts/));
  });

  test.each(['RS512', 'PS512'])('checks no token of %s, though it has a key for it', async (alg) => {
    const keys = await startKeyServer();
    const token = await sign({}, keys.add('one', alg));
    await expect(checkBy(keys.url)(`Bearer ${token}`)).rejects.toEqual(refusal(/trusts/));
  });

  test('holds a token to issuer, audience and end as well', async () => {
    const keys = await startKeyServer();
    const key = keys.add('one');
    const check = authenticate(rules({ key: { jwksUrl: keys.url }, issuer: 'https://login.example' }));
    const iss = 'https://login.example';
    expect((await check(`Bearer ${await sign({ iss }, key)}`)).subject).toBe('user/jane');
    await expect(check(`Bearer ${await sign({}, key)}`)).rejects.toEqual(refusal(/`iss`/));
    await expect(check(`Bearer ${await sign({ iss, exp: 1 }, key)}`)).rejects.toEqual(refusal(/expired/));
  });
});

describe('a key set that is away says nothing of the token: UNAVAILABLE', () => {
  const unavailable = expect.objectContaining({
    code: 'UNAVAILABLE',
    message: 'The keys that tokens are checked by cannot be fetched: try again.',
  });

  test('where nothing listens', async () => {
    const url = `http://127.0.0.1:${await freePort()}/keys`;
    const token = await sign({}, { ...keyPair('RS256'), kid: 'one' });
    await expect(authenticate(rules({ key: { jwksUrl: url } }))(`Bearer ${token}`)).rejects.toEqual(
      unavailable,
    );
  });

  test.each([
    ['an error', 500, '{}'],
    ['a page of HTML', 200, '<html>'],
    ['JSON that is no key set', 200, '{"keys":"none"}'],
    ['nothing', 204, ''],
    ['what it does not have', 404, 'not here'],
    ['another address', 302, ''],
  ])('where it answers with %s, and no longer than that', async (_, status, body) => {
    const keys = await startKeyServer();
    const key = keys.add('one');
    const check = authenticate(rules({ key: { jwksUrl: keys.url } }));
    keys.answerWith(status, body);
    await expect(check(`Bearer ${await sign({}, key)}`)).rejects.toEqual(unavailable);
    keys.answerWith(null);
    expect((await check(`Bearer ${await sign({}, key)}`)).subject).toBe('user/jane');
  });

  test('where it does not answer at all', async () => {
    const keys = await startKeyServer();
    const key = keys.add('one');
    keys.answerNothing();
    const check = authenticate(rules({ key: { jwksUrl: keys.url } }));
    await expect(check(`Bearer ${await sign({}, key)}`)).rejects.toEqual(unavailable);
  });
});

describe('at the doors', () => {
  const world = worldForFile();
  const server = (of: World = world()) => of.servers[0] as World['servers'][number];
  const VIEWER = '{ viewer { subject claims expiresAt } }';

  test.each(DOORS)('viewer says how a token was understood, by %s', async (door) => {
    const token = await world().token({ subject: 'jane', groups: ['dev'] });
    const { data } = await ask(door, server(), VIEWER, { token });
    expect(data.viewer).toEqual({
      subject: 'user/jane',
      claims: ['user/jane', 'group/dev'],
      expiresAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000Z$/),
    });
  });

  test.each(DOORS)('nobody is group/anonymous, by %s', async (door) => {
    const { data } = await ask(door, server(), VIEWER);
    expect(data.viewer).toEqual({
      subject: 'group/anonymous',
      claims: ['group/anonymous'],
      expiresAt: null,
    });
  });

  test.each(['application/json', 'text/event-stream'])(
    'a bad token is refused with 401, for %s',
    async (accept) => {
      const expired = await world().token({ lifetimeSeconds: -1 });
      for (const authorization of [`Bearer ${expired}`, 'Bearer x', 'Basic x']) {
        const { status, answer } = await post(server(), { query: VIEWER }, { accept, authorization });
        expect(status).toBe(401);
        expect(codeOf(answer())).toBe('UNAUTHENTICATED');
        expect(answer().data).toBeUndefined();
      }
    },
  );

  test('a bad token closes its socket with 4403, before anything is answered', async () => {
    const expired = await world().token({ lifetimeSeconds: -1 });
    for (const payload of [
      { authorization: `Bearer ${expired}` },
      { Authorization: 'Bearer x' },
      { authorization: { toString: 'x' } },
    ]) {
      const socket = await openBareSocket(server());
      socket.send({ type: 'connection_init', payload });
      expect((await socket.closed).code).toBe(4403);
    }
  });

  test('keys that cannot be fetched are 503, or a close code after which clients come back', async () => {
    const own = await openWorld({
      environment: {
        EVENTREE_JWT_SECRET: '',
        EVENTREE_JWKS_URL: `http://127.0.0.1:${await freePort()}/keys`,
        EVENTREE_LOG_LEVEL: 'fatal',
      },
    });
    const token = await sign({}, { ...keyPair('RS256'), kid: 'one' });
    const authorization = `Bearer ${token}`;
    for (const accept of ['application/json', 'text/event-stream']) {
      const { status, answer } = await post(server(own), { query: VIEWER }, { accept, authorization });
      expect(status).toBe(503);
      expect(codeOf(answer())).toBe('UNAVAILABLE');
    }
    const socket = await openBareSocket(server(own));
    socket.send({ type: 'connection_init', payload: { authorization } });
    expect((await socket.closed).code).toBe(1013);
    // Who shows none is not kept waiting for them.
    expect((await ask('http', server(own), VIEWER)).data.viewer.subject).toBe('group/anonymous');
  });

  test('a server checks by a key set, and by no secret beside it', async () => {
    const keys = await startKeyServer();
    const key = keys.add('one');
    const own = await openWorld({
      environment: {
        EVENTREE_JWT_SECRET: '',
        EVENTREE_JWKS_URL: keys.url,
        EVENTREE_JWT_ISSUER: 'https://login.example',
        EVENTREE_JWT_AUDIENCE: 'eventree',
      },
    });
    const exp = Math.floor(Date.now() / 1000) + 60;
    const token = await sign({ exp, iss: 'https://login.example', aud: 'eventree' }, key);
    expect((await ask('ws', server(own), VIEWER, { token })).data.viewer.subject).toBe('user/jane');
    const refused = [
      await own.token({ groups: ['admin'] }),
      await sign({ exp, iss: 'https://login.example' }, key),
      await sign({ exp, aud: 'eventree' }, key),
    ];
    for (const each of refused) {
      expect(codeOf(await ask('http', server(own), VIEWER, { token: each }))).toBe('UNAUTHENTICATED');
    }
  });
});

// ── A server of keys ──

interface KeyPair extends Signing {
  readonly alg: string;
  readonly key: KeyObject;
  readonly publicKey: KeyObject;
}

function keyPair(alg: string): KeyPair {
  const { privateKey, publicKey } = generate(alg);
  return { alg, key: privateKey, publicKey };
}

function generate(alg: string): { privateKey: KeyObject; publicKey: KeyObject } {
  if (alg === 'EdDSA') return generateKeyPairSync('ed25519');
  if (alg === 'ES256') return generateKeyPairSync('ec', { namedCurve: 'P-256' });
  if (alg === 'ES384') return generateKeyPairSync('ec', { namedCurve: 'P-384' });
  return generateKeyPairSync('rsa', { modulusLength: 2048 });
}

/** Serves public keys by HTTP, as an identity provider does. */
async function startKeyServer() {
  const keys = new Map<string, object>();
  let asked = 0;
  let instead: { status: number; body: string } | 'nothing' | null = null;
  const http = createServer((_, response) => {
    asked++;
    if (instead === 'nothing') return;
    const { status, body } = instead ?? { status: 200, body: JSON.stringify({ keys: [...keys.values()] }) };
    response.writeHead(status, { 'content-type': 'application/json', connection: 'close' }).end(body);
  }).listen(0, '127.0.0.1');
  await once(http, 'listening');
  onTestFinished(() => {
    http.close();
    http.closeAllConnections();
  });
  return {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}/keys`,
    asked: () => asked,
    /** Makes a pair of keys and serves its public one. */
    add(kid: string, alg = 'RS256') {
      const pair = keyPair(alg);
      keys.set(kid, { ...pair.publicKey.export({ format: 'jwk' }), kid, alg, use: 'sig' });
      return { ...pair, kid };
    },
    remove: (kid: string) => void keys.delete(kid),
    /** In place of the keys; null: the keys again. */
    answerWith(status: number | null, body = '') {
      instead = status === null ? null : { status, body };
    },
    answerNothing() {
      instead = 'nothing';
    },
  };
}
