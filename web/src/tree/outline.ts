/**
 * What the tree page shows, without React: events as an outline in time, which of its rows are seen, what is searched
 * for, what has failed, and the marks of the time axis.
 *
 * Parents stand before their children, siblings by when they occurred, then as the journal has them. Events come in
 * journal order, and any later set of them gives the same outline with more in it.
 */
import type { LineNode } from '../../../src/client/index.ts';
import { failureOf } from '../event/failure.ts';

export const TREE_FIELDS = `occurredAt severity message actor type { name } resource { ref } parent { id } parentHidden
  elapsed: attribute(name: "elapsed_ms") error: attribute(name: "error")`;

/** Of TREE_FIELDS. `elapsed` and `error` are null for who sees the envelope only. */
export interface TreeEvent extends LineNode {
  readonly parent: { readonly id: string } | null;
  readonly parentHidden: boolean;
  readonly elapsed: unknown;
  readonly error: unknown;
}

export interface TreeNode {
  readonly event: TreeEvent;
  readonly parent: TreeNode | null;
  readonly children: readonly TreeNode[];
  /** 0 for the top. */
  readonly depth: number;
  /** Its place among all, parents before children. */
  readonly index: number;
  /** Its parent is hidden from the viewer: it hangs below the top, the only ancestor that is known. */
  readonly isCutOff: boolean;
  readonly startMs: number;
  /** As `startMs` for an instant. */
  readonly endMs: number;
  /** Null where nothing tells how long it took. */
  readonly durationMs: number | null;
  /** In a few words, why it stands out; null for what went well. */
  readonly failure: string | null;
}

export interface Outline {
  /** Parents before children. */
  readonly nodes: readonly TreeNode[];
  readonly byId: ReadonlyMap<string, TreeNode>;
  readonly failures: readonly TreeNode[];
  /** From the first instant to the last. */
  readonly startMs: number;
  readonly endMs: number;
}

interface Draft extends TreeNode {
  parent: Draft | null;
  children: Draft[];
  depth: number;
  index: number;
  isCutOff: boolean;
  endMs: number;
  durationMs: number | null;
  /** Of all below it too, which may go on after it has ended. */
  lastMs: number;
}

/** @param topId the event that all others are below of. */
export function buildOutline(events: readonly TreeEvent[], topId: string): Outline {
  const drafts = new Map(events.map((event) => [event.id, draftOf(event)]));
  const tops: Draft[] = [];
  for (const draft of drafts.values()) hang(draft, drafts, topId, tops);
  const nodes = inOrder(tops);
  for (const node of nodes.toReversed()) settleEnd(node);
  const startMs = nodes.reduce((least, node) => Math.min(least, node.startMs), Number.POSITIVE_INFINITY);
  const endMs = nodes.reduce((most, node) => Math.max(most, node.endMs), Number.NEGATIVE_INFINITY);
  return { nodes, byId: drafts, failures: nodes.filter(({ failure }) => failure !== null), startMs, endMs };
}

function draftOf(event: TreeEvent): Draft {
  const startMs = Date.parse(event.occurredAt);
  const own = { startMs, endMs: startMs, lastMs: startMs, durationMs: null, failure: failureOf(event) };
  return { event, parent: null, children: [], depth: 0, index: 0, isCutOff: false, ...own };
}

function hang(draft: Draft, drafts: ReadonlyMap<string, Draft>, topId: string, tops: Draft[]): void {
  const { event } = draft;
  // What is above the top is not for the viewer to see.
  const isTop = event.id === topId;
  const above = isTop || event.parent === null ? undefined : drafts.get(event.parent.id);
  const parent = above ?? (isTop ? undefined : drafts.get(topId));
  draft.isCutOff = !isTop && event.parentHidden;
  if (parent === undefined) {
    tops.push(draft);
    return;
  }
  draft.parent = parent;
  parent.children.push(draft);
}

/** By a stack of its own: a tree may be deeper than that of functions. */
function inOrder(tops: Draft[]): Draft[] {
  const nodes: Draft[] = [];
  const stack = tops.sort(byTime).reverse();
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    node.index = nodes.length;
    node.depth = node.parent === null ? 0 : node.parent.depth + 1;
    nodes.push(node);
    stack.push(...node.children.sort(byTime).toReversed());
  }
  return nodes;
}

/** Sorting keeps the journal's order among those of one moment. */
function byTime(a: Draft, b: Draft): number {
  return a.startMs - b.startMs;
}

/** The end of an action says how long that took, and is itself an instant; its start is another event. */
const ENDS_ACTION = /\.(?:completed|failed)$/;

/** When it ended: a call says so, other events last as long as what is below them. Children come first. */
function settleEnd(node: Draft): void {
  const { event, children, startMs } = node;
  const elapsedMs = typeof event.elapsed === 'number' && event.elapsed >= 0 ? event.elapsed : null;
  const lastBelowMs = children.reduce((most, child) => Math.max(most, child.lastMs), startMs);
  if (elapsedMs !== null) {
    node.durationMs = elapsedMs;
    node.endMs = ENDS_ACTION.test(event.type.name) ? startMs : startMs + elapsedMs;
  } else if (lastBelowMs > startMs) {
    node.durationMs = lastBelowMs - startMs;
    node.endMs = lastBelowMs;
  }
  node.lastMs = Math.max(node.endMs, lastBelowMs);
}

export interface Found {
  readonly pattern: RegExp;
  readonly matches: readonly TreeNode[];
  /** Ids of the matches and of all above them. */
  readonly kept: ReadonlySet<string>;
}

/** Null where nothing is searched for. */
export function findIn(outline: Outline, text: string): Found | null {
  const words = text.trim();
  if (words === '') return null;
  const pattern = new RegExp(words.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&'), 'i');
  const matches = outline.nodes.filter((node) => textsOf(node).some((each) => pattern.test(each)));
  const kept = new Set<string>();
  for (const match of matches) {
    for (let node: TreeNode | null = match; node !== null && !kept.has(node.event.id); node = node.parent) {
      kept.add(node.event.id);
    }
  }
  return { pattern, matches, kept };
}

function textsOf({ event, failure }: TreeNode): string[] {
  const { message, type, resource, actor, id } = event;
  return [message, type.name, resource?.ref ?? '', actor ?? '', failure ?? '', id];
}

/** Those that are seen: while something is searched for, what leads to it; else what nothing has folded away. */
export function rowsOf({ nodes }: Outline, folded: ReadonlySet<string>, found: Found | null): TreeNode[] {
  if (found !== null) return nodes.filter(({ event }) => found.kept.has(event.id));
  const rows: TreeNode[] = [];
  let deepest = Number.POSITIVE_INFINITY;
  for (const node of nodes) {
    if (node.depth > deepest) continue;
    rows.push(node);
    deepest = folded.has(node.event.id) ? node.depth : Number.POSITIVE_INFINITY;
  }
  return rows;
}

/** The next of them behind a place in the outline, or before it; around the end, to the other one. */
export function stepTo(nodes: readonly TreeNode[], from: number, step: 1 | -1): TreeNode | undefined {
  return step === 1
    ? (nodes.find(({ index }) => index > from) ?? nodes[0])
    : (nodes.findLast(({ index }) => index < from) ?? nodes.at(-1));
}

/** Without what lies above a node: so that it is seen. */
export function unfoldedTo(node: TreeNode, folded: ReadonlySet<string>): ReadonlySet<string> {
  const open = new Set(folded);
  for (let above = node.parent; above !== null; above = above.parent) open.delete(above.event.id);
  return open.size === folded.size ? folded : open;
}

const [SECOND, MINUTE, HOUR, DAY] = [1_000, 60_000, 3_600_000, 86_400_000];
/** No step is more than twice the one before it, but for 2.5 that of 1: so there are never fewer than 4 marks. */
const STEPS = [
  ...[0.1, 1, 10, 100, SECOND].flatMap((unit) => [1, 2, 2.5, 5].map((count) => count * unit)),
  ...[10, 15, 30].map((count) => count * SECOND),
  ...[1, 2, 3, 5, 10, 15, 30].map((count) => count * MINUTE),
  ...[1, 2, 3, 6, 12].map((count) => count * HOUR),
  ...[1, 10, 100, 1_000].flatMap((unit) => [1, 2, 3, 5].map((count) => count * unit * DAY)),
];
const MOST_TICKS = 6;

/** 4 to 6 round distances from the start, 0 among them, for a length of 1 ms or more. */
export function ticksOf(lengthMs: number): readonly number[] {
  const step = STEPS.find((each) => lengthMs / each < MOST_TICKS) ?? lengthMs / (MOST_TICKS - 1);
  const count = Math.floor(lengthMs / step) + 1;
  // 3 × 0.1 is 0.30000000000000004.
  return Array.from({ length: count }, (_, place) => Number((place * step).toFixed(3)));
}
