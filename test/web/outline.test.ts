import { describe, expect, test } from 'vitest';
import {
  buildOutline,
  findIn,
  rowsOf,
  stepTo,
  type TreeEvent,
  type TreeNode,
  ticksOf,
  unfoldedTo,
} from '../../web/src/tree/outline.ts';

const START_MS = Date.parse('2026-11-20T10:00:00.000Z');

/** @param atMs after the start. */
function event(id: string, parent: string | null, atMs: number, more: Partial<TreeEvent> = {}): TreeEvent {
  return {
    id,
    cursor: id,
    occurredAt: new Date(START_MS + atMs).toISOString(),
    severity: 'LOW',
    message: `message of ${id}`,
    actor: null,
    type: { name: 'note' },
    resource: null,
    parent: parent === null ? null : { id: parent },
    parentHidden: false,
    elapsed: null,
    error: null,
    ...more,
  };
}

const drawn = (nodes: readonly TreeNode[]) => nodes.map(({ event, depth }) => '  '.repeat(depth) + event.id);
const idsOf = (nodes: readonly TreeNode[]) => nodes.map(({ event }) => event.id);

function nodeOf(events: readonly TreeEvent[], id: string): TreeNode {
  const node = buildOutline(events, 'top').byId.get(id);
  if (node === undefined) throw new Error(`There is no ${id}.`);
  return node;
}

describe('order', () => {
  test('puts parents before children, and siblings by when they occurred', () => {
    const events = [
      event('top', null, 0),
      event('late', 'top', 30),
      event('early', 'top', 10),
      event('of-late', 'late', 31),
      event('of-early', 'early', 40),
    ];
    expect(drawn(buildOutline(events, 'top').nodes)).toEqual([
      'top',
      '  early',
      '    of-early',
      '  late',
      '    of-late',
    ]);
  });

  test('keeps the order of the journal among siblings of one moment', () => {
    const events = [event('top', null, 0), event('b', 'top', 5), event('a', 'top', 5), event('c', 'top', 5)];
    expect(idsOf(buildOutline(events, 'top').nodes)).toEqual(['top', 'b', 'a', 'c']);
  });

  test('hangs an event whose parent is hidden below the top, and says so', () => {
    const events = [
      event('top', null, 0),
      event('a', 'top', 1),
      event('lone', null, 2, { parentHidden: true }),
    ];
    const { nodes, byId } = buildOutline(events, 'top');
    expect(drawn(nodes)).toEqual(['top', '  a', '  lone']);
    expect(byId.get('lone')?.isCutOff).toBe(true);
    expect(byId.get('a')?.isCutOff).toBe(false);
  });

  test('begins with a top that has a parent of its own, hidden or not', () => {
    const events = [event('top', 'elsewhere', 0, { parentHidden: true }), event('a', 'top', 1)];
    const { nodes, byId } = buildOutline(events, 'top');
    expect(drawn(nodes)).toEqual(['top', '  a']);
    expect(byId.get('top')?.isCutOff).toBe(false);
  });

  test('shows what came before its parent below the top until the parent is there', () => {
    const early = [event('top', null, 0), event('child', 'parent', 5)];
    expect(drawn(buildOutline(early, 'top').nodes)).toEqual(['top', '  child']);
    expect(drawn(buildOutline([...early, event('parent', 'top', 4)], 'top').nodes)).toEqual([
      'top',
      '  parent',
      '    child',
    ]);
  });

  test('stands a tree that is deeper than the stack of functions', () => {
    const count = 20_000;
    const events = Array.from({ length: count }, (_, place) =>
      event(
        place === 0 ? 'top' : `e${place}`,
        place === 0 ? null : place === 1 ? 'top' : `e${place - 1}`,
        place,
      ),
    );
    expect(buildOutline(events, 'top').nodes.at(-1)?.depth).toBe(count - 1);
  });
});

describe('spans', () => {
  test('let a call last as long as it says, from when it occurred', () => {
    const call = nodeOf(
      [event('top', null, 0), event('call', 'top', 10, { type: { name: 'call' }, elapsed: 12.5 })],
      'call',
    );
    expect(call).toMatchObject({ startMs: START_MS + 10, endMs: START_MS + 22.5, durationMs: 12.5 });
  });

  test('let the end of an action be an instant that says how long that took', () => {
    const type = { name: 'page.create.completed' };
    const end = nodeOf([event('top', null, 0), event('end', 'top', 50, { type, elapsed: 40 })], 'end');
    expect(end).toMatchObject({ startMs: START_MS + 50, endMs: START_MS + 50, durationMs: 40 });
  });

  test('let other events last to the end of the last thing below them', () => {
    const events = [
      event('top', null, 0),
      event('group', 'top', 5),
      event('call', 'group', 10, { elapsed: 100 }),
      event('later', 'group', 20),
    ];
    expect(nodeOf(events, 'group')).toMatchObject({ endMs: START_MS + 110, durationMs: 105 });
    expect(nodeOf(events, 'top').durationMs).toBe(110);
  });

  test('count what goes on below a call after its end to what is above it', () => {
    const events = [
      event('top', null, 0),
      event('call', 'top', 0, { elapsed: 10 }),
      event('after', 'call', 90),
    ];
    expect(nodeOf(events, 'call').durationMs).toBe(10);
    expect(nodeOf(events, 'top').durationMs).toBe(90);
  });

  test('leave an instant without a duration, and take no other value for one', () => {
    expect(nodeOf([event('top', null, 0)], 'top').durationMs).toBeNull();
    for (const elapsed of ['12', -1, Number.NaN, {}]) {
      expect(nodeOf([event('top', null, 0, { elapsed })], 'top').durationMs).toBeNull();
    }
  });

  test('cover all of the tree, with what occurred before its top', () => {
    const { startMs, endMs } = buildOutline(
      [event('top', null, 10, { elapsed: 5 }), event('a', 'top', 2)],
      'top',
    );
    expect([startMs, endMs]).toEqual([START_MS + 2, START_MS + 15]);
  });
});

describe('failures', () => {
  test.each<[string, Partial<TreeEvent>, string | null]>([
    ['an error by its name', { error: 'NotFound' }, 'failed: NotFound'],
    ['an error that is no text', { error: 5 }, 'failed'],
    ['an action that has failed', { type: { name: 'page.create.failed' }, severity: 'HIGH' }, 'failed'],
    ['a call that was lost', { type: { name: 'call_lost' }, severity: 'HIGH' }, 'lost'],
    ['what is HIGH', { severity: 'HIGH' }, 'high'],
    ['what is CRITICAL', { severity: 'CRITICAL' }, 'critical'],
    ['nothing of what went well', { severity: 'MEDIUM' }, null],
  ])('name %s', (_, more, failure) => {
    const { nodes, failures } = buildOutline([event('top', null, 0, more)], 'top');
    expect(nodes[0]?.failure).toBe(failure);
    expect(failures).toHaveLength(failure === null ? 0 : 1);
  });

  test('are gone through in their order, and around', () => {
    const events = [0, 1, 2, 3, 4].map((place) =>
      event(
        place === 0 ? 'top' : `e${place}`,
        place === 0 ? null : 'top',
        place,
        place % 2 === 1 ? { error: 'E' } : {},
      ),
    );
    const { failures } = buildOutline(events, 'top');
    const next = (from: number, step: 1 | -1) => stepTo(failures, from, step)?.event.id;
    expect([next(-1, 1), next(1, 1), next(3, 1)]).toEqual(['e1', 'e3', 'e1']);
    expect([next(3, -1), next(1, -1), next(-1, -1)]).toEqual(['e1', 'e3', 'e3']);
    expect(stepTo([], 0, 1)).toBeUndefined();
  });
});

describe('rows', () => {
  const outline = buildOutline(
    [
      event('top', null, 0),
      event('a', 'top', 1),
      event('a1', 'a', 2, { message: 'What is (a+b)?', error: 'Oops' }),
      event('a11', 'a1', 3),
      event('b', 'top', 4, { resource: { ref: 'page/1' } }),
    ],
    'top',
  );

  test('leave out what is below a folded one, at any depth', () => {
    expect(idsOf(rowsOf(outline, new Set(), null))).toEqual(['top', 'a', 'a1', 'a11', 'b']);
    expect(idsOf(rowsOf(outline, new Set(['a']), null))).toEqual(['top', 'a', 'b']);
    expect(idsOf(rowsOf(outline, new Set(['a1', 'a']), null))).toEqual(['top', 'a', 'b']);
    expect(idsOf(rowsOf(outline, new Set(['top']), null))).toEqual(['top']);
  });

  test('are unfolded above the one that is gone to', () => {
    const folded = new Set(['top', 'a', 'a11']);
    expect([...unfoldedTo(outline.byId.get('a1') as TreeNode, folded)]).toEqual(['a11']);
    expect(unfoldedTo(outline.nodes[0] as TreeNode, folded)).toBe(folded);
  });

  test('are those that match, and all above them, though they are folded', () => {
    const found = findIn(outline, '  (A+B) ');
    expect(found?.matches.map(({ event }) => event.id)).toEqual(['a1']);
    expect(idsOf(rowsOf(outline, new Set(['a']), found))).toEqual(['top', 'a', 'a1']);
  });

  test('are searched by resource and by what failed too; by nothing, there is no search', () => {
    expect(findIn(outline, 'page/1')?.matches.map(({ event }) => event.id)).toEqual(['b']);
    expect(findIn(outline, 'oops')?.matches.map(({ event }) => event.id)).toEqual(['a1']);
    expect(findIn(outline, 'nowhere')?.kept.size).toBe(0);
    expect(findIn(outline, '  ')).toBeNull();
  });
});

describe('ticks', () => {
  test('are round', () => {
    expect(ticksOf(1)).toEqual([0, 0.2, 0.4, 0.6, 0.8, 1]);
    expect(ticksOf(1_834)).toEqual([0, 500, 1_000, 1_500]);
    expect(ticksOf(61_000)).toEqual([0, 15_000, 30_000, 45_000, 60_000]);
    expect(ticksOf(3_600_000)).toEqual([0, 900_000, 1_800_000, 2_700_000, 3_600_000]);
  });

  test('are 4 to 6 for every length', () => {
    for (let ms = 1; ms < 86_400_000 * 3_000; ms *= 1.01) {
      const ticks = ticksOf(ms);
      expect(ticks.length, `${ms} ms`).toBeGreaterThanOrEqual(4);
      expect(ticks.length, `${ms} ms`).toBeLessThanOrEqual(6);
      expect(ticks.at(-1)).toBeLessThanOrEqual(ms);
    }
  });
});
