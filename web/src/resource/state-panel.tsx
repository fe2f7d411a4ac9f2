/** The latest state, as the newest events tell it: values, states, and whether the resource is gone. */
import { useMemo } from 'react';
import { Link } from 'wouter';
import { ActorLink, TypeLink } from '../filter/links.tsx';
import { Text } from '../ui/text.tsx';
import { Ago, useNow } from './ago.tsx';
import type { EventList, ResourceEvent } from './event-list.ts';
import { type LatestValue, latestState, printValue } from './latest-state.ts';
import { MOST_LOOKED_AT } from './use-resource-events.ts';

export function StatePanel({ list, journal }: { readonly list: EventList; readonly journal: string }) {
  const now = useNow(20_000);
  const { events, olderCursor } = list;
  const state = useMemo(() => latestState(events.slice(0, MOST_LOOKED_AT)), [events]);
  const isPartial = events.length > MOST_LOOKED_AT || olderCursor !== null;
  const { values, states, destroyed, isEnvelopeOnly } = state;
  const isUnknown = values.length === 0 && states.length === 0;

  return (
    <section className="state" aria-labelledby="state">
      <h2 id="state">Latest state</h2>
      {destroyed !== null && (
        <p className="state-gone">
          Destroyed <By event={destroyed} now={now} journal={journal} />: what follows held until then.
        </p>
      )}
      {isEnvelopeOnly && (
        <p className="hint">You see the envelope of its events only: values take the right viewData.</p>
      )}
      {isUnknown && !isEnvelopeOnly && (
        <p className="hint">None of its events tells of a value or a state.</p>
      )}
      {!isUnknown && (
        <dl>
          {values.map((value) => (
            <ValueRow key={`value ${value.name}`} value={value} now={now} journal={journal} />
          ))}
          {states.map((event) => (
            <div key={`state ${event.type.name}`}>
              <dt>
                <TypeLink type={event.type.name} journal={journal} />
              </dt>
              <dd>
                <Text of={event.message} most={200} /> <By event={event} now={now} journal={journal} />
              </dd>
            </div>
          ))}
        </dl>
      )}
      {isPartial && (
        <p className="hint">
          From its newest {MOST_LOOKED_AT} events; there are more, which may tell of further values.
        </p>
      )}
    </section>
  );
}

function ValueRow({
  value: { name, value, by, ...told },
  now,
  journal,
}: {
  readonly value: LatestValue;
  readonly now: number;
  readonly journal: string;
}) {
  return (
    <div>
      <dt>
        <Text of={name} most={80} />
      </dt>
      <dd>
        {'old' in told && (
          <>
            <span className="state-old">
              <Text of={printValue(told.old)} most={120} />
            </span>
            {' → '}
          </>
        )}
        <strong>
          <Text of={printValue(value)} most={300} />
        </strong>{' '}
        <By event={by} now={now} journal={journal} />
      </dd>
    </div>
  );
}

interface ByProps {
  readonly event: ResourceEvent;
  readonly now: number;
  readonly journal: string;
}

function By({ event, now, journal }: ByProps) {
  return (
    <span className="hint">
      <Link href={`/event/${event.id}`} className="ref">
        <Ago at={event.occurredAt} now={now} />
      </Link>
      {event.actor !== null && (
        <>
          {', by '}
          <ActorLink actor={event.actor} journal={journal} />
        </>
      )}
    </span>
  );
}
