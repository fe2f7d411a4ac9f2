// biome-ignore-all lint/a11y/useSemanticElements: rows have places of their own, in which elements of tables are none.
// biome-ignore-all lint/a11y/useFocusableInteractive: the grid has the focus itself, and names the active row.
/** One event of a tree: what it is, how long it took, and when, as a bar on the time axis. */
import { memo } from 'react';
import { SeverityMark } from '../ui/marks.tsx';
import { shown } from '../ui/text.tsx';
import { formatDuration, formatFull } from '../ui/time.tsx';
import { percent, type Scale } from './axis.tsx';
import type { TreeNode } from './outline.ts';

export interface TreeRowProps {
  readonly node: TreeNode;
  readonly id: string;
  /** Its place among the rows that are seen, from 0. */
  readonly place: number;
  readonly heightPx: number;
  readonly scale: Scale;
  /** Null where it cannot be folded. */
  readonly isFolded: boolean | null;
  readonly isActive: boolean;
  readonly isOpen: boolean;
  /** The page was opened for it. */
  readonly isMarked: boolean;
  /** What was searched for, where this row matches. */
  readonly pattern: RegExp | null;
  /** It leads to a match, and is none itself. */
  readonly isDimmed: boolean;
  readonly onFold: (node: TreeNode) => void;
  readonly onOpen: (node: TreeNode) => void;
}

/** Drawn anew where the outline is built anew, and not while one moves in it. */
export const TreeRow = memo(function TreeRow(props: TreeRowProps) {
  const {
    node,
    id,
    place,
    heightPx,
    isFolded,
    isActive,
    isOpen,
    isMarked,
    pattern,
    isDimmed,
    onFold,
    onOpen,
  } = props;
  const { event, depth, durationMs, failure, isCutOff, children } = node;
  const states = [isActive && 'active', isOpen && 'open', isDimmed && 'dimmed'];
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the grid has the focus, and its keys open the active row.
    <div
      role="row"
      id={id}
      className={['tree-row', ...states.filter((state) => state !== false)].join(' ')}
      style={{ top: place * heightPx, height: heightPx }}
      aria-level={depth + 1}
      aria-rowindex={place + 2}
      aria-expanded={isFolded === null ? undefined : !isFolded}
      aria-selected={isOpen}
      onClick={() => onOpen(node)}
    >
      <div role="gridcell" className="tree-what" style={{ paddingInlineStart: indentOf(depth) }}>
        {isFolded === null ? (
          <span className="tree-fold" />
        ) : (
          <button
            type="button"
            className="tree-fold"
            tabIndex={-1}
            aria-label={isFolded ? `Unfold ${children.length} below` : 'Fold'}
            onClick={(click) => {
              click.stopPropagation();
              onFold(node);
            }}
          >
            {isFolded ? '▸' : '▾'}
          </button>
        )}
        <SeverityMark severity={event.severity} />
        <span className="tree-type mono">
          <Matched text={event.type.name} pattern={pattern} />
        </span>
        {failure !== null && (
          <span className="tree-failure">
            <span aria-hidden="true">✗ </span>
            <Matched text={failure} pattern={pattern} />
          </span>
        )}
        <span className="tree-message" title={shown(event.message).slice(0, 500)}>
          <Matched text={event.message} pattern={pattern} />
        </span>
        <span className="tree-notes">
          {isCutOff && <span>its parent is hidden from you</span>}
          {isMarked && <span>the one you came for</span>}
          {isFolded === true && <span>+{children.length}</span>}
        </span>
      </div>
      <div role="gridcell" className="tree-duration">
        {durationMs === null ? '' : formatDuration(durationMs)}
      </div>
      <Bar node={node} scale={props.scale} />
    </div>
  );
});

/** Those that are very deep stand below each other: there would be no room left for what they say. */
function indentOf(depth: number): string {
  return `min(${depth} * var(--indent), 40%)`;
}

/** Only so much is drawn in a row: the rest would not be seen. */
const MOST_CHARS = 300;

function Matched({ text, pattern }: { readonly text: string; readonly pattern: RegExp | null }) {
  const said = shown(text).slice(0, MOST_CHARS);
  const found = pattern?.exec(said) ?? null;
  if (found === null) return <bdi>{said}</bdi>;
  const end = found.index + found[0].length;
  return (
    <bdi>
      {said.slice(0, found.index)}
      <mark>{found[0]}</mark>
      {said.slice(end)}
    </bdi>
  );
}

function Bar({ node, scale }: { readonly node: TreeNode; readonly scale: Scale }) {
  const { event, startMs, endMs, failure } = node;
  const fromMs = startMs - scale.startMs;
  const isInstant = endMs === startMs;
  const kind = isInstant ? 'instant' : 'lasting';
  return (
    <div
      role="gridcell"
      className="tree-time"
      title={`${formatFull(startMs)}, ${formatDuration(fromMs)} after the start`}
    >
      <span className="hidden-text">{formatDuration(fromMs)} after the start</span>
      <span
        className={`tree-bar ${kind} ${event.severity.toLowerCase()}${failure === null ? '' : ' failing'}`}
        style={{
          left: percent(fromMs, scale),
          width: isInstant ? undefined : percent(endMs - startMs, scale),
        }}
      />
    </div>
  );
}
