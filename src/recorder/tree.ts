/**
 * What was added to a call, and what of it is written when the call has ended. Pure.
 *
 *     always              kept in any case; all above it is `always` too, so it has a place
 *     on success          kept where every scope around it, up to the root, has ended well
 *     a group             is a scope around itself: what it says has not happened where it failed
 *     a call in a call    is kept as what encloses it, whatever became of itself: it tells of its failure
 *
 * A group that was marked within a transaction that is committed is kept too: what that wrote hangs below it.
 */
import type { PlacedEvent, ResourcePut } from '../outbox/parcel.ts';

export type NodeKind = 'leaf' | 'group' | 'call';

/** How a scope has ended. A leaf is never open. */
export type Outcome = 'open' | 'well' | 'failed';

/** An event that was added, and what was added below it. */
export interface Node {
  readonly kind: NodeKind;
  /** Kept in any case. */
  readonly always: boolean;
  /** A call learns at its end what it tells. */
  event: PlacedEvent;
  outcome: Outcome;
  /** Null while there are none: most events have none. */
  children: Node[] | null;
  /** Put before it is recorded. */
  readonly resources: readonly ResourcePut[];
  /** Written by itself, in a transaction. */
  isElsewhere: boolean;
}

export interface Tree {
  /** Parents before children, siblings in the order in which they were added. */
  readonly events: PlacedEvent[];
  readonly resources: readonly ResourcePut[];
}

const NO_IDS: ReadonlySet<string> = new Set();
const NO_RESOURCES: readonly ResourcePut[] = Object.freeze([]);

/**
 * What is written of a tree.
 *
 * @param marked ids of those that are kept because something was written below them.
 */
export function treeOf(root: Node, marked: ReadonlySet<string> = NO_IDS): Tree {
  // Most calls are alone.
  if (root.children === null) return { events: [root.event], resources: root.resources };
  const events: PlacedEvent[] = [];
  const resources: ResourcePut[] = [];

  // A tree may be deeper than the stack.
  const waiting: { readonly node: Node; readonly isWellAround: boolean }[] = [
    { node: root, isWellAround: true },
  ];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { node, isWellAround } = next;
    const isWell = isWellAround && node.outcome === 'well';
    const isKept =
      node === root ||
      node.always ||
      (node.kind === 'call' ? isWellAround : isWell) ||
      marked.has(node.event.id);
    if (!isKept || node.isElsewhere) continue;
    events.push(node.event);
    for (const resource of node.resources) resources.push(resource);
    for (let i = (node.children?.length ?? 0) - 1; i >= 0; i--) {
      waiting.push({ node: node.children?.[i] as Node, isWellAround: isWell });
    }
  }
  return { events, resources };
}

/**
 * Lets go of all below a root that was written, and of what its scopes told: what was begun within a call, as a timer
 * or a connection, holds on to its scope for as long as it lives.
 */
export function letGo(root: Node): void {
  const waiting = [root];
  for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
    for (const child of node.children ?? []) if (child.kind !== 'leaf') waiting.push(child);
    const { id, type } = node.event;
    // A call that goes on behind its parent's end still tells how it went.
    node.event = { id, type, attributes: {} };
    node.children = null;
  }
}

export function newNode(kind: NodeKind, event: PlacedEvent, always: boolean): Node {
  return {
    kind,
    event,
    always,
    outcome: kind === 'leaf' ? 'well' : 'open',
    children: null,
    resources: NO_RESOURCES,
    isElsewhere: false,
  };
}

export function addChild(node: Node, child: Node): void {
  if (node.children === null) node.children = [child];
  else node.children.push(child);
}
