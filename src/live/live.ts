/**
 * The live ends of all journals that this node has readers of: a hub is opened for the first reader of a
 * journal and closed after the last. Looks at the journals' heads once an interval, so that a lost signal
 * costs at most that long.
 */
import { type Loop, startLoop } from '../base/loop.ts';
import type { Database } from '../db/database.ts';
import type { Journal } from '../events/journal.ts';
import type { Reader } from '../events/read.ts';
import type { Broker } from './broker.ts';
import { createGroups, type Groups } from './groups.ts';
import { createHub, type Hub } from './hub.ts';

export interface Live {
  /** The live end of a journal, opened if need be. Call `close` exactly once when done with it. */
  open(journal: string): LiveEnd;
  /** When the heads were last looked at, in ms since 1970. */
  lookedAt(): number;
  /** How many events the furthest of the hubs is behind its journal, as far as is known. */
  behind(): number;
  /** Of all journals. */
  readers(): number;
  stop(): Promise<void>;
}

export interface LiveEnd {
  readonly hub: Hub;
  readonly groups: Groups;
  readonly close: () => void;
}

export interface LiveOptions {
  readonly database: Database;
  readonly broker: Broker;
  readonly reader: Reader;
  readonly pollIntervalMs: number;
  /** A group of readers is told where it stands at least this often. */
  readonly checkpointIntervalMs: number;
  readonly onError: (error: unknown) => void;
}

interface OpenHub {
  readonly hub: Hub;
  readonly groups: Groups;
  readers: number;
}

/** How often groups are looked at, in a checkpoint's interval, and at most how far apart. */
const LOOKS = 4;
const MAX_LOOK_MS = 250;

export function startLive(options: LiveOptions): Live {
  const { database, broker, reader, pollIntervalMs, checkpointIntervalMs, onError } = options;
  const hubs = new Map<string, OpenHub>();
  let lookedAt = 0;

  async function findHeads(
    names: readonly string[],
  ): Promise<Map<string, { journal: Journal; head: number }>> {
    const { rows } = await database.pool.query<Journal & { head: string }>({
      name: 'journal-heads',
      text: 'select id, name, epoch, head from journal where name = any($1::text[])',
      values: [names],
    });
    return new Map(rows.map(({ head, ...journal }) => [journal.name, { journal, head: Number(head) }]));
  }

  const poll: Loop = startLoop({
    intervalMs: pollIntervalMs,
    onError,
    work: async () => {
      const heads = await findHeads([...hubs.keys()]);
      for (const [name, { journal, head }] of heads) hubs.get(name)?.hub.headIs(journal, head);
      lookedAt = Date.now();
      return false;
    },
  });

  const lookMs = Math.min(checkpointIntervalMs / LOOKS, MAX_LOOK_MS);
  const looking = setInterval(() => {
    for (const { groups } of hubs.values()) groups.look();
  }, lookMs);

  return {
    open(name) {
      let opened = hubs.get(name);
      if (opened === undefined) {
        const findHead = async () => (await findHeads([name])).get(name) ?? null;
        const hub = createHub({ name, broker, reader, findHead, onError });
        opened = { hub, groups: createGroups(hub, checkpointIntervalMs - lookMs), readers: 0 };
        hubs.set(name, opened);
      }
      const { hub, groups } = opened;
      opened.readers++;
      return {
        hub,
        groups,
        close() {
          const open = hubs.get(name);
          if (open?.hub !== hub || --open.readers > 0) return;
          hubs.delete(name);
          hub.stop();
        },
      };
    },
    lookedAt: () => lookedAt,
    behind: () => Math.max(0, ...[...hubs.values()].map(({ hub }) => hub.behind())),
    readers: () => [...hubs.values()].reduce((sum, { readers }) => sum + readers, 0),
    async stop() {
      clearInterval(looking);
      await poll.stop();
      for (const { hub } of hubs.values()) hub.stop();
    },
  };
}
