/** All that an event is part of, from the root down: an outline with a time axis, which grows while it is looked at. */
import { useCallback, useMemo, useRef, useState } from 'react';
import { Link } from 'wouter';
import { EventPanel } from '../event/event-panel.tsx';
import { useKeys } from '../ui/keyboard.ts';
import { ErrorNotice, Loading, Notice } from '../ui/notice.tsx';
import { shown } from '../ui/text.tsx';
import { useTitle } from '../ui/title.ts';
import { useNarrow } from '../ui/use-narrow.ts';
import {
  buildOutline,
  findIn,
  rowsOf,
  stepTo,
  type TreeEvent,
  type TreeNode,
  unfoldedTo,
} from './outline.ts';
import type { Top } from './read-tree.ts';
import { TreeGrid } from './tree-grid.tsx';
import { TreeHead } from './tree-head.tsx';
import { type Following, useTree } from './use-tree.ts';
import './tree.css';

export function TreePage({ id }: { readonly id: string }) {
  const [state, readAnew] = useTree(id);
  useTitle('Tree');
  switch (state.is) {
    case 'reading':
      return <Loading what={progressOf(state)} />;
    case 'absent':
      return (
        <>
          <h1 className="hidden-text">Tree</h1>
          <Notice title="There is nothing to show">
            <p>There is no such event, or you may not see it.</p>
            <p>
              <Link href="/">Go to the live stream</Link>
            </p>
          </Notice>
        </>
      );
    case 'failed':
      return (
        <>
          <h1 className="hidden-text">Tree</h1>
          <ErrorNotice error={state.error} doing="The tree could not be read" onRetry={readAnew} />
        </>
      );
    case 'open':
      return <OpenTree id={id} {...state} onReadAnew={readAnew} />;
  }
}

function progressOf({ read, total }: { readonly read: number; readonly total: number | null }): string {
  if (total === null) return 'Reading the tree';
  return `Reading the tree: ${read.toLocaleString()} of ${total.toLocaleString()} events`;
}

interface OpenTreeProps {
  readonly id: string;
  readonly top: Top;
  readonly events: readonly TreeEvent[];
  readonly following: Following;
  readonly onReadAnew: () => void;
}

const NOTHING: ReadonlySet<string> = new Set();

function OpenTree({ id, top, events, following, onReadAnew }: OpenTreeProps) {
  const outline = useMemo(() => buildOutline(events, top.id), [events, top.id]);
  const [folded, setFolded] = useState(NOTHING);
  const [search, setSearch] = useState('');
  const [activeId, setActiveId] = useState(id);
  const [openId, setOpenId] = useState<string | null>(null);
  // Until one goes back into the tree: there, opening the same one again leads to the panel again.
  const [isReading, setReading] = useState(false);
  const searchField = useRef<HTMLInputElement>(null);
  const isNarrow = useNarrow('40rem');
  const found = useMemo(() => findIn(outline, search), [outline, search]);
  const matches = useMemo(
    () => (found === null ? null : new Set(found.matches.map(({ event }) => event.id))),
    [found],
  );
  const rows = useMemo(() => rowsOf(outline, folded, found), [outline, folded, found]);
  const { startMs, endMs } = outline;
  const scale = useMemo(() => ({ startMs, lengthMs: Math.max(1, endMs - startMs) }), [startMs, endMs]);

  const active = outline.byId.get(activeId);
  const goTo = (node: TreeNode | undefined) => {
    if (node === undefined) return;
    if (found !== null && !found.kept.has(node.event.id)) setSearch('');
    setFolded((held) => unfoldedTo(node, held));
    setActiveId(node.event.id);
  };
  const goAmong = (nodes: readonly TreeNode[], step: 1 | -1) =>
    goTo(stepTo(nodes, active?.index ?? -1, step));
  const fold = useCallback(({ event }: TreeNode) => {
    // The active one may be below it.
    setActiveId(event.id);
    setFolded((held) => toggled(held, event.id));
  }, []);
  const open = useCallback(({ event }: TreeNode) => {
    setActiveId(event.id);
    setOpenId(event.id);
    setReading(true);
  }, []);
  const close = useCallback(() => setOpenId(null), []);
  const foldAll = () => {
    const parents = outline.nodes.filter(({ depth, children }) => depth > 0 && children.length > 0);
    setFolded(new Set(parents.map(({ event }) => event.id)));
    // What is folded away cannot be the active one.
    setActiveId(topmost(active)?.event.id ?? top.id);
  };
  useKeys({ '/': () => searchField.current?.focus(), Escape: close });

  const title = shown(outline.byId.get(top.id)?.event.message ?? 'Tree').slice(0, 300);
  useTitle(`Tree: ${title.slice(0, 80)}`);
  return (
    <section className={openId === null ? 'tree' : 'tree with-panel'}>
      <TreeHead
        title={title}
        outline={outline}
        following={following}
        search={search}
        found={found}
        searchField={searchField}
        hasParent={active?.parent != null}
        isFolded={folded.size > 0}
        onSearch={setSearch}
        onMatch={(step) => goAmong(found?.matches ?? [], step)}
        onFailure={(step) => goAmong(outline.failures, step)}
        onParent={() => goTo(active?.parent ?? undefined)}
        onFoldAll={foldAll}
        onUnfoldAll={() => setFolded(NOTHING)}
        onReadAnew={onReadAnew}
      />
      {top.isCutOff && (
        <p className="tree-cut hint">
          This is part of something larger, of which you may not see what stands above.
        </p>
      )}
      <div className="tree-body">
        {rows.length === 0 ? (
          <Notice title="Nothing of the tree matches" />
        ) : (
          <TreeGrid
            rows={rows}
            scale={scale}
            folded={folded}
            pattern={found?.pattern ?? null}
            matches={matches}
            activeId={activeId}
            openId={openId}
            markedId={id === top.id ? null : id}
            heightPx={isNarrow ? 48 : 30}
            onFocus={() => setReading(false)}
            onActive={setActiveId}
            onOpen={open}
            onFold={fold}
          />
        )}
        {openId !== null && (
          <aside className="tree-panel" aria-label="The chosen event">
            <EventPanel id={openId} onClose={close} takesFocus={isReading} />
          </aside>
        )}
      </div>
    </section>
  );
}

function toggled(set: ReadonlySet<string>, id: string): ReadonlySet<string> {
  const next = new Set(set);
  if (!next.delete(id)) next.add(id);
  return next;
}

/** What is left of it where all is folded: the event below the top that it is part of. */
function topmost(node: TreeNode | undefined): TreeNode | undefined {
  let at = node;
  while (at !== undefined && at.depth > 1 && at.parent !== null) at = at.parent;
  return at;
}
