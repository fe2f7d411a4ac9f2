/** The stream of a filter, for React. */
import { useCallback, useEffect, useMemo, useRef, useState, useSyncExternalStore } from 'react';
import type { EventFilter } from '../../../src/client/index.ts';
import { useApp } from '../session/app-context.ts';
import { useViewer } from '../session/viewer.ts';
import { LiveStream, type StreamView } from './live-stream.ts';

export interface Stream extends StreamView {
  /** Changes whenever the store does. */
  readonly version: number;
  /** Begins anew, after it has ended. */
  again(): void;
}

export function useStream(journal: string, filter: EventFilter | null): Stream {
  const { client } = useApp();
  const viewer = useViewer();
  const subject = useRef<string | null>(null);
  subject.current = viewer?.subject ?? null;
  const [attempt, setAttempt] = useState(0);
  // By its text: the same filter is the same stream.
  const key = JSON.stringify(filter);
  // biome-ignore lint/correctness/useExhaustiveDependencies: an attempt is a stream of its own.
  const running = useMemo(
    () => new LiveStream(client, journal, JSON.parse(key) as EventFilter | null, () => subject.current),
    [client, journal, key, attempt],
  );
  useEffect(() => running.start(), [running]);
  const version = useSyncExternalStore(running.subscribe, running.version);
  const again = useCallback(() => setAttempt((before) => before + 1), []);
  return { ...running.view(), version, again };
}
