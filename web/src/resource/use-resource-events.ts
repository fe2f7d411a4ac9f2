/** The events of a resource: the newest at once, older ones when asked for, new ones as they are recorded. */
import { useEffect, useEffectEvent, useState } from 'react';
import { type FollowState, LINE_FIELDS } from '../../../src/client/index.ts';
import { useApp } from '../session/app-context.ts';
import {
  type EventList,
  holdsMore,
  listOf,
  type ResourceEvent,
  STEP,
  withArrived,
  withOlder,
} from './event-list.ts';

/** What the latest state is told from, so that it and the timeline take one request. */
export const MOST_LOOKED_AT = 500;
const FIELDS = `${LINE_FIELDS} category attributes parent { id }`;

export interface ResourceEvents {
  /** Null until it is read. */
  readonly list: EventList | null;
  readonly connection: FollowState;
  readonly error: Error | null;
  readonly isReadingOlder: boolean;
  showOlder(): void;
  again(): void;
}

/** @param onChange told that the resource is no longer what it was: there now, or with other rights on it. */
export function useResourceEvents(reference: string, journal: string, onChange: () => void): ResourceEvents {
  const { client } = useApp();
  const [list, setList] = useState<EventList | null>(null);
  const [connection, setConnection] = useState<FollowState>({ state: 'connecting' });
  const [error, setError] = useState<Error | null>(null);
  const [isReadingOlder, setReadingOlder] = useState(false);
  const [attempt, setAttempt] = useState(0);
  const tellChange = useEffectEvent(onChange);

  // biome-ignore lint/correctness/useExhaustiveDependencies: an attempt reads and follows anew.
  useEffect(() => {
    const leaving = new AbortController();
    const { signal } = leaving;
    const filter = { resource: { eq: reference } };
    const options = { journal, fields: FIELDS, signal };

    async function read(): Promise<EventList> {
      const newest = listOf(
        await client.events<ResourceEvent>(filter, { ...options, first: MOST_LOOKED_AT }),
      );
      setList(newest);
      return newest;
    }

    async function run(): Promise<void> {
      const [newest] = (await read()).events;
      let isEmpty = newest === undefined;
      const stream = client.stream<ResourceEvent>(filter, {
        ...options,
        // Where there is none yet, the first one may be recorded before the stream stands.
        ...(newest === undefined ? { from: 'BEGINNING' } : { after: newest.cursor }),
        onState: (state) => {
          if (!signal.aborted) setConnection(state);
        },
      });
      for await (const { events: arrived, hidden } of stream) {
        if (hidden.includes(reference)) {
          // What may no longer be seen goes at once; what the viewer has done may still be theirs to see.
          setList(null);
          tellChange();
          isEmpty = (await read()).events.length === 0;
          continue;
        }
        if (arrived.length === 0) continue;
        setList((before) => before && withArrived(before, arrived));
        // With its first event, a resource is created.
        if (isEmpty || arrived.some(({ type }) => type.name === 'acl_change')) tellChange();
        isEmpty = false;
      }
    }

    setError(null);
    run().catch((failure: Error) => {
      if (!signal.aborted) setError(failure);
    });
    return () => leaving.abort();
  }, [client, journal, reference, attempt]);

  function showOlder(): void {
    if (list === null || isReadingOlder) return;
    if (holdsMore(list) || list.olderCursor === null) {
      setList({ ...list, shown: list.shown + STEP });
      return;
    }
    const { olderCursor } = list;
    setReadingOlder(true);
    client
      .events<ResourceEvent>(
        { resource: { eq: reference } },
        { journal, fields: FIELDS, first: STEP, after: olderCursor },
      )
      .then(
        (page) => {
          // Where the list has been read anew meanwhile, the page does not belong to its end.
          setList((before) => (before?.olderCursor === olderCursor ? withOlder(before, page) : before));
          setError(null);
        },
        (failure: Error) => setError(failure),
      )
      .finally(() => setReadingOlder(false));
  }

  return {
    list,
    connection,
    error,
    isReadingOlder,
    showOlder,
    again: () => setAttempt((before) => before + 1),
  };
}
