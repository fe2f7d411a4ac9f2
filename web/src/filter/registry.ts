/** What may be asked for: declared types and attributes. */
import { useEffect, useMemo, useState } from 'react';
import { gql, useClient, useQuery } from 'urql';
import type { AttributeKind } from './event-filter.ts';

export interface Registry {
  readonly types: readonly { readonly name: string; readonly description: string | null }[];
  readonly attributes: readonly {
    readonly name: string;
    readonly kind: AttributeKind;
    readonly description: string | null;
  }[];
}

interface Declared {
  readonly eventTypes: Registry['types'];
  readonly attributes: Registry['attributes'];
}

const REGISTRY = gql<Declared>`
  query Registry {
    eventTypes {
      name
      description
    }
    attributes {
      name
      kind
      description
    }
  }
`;

/** As the tab has it; null until the server has answered. */
export function useRegistry(): Registry | null {
  const [{ data }] = useQuery({ query: REGISTRY, requestPolicy: 'cache-first' });
  return useMemo(() => registryOf(data), [data]);
}

export interface Known {
  readonly registry: Registry | null;
  /** Whether what is here may lack some of the attributes that were named: it is being read anew. */
  readonly isReading: boolean;
}

/**
 * As the server has it when the screen opens, and read again when an attribute is named that is not known: somebody may
 * have declared it since.
 */
export function useRegistryOf(named: readonly string[]): Known {
  const client = useClient();
  const [{ data, error }] = useQuery({ query: REGISTRY, requestPolicy: 'cache-and-network' });
  const registry = useMemo(() => registryOf(data), [data]);
  const known = new Set(data?.attributes.map(({ name }) => name));
  const lacking = named.filter((name) => !known.has(name)).join();
  // Still lacking after it was read for them: nobody has declared these.
  const [readFor, setReadFor] = useState('');
  const isReading = lacking !== readFor && lacking !== '' && error === undefined;
  useEffect(() => {
    if (!isReading) return;
    let isLeft = false;
    // The answer reaches the query above as well. One that is on its way is waited for, not asked for twice.
    void client
      .query(REGISTRY, {}, { requestPolicy: 'network-only' })
      .toPromise()
      .then(() => {
        if (!isLeft) setReadFor(lacking);
      });
    return () => {
      isLeft = true;
    };
  }, [client, isReading, lacking]);
  return { registry, isReading };
}

function registryOf(data: Declared | undefined): Registry | null {
  return data === undefined ? null : { types: data.eventTypes, attributes: data.attributes };
}

/** The kinds of those named that are declared, as a list, so that it can be compared by its text. */
export function kindsOf(
  registry: Registry | null,
  named: readonly string[],
): [name: string, kind: AttributeKind][] {
  return (registry?.attributes ?? [])
    .filter(({ name }) => named.includes(name))
    .map(({ name, kind }) => [name, kind]);
}
