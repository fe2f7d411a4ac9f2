/**
 * How much waits to be sent, and who waits for room. What is under way is always let in: a call that has begun is
 * recorded, and so is the end of an action. One that has not begun waits, and begins when there is room or not at all.
 */
import { RecorderError } from './errors.ts';

/** Gives up a place that was kept for a call. May be called more than once. */
export type GiveUp = () => void;

interface Waiting {
  readonly resolve: (giveUp: GiveUp) => void;
  readonly reject: (error: unknown) => void;
  readonly timer: NodeJS.Timeout;
}

export class Room {
  private readonly most: number;
  private readonly timeoutMs: number;
  private readonly waiting = new Set<Waiting>();
  private taken = 0;
  /** Places of calls that have waited and not ended yet: what they bring is not there before. */
  private kept = 0;
  private closed: { readonly error: unknown } | null = null;

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
    if (this.waiting.size > 0) this.letIn();
  }

  /** Null where there is room; else resolves when there is a place. @throws (rejects) RecorderError BUFFER_FULL */
  wait(): Promise<GiveUp> | null {
    if (this.taken + this.kept < this.most) return null;
    if (this.closed !== null) return Promise.reject(this.closed.error);
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
      const waiting: Waiting = { resolve, reject, timer };
      this.waiting.add(waiting);
    });
  }

  /** Nobody waits any more: who does is refused with this error, and so is who comes later. */
  close(error: unknown): void {
    this.closed = { error };
    for (const { reject, timer } of this.waiting) {
      clearTimeout(timer);
      reject(error);
    }
    this.waiting.clear();
  }

  private letIn(): void {
    for (const each of this.waiting) {
      if (this.taken + this.kept >= this.most) return;
      this.waiting.delete(each);
      clearTimeout(each.timer);
      this.kept++;
      let isKept = true;
      each.resolve(() => {
        if (!isKept) return;
        isKept = false;
        this.kept--;
        this.letIn();
      });
    }
  }
}
