/** What is said of a tree as a whole, and what can be done with it. */
import { type RefObject, useId } from 'react';
import { formatDuration } from '../ui/time.tsx';
import type { Found, Outline } from './outline.ts';
import type { Following } from './use-tree.ts';

export interface TreeHeadProps {
  readonly title: string;
  readonly outline: Outline;
  readonly following: Following;
  readonly search: string;
  readonly found: Found | null;
  readonly searchField: RefObject<HTMLInputElement | null>;
  readonly hasParent: boolean;
  /** Something of it is. */
  readonly isFolded: boolean;
  readonly onSearch: (text: string) => void;
  readonly onMatch: (step: 1 | -1) => void;
  readonly onFailure: (step: 1 | -1) => void;
  readonly onParent: () => void;
  readonly onFoldAll: () => void;
  readonly onUnfoldAll: () => void;
  readonly onReadAnew: () => void;
}

export function TreeHead(props: TreeHeadProps) {
  const {
    title,
    outline,
    following,
    found,
    hasParent,
    isFolded,
    onFoldAll,
    onUnfoldAll,
    onParent,
    onReadAnew,
  } = props;
  const { nodes, startMs, endMs } = outline;
  return (
    <header className="tree-about">
      <h1 title={title}>
        <bdi>{title}</bdi>
      </h1>
      <p className="hint">
        {counted(nodes.length, 'event')}, {formatDuration(endMs - startMs)}
        <Live following={following} onReadAnew={onReadAnew} />
      </p>
      <div className="tree-tools">
        <Failures count={outline.failures.length} onFailure={props.onFailure} />
        <SearchField {...props} />
        <button type="button" onClick={onFoldAll} disabled={found !== null}>
          Fold all
        </button>
        <button type="button" onClick={onUnfoldAll} disabled={found !== null || !isFolded}>
          Unfold all
        </button>
        <button
          type="button"
          onClick={onParent}
          disabled={!hasParent}
          title="To what the active event is part of"
        >
          To parent
        </button>
      </div>
    </header>
  );
}

/** As on all screens. */
const WORDS: Readonly<Record<Following, string>> = {
  connecting: 'Connecting',
  'catching-up': 'Catching up',
  live: 'Live',
  lost: 'Offline',
  ended: 'Stopped',
};

function Live({ following, onReadAnew }: { readonly following: Following; readonly onReadAnew: () => void }) {
  return (
    <>
      <span className={`tree-live ${following}`} role="status">
        <span className="tree-dot" aria-hidden="true">
          {following === 'live' ? '●' : '○'}
        </span>{' '}
        {WORDS[following]}
      </span>
      {following === 'ended' && (
        <button type="button" className="quiet" onClick={onReadAnew}>
          Read it anew
        </button>
      )}
    </>
  );
}

function Failures({
  count,
  onFailure,
}: {
  readonly count: number;
  readonly onFailure: (step: 1 | -1) => void;
}) {
  if (count === 0) return <span className="tree-well">✓ no failures</span>;
  return (
    <span className="tree-failures">
      <strong>
        <span aria-hidden="true">✗ </span>
        {counted(count, 'failure')}
      </strong>
      <button type="button" onClick={() => onFailure(-1)} aria-label="Previous failure">
        ↑
      </button>
      <button type="button" onClick={() => onFailure(1)} aria-label="Next failure">
        ↓
      </button>
    </span>
  );
}

function SearchField({ search, found, outline, searchField, onSearch, onMatch }: TreeHeadProps) {
  const id = useId();
  return (
    <search className="tree-search">
      <label htmlFor={id} className="hidden-text">
        Search within the tree
      </label>
      <input
        id={id}
        ref={searchField}
        type="search"
        value={search}
        placeholder="Search within the tree"
        title="Enter goes to the next match, Shift and Enter to the one before it"
        onChange={(event) => onSearch(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === 'Enter') onMatch(event.shiftKey ? -1 : 1);
          if (event.key === 'Escape') onSearch('');
        }}
      />
      <span role="status">
        {found !== null &&
          `${found.matches.length.toLocaleString()} of ${outline.nodes.length.toLocaleString()}`}
      </span>
    </search>
  );
}

function counted(count: number, noun: string): string {
  return `${count.toLocaleString()} ${noun}${count === 1 ? '' : 's'}`;
}
