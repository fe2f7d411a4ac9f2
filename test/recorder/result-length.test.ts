import fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import { lengthOf, MOST_CHARS, MOST_VALUES } from '../../src/recorder/result-length.ts';
import { takesAtMost } from '../support/processor-time.ts';

/** What it is of, by who writes it. */
function writtenLength(value: unknown): number | null {
  try {
    return JSON.stringify(value)?.length ?? null;
  } catch {
    return null;
  }
}

describe('the length of a result', () => {
  test('is that of its JSON, whatever it is', () => {
    const anything = fc.anything({
      withBigInt: true,
      withBoxedValues: true,
      withDate: true,
      withMap: true,
      withSet: true,
      withTypedArray: true,
      withSparseArray: true,
      withNullPrototype: true,
      withUnicodeString: true,
    } as never);
    fc.assert(
      fc.property(anything, (value) => {
        if (!ArrayBuffer.isView(value)) expect(lengthOf(value)).toBe(writtenLength(value));
        expect(lengthOf([value, { value }])).toBe(writtenLength([value, { value }]));
      }),
      { numRuns: 1_000 },
    );
  });

  test.each<[string, unknown]>([
    ['texts that are escaped', '"\\/\n\u0001\u007f\u2028\ud800\ude00😀é'],
    ['names that are', { 'a"\n': { '\ud800': 1 } }],
    ['numbers', [0, -0, 0.1, 1e21, 1e-7, Number.NaN, -Infinity, 2 ** 60]],
    [
      'what JSON leaves out',
      { a: undefined, b: () => 1, c: Symbol('c'), d: [undefined, () => 1, Symbol('d')] },
    ],
    ['dates and URLs', [new Date(0), new Date(Number.NaN), new URL('http://a/b')]],
    ['a Buffer within', { file: Buffer.from('hello') }],
    ['bytes within', { bytes: new Uint8Array([1, 2, 255]), view: new DataView(new ArrayBuffer(9)) }],
    [
      'maps and classes',
      [
        new Map([[1, 2]]),
        new Set([1]),
        new (class A {
          b = 1;
          #c = 2;
          d() {
            return this.#c;
          }
        })(),
      ],
    ],
    [
      'what says it itself',
      { toJSON: (key: string) => ({ key, again: { toJSON: (name: string) => name } }) },
    ],
    ['items that do', [{ toJSON: (key: string) => key + key }]],
    ['what says nothing', { a: { toJSON: () => undefined }, b: [{ toJSON: () => undefined }] }],
    ['boxed values', [Object('a'), Object(1), Object(false), Object(Symbol('s'))]],
    ['a function', () => 1],
    ['nothing', undefined],
  ])('is exact for %s', (_, value) => expect(lengthOf(value)).toBe(writtenLength(value)));

  test('is of bytes their number', () => {
    expect(lengthOf(Buffer.alloc(7))).toBe(7);
    expect(lengthOf(new Float64Array(2))).toBe(16);
  });

  test('is not told of what has no JSON, and nothing is thrown', () => {
    const ring: { self?: object } = {};
    ring.self = { ring };
    const angry = () => {
      throw new Error('do not look');
    };
    const { proxy, revoke } = Proxy.revocable([], {});
    revoke();
    for (const value of [1n, { a: [1n] }, Object(1n), ring, { toJSON: angry }, proxy]) {
      expect(lengthOf(value)).toBeNull();
    }
    expect(lengthOf(new Proxy({}, { ownKeys: angry }))).toBeNull();
    expect(
      lengthOf({
        get a() {
          return angry();
        },
      }),
    ).toBeNull();
    const twice = { a: 1 };
    expect(lengthOf([twice, twice])).toBe('[{"a":1},{"a":1}]'.length);
  });

  test('is told up to its limits', () => {
    expect(lengthOf(Array(MOST_VALUES - 1).fill(1))).toBe(2 * MOST_VALUES - 1);
    expect(lengthOf(Array(MOST_VALUES).fill(1))).toBeNull();
    expect(lengthOf(Array.from({ length: MOST_VALUES / 2 }, (_, a) => ({ a })))).toBeNull();
    expect(lengthOf('x'.repeat(MOST_CHARS - 2))).toBe(MOST_CHARS);
    expect(lengthOf('x'.repeat(MOST_CHARS - 1))).toBeNull();
    expect(lengthOf('\n'.repeat(MOST_CHARS / 2))).toBeNull();
    expect(lengthOf({ ['x'.repeat(MOST_CHARS)]: 1 })).toBeNull();
    const deep = (levels: number): unknown => (levels === 0 ? 1 : [deep(levels - 1)]);
    expect(lengthOf(deep(100))).toBe(201);
    expect(lengthOf(deep(101))).toBeNull();
  });

  test('is found, or not, in no time', () => {
    let asked = 0;
    const endless = { toJSON: () => ({ a: endless, asked: ++asked }) };
    const wide = {
      get a() {
        asked++;
        return wide;
      },
      get b() {
        asked++;
        return 1;
      },
    };
    const large: unknown[] = [
      endless,
      wide,
      { file: Buffer.alloc(200_000_000) },
      { samples: new Float64Array(20_000_000) },
      { text: '"'.repeat(250_000_000) },
      Array(50_000_000),
      Array.from({ length: 1_000 }, () => Array.from({ length: 1_000 }, (_, a) => ({ a }))),
    ];
    for (const value of large) {
      const isQuick = takesAtMost(500, () => {
        asked = 0;
        expect(lengthOf(value)).toBeNull();
      });
      expect(isQuick).toBe(true);
      expect(asked).toBeLessThan(1_000);
    }
  });

  test('is that of big numbers where the application has a form for them', () => {
    const prototype = BigInt.prototype as { toJSON?: (this: bigint) => string };
    prototype.toJSON = function () {
      return String(this);
    };
    onTestFinished(() => {
      delete prototype.toJSON;
    });
    expect(lengthOf({ a: [12n] })).toBe('{"a":["12"]}'.length);
  });

  test('is given up where JSON gives up: a ring is not looked at twice', () => {
    const looks = { ours: 0, theirs: 0 };
    const ring = (who: keyof typeof looks) => {
      const value: { readonly counted: number; self?: object } = {
        get counted() {
          return looks[who]++;
        },
      };
      value.self = [value];
      return value;
    };
    expect(lengthOf(ring('ours'))).toBeNull();
    expect(writtenLength(ring('theirs'))).toBeNull();
    expect(looks).toEqual({ ours: 1, theirs: 1 });
  });

  test('is found by looking as often as JSON does, and in the same order', () => {
    const told = (): { readonly value: object; readonly looks: string[] } => {
      const looks: string[] = [];
      const watched = (name: string, target: object): object =>
        new Proxy(target, {
          get: (of, key, self) => {
            looks.push(`${name}.${String(key)}`);
            return Reflect.get(of, key, self);
          },
          ownKeys: (of) => {
            looks.push(`${name} keys`);
            return Reflect.ownKeys(of);
          },
          getOwnPropertyDescriptor: (of, key) => {
            looks.push(`${name} has ${String(key)}`);
            return Reflect.getOwnPropertyDescriptor(of, key);
          },
          has: () => {
            throw new Error('JSON does not ask');
          },
        });
      const value = watched('root', {
        get getter() {
          looks.push('getter');
          return watched('inner', { b: true, c: undefined });
        },
        list: watched('list', [watched('item', {}), 2]),
        own: { toJSON: (key: string) => looks.push(`toJSON ${key}`) },
        boxed: Object.assign(Object(1), { valueOf: () => looks.push('valueOf') }),
        bytes: watched('bytes', Buffer.from('a')),
      });
      return { value, looks };
    };
    const [ours, theirs] = [told(), told()];
    expect(lengthOf(ours.value)).toBe(writtenLength(theirs.value));
    expect(ours.looks).toEqual(theirs.looks);
    expect(ours.looks.length).toBeGreaterThan(20);
  });
});
