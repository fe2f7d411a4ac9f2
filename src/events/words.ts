/**
 * Words, as `search` compares them: letters and digits, folded to lower case. Whatever lies between ends
 * a word, so `v1.2` is two. The folded words are stored with each event because lower case differs
 * between databases and versions of Unicode, and a search must find the same in SQL and in memory.
 */
const WORD = /[\p{L}\p{M}\p{N}]+/gu;
const ASCII = /^[\0-\x7f]*$/;
const ASCII_WORD = /[a-z0-9]+/g;

export const MAX_SEARCH_WORDS = 20;

/** Each word once, in order of appearance. */
export function wordsOf(text: string): string[] {
  // Most text is ASCII, where folding is lower case and nothing else.
  const words = ASCII.test(text)
    ? text.toLowerCase().match(ASCII_WORD)
    : text.normalize('NFKC').toLowerCase().normalize('NFKC').match(WORD);
  return [...new Set(words)];
}

/** ` jane pushed 3 commits `: every word stands between blanks. */
export function storedWords(message: string, maskedMessage: string | null): string {
  const full = ` ${wordsOf(message).join(' ')} `;
  // The envelope's words first: a viewer of the envelope searches the part before the bar only.
  return maskedMessage === null ? full : ` ${wordsOf(maskedMessage).join(' ')} |${full}`;
}
