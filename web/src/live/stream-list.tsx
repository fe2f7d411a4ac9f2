/** The rows of the stream: only those in sight are drawn, however many there are. */
import { useVirtualizer } from '@tanstack/react-virtual';
import { type MouseEvent, memo, useEffect, useRef } from 'react';
import { SeverityMark } from '../ui/marks.tsx';
import { Text } from '../ui/text.tsx';
import { Time } from '../ui/time.tsx';
import { useNarrow } from '../ui/use-narrow.ts';
import type { Row } from './stream-store.ts';
import type { Stream } from './use-stream.ts';

const ROW = 30;
const NARROW_ROW = 52;
/** Of rows from the end at which the next page is asked for. */
const AHEAD = 30;

export interface StreamListProps {
  readonly stream: Stream;
  readonly chosen: string | null;
  readonly onChoose: (id: string) => void;
}

export function StreamList({ stream, chosen, onChoose }: StreamListProps) {
  const { store, version, hold, loadOlder, part } = stream;
  const scroller = useRef<HTMLElement>(null);
  const isNarrow = useNarrow('48rem');
  const size = isNarrow ? NARROW_ROW : ROW;
  const virtual = useVirtualizer({
    count: store.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => size,
    overscan: 8,
    getItemKey: (index) => store.at(index)?.key ?? index,
  });
  // biome-ignore lint/correctness/useExhaustiveDependencies: measured anew where rows have another height.
  useEffect(() => virtual.measure(), [size]);

  const items = virtual.getVirtualItems();
  const last = items.at(-1)?.index ?? 0;
  // biome-ignore lint/correctness/useExhaustiveDependencies: asked with every change of what is there.
  useEffect(() => {
    if (last >= store.length - AHEAD) loadOlder();
  }, [last, version, loadOlder]);

  const chosenIndex = chosen === null ? -1 : store.indexOf(chosen);
  // biome-ignore lint/correctness/useExhaustiveDependencies: only a new choice is brought into sight, not one that moves.
  useEffect(() => {
    if (chosenIndex >= 0) virtual.scrollToIndex(chosenIndex, { align: 'auto' });
  }, [chosen]);

  return (
    <section
      ref={scroller}
      className="stream-rows"
      // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, which the keyboard must reach.
      tabIndex={0}
      aria-label="Events, newest first"
      onScroll={({ currentTarget }) => hold(currentTarget.scrollTop > size)}
    >
      <ol style={{ height: virtual.getTotalSize() }}>
        {items.map(({ index, start, key }) => {
          const row = store.at(index);
          return (
            row !== undefined && (
              <StreamRow
                key={key}
                row={row}
                index={index}
                top={start}
                isChosen={row.events.some(({ id }) => id === chosen)}
                onChoose={onChoose}
                onPart={part}
              />
            )
          );
        })}
      </ol>
      <ListEnd stream={stream} />
    </section>
  );
}

interface StreamRowProps {
  readonly row: Row;
  readonly index: number;
  readonly top: number;
  readonly isChosen: boolean;
  readonly onChoose: (id: string) => void;
  readonly onPart: (key: string) => void;
}

const StreamRow = memo(function StreamRow({ row, index, top, isChosen, onChoose, onPart }: StreamRowProps) {
  const { events } = row;
  const event = events[events.length - 1];
  if (event === undefined) return null;
  const count = events.length;
  const open = (click: MouseEvent) => {
    if (click.metaKey || click.ctrlKey || click.shiftKey || click.button !== 0) return;
    click.preventDefault();
    if (count > 1) onPart(row.key);
    else onChoose(event.id);
  };
  return (
    <li
      aria-posinset={index + 1}
      aria-current={isChosen || undefined}
      className={isChosen ? 'stream-row chosen' : 'stream-row'}
      style={{ transform: `translateY(${top}px)` }}
    >
      <span className="at">
        <Time at={event.occurredAt} />
      </span>
      <span className="mark">
        <SeverityMark severity={event.severity} />
      </span>
      <span className="of-type mono">
        <Text of={event.type.name} most={60} />
      </span>
      <span className="message">
        <a href={`/event/${event.id}`} onClick={open}>
          {count > 1 && <strong>{`${count} × `}</strong>}
          <Text of={event.message} most={300} />
        </a>
      </span>
      <span className="about">{event.resource !== null && <Text of={event.resource.ref} most={80} />}</span>
      <span className="by">{event.actor !== null && <Text of={event.actor} most={60} />}</span>
    </li>
  );
});

/** What stands below the oldest row. */
function ListEnd({ stream: { store, isLoadingOlder, error, loadOlder } }: { readonly stream: Stream }) {
  if (error !== null) {
    return (
      <p className="list-end" role="alert">
        Older events could not be read: {error.message}{' '}
        <button type="button" onClick={loadOlder}>
          Try again
        </button>
      </p>
    );
  }
  if (isLoadingOlder) return <p className="list-end">Loading older events…</p>;
  if (store.olderCursor === null) return <p className="list-end">This is where it begins.</p>;
  return <p className="list-end">Further back: choose a time above.</p>;
}
