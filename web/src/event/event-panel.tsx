/** All that the viewer may see of one event; what is hidden is said to be. */
import { useQuery } from 'urql';
import { Link } from 'wouter';
import { fieldChip } from '../filter/chip.ts';
import { useStreamPath } from '../filter/links.tsx';
import { isAdmin, useViewer } from '../session/viewer.ts';
import { ErrorNotice, Loading, Notice } from '../ui/notice.tsx';
import { Text } from '../ui/text.tsx';
import { EventContents } from './event-contents.tsx';
import { EventFacts } from './event-facts.tsx';
import { PANEL, type PanelEvent } from './panel-event.ts';
import { usePanelFocus } from './use-panel-focus.ts';
import { WhoSees } from './who-sees.tsx';
import './event.css';

export interface EventPanelProps {
  readonly id: string;
  /** Left out, it is a page of its own. */
  readonly onClose?: () => void;
  /**
   * The event was chosen to be read, by a click or Enter: it gets the focus. Else that stays where it is, as while
   * keys walk through a list. What is closed gives it back either way.
   */
  readonly takesFocus?: boolean;
}

/** Stays the same one while other events are chosen: with a `key` of the event's, it would lose the focus. */
export function EventPanel({ id, onClose, takesFocus = false }: EventPanelProps) {
  const panel = usePanelFocus(id, takesFocus);
  return (
    <article
      ref={panel}
      className={onClose === undefined ? 'event' : 'event beside'}
      aria-label="Event"
      tabIndex={-1}
    >
      {onClose !== undefined && (
        <button
          type="button"
          className="quiet icon event-close"
          onClick={onClose}
          aria-label="Close the event"
        >
          ✕
        </button>
      )}
      <Asked key={id} id={id} isPage={onClose === undefined} />
    </article>
  );
}

function Asked({ id, isPage }: { readonly id: string; readonly isPage: boolean }) {
  const [{ data, error, fetching }, askAgain] = useQuery({ query: PANEL, variables: { id } });
  if (data?.event) return <Seen event={data.event} isPage={isPage} />;
  if (error !== undefined) {
    return (
      <ErrorNotice
        error={error}
        doing="The event could not be read"
        onRetry={() => askAgain({ requestPolicy: 'network-only' })}
      />
    );
  }
  if (data === undefined || fetching) return <Loading what="Reading the event" />;
  return (
    <Notice title="There is nothing to show">
      <p>There is no such event, or you may not see it.</p>
    </Notice>
  );
}

function Seen({ event, isPage }: { readonly event: PanelEvent; readonly isPage: boolean }) {
  const viewer = useViewer();
  const pathTo = useStreamPath(event.journal);
  const own = encodeURIComponent(event.id);
  return (
    <>
      <h2 className="event-message">
        <Text of={event.message} />
      </h2>
      <nav className="event-ways" aria-label="From this event">
        <Link href={`/tree/${own}`} className="button">
          Tree
        </Link>
        <Link href={pathTo(fieldChip('within', event.id))} className="button">
          Only this and below
        </Link>
        {!isPage && (
          <Link href={`/event/${own}`} className="button">
            Page of its own
          </Link>
        )}
      </nav>
      <EventFacts event={event} />
      <EventContents event={event} />
      {isAdmin(viewer) && <WhoSees id={event.id} />}
    </>
  );
}
