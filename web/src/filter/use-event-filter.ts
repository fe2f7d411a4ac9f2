/** The filter of a view as the server gets it. */
import { useMemo, useState } from 'react';
import type { EventFilter } from '../../../src/client/index.ts';
import { type Kinds, toEventFilter } from './event-filter.ts';
import { kindsOf, type Registry, useRegistryOf } from './registry.ts';
import type { View } from './view.ts';

export interface FilterOfView {
  /** Null until the server has answered. */
  readonly registry: Registry | null;
  /** Undefined while it waits for the kinds of the attributes that it names. */
  readonly filter: EventFilter | null | undefined;
}

export function useEventFilter(view: View): FilterOfView {
  const named = view.chips.flatMap((chip) => (chip.on === 'attribute' ? [chip.name] : []));
  const { registry, isReading } = useRegistryOf(named);
  // Only the kinds of those that are named change anything: a view's stream goes on when what else is declared comes.
  const kinds = JSON.stringify(kindsOf(registry, named));
  // One "now" for all that is asked about a view.
  const filter = useMemo(
    () => toEventFilter(view, new Map(JSON.parse(kinds)) as Kinds, Date.now()),
    [view, kinds],
  );
  // An attribute that was typed just now is looked up first; until then the page stands as it is, and so does the input.
  const [ready, setReady] = useState<EventFilter | null | undefined>(undefined);
  const current = isReading ? ready : filter;
  if (current !== ready) setReady(current);
  return { registry, filter: current };
}
