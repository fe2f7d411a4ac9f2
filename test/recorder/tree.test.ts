import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  addChild,
  type Node,
  type NodeKind,
  newNode,
  type Outcome,
  treeOf,
} from '../../src/recorder/tree.ts';

/** A tree as it may come about: what is always kept lies below what is always kept, and leaves are never open. */
const branch = fc.letrec<{ node: Shape }>((tie) => ({
  node: fc.record({
    kind: fc.constantFrom<NodeKind>('leaf', 'group', 'call'),
    always: fc.boolean(),
    outcome: fc.constantFrom<Outcome>('open', 'well', 'failed'),
    isElsewhere: fc.boolean().map((is) => is),
    marked: fc.boolean(),
    below: fc.oneof({ depthSize: 'small' }, fc.constant([]), fc.array(tie('node'), { maxLength: 4 })),
  }),
})).node;

interface Shape {
  readonly kind: NodeKind;
  readonly always: boolean;
  readonly outcome: Outcome;
  readonly isElsewhere: boolean;
  readonly marked: boolean;
  readonly below: readonly Shape[];
}

interface Grown {
  readonly root: Node;
  readonly marked: Set<string>;
}

function grow(shape: Shape): Grown {
  const marked = new Set<string>();
  let count = 0;
  const add = ({ kind, outcome, below, ...more }: Shape, above: Node | null, isMarkable: boolean): Node => {
    const id = String(count++);
    // A call is as what encloses it; anything else is refused below what is not always kept.
    const always = above === null || (kind === 'call' ? above.always : above.always && more.always);
    const node = newNode(above === null ? 'call' : kind, { id, type: 'note' }, always);
    if (node.kind !== 'leaf') node.outcome = outcome;
    node.isElsewhere = above !== null && node.kind === 'call' && more.isElsewhere;
    // All above a scope that is marked is marked.
    const isMarked = isMarkable && node.kind !== 'leaf' && more.marked;
    if (isMarked) marked.add(id);
    for (const each of below) addChild(node, add(each, node, isMarked || above === null));
    return node;
  };
  return { root: add(shape, null, true), marked };
}

/** The rules as they are told, each event by itself. */
function oracle({ root, marked }: Grown): string[] {
  const kept: string[] = [];
  const visit = (node: Node, around: readonly Node[]): void => {
    const scopes = node.kind === 'group' ? [...around, node] : around;
    const isWell = scopes.every(({ outcome }) => outcome === 'well');
    const isHere = ![...around, node].some(({ isElsewhere }) => isElsewhere);
    if (isHere && (node === root || node.always || isWell || marked.has(node.event.id)))
      kept.push(node.event.id);
    for (const child of node.children ?? []) visit(child, [...around, node]);
  };
  visit(root, []);
  return kept;
}

describe('what is kept of a tree', () => {
  test('is what the rules say of each event by itself, in the order of adding, under parents that are kept', () => {
    fc.assert(
      fc.property(branch, (shape) => {
        const grown = grow(shape);
        const { events } = treeOf(grown.root, grown.marked);
        const ids = events.map(({ id }) => id);
        expect(ids).toEqual(oracle(grown));
        const parents = new Map<string, string>();
        const visit = (node: Node): void => {
          for (const child of node.children ?? []) {
            parents.set(child.event.id, node.event.id);
            visit(child);
          }
        };
        visit(grown.root);
        ids.forEach((id, nth) => {
          if (nth > 0) expect(ids.slice(0, nth)).toContain(parents.get(id));
        });
      }),
      { numRuns: 500 },
    );
  });

  test('may be deeper than the stack', () => {
    const root = newNode('call', { id: 'root', type: 'call' }, true);
    root.outcome = 'well';
    let lowest = root;
    for (let i = 0; i < 200_000; i++) {
      const child = newNode('leaf', { id: String(i), type: 'note' }, false);
      child.outcome = 'well';
      addChild(lowest, child);
      lowest = child;
    }
    expect(treeOf(root).events).toHaveLength(200_001);
  });
});
