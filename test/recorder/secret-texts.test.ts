import { describe, expect, test } from 'vitest';
import { createRedactor } from '../../src/recorder/redact.ts';
import { growsEvenly } from '../support/processor-time.ts';

const { text } = createRedactor();

describe('a text', () => {
  const JWT = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJqYW5lIn0.c2lnbmF0dXJl';
  const PEM = '-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4\nMIIE\n-----END RSA PRIVATE KEY-----';

  test.each([
    ['postgres://user:pa%40ss@host/db', 'postgres://user:[redacted]@host/db'],
    [
      'at postgresql+asyncpg://u:p@h:5432, tried twice',
      'at postgresql+asyncpg://u:[redacted]@h:5432, tried twice',
    ],
    ['redis://:pw@h', 'redis://:[redacted]@h'],
    ['mongodb://u:p/a@ss@h1,h2/db', 'mongodb://u:[redacted]@h1,h2/db'],
    ['amqp://u:12345678@h', 'amqp://u:[redacted]@h'],
    ['"postgres://u:p@h" and "redis://u:q@h"', '"postgres://u:[redacted]@h" and "redis://u:[redacted]@h"'],
    ['a://u:p@h?to=b://u:q@h', 'a://u:[redacted]@h?to=b://u:[redacted]@h'],
    ['https://ghp_x@github.com/a.git', 'https://[redacted]@github.com/a.git'],
    ['https://sk_live:@api.example/v1', 'https://[redacted]@api.example/v1'],
    ['ssh://git@github.com/a.git', 'ssh://git@github.com/a.git'],
    ['http://localhost:4873/@scope/name', 'http://localhost:4873/@scope/name'],
    ['http://a.example:80', 'http://a.example:80'],
    ['https://example.com/@jane and jane@example.com', 'https://example.com/@jane and jane@example.com'],
  ])('loses passwords of URLs: %s', (given, safe) => expect(text(given)).toBe(safe));

  test.each([
    ['/a?page=2&token=XYZZY&x=1#top', '/a?page=2&token=[redacted]&x=1#top'],
    ['https://a/b?access_token=XYZZY', 'https://a/b?access_token=[redacted]'],
    ['user=jane&password=XY,ZZY&pin=', 'user=jane&password=[redacted]&pin='],
    ['user%5Bpin%5D=1234&a=b', 'user%5Bpin%5D=[redacted]&a=b'],
    ['user[pin]=1234', 'user[pin]=[redacted]'],
    [
      'https://s3/x?X-Amz-Signature=XYZZY&sig=XYZZY',
      'https://s3/x?X-Amz-Signature=[redacted]&sig=[redacted]',
    ],
    ['design=a&assignature=b', 'design=a&assignature=b'],
    ['host=db user=jane password=XYZZY sslmode=off', 'host=db user=jane password=[redacted] sslmode=off'],
    ['Server=db;Password=XYZZY;Timeout=5', 'Server=db;Password=[redacted];Timeout=5'],
    ['Key (api_key)=(XYZZY) already exists.', 'Key (api_key)=[redacted] already exists.'],
    ['env PGPASSWORD="XY ZZY" psql', 'env PGPASSWORD="[redacted]" psql'],
    ['{"name":"jane","password":"XY\\"ZZY","n":1}', '{"name":"jane","password":"[redacted]","n":1}'],
    ['{"pin":1234,"tokens":["a",{"b":"]"}],"c":2}', '{"pin":[redacted],"tokens":[redacted],"c":2}'],
    ['{"credentials":{"a":{"b":"XYZZY"},"c":"XYZZY"},"d":1}', '{"credentials":[redacted],"d":1}'],
    ['{\\"password\\":\\"XYZZY\\",\\"a\\":1}', '{\\"password\\":\\"[redacted]\\",\\"a\\":1}'],
    ["{ token: 'XYZZY', a: 1 }", "{ token: '[redacted]', a: 1 }"],
    ['mutation { login(password: "XYZZY", a: "b") }', 'mutation { login(password: "[redacted]", a: "b") }'],
    [':secret=>"XYZZY", "token" => \'XYZZY\'', ':secret=>"[redacted]", "token" => \'[redacted]\''],
    ['if (token === "XYZZY") {', 'if (token === "[redacted]") {'],
    ['{"password":"XYZZY', '{"password":"[redacted]"'],
    ['token=[redacted]', 'token=[redacted]'],
    ['The token: expired, at 12:30. a=b', 'The token: expired, at 12:30. a=b'],
    ['"monkey": "b", tokenizer="c"', '"monkey": "b", tokenizer="c"'],
    ['%E0%A4%A=b', '%E0%A4%A=b'],
    ['Key (id, pin)=(7, XY ZZY) is not present', 'Key (id, pin)=[redacted] is not present'],
    ['Key (pin, id)=(XY) ZZY, 7) already exists.', 'Key (pin, id)=[redacted] already exists.'],
    ['Key (id)=(7) already exists. (pin)=(XY ZZY)', 'Key (id)=(7) already exists. (pin)=[redacted]'],
    ['{ pin: 1234, a: 1 }', '{ pin: [redacted], a: 1 }'],
    ['{ pin: { set: "XYZZY" }, a: 1 }', '{ pin: [redacted], a: 1 }'],
    ['pin: 1234\n    at a', 'pin: [redacted]\n    at a'],
    ['{ pin: new Prisma.Decimal("1.5") }', '{ pin: [redacted] }'],
    ['Wrong pin: 2 attempts are left', 'Wrong pin: 2 attempts are left'],
  ])('loses what it gives to names of secrets: %s', (given, safe) => expect(text(given)).toBe(safe));

  test.each([
    ['Bearer XYZZY', 'Bearer [redacted]'],
    ['got "bearer abc.def~1|2/3==", and that is wrong', 'got "bearer [redacted]", and that is wrong'],
    ['authorization: Basic amFuZTpwYXNz.', 'authorization: Basic [redacted]'],
    ['BASIC dTpw', 'BASIC [redacted]'],
    ['Bearer token is missing', 'Bearer token is missing'],
    ['Bearer realm="bank", error="invalid"', 'Bearer realm="bank", error="invalid"'],
    ['Basic authentication, the Basic plan and basic read-only needs. Basic 2026!', null],
    ['Basic auth, Basic (v2), Basic HTTP/2', null],
  ])('loses credentials: %s', (given, safe) => expect(text(given)).toBe(safe ?? given));

  test.each([
    [`expired: ${JWT}`, 'expired: [redacted]'],
    [`(${JWT})`, '([redacted])'],
    ['a/eyJh.e30.', 'a/[redacted]'],
    ['eyJhbGciOiJkaXIifQ..aXY.Y3Q.dGFn!', '[redacted]!'],
    ['keyJa.b.c eyJ.b.c eyJab', 'keyJa.b.c eyJ.b.c eyJab'],
    [`before ${PEM} behind`, 'before [redacted] behind'],
    [PEM.slice(0, 50), '[redacted]'],
    ['-----BEGIN CERTIFICATE-----', '-----BEGIN CERTIFICATE-----'],
  ])('loses tokens and keys: %s', (given, safe) => expect(text(given)).toBe(safe));

  const HEADERS =
    'POST /x HTTP/1.1\r\nX-Api-Key: sk XYZZY\r\nAuthorization: Token XYZZY\r\nHost: a:80\r\n\r\n';
  const SAFE_HEADERS =
    'POST /x HTTP/1.1\r\nX-Api-Key: [redacted]\r\nAuthorization: [redacted]\r\nHost: a:80\r\n\r\n';
  test.each([
    [HEADERS, SAFE_HEADERS],
    [JSON.stringify({ a: HEADERS, b: 1 }), JSON.stringify({ a: SAFE_HEADERS, b: 1 })],
    ['HTTP/1.1 200 OK\nPassword: XY ZZY\nServer: a', 'HTTP/1.1 200 OK\nPassword: [redacted]\nServer: a'],
    ['> x-api-key: XY ZZY\n> accept: */*', '> x-api-key: [redacted]\n> accept: */*'],
    ['Cookie: a=XYZZY; b=XYZZY', 'Cookie: [redacted]'],
    ['Authorization: Bearer XYZZY', 'Authorization: Bearer [redacted]'],
    ['sent:\nAuthorization: Digest username="XYZZY"', 'sent:\nAuthorization: [redacted]'],
    ['"a\\r\\nX-Api-Key: XY\\"ZZY\\r\\nb"', '"a\\r\\nX-Api-Key: [redacted]\\r\\nb"'],
    ['password: must have 8 characters\ntoken: expired', 'password: must have 8 characters\ntoken: expired'],
    ['X-Request-Id: 7\nX-Api-Key:\n', 'X-Request-Id: 7\nX-Api-Key:\n'],
  ])('loses headers of HTTP: %j', (given, safe) => expect(text(given)).toBe(safe));

  test.each([
    ['Failing row contains (1, XYZZY, (XY)\nZZY).', 'Failing row contains [redacted]'],
    ['refused: failing row contains (XYZZY', 'refused: failing row contains [redacted]'],
    ['Failing row contains [redacted]', 'Failing row contains [redacted]'],
    ['The basket contains (some) eggs', 'The basket contains (some) eggs'],
  ])('loses rows: %j', (given, safe) => expect(text(given)).toBe(safe));

  test('knows the names of the application', () => {
    expect(createRedactor({ secrets: ['iban'] }).text('a?iban=DE1')).toBe('a?iban=[redacted]');
  });

  test('is cut where it is too long, and no secret is cut in two', () => {
    const long = `${'x'.repeat(190)} postgres://user:${'p'.repeat(1_000)}@host`;
    const stub = `${'x'.repeat(190)} postgres:… [cut: ${long.length} characters]`;
    expect(text(long, 1_000)).toBe(stub);
    const early = `postgres://user:${'p'.repeat(1_000)}@host ${'x'.repeat(1_000)}`;
    const safe = `postgres://user:[redacted]@host ${'x'.repeat(200)}`.slice(0, 200);
    expect(text(early, 1_000)).toBe(`${safe}… [cut: ${early.length} characters]`);
    const short = createRedactor({ maxValueChars: 300 });
    expect(short.json([{ early }])).toEqual([{ early: `${safe}… [cut: ${early.length} characters]` }]);
    // A stub may be longer than what it stands for: the limit stands.
    const grown = 'pin=1&'.repeat(49);
    expect(text(grown, 300)).toMatch(/^(?:pin=\[redacted\]&)+.*… \[cut: 294 characters\]$/);
    expect(short.json(grown)).toBe(text(grown, 300));
  });

  test.each([
    ['eyJ', 'eyJa', '-eyJ-', 'eyJa.', 'eyJa.b.c.'],
    ['://', '://a', '://a:', '://a:b', 'http', 'https://a:b@'],
    ['bearer ', 'basic ', 'bearer', 'basic a-', 'Basic A-A-'],
    [
      'a=',
      'a="',
      "a='",
      'token="',
      'token=[',
      'token={',
      'a%',
      '"token":',
      '\\"',
      'token\\":\\"',
      'a',
      'token=',
    ],
    ['Key (', ')=(', 'Key (a)=(', 'Key (pin)=(', 'pin=(', 'pin: 1', 'pin: {', 'pin: new A("'],
    ['\nX-Api-Key: ', '\\nX-Api-Key: ', '\\r\\n', '\nCookie:', '\\nCookie: \\', '> ', '\n> a-'],
    ['Failing row contains (', 'failing row contains '],
    ['-----BEGIN ', '-----BEGIN PRIVATE KEY-----', '-----BEGIN RSA PRIVATE KEY-----\n'],
  ])('is looked through in no time, however it is made: %s', (...parts) => {
    for (const part of parts) {
      for (const end of ['', '!', '@', ' ', '"', '=']) {
        const isQuick = growsEvenly(60_000, (chars) => {
          text(`=: ")=(${part.repeat(chars / part.length)}${end}`);
        });
        expect(isQuick, `${part} … ${end}`).toBe(true);
      }
    }
  });
});
