/**
 * Whether the other end of a connection that stays is still there and takes what it is sent.
 *
 * A connection that has gone without a word is told by a ping that is not answered. One that takes nothing
 * cannot be asked, because the ping would wait behind what it does not take: it is told by what waits.
 */
import type { Socket } from 'node:net';

export interface Watched {
  readonly connection: Socket;
  /** Asks for a sign of life; not called while anything waits to be sent. */
  ping(): void;
  /** It has taken nothing for too long. */
  onStalled(): void;
}

export interface KeepAlive {
  /** @returns how to stop. */
  watch(watched: Watched): () => void;
  stop(): void;
}

const PING_INTERVAL_MS = 15_000;
/** How often what waits is looked at, in the time that a connection may stall; and at most how far apart. */
const LOOKS = 10;
const MAX_LOOK_MS = 3_000;

/** One for all connections of a server: a timer for each would cost more than what it watches. */
export function startKeepAlive(stallTimeoutMs: number): KeepAlive {
  const lookMs = Math.min(stallTimeoutMs / LOOKS, MAX_LOOK_MS);
  const looksToStall = Math.round(stallTimeoutMs / lookMs);
  const looksToPing = Math.max(1, Math.round(PING_INTERVAL_MS / lookMs));
  const watches = new Set<Watch>();
  const timer = setInterval(() => {
    for (const watch of watches) {
      watch.look(looksToPing);
      if (watch.stalledLooks >= looksToStall && watches.delete(watch)) watch.watched.onStalled();
    }
  }, lookMs);

  return {
    watch(watched) {
      const watch = new Watch(watched);
      watches.add(watch);
      return () => watches.delete(watch);
    },
    stop: () => clearInterval(timer),
  };
}

/** Looks are counted, and no time taken: while this process itself was held up nobody could answer. */
class Watch {
  readonly watched: Watched;
  private looks = 0;
  stalledLooks = 0;
  private left = 0;

  constructor(watched: Watched) {
    this.watched = watched;
  }

  look(looksToPing: number): void {
    const left = waitingIn(this.watched.connection);
    this.stalledLooks = left > 0 && left === this.left ? this.stalledLooks + 1 : 0;
    this.left = left;
    this.looks++;
    if (left > 0 || this.looks < looksToPing) return;
    this.looks = 0;
    this.watched.ping();
  }
}

/** Bytes that the network has not taken. Node.js counts them by whole writes only; libuv knows better. */
function waitingIn({
  writableLength,
  _handle,
}: Socket & { _handle?: { writeQueueSize?: number } | null }): number {
  return writableLength === 0 ? 0 : (_handle?.writeQueueSize ?? writableLength);
}
