/** What an event tells beside its envelope; or that it is not for the viewer, and what that would take. */

import { Text } from '../ui/text.tsx';
import { Attributes } from './attributes.tsx';
import { failureOf } from './failure.ts';
import { JsonTree } from './json-tree.tsx';
import type { PanelEvent } from './panel-event.ts';

export function EventContents({ event }: { readonly event: PanelEvent }) {
  const { type, severity, attributes, payload, privatePayload, resource, visibility } = event;
  const ref = resource === null ? 'its resource' : <Text of={resource.ref} most={120} />;
  if (attributes === null) {
    return (
      <p className="event-hidden">
        Attributes and payload are not shown to you: it takes <code>viewData</code> on {ref}.
      </p>
    );
  }
  const hasFailed = failureOf({ type, severity, error: attributes.error }) !== null;
  return (
    <>
      <Attributes journal={event.journal} attributes={attributes} hasFailed={hasFailed} />
      {payload !== null && <Payload title="Payload" value={payload} />}
      {privatePayload !== null && (
        <Payload title="Private payload" value={privatePayload} note="Only owners see it." />
      )}
      {visibility === 'DATA' && (
        <p className="hint">There may be a private part too, which only owners of {ref} see.</p>
      )}
    </>
  );
}

function Payload({
  title,
  value,
  note,
}: {
  readonly title: string;
  readonly value: unknown;
  readonly note?: string;
}) {
  return (
    <details open className="event-payload">
      <summary>
        <h3>{title}</h3>
      </summary>
      {note !== undefined && <p className="hint">{note}</p>}
      <JsonTree value={value} what={title.toLowerCase()} />
    </details>
  );
}
