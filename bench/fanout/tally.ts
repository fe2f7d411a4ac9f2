/**
 * Holds what was delivered against what should have been: for each subscriber each event that concerns it,
 * once, and in the order in which they were recorded together. Costs a few additions a delivery.
 *
 * What a subscriber got is kept as a number and a sum of scrambled event numbers, not as a list: one event
 * lost and another doubled leaves the number right and the sum wrong.
 */
import { concerned, type Traffic } from './traffic.ts';

export interface Tally {
  /** Deliveries so far, and how many there should be. */
  readonly delivered: () => number;
  readonly expected: () => number;
  expect(number: number): void;
  deliver(subscriber: number, number: number): void;
  /** What is wrong, in words; null while all is as it should be. To be asked when nothing is under way. */
  problem(): string | null;
}

/** @param eventsARequest of which one request has all the numbers between two multiples. */
export function createTally(traffic: Traffic, eventsARequest: number): Tally {
  const { subscribers, by } = traffic;
  const counts = new Uint32Array(subscribers);
  const sums = new Uint32Array(subscribers);
  const last = new Int32Array(subscribers).fill(-1);
  const expectedCounts = new Uint32Array(subscribers);
  const expectedSums = new Uint32Array(subscribers);
  const everybody = by === 'all' ? concerned(traffic, 0) : [];
  let delivered = 0;
  let expected = 0;
  let disorder: string | null = null;
  const requestOf = (number: number) => Math.floor(number / eventsARequest);

  return {
    delivered: () => delivered,
    expected: () => expected,

    expect(number) {
      const those = by === 'all' ? everybody : concerned(traffic, number);
      for (const subscriber of those) {
        add(expectedCounts, subscriber, 1);
        add(expectedSums, subscriber, scramble(number));
      }
      expected += those.length;
    },

    deliver(subscriber, number) {
      const before = last[subscriber] as number;
      // Requests that are under way together may be recorded in either order.
      if (!(number > before) && requestOf(number) >= requestOf(before)) {
        disorder ??= `subscriber ${subscriber} got event ${number} after event ${before}`;
      }
      last[subscriber] = number;
      add(counts, subscriber, 1);
      add(sums, subscriber, scramble(number));
      delivered++;
    },

    problem() {
      if (disorder !== null) return disorder;
      for (let subscriber = 0; subscriber < subscribers; subscriber++) {
        const got = `subscriber ${subscriber} got ${counts[subscriber]} of ${expectedCounts[subscriber]} events`;
        if (counts[subscriber] !== expectedCounts[subscriber]) return got;
        if (sums[subscriber] !== expectedSums[subscriber]) return `${got}, but not those meant for it`;
      }
      return null;
    },
  };
}

/** Modulo 2^32, as the elements of such an array are. */
function add(to: Uint32Array, index: number, amount: number): void {
  to[index] = (to[index] as number) + amount;
}

/** Spreads a number over 32 bits, so that sums of different sets differ (the finisher of MurmurHash3). */
function scramble(number: number): number {
  let mixed = number | 0;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
