/**
 * The events that the Live page holds, newest last.
 *
 *     older pages ──▶ rows ◀── what arrives
 *                       ▲
 *                       └── what waits while the reader holds the stream or looks further down
 *
 * Where more arrive than one can read, those of one type and severity within a second become one row. What is held has
 * a limit: beyond it the oldest are let go and read again when somebody scrolls there; of what waits, the same.
 */
import type { LineNode } from '../../../src/client/index.ts';

export type StreamEvent = LineNode & { readonly visibleToActor: boolean };

export interface Row {
  readonly key: string;
  /** Oldest first; one, mostly. */
  readonly events: readonly StreamEvent[];
}

/** Events that are held above which older ones are let go, while new ones come. */
export const MOST_HELD = 10_000;
/** The same while the reader goes back: further back there is the filter by time. */
export const MOST_BACK = 50_000;
/** Arrivals a second above which they are grouped. */
export const GROUP_ABOVE = 50;
const RATE_OVER_MS = 2_000;
const GROUP_WITHIN_MS = 1_000;
/** Events of one row. */
const MOST_IN_ROW = 1_000;
/** Rows are looked through backwards for one to join. */
const GROUP_REACH = 40;

/** Events that came together. */
interface Arrived {
  readonly events: readonly StreamEvent[];
  readonly at: number;
  /** Whether they came faster than one can read. */
  readonly isFast: boolean;
}

export class StreamStore {
  /** Where an older page begins; null where all that is older is here. */
  olderCursor: string | null = null;
  /** Whether new events stand by: they are counted, and shown when they are let in. */
  isHeld = false;
  /** By the reader's own wish. */
  isPaused = false;
  groups = true;
  private rows: Row[] = [];
  private held = 0;
  private waiting: Arrived[] = [];
  private waitingCount = 0;
  private arrivals: { readonly at: number; readonly count: number }[] = [];
  private slotAt = 0;
  private slotStart = 0;

  get length(): number {
    return this.rows.length;
  }

  /** How many events the rows hold. */
  get size(): number {
    return this.held;
  }

  /** How many stand by, those that were let go again among them. */
  get waits(): number {
    return this.waitingCount;
  }

  /** @param index 0 is the newest. */
  at(index: number): Row | undefined {
    return this.rows[this.rows.length - 1 - index];
  }

  indexOf(eventId: string): number {
    const found = this.rows.findIndex(({ events }) => events.some(({ id }) => id === eventId));
    return found === -1 ? -1 : this.rows.length - 1 - found;
  }

  /** Arrivals a second, lately. */
  rate(now: number): number {
    this.arrivals = this.arrivals.filter(({ at }) => now - at < RATE_OVER_MS);
    return this.arrivals.reduce((sum, { count }) => sum + count, 0) / (RATE_OVER_MS / 1_000);
  }

  /** New events, oldest first. */
  arrive(events: readonly StreamEvent[], now: number): void {
    if (events.length === 0) return;
    this.arrivals.push({ at: now, count: events.length });
    const arrived = { events, at: now, isFast: this.rate(now) > GROUP_ABOVE };
    if (this.isHeld || this.isPaused) this.wait(arrived);
    else this.append(arrived);
  }

  /** Shows what stands by. */
  letIn(): void {
    this.isHeld = false;
    this.isPaused = false;
    const { waiting, waitingCount } = this;
    this.waiting = [];
    this.waitingCount = 0;
    if (waitingCount > sizeOf(waiting)) {
      // Between what is shown and what is left of what stood by some are missing: they are read on the way back.
      this.clear();
      this.olderCursor = waiting[0]?.events[0]?.cursor ?? null;
    }
    for (const arrived of waiting) this.append(arrived);
  }

  /** An older page, newest first. @param olderCursor where the next one begins. */
  prepend(events: readonly StreamEvent[], olderCursor: string | null): void {
    this.rows.unshift(...events.map(single).reverse());
    this.held += events.length;
    this.olderCursor = olderCursor;
  }

  /** Drops what may no longer be seen. */
  drop(isHidden: (event: StreamEvent) => boolean): void {
    const keep = (events: readonly StreamEvent[]) => events.filter((event) => !isHidden(event));
    this.rows = this.rows
      .map(({ key, events }) => ({ key, events: keep(events) }))
      .filter(({ events }) => events.length > 0);
    this.held = this.rows.reduce((sum, { events }) => sum + events.length, 0);
    const before = sizeOf(this.waiting);
    this.waiting = this.waiting.map((arrived) => ({ ...arrived, events: keep(arrived.events) }));
    this.waitingCount -= before - sizeOf(this.waiting);
  }

  /** Shows the events of a grouped row each by itself. */
  part(key: string): void {
    const index = this.rows.findIndex((row) => row.key === key);
    const row = this.rows[index];
    if (row !== undefined) this.rows.splice(index, 1, ...row.events.map(single));
    // Nothing joins a row that has been moved.
    this.slotStart = this.rows.length;
  }

  clear(): void {
    this.rows = [];
    this.held = 0;
    this.slotStart = 0;
  }

  private wait(arrived: Arrived): void {
    this.waitingCount += arrived.events.length;
    this.waiting.push(arrived);
    if (sizeOf(this.waiting) <= 2 * MOST_HELD) return;
    while (sizeOf(this.waiting) > MOST_HELD) this.waiting.shift();
  }

  private append({ events, at, isFast }: Arrived): void {
    if (at - this.slotAt > GROUP_WITHIN_MS) {
      this.slotAt = at;
      this.slotStart = this.rows.length;
    }
    const joins = new Map<number, StreamEvent[]>();
    for (const event of events) {
      const joined = isFast && this.groups ? this.rowFor(event) : -1;
      const row = this.rows[joined];
      const joining = joins.get(joined);
      if (row === undefined) this.rows.push(single(event));
      else if (joining === undefined) joins.set(joined, [event]);
      else if (row.events.length + joining.length < MOST_IN_ROW) joining.push(event);
      else this.rows.push(single(event));
    }
    // A row that has grown is another one, for who draws it.
    for (const [index, joining] of joins) {
      const row = this.rows[index] as Row;
      this.rows[index] = { key: row.key, events: [...row.events, ...joining] };
    }
    this.held += events.length;
    this.letGo();
  }

  /** The row of this second that holds the like of it. */
  private rowFor(event: StreamEvent): number {
    const last = Math.max(this.slotStart, this.rows.length - GROUP_REACH);
    for (let i = this.rows.length - 1; i >= last; i--) {
      const [first] = (this.rows[i] as Row).events as [StreamEvent];
      const isFull = (this.rows[i] as Row).events.length >= MOST_IN_ROW;
      if (!isFull && first.type.name === event.type.name && first.severity === event.severity) return i;
    }
    return -1;
  }

  private letGo(): void {
    if (this.held <= MOST_HELD) return;
    let gone = 0;
    // A tenth more than need be, so that it is not done with each event.
    while (this.held > MOST_HELD * 0.9 && gone < this.rows.length - 1) {
      this.held -= (this.rows[gone] as Row).events.length;
      gone++;
    }
    this.rows = this.rows.slice(gone);
    this.slotStart = Math.max(0, this.slotStart - gone);
    this.olderCursor = (this.rows[0] as Row).events[0]?.cursor ?? null;
  }
}

function sizeOf(waiting: readonly Arrived[]): number {
  return waiting.reduce((sum, { events }) => sum + events.length, 0);
}

function single(event: StreamEvent): Row {
  return { key: event.id, events: [event] };
}
