/** What stands where there is nothing to show: why, and what can be done. */
import type { ReactNode } from 'react';
import { Link } from 'wouter';
import { errorText } from '../api/error-text.ts';
import { loginPath } from './login-path.ts';
import './notice.css';

export function Notice({ title, children }: { readonly title: string; readonly children?: ReactNode }) {
  return (
    <div className="notice">
      <h2>{title}</h2>
      {children}
    </div>
  );
}

/** @param doing what failed, e.g. "The events could not be read". */
export function ErrorNotice({
  error,
  doing,
  onRetry,
}: {
  readonly error: Error;
  readonly doing: string;
  readonly onRetry?: () => void;
}) {
  const { sentence, code } = errorText(error);
  return (
    <div className="notice failed" role="alert">
      <h2>{doing}</h2>
      <p>{sentence}</p>
      {code !== null && (
        <p className="hint">
          Code <code>{code}</code>
          {code === 'UNAUTHENTICATED' && (
            <>
              {' '}
              — <Link href={loginPath()}>sign in with another token</Link>
            </>
          )}
        </p>
      )}
      {onRetry !== undefined && (
        <p>
          <button type="button" onClick={onRetry}>
            Try again
          </button>
        </p>
      )}
    </div>
  );
}

export function Loading({ what }: { readonly what: string }) {
  return (
    <p className="loading" role="status">
      {what}…
    </p>
  );
}
