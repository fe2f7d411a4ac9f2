/** The envelope of an event: who, what, when, and what it is part of. */
import type { ReactNode } from 'react';
import { Link } from 'wouter';
import { fieldChip } from '../filter/chip.ts';
import { ActorLink, ResourceLink, TypeLink, useStreamPath } from '../filter/links.tsx';
import { CopyButton } from '../ui/copy.tsx';
import { CategoryMark, SeverityMark } from '../ui/marks.tsx';
import { shown, Text } from '../ui/text.tsx';
import { formatDuration, Time } from '../ui/time.tsx';
import type { PanelEvent } from './panel-event.ts';
import { lagOf } from './parts.ts';

export function EventFacts({ event }: { readonly event: PanelEvent }) {
  const {
    journal,
    type,
    resource,
    actor,
    activeClaim,
    sessionId,
    correlationId,
    parent,
    parentHidden,
    children,
  } = event;
  const pathTo = useStreamPath(journal);
  const lagMs = lagOf(event);
  return (
    <dl className="event-facts">
      <Fact name="Type">
        <span title={type.description === null ? undefined : shown(type.description)}>
          <TypeLink type={type.name} journal={journal} />
        </span>{' '}
        <CategoryMark category={event.category} /> <SeverityMark severity={event.severity} word />
      </Fact>
      {resource !== null && (
        <Fact name="Resource">
          <ResourceLink reference={resource.ref} journal={journal} />
          {resource.name !== null && (
            <>
              {' '}
              <Text of={resource.name} most={200} />
            </>
          )}
        </Fact>
      )}
      {actor !== null && (
        <Fact name="Actor">
          <ActorLink actor={actor} journal={journal} />
          {activeClaim !== null && (
            <>
              {' '}
              acting as <Text of={activeClaim} most={80} />
            </>
          )}
          {event.visibleToActor && (
            <span className="hint"> who sees it whatever the resource’s rights say</span>
          )}
        </Fact>
      )}
      <Fact name="Occurred">
        <Time at={event.occurredAt} full />
      </Fact>
      <Fact name="Recorded">
        <Time at={event.recordedAt} full />
        {lagMs !== null && <span className="hint"> {formatDuration(lagMs)} later</span>}
        {event.recordedBy !== actor && (
          <>
            {' '}
            by <Text of={event.recordedBy} most={80} />
          </>
        )}
      </Fact>
      {sessionId !== null && (
        <Fact name="Session">
          <Link href={pathTo(fieldChip('session', sessionId))} className="ref mono">
            <Text of={sessionId} most={80} />
          </Link>
        </Fact>
      )}
      {correlationId !== null && (
        <Fact name="Correlation">
          <Link href={pathTo(fieldChip('correlation', correlationId))} className="ref mono">
            <Text of={correlationId} most={80} />
          </Link>
        </Fact>
      )}
      {(parent !== null || parentHidden) && (
        <Fact name="Part of">
          {parent === null ? (
            <span className="hint">an event that is hidden from you</span>
          ) : (
            <Link href={`/event/${encodeURIComponent(parent.id)}`} className="ref">
              <Text of={parent.message} most={120} />
            </Link>
          )}
        </Fact>
      )}
      <Fact name="Below it">{children.totalCount === 0 ? 'nothing' : counted(children.totalCount)}</Fact>
      <Fact name="Journal">
        <Text of={journal} most={80} />
      </Fact>
      <Fact name="Id">
        <span className="mono">{event.id}</span> <CopyButton text={event.id} what="the id" />
      </Fact>
    </dl>
  );
}

function Fact({ name, children }: { readonly name: string; readonly children: ReactNode }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function counted(children: number): string {
  return `${children.toLocaleString()} event${children === 1 ? '' : 's'} directly part of it`;
}
