/**
 * Text that somebody else has written. It is shown and never run; marks that turn the direction of text, or that
 * cannot be seen, are made visible, so that it does not pretend to be something else.
 */

/** Control and format characters and separators of lines. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;
/** Line breaks and tabs; joiners, which emoji and some scripts are written with. */
const KEPT = '\n\t\u200c\u200d';

export function shown(text: string): string {
  return text.replace(UNSEEN, (mark) => (KEPT.includes(mark) ? mark : `⟨${codePoint(mark)}⟩`));
}

function codePoint(mark: string): string {
  return (mark.codePointAt(0) as number).toString(16).toUpperCase().padStart(4, '0');
}

/** @param most characters; what is longer is cut, and whole on hover up to a point. */
export function Text({ of, most = 2_000 }: { readonly of: string; readonly most?: number }) {
  const text = shown(of);
  if (text.length <= most) return <bdi>{text}</bdi>;
  return <bdi title={text.slice(0, 2_000)}>{`${text.slice(0, most)}…`}</bdi>;
}
