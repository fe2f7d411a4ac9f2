/** One event as a page, to be linked to. */
import { useQuery } from 'urql';
import { shown } from '../ui/text.tsx';
import { useTitle } from '../ui/title.ts';
import { EventPanel } from './event-panel.tsx';
import { PANEL } from './panel-event.ts';

export function EventPage({ id }: { readonly id: string }) {
  // The panel asks the same: one answer is for both.
  const [{ data }] = useQuery({ query: PANEL, variables: { id }, requestPolicy: 'cache-first' });
  useTitle(shown(data?.event?.message ?? 'Event').slice(0, 80));
  return (
    <div className="page event-page">
      <h1 className="hidden-text">Event</h1>
      <EventPanel id={id} />
    </div>
  );
}
