/** What happened with the resource, newest first, day by day; what happens now comes in at the top. */
import { Link } from 'wouter';
import type { FollowState } from '../../../src/client/index.ts';
import { fieldChip } from '../filter/chip.ts';
import { ActorLink, TypeLink, useStreamPath } from '../filter/links.tsx';
import { SeverityMark } from '../ui/marks.tsx';
import { ErrorNotice, Loading } from '../ui/notice.tsx';
import { Text } from '../ui/text.tsx';
import { formatDay, formatShort } from '../ui/time.tsx';
import { byDay, holdsMore, MOST_HELD, type ResourceEvent } from './event-list.ts';
import type { ResourceEvents } from './use-resource-events.ts';

/** As on all screens. */
const WORDS: Readonly<Record<FollowState['state'], string>> = {
  connecting: 'Connecting',
  'catching-up': 'Catching up',
  live: 'Live',
  lost: 'Offline',
  ended: 'Stopped',
};

interface TimelineProps {
  readonly reference: string;
  readonly journal: string;
  readonly held: ResourceEvents;
}

export function Timeline({ reference, journal, held }: TimelineProps) {
  const { list, connection, error, again } = held;
  return (
    <section className="timeline" aria-labelledby="timeline">
      <header className="part-head">
        <h2 id="timeline">Timeline</h2>
        <span className="hint" role="status">
          {WORDS[connection.state]}
        </span>
      </header>
      {list === null && error === null && <Loading what="Reading its events" />}
      {list?.events.length === 0 && <p className="hint">No event about it that you may see.</p>}
      {list !== null &&
        byDay(list.events.slice(0, list.shown), formatDay).map(({ day, events }) => (
          <section key={events.at(-1)?.id}>
            <h3>{day}</h3>
            <ol>
              {events.map((event) => (
                <TimelineRow key={event.id} event={event} journal={journal} />
              ))}
            </ol>
          </section>
        ))}
      {error !== null && <ErrorNotice error={error} doing="The events could not be read" onRetry={again} />}
      <Older reference={reference} journal={journal} held={held} />
    </section>
  );
}

function TimelineRow({ event, journal }: { readonly event: ResourceEvent; readonly journal: string }) {
  const { id, occurredAt, severity, type, actor, message } = event;
  return (
    <li>
      <time dateTime={occurredAt} title={`${occurredAt} (UTC)`}>
        {formatShort(occurredAt, Date.parse(occurredAt))}
      </time>
      <SeverityMark severity={severity} />
      <Link className="timeline-message" href={`/event/${id}`}>
        <Text of={message} most={300} />
      </Link>
      <span className="timeline-of hint">
        <TypeLink type={type.name} journal={journal} />
        {actor !== null && (
          <>
            {' by '}
            <ActorLink actor={actor} journal={journal} />
          </>
        )}
      </span>
    </li>
  );
}

function Older({ reference, journal, held: { list, isReadingOlder, showOlder } }: TimelineProps) {
  const pathTo = useStreamPath(journal);
  if (list === null || (!holdsMore(list) && list.olderCursor === null)) return null;
  if (list.shown >= MOST_HELD) {
    return (
      <p className="hint">
        This list holds {MOST_HELD.toLocaleString()} events.{' '}
        <Link href={pathTo(fieldChip('resource', reference))}>The stream shows what is older.</Link>
      </p>
    );
  }
  return (
    <p>
      <button type="button" onClick={showOlder} disabled={isReadingOlder}>
        {isReadingOlder ? 'Reading…' : 'Show older'}
      </button>
    </p>
  );
}
