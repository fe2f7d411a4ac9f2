/** What is typed into a form outlives the form: who closes it by mistake finds it there again. */
import { useState } from 'react';

export interface Drafting<T> {
  readonly draft: T;
  /** It was begun when the form was open before. */
  readonly isFound: boolean;
  change(part: Partial<T>): void;
  startOver(): void;
  /** What was drafted is declared. */
  done(): void;
}

/** @param kept by the screen, by the name of what is changed; empty for a new one. */
export function useDraft<T>(kept: Map<string, T>, name: string, initial: T): Drafting<T> {
  const [draft, setDraft] = useState(() => kept.get(name) ?? initial);
  const [isFound, setFound] = useState(() => kept.has(name));
  return {
    draft,
    isFound,
    change(part) {
      const next = { ...draft, ...part };
      kept.set(name, next);
      setDraft(next);
    },
    startOver() {
      kept.delete(name);
      setDraft(initial);
      setFound(false);
    },
    done: () => void kept.delete(name),
  };
}
