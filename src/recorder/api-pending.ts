/** What is neither recorded nor refused yet over the API, with who waits for that, and what hangs below what of it. */
import { eventsOf, type Sending } from './api-sending.ts';

export class Pending {
  private readonly waiting = new Map<Sending, (() => void)[]>();
  /** By the ids of their events. */
  private readonly byEvent = new Map<string, Sending>();
  /** Below which others those hang that have waited for them. */
  private readonly below = new Map<Sending, readonly Sending[]>();

  all(): Sending[] {
    return [...this.waiting.keys()];
  }

  has(eventId: string): boolean {
    return this.byEvent.has(eventId);
  }

  add(sending: Sending): void {
    this.waiting.set(sending, []);
    for (const id of sending.ids) this.byEvent.set(id, sending);
  }

  remove(sending: Sending): void {
    this.release(sending);
    this.waiting.delete(sending);
    this.below.delete(sending);
    // Another one may have been given the same id.
    for (const id of sending.ids) if (this.byEvent.get(id) === sending) this.byEvent.delete(id);
  }

  /** Resolves when it is released. */
  settled(sending: Sending): Promise<void> {
    return new Promise((done) => this.waiting.get(sending)?.push(done));
  }

  /** Who waits for it waits no longer. */
  release(sending: Sending): void {
    const waiting = this.waiting.get(sending) ?? [];
    if (waiting.length > 0) this.waiting.set(sending, []);
    for (const done of waiting) done();
  }

  /**
   * It was not recorded because what it hangs below is not there. It waits where that is still to come, unless that
   * waits for it: in a ring each would wait for ever.
   *
   * @returns whether it waits.
   */
  waitForOthers(sending: Sending): boolean {
    const above = new Set<Sending>();
    for (const { parentId } of eventsOf(sending)) {
      const other = parentId == null ? undefined : this.byEvent.get(parentId);
      if (other !== undefined && other !== sending) above.add(other);
    }
    const waits = above.size > 0 && !this.isBelow([...above], sending);
    if (waits) this.below.set(sending, [...above]);
    return waits;
  }

  private isBelow(sendings: readonly Sending[], top: Sending): boolean {
    const seen = new Set(sendings);
    // What is added meanwhile is gone through too.
    for (const sending of seen) {
      if (sending === top) return true;
      for (const above of this.below.get(sending) ?? []) seen.add(above);
    }
    return false;
  }
}
