/** For administrators: what somebody with certain claims sees of an event, and why. */
import { type FormEvent, useId, useState } from 'react';
import { useApp } from '../session/app-context.ts';
import { ErrorNotice } from '../ui/notice.tsx';
import { shown } from '../ui/text.tsx';
import { claimsIn, EXPLAIN, type Explanation, missingSentences, seenSentence } from './explain.ts';

type Answer =
  | { readonly is: 'none' }
  | { readonly is: 'asking' }
  | { readonly is: 'failed'; readonly error: Error }
  | { readonly is: 'said'; readonly claims: readonly string[]; readonly explanation: Explanation | null };

export function WhoSees({ id }: { readonly id: string }) {
  const { client } = useApp();
  const [text, setText] = useState('');
  const [answer, setAnswer] = useState<Answer>({ is: 'none' });
  const [field, hint] = [useId(), useId()];
  const claims = claimsIn(text);

  async function ask(event: FormEvent): Promise<void> {
    event.preventDefault();
    setAnswer({ is: 'asking' });
    try {
      const variables = { id, claims };
      const data = await client.query<{ explainVisibility: Explanation | null }>(EXPLAIN, variables);
      setAnswer({ is: 'said', claims, explanation: data.explainVisibility });
    } catch (error) {
      setAnswer({ is: 'failed', error: error as Error });
    }
  }

  return (
    <details className="who-sees">
      <summary>
        <h3>Who sees this?</h3>
      </summary>
      <form onSubmit={(event) => void ask(event)}>
        <label htmlFor={field}>Claims</label>
        <input
          id={field}
          value={text}
          onChange={(event) => setText(event.target.value)}
          placeholder="user/jane, group/staff"
          aria-describedby={hint}
          autoComplete="off"
          spellCheck={false}
        />
        <button type="submit" disabled={claims.length === 0 || answer.is === 'asking'}>
          Explain
        </button>
      </form>
      <p id={hint} className="hint">
        All that somebody’s token says of them, with commas or spaces between.
      </p>
      <div role="status">
        {answer.is === 'said' && <Said claims={answer.claims} explanation={answer.explanation} />}
      </div>
      {answer.is === 'failed' && <ErrorNotice error={answer.error} doing="That could not be explained" />}
    </details>
  );
}

function Said({
  claims,
  explanation,
}: {
  readonly claims: readonly string[];
  readonly explanation: Explanation | null;
}) {
  if (explanation === null) return <p>There is no such event any more.</p>;
  return (
    <>
      <p>{shown(seenSentence(claims, explanation))}</p>
      {missingSentences(explanation).map((sentence) => (
        <p key={sentence}>{shown(sentence)}</p>
      ))}
    </>
  );
}
