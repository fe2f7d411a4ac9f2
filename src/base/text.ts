/**
 * Order of text by code point, which is also the order of its UTF-8 bytes and of PostgreSQL's collation
 * "C". JavaScript's own `<` compares UTF-16 units and puts U+1F600 before U+FFFD.
 */

/** Below 0, 0 or above 0 as `a` sorts before, with or after `b`. */
export function compareText(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) return x >= 0xd800 && y >= 0xd800 ? rank(x) - rank(y) : x - y;
  }
  return a.length - b.length;
}

/** The smallest text that sorts after every text with this prefix; null where there is none. */
export function afterPrefix(prefix: string): string | null {
  const points = [...prefix];
  while (points.length > 0) {
    const last = (points.pop() as string).codePointAt(0) as number;
    // Surrogates are no code points of their own: U+D7FF is followed by U+E000.
    if (last < 0x10ffff) return points.join('') + String.fromCodePoint(last === 0xd7ff ? 0xe000 : last + 1);
  }
  return null;
}

/** The first `most` code points. */
export function firstPoints(text: string, most: number): string {
  return text.length <= most ? text : [...text.slice(0, most * 2)].slice(0, most).join('');
}

// Surrogates stand for the code points above all others, yet lie below U+E000.
function rank(unit: number): number {
  return unit >= 0xe000 ? unit - 0x800 : unit + 0x2000;
}
