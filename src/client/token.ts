/** Who the client is: a token that stays, or a function that is asked for one each time. */
import { EventreeClientError, innermost } from './errors.ts';

export interface TokenRequest {
  /**
   * The token given last, where the server refuses it by now, as one that has expired; else null. To give the
   * same again is to be refused for good.
   */
  readonly refused: string | null;
}

/**
 * Called for each request and each connection, and once more when the server refuses what it gave. Where it
 * fails, a stream and a recording try again as if the server were away; an EventreeClientError with a code
 * such as UNAUTHENTICATED, thrown from here, ends them.
 */
export type TokenSource = (request: TokenRequest) => string | null | Promise<string | null>;

export interface Tokens {
  /** Whether the next token may be another one. */
  readonly renewable: boolean;
  /** @throws EventreeClientError, or the signal's reason when it fires. */
  get(refused: string | null, signal?: AbortSignal): Promise<string | null>;
}

export function createTokens(given: string | null | TokenSource): Tokens {
  if (typeof given !== 'function') return { renewable: false, get: async () => given };
  return {
    renewable: true,
    get: (refused, signal) => unlessAborted(ask(given, refused), signal),
  };
}

async function ask(source: TokenSource, refused: string | null): Promise<string | null> {
  try {
    return await source({ refused });
  } catch (error) {
    if (error instanceof EventreeClientError) throw error;
    const sentence = `There is no token to be had: ${innermost(error)}.`;
    throw new EventreeClientError('TOKEN_UNAVAILABLE', sentence, { cause: error });
  }
}

/** What is waited for goes on; it is only waited for no longer. */
function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
