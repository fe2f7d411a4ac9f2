/**
 * How much waits to be sent, and who waits for room. What is under way is always let in: a call that has begun is
 * recorded. One that has not begun waits, and begins when there is room or not at all.
 */
import { RecorderError } from './errors.ts';

interface Waiting {
  readonly resolve: () => void;
  readonly timer: NodeJS.Timeout;
}

export class Room {
  private readonly most: number;
  private readonly timeoutMs: number;
  private readonly waiting = new Set<Waiting>();
  private taken = 0;

  constructor(most: number, timeoutMs: number) {
    this.most = most;
    this.timeoutMs = timeoutMs;
  }

  /** Events that take up room. */
  get used(): number {
    return this.taken;
  }

  take(events: number): void {
    this.taken += events;
  }

  give(events: number): void {
    this.taken -= events;
    // As many as there is room for, if each brings one event: they must not all come at once.
    let free = this.most - this.taken;
    for (const each of this.waiting) {
      if (free-- <= 0) return;
      this.waiting.delete(each);
      clearTimeout(each.timer);
      each.resolve();
    }
  }

  /** Null where there is room. @throws (rejects) RecorderError BUFFER_FULL */
  wait(): Promise<void> | null {
    if (this.taken < this.most) return null;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.waiting.delete(waiting);
        reject(
          new RecorderError(
            'BUFFER_FULL',
            `${this.taken} events wait to be recorded, and ${this.most} may (maxBufferedEvents): see whether the server can be reached.`,
          ),
        );
      }, this.timeoutMs);
      const waiting: Waiting = { resolve, timer };
      this.waiting.add(waiting);
    });
  }
}
