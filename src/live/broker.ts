/**
 * Carries the news of a commit to the nodes that have readers of the journal.
 *
 * News may be lost, doubled or overtake each other: whoever takes it compares positions and reads what is
 * missing from the journal (hub.ts). It is never sent before its events are committed.
 */
import type { Announcement } from '../events/record.ts';

/** A commit with its events; or only how far the journal goes now, where they were too many to send. */
export type News = Announcement | { readonly journal: Announcement['journal']; readonly head: number };

export interface Broker {
  /** For people: `in-process` or where Redis is. */
  readonly description: string;
  /** Never throws and never waits: who recorded has their answer already. */
  announce(announcement: Announcement): void;
  /**
   * @param onNews called for the journal of this name until the answer is called; also, with nothing,
   *   whenever news may have been lost.
   */
  subscribe(journal: string, onNews: (news: News | null) => void): () => void;
  /** False while news from other nodes cannot arrive. */
  isConnected(): boolean;
  close(): Promise<void>;
}

/** For a server that is the only one. */
export function createMemoryBroker(): Broker {
  const listeners = new Map<string, Set<(news: News | null) => void>>();
  return {
    description: 'in-process',
    announce(announcement) {
      for (const listener of listeners.get(announcement.journal.name) ?? []) listener(announcement);
    },
    subscribe(journal, onNews) {
      const others = listeners.get(journal) ?? new Set();
      listeners.set(journal, others.add(onNews));
      return () => {
        others.delete(onNews);
        if (others.size === 0) listeners.delete(journal);
      };
    },
    isConnected: () => true,
    async close() {
      listeners.clear();
    },
  };
}
