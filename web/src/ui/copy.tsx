/** Puts a text on the clipboard, and says so. */
import { useEffect, useState } from 'react';

export function CopyButton({ text, what }: { readonly text: string; readonly what: string }) {
  const [told, setTold] = useState<string | null>(null);
  useEffect(() => {
    if (told === null) return;
    const timer = setTimeout(() => setTold(null), 2_000);
    return () => clearTimeout(timer);
  }, [told]);
  const copy = () =>
    navigator.clipboard.writeText(text).then(
      () => setTold('Copied'),
      () => setTold('Not allowed: select it and copy'),
    );
  return (
    <button type="button" className="quiet" onClick={() => void copy()} aria-label={`Copy ${what}`}>
      <span aria-live="polite">{told ?? 'Copy'}</span>
    </button>
  );
}
