// biome-ignore-all lint/a11y/useSemanticElements: rows have places of their own, in which elements of tables are none.
// biome-ignore-all lint/a11y/useFocusableInteractive: the grid has the focus itself, and names the active row.
/**
 * The rows of a tree, as WAI-ARIA describes a treegrid: it has the focus itself and names the active row, so that
 * nothing is lost where that row is not drawn. Of many rows, those that are seen are drawn.
 */
import { defaultRangeExtractor, useVirtualizer } from '@tanstack/react-virtual';
import {
  type KeyboardEvent,
  type RefObject,
  useEffect,
  useId,
  useLayoutEffect,
  useMemo,
  useRef,
} from 'react';
import { Axis, AxisLines, type Scale } from './axis.tsx';
import type { TreeNode } from './outline.ts';
import { TreeRow } from './tree-row.tsx';

export interface TreeGridProps {
  readonly rows: readonly TreeNode[];
  readonly scale: Scale;
  readonly folded: ReadonlySet<string>;
  /** While something is searched for, nothing is folded. */
  readonly pattern: RegExp | null;
  readonly matches: ReadonlySet<string> | null;
  readonly activeId: string;
  readonly openId: string | null;
  readonly markedId: string | null;
  readonly heightPx: number;
  readonly onFocus: () => void;
  readonly onActive: (id: string) => void;
  readonly onOpen: (node: TreeNode) => void;
  readonly onFold: (node: TreeNode) => void;
}

/** So many rows are drawn as a whole: the browser then finds text in them too. */
const MOST_DRAWN = 200;
const HEAD_PX = 30;

export function TreeGrid(props: TreeGridProps) {
  const { rows, scale, folded, pattern, matches, activeId, openId, markedId, heightPx, onFold, onOpen } =
    props;
  const scroller = useRef<HTMLDivElement>(null);
  const prefix = useId();
  const places = useMemo(() => new Map(rows.map(({ event }, place) => [event.id, place])), [rows]);
  const active = places.get(activeId) ?? 0;
  const isLong = rows.length > MOST_DRAWN;
  const virtualizer = useVirtualizer({
    count: rows.length,
    enabled: isLong,
    getScrollElement: () => scroller.current,
    estimateSize: () => heightPx,
    scrollMargin: HEAD_PX,
    overscan: 12,
    // The active row is always there: the grid names it.
    rangeExtractor: (range) => [...new Set([...defaultRangeExtractor(range), active])].sort((a, b) => a - b),
  });
  // biome-ignore lint/correctness/useExhaustiveDependencies: it keeps the heights that it was told before.
  useEffect(() => virtualizer.measure(), [virtualizer, heightPx]);
  useStillness(scroller, rows, places, heightPx);
  useActiveInSight(scroller, active, activeId, heightPx, pattern !== null);

  const drawn = isLong ? virtualizer.getVirtualItems().map(({ index }) => index) : rows.keys();
  const rowId = (place: number) => `${prefix}-${rows[place]?.event.id}`;
  return (
    <div
      ref={scroller}
      className="tree-scroll"
      role="treegrid"
      aria-label="Events of the tree"
      aria-rowcount={rows.length + 1}
      aria-activedescendant={rowId(active)}
      tabIndex={0}
      onFocus={props.onFocus}
      onKeyDown={(event) => pressIn(event, props, active)}
    >
      <div role="rowgroup" className="tree-head" style={{ height: HEAD_PX }}>
        <div role="row" aria-rowindex={1}>
          <div role="columnheader">Event</div>
          <div role="columnheader" className="tree-duration">
            Took
          </div>
          <div role="columnheader" className="tree-time">
            <span className="hidden-text">Time since the start</span>
            <Axis scale={scale} />
          </div>
        </div>
      </div>
      <div role="rowgroup" className="tree-canvas" style={{ height: rows.length * heightPx }}>
        <AxisLines scale={scale} />
        {[...drawn].map((place) => {
          const node = rows[place];
          if (node === undefined) return null;
          const { id } = node.event;
          const canFold = node.children.length > 0 && pattern === null;
          return (
            <TreeRow
              key={id}
              id={rowId(place)}
              node={node}
              place={place}
              heightPx={heightPx}
              scale={scale}
              isFolded={canFold ? folded.has(id) : null}
              isActive={place === active}
              isOpen={id === openId}
              isMarked={id === markedId}
              pattern={matches?.has(id) ? pattern : null}
              isDimmed={matches !== null && !matches.has(id)}
              onFold={onFold}
              onOpen={onOpen}
            />
          );
        })}
      </div>
    </div>
  );
}

type Scroller = RefObject<HTMLDivElement | null>;

/** Rows that come above what is read push it nowhere. */
function useStillness(
  scroller: Scroller,
  rows: readonly TreeNode[],
  places: ReadonlyMap<string, number>,
  heightPx: number,
) {
  const read = useRef<{ id: string; place: number } | null>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: `places` are those of the rows.
  useLayoutEffect(() => {
    const element = scroller.current;
    if (element === null) return;
    const now = read.current === null ? undefined : places.get(read.current.id);
    if (now !== undefined && read.current !== null)
      element.scrollTop += (now - read.current.place) * heightPx;
    const note = () => {
      const place = Math.floor(element.scrollTop / heightPx);
      const id = rows[place]?.event.id;
      read.current = id === undefined ? null : { id, place };
    };
    note();
    element.addEventListener('scroll', note, { passive: true });
    return () => element.removeEventListener('scroll', note);
  }, [scroller, rows, heightPx]);
}

/** Scrolls where another row has become the active one, or a search has ended; and no further than it must. */
function useActiveInSight(
  scroller: Scroller,
  place: number,
  id: string,
  heightPx: number,
  isSearching: boolean,
) {
  // biome-ignore lint/correctness/useExhaustiveDependencies: that the same row stands elsewhere is no reason to scroll.
  useLayoutEffect(() => {
    const element = scroller.current;
    if (element === null) return;
    const top = place * heightPx;
    const bottom = top + heightPx + HEAD_PX;
    if (top < element.scrollTop) element.scrollTop = top;
    else if (bottom > element.scrollTop + element.clientHeight) {
      // Not at the very edge: what follows is of interest too.
      element.scrollTop = bottom - element.clientHeight + Math.min(element.clientHeight / 3, 3 * heightPx);
    }
  }, [scroller, id, heightPx, isSearching]);
}

function pressIn(event: KeyboardEvent<HTMLDivElement>, props: TreeGridProps, active: number): void {
  const { rows, folded, pattern, heightPx, onActive, onFold, onOpen } = props;
  const node = rows[active];
  if (node === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
  const goTo = (place: number) => {
    const there = rows[Math.max(0, Math.min(place, rows.length - 1))];
    if (there !== undefined) onActive(there.event.id);
  };
  const pageful = Math.max(1, Math.floor((event.currentTarget.clientHeight - HEAD_PX) / heightPx) - 1);
  const canFold = node.children.length > 0 && pattern === null;
  const isFolded = canFold && folded.has(node.event.id);
  const keys: Readonly<Record<string, () => void>> = {
    ArrowDown: () => goTo(active + 1),
    ArrowUp: () => goTo(active - 1),
    PageDown: () => goTo(active + pageful),
    PageUp: () => goTo(active - pageful),
    Home: () => goTo(0),
    End: () => goTo(rows.length - 1),
    ArrowRight() {
      if (isFolded) onFold(node);
      else if (node.children.length > 0) goTo(active + 1);
    },
    ArrowLeft() {
      if (canFold && !isFolded) onFold(node);
      else if (node.parent !== null) onActive(node.parent.event.id);
    },
    Enter: () => onOpen(node),
    ' ': () => onOpen(node),
  };
  const act = keys[event.key];
  if (act === undefined) return;
  event.preventDefault();
  act();
}
