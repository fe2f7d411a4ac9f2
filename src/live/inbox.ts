/**
 * What the hub has offered one reader and the reader has not taken yet: bounded, and thrown away whole
 * when it overflows, because all of it stands in the journal.
 */
import type { ResourceRef } from '../access/resource-ref.ts';
import type { Position, SeenEvent } from '../events/event.ts';
import { type Condition, namedEvents } from '../events/filter/filter.ts';
import { compileMatch } from '../events/filter/filter-match.ts';
import type { Hub, LiveReader } from './hub.ts';

export interface Inbox {
  /** Joins the hub, or joins it again with an empty inbox. */
  join(): void;
  leave(): void;
  /** Everything the reader may want after this position has been or will be offered. */
  joinedAt(): Position;
  /** Resolves when there is something to take, the time is over, or the signal fires. */
  wait(ms: number, signal: AbortSignal): Promise<void>;
  /** What came after a position; or that the reader must read the journal and join again. */
  take(after: Position, most: number): Taken | 'behind';
}

export interface Taken {
  readonly events: readonly SeenEvent[];
  readonly hidden: readonly ResourceRef[];
  /** With this, the reader has everything up to here. */
  readonly position: Position;
}

/** A page of the journal holds about as many. */
const MAX_INBOX = 1_000;

type Letter =
  | { readonly kind: 'event'; readonly seen: SeenEvent; readonly position: Position }
  | { readonly kind: 'hidden'; readonly resource: ResourceRef; readonly position: Position };

export function createInbox(hub: Hub, claims: LiveReader['claims'], filter: Condition): Inbox {
  const match = compileMatch(filter);
  // Whether the reader sees an event that the filter names is for the journal to say.
  const asksJournal = namedEvents(filter).length > 0;
  let letters: Letter[] = [];
  let joinedAt = 0 as Position;
  let behind = false;
  let leave: (() => void) | null = null;
  let wake: (() => void) | null = null;

  function put(letter: Letter): void {
    if (behind) return;
    if (letters.length < MAX_INBOX) {
      letters.push(letter);
      wake?.();
    } else {
      fallBehind();
    }
  }

  function fallBehind(): void {
    behind = true;
    letters = [];
    wake?.();
  }

  const reader: LiveReader = {
    claims,
    offer(event, level) {
      // With all named events in sight a filter lets through the most.
      if (match(event, level, () => true) !== true) return;
      if (asksJournal) fallBehind();
      else put({ kind: 'event', seen: { event, level }, position: event.position });
    },
    hide: (resource, position) => put({ kind: 'hidden', resource, position }),
    behind: fallBehind,
  };

  return {
    join() {
      letters = [];
      behind = false;
      joinedAt = hub.position();
      leave ??= hub.join(reader);
    },
    leave() {
      leave?.();
      leave = null;
    },
    joinedAt: () => joinedAt,

    async wait(ms, signal) {
      if (letters.length > 0 || behind || signal.aborted) return;
      await new Promise<void>((resolve) => {
        const done = () => {
          clearTimeout(timer);
          signal.removeEventListener('abort', done);
          wake = null;
          resolve();
        };
        const timer = setTimeout(done, Math.max(0, ms));
        signal.addEventListener('abort', done, { once: true });
        wake = done;
      });
    },

    take(after, most) {
      if (behind) return 'behind';
      // What is hidden ends a delivery: events that follow it may be of a right that was given back.
      const firstHidden = letters.findIndex(({ kind }) => kind === 'hidden');
      const taken = letters
        .splice(0, Math.min(most, firstHidden === -1 ? letters.length : firstHidden + 1))
        .filter(({ position }) => position > after);
      const last = letters.length === 0 ? hub.position() : (taken.at(-1)?.position ?? after);
      return {
        events: taken.flatMap((letter) => (letter.kind === 'event' ? [letter.seen] : [])),
        hidden: taken.flatMap((letter) => (letter.kind === 'hidden' ? [letter.resource] : [])),
        position: Math.max(after, last) as Position,
      };
    },
  };
}
