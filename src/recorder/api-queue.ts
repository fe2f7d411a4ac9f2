/** What waits to be sent over the API, in the order in which it came, and what of it goes together in one request. */
import { MOST_CHARS, MOST_EVENTS, type Sending } from './api-sending.ts';

export class SendQueue {
  private waiting: Sending[] = [];
  /** Those before it have been taken. */
  private first = 0;
  private count = 0;

  /** In all that waits. */
  get events(): number {
    return this.count;
  }

  get isEmpty(): boolean {
    return this.first === this.waiting.length;
  }

  put(sending: Sending): void {
    this.waiting.push(sending);
    this.count += sending.count;
  }

  /** Takes out what is sent next: of one journal, and no more than a request holds. */
  take(): Sending[] {
    const batch: Sending[] = [];
    let events = 0;
    let chars = 0;
    for (let next = this.waiting[this.first]; next !== undefined; next = this.waiting[this.first]) {
      events += next.count;
      chars += next.text.length;
      const [leader] = batch;
      const fits =
        leader === undefined ||
        (events <= MOST_EVENTS &&
          chars <= MOST_CHARS &&
          next.journal === leader.journal &&
          !next.isAlone &&
          !leader.isAlone);
      if (!fits) break;
      batch.push(next);
      this.count -= next.count;
      this.first++;
    }
    // Out of the list itself now and then: each time would move all that waits.
    if (this.first > this.waiting.length / 2) {
      this.waiting = this.waiting.slice(this.first);
      this.first = 0;
    }
    return batch;
  }
}
