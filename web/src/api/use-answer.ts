/**
 * The answer to what is asked now. `useQuery` goes on showing the last one while it asks with other variables: numbers of
 * one filter would stand under another.
 */
import { useMemo } from 'react';
import { type AnyVariables, type CombinedError, createRequest, type TypedDocumentNode, useQuery } from 'urql';

export interface Question<Data, Variables extends AnyVariables> {
  readonly query: TypedDocumentNode<Data, Variables>;
  readonly variables: Variables;
  /** Not asked as long as this holds. */
  readonly pause?: boolean;
}

export interface Answer<Data> {
  /** Undefined until the server has answered this very question. */
  readonly data: Data | undefined;
  readonly error: CombinedError | undefined;
  readonly fetching: boolean;
  again(): void;
}

export function useAnswer<Data, Variables extends AnyVariables>({
  query,
  variables,
  pause = false,
}: Question<Data, Variables>): Answer<Data> {
  const [state, ask] = useQuery<Data, AnyVariables>({ query, variables, pause });
  const { key } = createRequest(query, variables);
  const isOfThis = !pause && state.operation?.key === key;
  return useMemo(
    () => ({
      data: isOfThis ? state.data : undefined,
      error: isOfThis ? state.error : undefined,
      fetching: state.fetching || state.stale,
      again: () => ask({ requestPolicy: 'network-only' }),
    }),
    [isOfThis, state, ask],
  );
}
