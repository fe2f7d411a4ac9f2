/** Another token: pasted, or of an OpenID Connect provider. */
import { type FormEvent, useId, useState } from 'react';
import { useLocation } from 'wouter';
import { useSearch } from 'wouter/use-browser-location';
import { createClient } from '../../../src/client/index.ts';
import { pathBack } from '../ui/login-path.ts';
import { ErrorNotice } from '../ui/notice.tsx';
import { useTitle } from '../ui/title.ts';
import { useApp } from './app-context.ts';
import { bareToken, pasteToken, signIn } from './session.ts';

export function SignIn() {
  useTitle('Sign in');
  const { config, setSession } = useApp();
  const [, navigate] = useLocation();
  const [token, setToken] = useState('');
  const [failure, setFailure] = useState<Error | null>(null);
  const [isTrying, setTrying] = useState(false);
  const id = useId();
  const { oidc } = config;
  const to = pathBack(useSearch());

  async function tryToken(event: FormEvent): Promise<void> {
    event.preventDefault();
    setTrying(true);
    setFailure(null);
    const bare = bareToken(token);
    try {
      // A token that the server refuses is not taken.
      await createClient({ url: '/graphql', token: bare }).query('{ viewer { subject } }');
      setSession(pasteToken(bare));
      navigate(to);
    } catch (error) {
      setFailure(error as Error);
    } finally {
      setTrying(false);
    }
  }

  return (
    <section className="page narrow">
      <h1>Sign in</h1>
      {oidc !== null && (
        <>
          <p>Your organisation’s sign-in page asks who you are, and sends you back here.</p>
          <p>
            <button
              type="button"
              className="primary"
              onClick={() => void signIn(oidc, to).catch((error: Error) => setFailure(error))}
            >
              Sign in at {new URL(oidc.authority).host}
            </button>
          </p>
          <h2>Or by a token</h2>
        </>
      )}
      <form onSubmit={(event) => void tryToken(event)}>
        <label htmlFor={id}>Token</label>
        <p className="hint">
          A JSON Web Token that this server accepts, as <code>eventree token</code> prints one. It is kept in
          this tab until you close it or sign out.
        </p>
        <textarea
          id={id}
          value={token}
          onChange={(event) => setToken(event.target.value)}
          rows={5}
          spellCheck={false}
          autoComplete="off"
          placeholder="eyJhbGciOi…"
          required
        />
        <p>
          <button type="submit" className="primary" disabled={isTrying || token.trim() === ''}>
            {isTrying ? 'Asking the server…' : 'Use this token'}
          </button>
        </p>
      </form>
      {failure !== null && <ErrorNotice error={failure} doing="That did not work" />}
    </section>
  );
}
