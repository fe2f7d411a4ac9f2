/** How often what is declared occurs. Asked for when the lists stand, which never wait for it. */
import { useMemo } from 'react';
import { useQuery } from 'urql';
import { useApp } from '../session/app-context.ts';
import { attributeCounts, type CountOf, typeCounts } from './count-of.ts';
import { ATTRIBUTE_COUNTS, TYPE_COUNTS } from './registry.ts';

export interface Counts {
  readonly ofType: CountOf;
  readonly ofAttribute: CountOf;
  /** Of the first that could not be counted. */
  readonly error: Error | null;
}

/** @param isReady whether there is anything to count yet. */
export function useCounts(isReady: boolean): Counts {
  const { config } = useApp();
  const asked = { variables: { journal: config.journal }, pause: !isReady };
  const [types] = useQuery({ query: TYPE_COUNTS, ...asked });
  const [attributes] = useQuery({ query: ATTRIBUTE_COUNTS, ...asked });
  const ofType = useMemo(() => typeCounts(types.data), [types.data]);
  const ofAttribute = useMemo(() => attributeCounts(attributes.data), [attributes.data]);
  return { ofType, ofAttribute, error: types.error ?? attributes.error ?? null };
}
