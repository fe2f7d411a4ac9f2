/**
 * Live: the stream, newest first. At the top it moves; who scrolls down reads in peace, and is told how many stand by.
 */
import { lazy, Suspense, useCallback, useState } from 'react';
import { Link, useLocation } from 'wouter';
import type { EventFilter } from '../../../src/client/index.ts';
import { FilterBar } from '../filter/filter-bar.tsx';
import { useEventFilter } from '../filter/use-event-filter.ts';
import { useView } from '../filter/use-view.ts';
import { betweenRange, type TimeRange } from '../filter/view.ts';
import { useApp } from '../session/app-context.ts';
import { useKeys } from '../ui/keyboard.ts';
import { ErrorNotice, Loading, Notice } from '../ui/notice.tsx';
import { Text } from '../ui/text.tsx';
import { useTitle } from '../ui/title.ts';
import { ConnectionBadge } from './connection-badge.tsx';
import { StreamList } from './stream-list.tsx';
import { type Stream, useStream } from './use-stream.ts';
import './live.css';

/** What is not there when the page is first painted is loaded behind it. */
const Histogram = lazy(async () => ({ default: (await import('./histogram.tsx')).Histogram }));
const EventPanel = lazy(async () => ({ default: (await import('../event/event-panel.tsx')).EventPanel }));

export function LivePage() {
  useTitle('Live');
  const control = useView();
  const { view, setTime } = control;
  const { registry, filter } = useEventFilter(view);
  if (filter === undefined) return <Loading what="Reading what attributes there are" />;
  return (
    <div className="live-page">
      <h1 className="hidden-text">Live</h1>
      <FilterBar control={control} registry={registry} filter={filter} />
      <LiveStream
        journal={view.journal}
        filter={filter}
        time={view.time}
        isNarrowed={view.chips.length > 0 || view.time.is !== 'all'}
        onRange={(fromMs, beforeMs) => setTime(betweenRange(fromMs, beforeMs))}
      />
    </div>
  );
}

interface LiveStreamProps {
  readonly journal: string;
  readonly filter: EventFilter | null;
  readonly time: TimeRange;
  readonly isNarrowed: boolean;
  readonly onRange: (fromMs: number, beforeMs: number) => void;
}

function LiveStream({ journal, filter, time, isNarrowed, onRange }: LiveStreamProps) {
  const stream = useStream(journal, filter);
  const { store, connection, isLoading, gap, pause, letIn, part } = stream;
  const [chosen, setChosen] = useState<string | null>(null);
  // Not while one walks through the rows.
  const [takesFocus, setTakesFocus] = useState(false);
  const [, navigate] = useLocation();

  const move = useCallback(
    (step: number) => {
      const at = chosen === null ? -1 : store.indexOf(chosen);
      const next = store.at(Math.max(0, at + step));
      const event = next?.events.at(-1);
      if (event === undefined) return;
      setChosen(event.id);
      setTakesFocus(false);
    },
    [chosen, store],
  );
  const toTop = () => {
    document.querySelector('.stream-rows')?.scrollTo({ top: 0 });
    letIn();
  };
  useKeys({
    j: () => move(1),
    k: () => move(-1),
    Enter: () => {
      const row = chosen === null ? undefined : store.at(store.indexOf(chosen));
      if (row !== undefined && row.events.length > 1) part(row.key);
      else if (chosen !== null) setTakesFocus(true);
    },
    ' ': () => (store.isPaused ? toTop() : pause()),
    g: toTop,
    Escape: () => setChosen(null),
    t: () => {
      if (chosen !== null) navigate(`/tree/${chosen}`);
    },
  });

  return (
    <>
      <Suspense fallback={<div className="histogram" />}>
        <Histogram journal={journal} filter={filter} time={time} stream={stream} onRange={onRange} />
      </Suspense>
      <Toolbar stream={stream} journal={journal} onTop={toTop} />
      {connection.is === 'ended' && (
        <ErrorNotice error={connection.error} doing="The stream has stopped" onRetry={stream.again} />
      )}
      {gap !== null && (
        <p className="gap" role="alert">
          Some events are missing here: {gap}
        </p>
      )}
      <div className={chosen === null ? 'stream' : 'stream with-panel'}>
        {isLoading ? (
          <Loading what="Reading the newest events" />
        ) : store.length === 0 ? (
          connection.is !== 'ended' && <Empty isNarrowed={isNarrowed} />
        ) : (
          <StreamList
            stream={stream}
            chosen={chosen}
            onChoose={(id) => {
              setChosen(id);
              setTakesFocus(true);
            }}
          />
        )}
        {chosen !== null && (
          <aside className="side" aria-label="The chosen event">
            <Suspense fallback={<Loading what="Loading" />}>
              <EventPanel id={chosen} takesFocus={takesFocus} onClose={() => setChosen(null)} />
            </Suspense>
          </aside>
        )}
      </div>
    </>
  );
}

interface ToolbarProps {
  readonly stream: Stream;
  readonly journal: string;
  readonly onTop: () => void;
}

function Toolbar({ stream, journal, onTop }: ToolbarProps) {
  const { config } = useApp();
  const { store, connection, rate, pause, group } = stream;
  const { waits, isPaused, isHeld } = store;
  return (
    <div className="toolbar" role="toolbar" aria-label="The stream">
      <ConnectionBadge connection={connection} rate={rate} />
      <button type="button" aria-pressed={isPaused} onClick={isPaused ? onTop : pause}>
        {isPaused ? 'Go on' : 'Pause'}
      </button>
      {(isPaused || isHeld) && (
        <button type="button" className="primary" onClick={onTop} aria-live="polite">
          {waits === 0 ? 'Nothing new · to the top' : `${waits.toLocaleString()} new · to the top`}
        </button>
      )}
      <label className="grouping">
        <input type="checkbox" checked={store.groups} onChange={({ target }) => group(target.checked)} />
        Group when fast
      </label>
      {journal !== config.journal && (
        <span className="hint">
          Journal <Text of={journal} most={60} />
        </span>
      )}
      <span className="hint count">{store.size.toLocaleString()} shown</span>
    </div>
  );
}

function Empty({ isNarrowed }: { readonly isNarrowed: boolean }) {
  if (isNarrowed) {
    return (
      <Notice title="Nothing that you may see matches">
        <p>
          New events that match appear here by themselves. Take a condition away, or choose a longer time, to
          see more.
        </p>
        <p>
          <Link href="/">Show everything</Link>
        </p>
      </Notice>
    );
  }
  return (
    <Notice title="No events yet, or none that you may see">
      <p>They appear here as they are recorded. To try it, record one:</p>
      <pre>eventree record note --resource page/welcome --message "Hello"</pre>
      <p>
        or fill the journal with real ones: <code>npm run demo</code>. With <a href="/graphql">GraphiQL</a>{' '}
        you can look at the API.
      </p>
    </Notice>
  );
}
