/**
 * A tree as it is and as it grows:
 *
 *     reading ──▶ open, and followed ──rights or retention took some of it away──▶ reading
 *        ├──▶ absent: not there, or not for this viewer
 *        └──▶ failed
 */
import { useEffect, useState } from 'react';
import type { Client, FollowState } from '../../../src/client/index.ts';
import { useApp } from '../session/app-context.ts';
import { TREE_FIELDS, type TreeEvent } from './outline.ts';
import { findTop, readTree, type Top } from './read-tree.ts';

export type TreeState =
  | { readonly is: 'reading'; readonly read: number; readonly total: number | null }
  | { readonly is: 'absent' }
  | { readonly is: 'failed'; readonly error: Error }
  | {
      readonly is: 'open';
      readonly top: Top;
      readonly events: readonly TreeEvent[];
      readonly following: Following;
    };

export type Following = FollowState['state'];

const UNREAD: TreeState = { is: 'reading', read: 0, total: null };
/** Events that come close together are shown together: each change builds the outline anew. */
const GATHER_MS = 150;

/** @returns also how to read it anew. */
export function useTree(id: string): [TreeState, () => void] {
  const { client } = useApp();
  const [state, setState] = useState<TreeState>(UNREAD);
  const [attempt, setAttempt] = useState(0);
  const readAnew = () => setAttempt((count) => count + 1);

  // biome-ignore lint/correctness/useExhaustiveDependencies: another attempt does the same again.
  useEffect(() => {
    const leaving = new AbortController();
    const { signal } = leaving;
    const show = (next: TreeState | ((held: TreeState) => TreeState)) => {
      if (!signal.aborted) setState(next);
    };
    const run = async () => {
      show(UNREAD);
      const top = await findTop(client, id, signal);
      if (top === null) return show({ is: 'absent' });
      const events = await readTree(client, top, signal, (read, total) =>
        show({ is: 'reading', read, total }),
      );
      if (events.length === 0) return show({ is: 'absent' });
      show({ is: 'open', top, events: [...events], following: 'connecting' });
      await follow(client, top, events.at(-1)?.cursor ?? null, {
        signal,
        onEvents(more) {
          events.push(...more);
          show((held) => (held.is === 'open' ? { ...held, events: [...events] } : held));
        },
        onState: (following) => show((held) => (held.is === 'open' ? { ...held, following } : held)),
        onGap: readAnew,
        onHidden(resources) {
          if (events.some(({ resource }) => resource !== null && resources.includes(resource.ref)))
            readAnew();
        },
      });
    };
    run().catch((error: Error) => show({ is: 'failed', error }));
    return () => leaving.abort();
  }, [client, id, attempt]);

  return [state, readAnew];
}

interface Listener {
  readonly signal: AbortSignal;
  readonly onEvents: (events: readonly TreeEvent[]) => void;
  readonly onState: (state: Following) => void;
  /** Some of what was read may be gone. */
  readonly onGap: () => void;
  /** Events about these may no longer be for this viewer. */
  readonly onHidden: (resources: readonly string[]) => void;
}

/** Until it is left, or cannot go on: what was read stays, and is said not to be live. */
async function follow(
  client: Client,
  { id, journal }: Top,
  after: string | null,
  { signal, onEvents, onState, onGap, onHidden }: Listener,
): Promise<void> {
  let gathered: TreeEvent[] = [];
  let timer: ReturnType<typeof setTimeout> | null = null;
  const handOver = () => {
    timer = null;
    onEvents(gathered);
    gathered = [];
  };
  const options = { journal, after, fields: TREE_FIELDS, signal, onGap, onHidden };
  const stream = client.follow<TreeEvent>(
    { within: id },
    { ...options, onState: ({ state }) => onState(state) },
  );
  try {
    for await (const event of stream) {
      gathered.push(event);
      timer ??= setTimeout(handOver, GATHER_MS);
    }
  } catch {
    // The stream has said that it ended; the page offers to read anew, which tells why where it is for good.
  } finally {
    if (timer !== null) clearTimeout(timer);
    if (gathered.length > 0) handOver();
  }
}
