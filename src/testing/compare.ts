/**
 * Holds a tree against what is expected, first as yes or no; and where it is no, lays the two beside each other so
 * that as much as possible stands on one line with what it corresponds to.
 */
import {
  ANY_EVENTS,
  type Equals,
  type Expected,
  type ExpectedEvent,
  matchesEvent,
  type TreeNode,
} from './tree.ts';

/** Whether siblings must stand in the order of what is expected. */
export type SiblingOrder = 'ordered' | 'any';

/** A line of the two trees. */
export type Row =
  | {
      readonly kind: 'same' | 'different';
      readonly depth: number;
      readonly expected: ExpectedEvent;
      readonly received: TreeNode;
    }
  | { readonly kind: 'missing'; readonly depth: number; readonly expected: Expected }
  /** `free`: an event that `…` stands for. */
  | { readonly kind: 'unexpected' | 'free'; readonly depth: number; readonly received: TreeNode };

export interface Comparison {
  fits(expected: readonly Expected[], received: readonly TreeNode[]): boolean;
  rows(expected: readonly Expected[], received: readonly TreeNode[]): Row[];
}

/** Siblings that stand on one line, and those that stand alone. */
type Pair =
  | { readonly expected: ExpectedEvent; readonly received: TreeNode }
  | { readonly expected: Expected; readonly received: null }
  | { readonly expected: null; readonly received: TreeNode; readonly isFree: boolean };

interface Alignment {
  readonly score: number;
  readonly pairs: readonly Pair[];
}

/** How much it is worth that the two stand on one line, besides what is below them. */
const WORTH = { same: 4, sameType: 1 };

export function createComparison(order: SiblingOrder, equals: Equals): Comparison {
  const fitting = createPairs<boolean>();
  const alignments = createPairs<Alignment | null>();

  /** Whether an event is as expected, with all below it. */
  const fitsOne = (expected: ExpectedEvent, node: TreeNode): boolean =>
    fitting(
      expected,
      node,
      () => matchesEvent(expected, node.event, equals) && fits(expected.children ?? [], node.children),
    );

  function fits(expected: readonly Expected[], received: readonly TreeNode[]): boolean {
    return order === 'ordered'
      ? fitsInOrder(expected, received, fitsOne)
      : fitsInAnyOrder(expected, received, fitsOne);
  }

  /** Null: the two have nothing in common. */
  const alignOne = (expected: ExpectedEvent, node: TreeNode): Alignment | null =>
    alignments(expected, node, () => {
      const isSame = matchesEvent(expected, node.event, equals);
      const { type } = expected;
      if (!isSame && !matchesEvent({ type, outcome: 'any' }, node.event, equals)) return null;
      const below = align(expected.children ?? [], node.children);
      return { score: (isSame ? WORTH.same : WORTH.sameType) + below.score, pairs: below.pairs };
    });

  const align = (expected: readonly Expected[], received: readonly TreeNode[]): Alignment =>
    order === 'ordered'
      ? alignInOrder(expected, received, alignOne)
      : alignInAnyOrder(expected, received, alignOne, fitsOne);

  function rowsOf({ pairs }: Alignment, depth: number): Row[] {
    return pairs.flatMap((pair): Row[] => {
      if (pair.expected === null) return freeStanding(pair.received, depth, pair.isFree);
      if (pair.received === null) return missing(pair.expected, depth);
      const { expected, received } = pair;
      const kind = matchesEvent(expected, received.event, equals) ? 'same' : 'different';
      const below = alignOne(expected, received) as Alignment; // they are a pair because there is one
      return [{ kind, depth, expected, received }, ...rowsOf(below, depth + 1)];
    });
  }

  return { fits, rows: (expected, received) => rowsOf(align(expected, received), 0) };
}

type FitsOne = (expected: ExpectedEvent, node: TreeNode) => boolean;
type AlignOne = (expected: ExpectedEvent, node: TreeNode) => Alignment | null;

/** As a text fits a pattern with `*`. */
function fitsInOrder(
  expected: readonly Expected[],
  received: readonly TreeNode[],
  fitsOne: FitsOne,
): boolean {
  // Which beginnings of what was received fit the beginning of what is expected.
  let reached = [true, ...received.map(() => false)];
  for (const each of expected) {
    const next = reached.map(() => false);
    for (let at = 0; at <= received.length; at++) {
      if (each === ANY_EVENTS) next[at] = reached[at] === true || next[at - 1] === true;
      else next[at] = reached[at - 1] === true && fitsOne(each, received[at - 1] as TreeNode);
    }
    reached = next;
  }
  return reached.at(-1) === true;
}

/**
 * Each expected event finds one of its own. Wildcards may fit several, so that who comes first must not take what
 * another needs: by augmenting paths (Kuhn).
 */
function fitsInAnyOrder(
  expected: readonly Expected[],
  received: readonly TreeNode[],
  fitsOne: FitsOne,
): boolean {
  const events = expected.filter((each) => each !== ANY_EVENTS);
  const isOpen = events.length < expected.length;
  if (isOpen ? events.length > received.length : events.length !== received.length) return false;
  const takenBy = new Map<TreeNode, ExpectedEvent>();
  const find = (event: ExpectedEvent, tried: Set<TreeNode>): boolean =>
    received.some((node) => {
      if (tried.has(node) || !fitsOne(event, node)) return false;
      tried.add(node);
      const owner = takenBy.get(node);
      if (owner !== undefined && !find(owner, tried)) return false;
      takenBy.set(node, event);
      return true;
    });
  return events.every((event) => find(event, new Set()));
}

/** The best of all ways to lay the two beside each other, from their ends to their beginnings. */
function alignInOrder(
  expected: readonly Expected[],
  received: readonly TreeNode[],
  alignOne: AlignOne,
): Alignment {
  const width = received.length + 1;
  const scores = new Float64Array((expected.length + 1) * width);
  const scoreAt = (row: number, column: number) => scores[row * width + column] as number;
  const together = (row: number, column: number): number => {
    const each = expected[row] as Expected;
    if (each === ANY_EVENTS) return Number.NEGATIVE_INFINITY;
    const alignment = alignOne(each, received[column] as TreeNode);
    return alignment === null ? Number.NEGATIVE_INFINITY : alignment.score + scoreAt(row + 1, column + 1);
  };
  for (let row = expected.length - 1; row >= 0; row--) {
    for (let column = received.length - 1; column >= 0; column--) {
      scores[row * width + column] = Math.max(
        scoreAt(row + 1, column),
        scoreAt(row, column + 1),
        together(row, column),
      );
    }
  }

  const pairs: Pair[] = [];
  let [row, column] = [0, 0];
  let isFree = false;
  while (row < expected.length || column < received.length) {
    const each = expected[row];
    const node = received[column];
    if (each === ANY_EVENTS) {
      isFree = true;
      row++;
    } else if (each !== undefined && node !== undefined && together(row, column) === scoreAt(row, column)) {
      pairs.push({ expected: each, received: node });
      isFree = false;
      row++;
      column++;
    } else if (
      node === undefined ||
      (each !== undefined && scoreAt(row + 1, column) === scoreAt(row, column))
    ) {
      pairs.push({ expected: each as ExpectedEvent, received: null });
      row++;
    } else {
      pairs.push({ expected: null, received: node, isFree });
      column++;
    }
  }
  return { score: scoreAt(0, 0), pairs };
}

/** What fits whole first, then the best of what is left. */
function alignInAnyOrder(
  expected: readonly Expected[],
  received: readonly TreeNode[],
  alignOne: AlignOne,
  fitsOne: FitsOne,
): Alignment {
  const events = expected.filter((each) => each !== ANY_EVENTS);
  const candidates = events.flatMap((event) =>
    received.flatMap((node) => {
      const alignment = alignOne(event, node);
      return alignment === null ? [] : [{ event, node, score: alignment.score, fits: fitsOne(event, node) }];
    }),
  );
  candidates.sort((a, b) => Number(b.fits) - Number(a.fits) || b.score - a.score);
  const found = new Map<ExpectedEvent, TreeNode>();
  const taken = new Set<TreeNode>();
  let score = 0;
  for (const candidate of candidates) {
    if (found.has(candidate.event) || taken.has(candidate.node)) continue;
    found.set(candidate.event, candidate.node);
    taken.add(candidate.node);
    score += candidate.score;
  }
  const isFree = events.length < expected.length;
  const left = received.filter((node) => !taken.has(node));
  return {
    score,
    pairs: [
      ...events.map((event): Pair => {
        const node = found.get(event);
        return node === undefined ? { expected: event, received: null } : { expected: event, received: node };
      }),
      ...left.map((node): Pair => ({ expected: null, received: node, isFree })),
    ],
  };
}

function missing(expected: Expected, depth: number): Row[] {
  const below = expected === ANY_EVENTS ? [] : (expected.children ?? []);
  return [{ kind: 'missing', depth, expected }, ...below.flatMap((each) => missing(each, depth + 1))];
}

function freeStanding(received: TreeNode, depth: number, isFree: boolean): Row[] {
  const below = received.children.flatMap((child) => freeStanding(child, depth + 1, isFree));
  return [{ kind: isFree ? 'free' : 'unexpected', depth, received }, ...below];
}

/** Works out each pair once: a pair is looked at again by every way to lay its parents' siblings. */
function createPairs<Value>() {
  const known = new Map<ExpectedEvent, Map<TreeNode, Value>>();
  return (expected: ExpectedEvent, node: TreeNode, compute: () => Value): Value => {
    let row = known.get(expected);
    if (row === undefined) {
      row = new Map();
      known.set(expected, row);
    }
    const value = row.get(node) ?? compute();
    row.set(node, value);
    return value;
  };
}
