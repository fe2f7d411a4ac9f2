/** What the Live page holds: order, what waits, groups, and that it has a limit and no seam. */
import { describe, expect, it } from 'vitest';
import { GROUP_ABOVE, MOST_HELD, type StreamEvent, StreamStore } from '../../web/src/live/stream-store.ts';

function event(number: number, type = 'note', more: Partial<StreamEvent> = {}): StreamEvent {
  return {
    id: `e${number}`,
    cursor: `c${number}`,
    occurredAt: new Date(number).toISOString(),
    severity: 'LOW',
    message: `event ${number}`,
    actor: null,
    type: { name: type },
    resource: null,
    visibleToActor: false,
    ...more,
  };
}
const events = (from: number, to: number, type?: string) =>
  Array.from({ length: to - from + 1 }, (_, i) => event(from + i, type));
const idsOf = (store: StreamStore) =>
  Array.from({ length: store.length }, (_, i) =>
    store
      .at(i)
      ?.events.map(({ id }) => id)
      .join('+'),
  );

describe('the rows', () => {
  it('stand newest first, older pages below', () => {
    const store = new StreamStore();
    store.prepend([event(3), event(2)], 'c2');
    store.arrive([event(4), event(5)], 0);
    store.prepend([event(1)], null);
    expect(idsOf(store)).toEqual(['e5', 'e4', 'e3', 'e2', 'e1']);
    expect(store.olderCursor).toBeNull();
    expect(store.indexOf('e4')).toBe(1);
    expect(store.indexOf('none')).toBe(-1);
  });

  it('stay as they are while the stream is held, and what waits is counted', () => {
    const store = new StreamStore();
    store.arrive([event(1)], 0);
    store.isHeld = true;
    store.arrive([event(2), event(3)], 10);
    expect(idsOf(store)).toEqual(['e1']);
    expect(store.waits).toBe(2);
    store.letIn();
    expect(idsOf(store)).toEqual(['e3', 'e2', 'e1']);
    expect(store.waits).toBe(0);
  });

  it('are let go from the oldest on, and read again from there', () => {
    const store = new StreamStore();
    store.groups = false;
    for (let at = 0; at < MOST_HELD * 3; at += 100) store.arrive(events(at, at + 99), at);
    expect(store.size).toBeLessThanOrEqual(MOST_HELD);
    expect(store.at(0)?.events[0]?.id).toBe(`e${MOST_HELD * 3 - 1}`);
    const oldest = store.at(store.length - 1)?.events[0];
    expect(store.olderCursor).toBe(oldest?.cursor);
  });

  it('leave no seam where more waited than is kept', () => {
    const store = new StreamStore();
    store.groups = false;
    store.arrive(events(1, 10), 0);
    store.isPaused = true;
    // So that what is kept of it would have room beside the rows from before.
    const last = 33_000;
    for (let at = 11; at < last; at += 3_000) store.arrive(events(at, at + 2_999), at);
    expect(store.waits).toBeGreaterThan(MOST_HELD * 3);
    store.letIn();
    // None of the rows from before: between them and these some are missing, which are read on the way back.
    expect(store.indexOf('e10')).toBe(-1);
    const oldest = store.at(store.length - 1)?.events[0];
    expect(store.olderCursor).toBe(oldest?.cursor);
    const numbers = idsOf(store).map((id) => Number(id?.slice(1)));
    expect(numbers.every((number, i) => i === 0 || number === (numbers[i - 1] as number) - 1)).toBe(true);
  });

  it('drop what may no longer be seen, what waits too', () => {
    const store = new StreamStore();
    const secret = { resource: { ref: 'page/1' } };
    store.arrive([event(1), event(2, 'note', secret)], 0);
    store.isHeld = true;
    store.arrive([event(3, 'note', secret), event(4)], 1);
    store.drop(({ resource }) => resource?.ref === 'page/1');
    expect(idsOf(store)).toEqual(['e1']);
    expect(store.waits).toBe(1);
    store.letIn();
    expect(idsOf(store)).toEqual(['e4', 'e1']);
    expect(store.size).toBe(2);
  });
});

describe('more than one can read', () => {
  const fast = GROUP_ABOVE * 3;

  it('is grouped by type and severity within a second', () => {
    const store = new StreamStore();
    const mixed = Array.from({ length: fast }, (_, i) => event(i, i % 2 === 0 ? 'a' : 'b'));
    store.arrive(mixed, 1_000);
    expect(store.length).toBe(2);
    expect(store.size).toBe(fast);
    store.arrive(
      mixed.map((each) => ({ ...each, id: `${each.id}x` })),
      2_100,
    );
    expect(store.length).toBe(4);
  });

  it('that waited is grouped by when it came, in rows that have a limit', () => {
    const store = new StreamStore();
    store.isPaused = true;
    for (let second = 0; second < 10; second++) {
      for (let batch = 0; batch < 20; batch++) {
        const from = second * 2_000 + batch * 100;
        store.arrive(events(from, from + 99), second * 2_000 + batch * 10);
      }
    }
    store.letIn();
    // A second of 2,000 is more than a row holds.
    expect(store.length).toBeLessThan(60);
    for (let i = 0; i < store.length; i++) expect(store.at(i)?.events.length).toBeLessThanOrEqual(1_000);
    expect(store.size).toBeLessThanOrEqual(MOST_HELD);
    expect(store.at(0)?.events.at(-1)?.id).toBe('e19999');
  });

  it('is shown singly where one asks, all at once or a row', () => {
    const store = new StreamStore();
    store.arrive(events(1, fast), 1_000);
    store.part(store.at(0)?.key as string);
    expect(store.length).toBe(fast);
    store.groups = false;
    store.arrive(events(fast + 1, fast * 2), 1_100);
    expect(store.length).toBe(fast * 2);
  });

  it('is not grouped while it can be read', () => {
    const store = new StreamStore();
    for (let second = 0; second < 20; second++)
      store.arrive(events(second * 10, second * 10 + 9), second * 1_000);
    expect(store.length).toBe(200);
  });
});
