/** The events of a resource that are held, and what they tell of its latest state. */
import { describe, expect, it } from 'vitest';
import {
  byDay,
  holdsMore,
  listOf,
  MOST_HELD,
  type ResourceEvent,
  STEP,
  withArrived,
  withOlder,
} from '../../web/src/resource/event-list.ts';
import { latestState, printValue } from '../../web/src/resource/latest-state.ts';

function event(number: number, more: Partial<ResourceEvent> & { name?: string } = {}): ResourceEvent {
  const { name = 'note', ...rest } = more;
  return {
    id: `e${number}`,
    cursor: `c${number}`,
    occurredAt: new Date(number).toISOString(),
    severity: 'LOW',
    category: 'CRUD',
    message: `event ${number}`,
    actor: 'user/x',
    type: { name },
    resource: { ref: 'page/1' },
    attributes: {},
    parent: null,
    ...rest,
  };
}

/** Newest first, from a number down to another. */
const down = (from: number, to: number) => Array.from({ length: from - to + 1 }, (_, i) => event(from - i));

function page(nodes: readonly ResourceEvent[], hasNextPage = false) {
  const endCursor = nodes.at(-1)?.cursor ?? null;
  return { nodes, pageInfo: { hasNextPage, hasPreviousPage: false, startCursor: null, endCursor } };
}

const numbers = (events: readonly ResourceEvent[]) => events.map(({ id }) => Number(id.slice(1)));

describe('the list', () => {
  it('takes what arrives at its top, in the order of the journal', () => {
    const list = withArrived(listOf(page(down(2, 1))), [event(3), event(4)]);
    expect(numbers(list.events)).toEqual([4, 3, 2, 1]);
    expect(list.shown).toBe(STEP + 2);
  });

  it('lets the oldest go beyond its limit, and knows where to read them again', () => {
    const list = withArrived(listOf(page(down(MOST_HELD, 1))), [event(MOST_HELD + 1)]);
    expect(list.events).toHaveLength(MOST_HELD);
    expect(numbers(list.events).at(-1)).toBe(2);
    expect(list.olderCursor).toBe('c2');
  });

  it('goes on behind its end', () => {
    const list = withOlder(listOf(page(down(9, 5), true)), page(down(4, 1)));
    expect(numbers(list.events)).toEqual([9, 8, 7, 6, 5, 4, 3, 2, 1]);
    expect(list.olderCursor).toBeNull();
    expect(holdsMore(list)).toBe(false);
  });

  it('never holds more than its limit, however far one goes back', () => {
    const list = withOlder(listOf(page(down(MOST_HELD + 50, 100), true)), page(down(99, 1), true));
    expect(list.events).toHaveLength(MOST_HELD);
    expect(list.olderCursor).toBe('c51');
  });

  it('is told by days', () => {
    const days = byDay(down(5, 1), (iso) => (Date.parse(iso) > 3 ? 'late' : 'early'));
    expect(days.map(({ day, events }) => [day, numbers(events)])).toEqual([
      ['late', [5, 4]],
      ['early', [3, 2, 1]],
    ]);
  });
});

describe('the latest state', () => {
  const created = event(1, { name: 'create', attributes: { values: { status: 'new', size: 3 } } });
  const update = (number: number, attribute: string, old: unknown, value: unknown) =>
    event(number, { name: 'update', attributes: { attribute, old, new: value } });

  it('is the newest value of each attribute, with the one before', () => {
    const { values } = latestState([
      update(4, 'status', 'queued', 'running'),
      update(3, 'status', 'new', 'queued'),
      created,
    ]);
    expect(values.map(({ by, ...value }) => ({ ...value, by: by.id }))).toEqual([
      { name: 'status', old: 'queued', value: 'running', by: 'e4' },
      { name: 'size', value: 3, by: 'e1' },
    ]);
  });

  it('names a field by its table and row', () => {
    const attributes = { relation: 'page', row: '7', field: 'title', old: null, new: '' };
    const [value] = latestState([event(1, { name: 'field_update', attributes })]).values;
    expect(value).toMatchObject({ name: 'page.title (row 7)', old: null, value: '' });
  });

  it('leaves out what somebody set out to do in vain', () => {
    const attempt = event(2, {
      name: 'page.update',
      attributes: { attribute: 'status', old: 'new', new: 'lost' },
    });
    const failure = event(3, { name: 'page.update.failed', parent: { id: 'e2' } });
    expect(latestState([failure, attempt, created]).values.map(({ value }) => value)).toEqual(['new', 3]);
    expect(latestState([attempt, created]).values.map(({ value }) => value)).toEqual(['lost', 3]);
  });

  it('is of the present life of the resource only', () => {
    const before = update(1, 'colour', 'red', 'blue');
    const again = event(3, { name: 'create', attributes: { values: { status: 'new' } } });
    const state = latestState([again, event(2, { name: 'destroy' }), before]);
    expect(state.values.map(({ name }) => name)).toEqual(['status']);
    expect(state.destroyed).toBeNull();
  });

  it('tells that the resource is gone, and what it was', () => {
    const state = latestState([event(2, { name: 'destroy' }), created]);
    expect(state.destroyed?.id).toBe('e2');
    expect(state.values).toHaveLength(2);
  });

  it('holds the latest event of each type of state', () => {
    const say = (number: number, name: string) => event(number, { name, category: 'STATE' });
    expect(numbers(latestState([say(3, 'up'), say(2, 'down'), say(1, 'up')]).states)).toEqual([3, 2]);
  });

  it('says where nothing but envelopes is seen', () => {
    expect(latestState([event(1, { attributes: null })]).isEnvelopeOnly).toBe(true);
    expect(latestState([event(1)]).isEnvelopeOnly).toBe(false);
    expect(latestState([]).isEnvelopeOnly).toBe(false);
  });

  it('prints texts as they are and all else as JSON', () => {
    expect(['a b', '', null, 0, [1, { a: 2 }], undefined].map(printValue)).toEqual([
      'a b',
      '""',
      'null',
      '0',
      '[1,{"a":2}]',
      '–',
    ]);
  });
});
