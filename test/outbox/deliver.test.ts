import { describe, expect, test } from 'vitest';
import type { TakenParcel } from '../../src/outbox/claim.ts';
import { chunksOf, createDeliver } from '../../src/outbox/deliver.ts';
import type { PlacedEvent } from '../../src/outbox/parcel.ts';
import { note } from './support/outbox.ts';

const notes = (count: number, more: Partial<PlacedEvent> = {}) =>
  Array.from({ length: count }, (_, nth) => note(String(nth), more));
const sizes = (chunks: readonly (readonly unknown[])[]) => chunks.map(({ length }) => length);

describe('events are sent', () => {
  test('in their order, so many at once', () => {
    const events = notes(7);
    expect(sizes(chunksOf(events, 3))).toEqual([3, 3, 1]);
    expect(chunksOf(events, 3).flat()).toEqual(events);
    expect(chunksOf([], 3)).toEqual([]);
  });

  test('fewer at once where they are large: a request has its limits', () => {
    const large = notes(5, { payload: 'x'.repeat(1_500_000) });
    expect(sizes(chunksOf(large, 100))).toEqual([2, 2, 1]);
    expect(sizes(chunksOf([...notes(1, { payload: 'x'.repeat(9_000_000) }), ...notes(2)], 100))).toEqual([
      1, 2,
    ]);
  });

  test('those of one journal at a time', () => {
    const events = [
      ...notes(2),
      ...notes(1, { journal: 'main' }),
      ...notes(2, { journal: 'other' }),
      ...notes(1),
    ];
    expect(sizes(chunksOf(events, 100))).toEqual([3, 2, 1]);
  });

  test('parted where a parcel ends, as far as that can be: a parcel is recorded as a whole', async () => {
    const sent: number[] = [];
    const deliver = createDeliver(
      { record: async ({ length }) => void sent.push(length), put: async () => {} },
      5,
    );
    const parcels = [2, 2, 2, 7].map(
      (count, nth): TakenParcel => ({
        id: String(nth),
        events: notes(count),
        resources: [],
        author: null,
        chain: [],
        lost: false,
        attempts: 0,
      }),
    );
    await deliver(parcels.slice(0, 2));
    await deliver(parcels);
    expect(sent).toEqual([4, 2, 2, 2, 5, 2]);
  });
});
