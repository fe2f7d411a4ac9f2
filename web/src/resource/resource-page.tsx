/**
 * A thing that events are about: what happened with it, what state it is in by that, and who has which right on it.
 *
 * Each part shows what the viewer may see, for itself: there may be events of a resource that is not shown, such as
 * those that the viewer has caused.
 */
import { useState } from 'react';
import { useQuery } from 'urql';
import { Link, useSearch } from 'wouter';
import { errorText } from '../api/error-text.ts';
import { fieldChip } from '../filter/chip.ts';
import { useStreamPath } from '../filter/links.tsx';
import { readView } from '../filter/view.ts';
import { useApp } from '../session/app-context.ts';
import { isAdmin, useViewer, type Viewer } from '../session/viewer.ts';
import { CopyButton } from '../ui/copy.tsx';
import { ErrorNotice, Loading, Notice } from '../ui/notice.tsx';
import { Text } from '../ui/text.tsx';
import { useTitle } from '../ui/title.ts';
import { has } from './acl-edit.ts';
import { AclPanel } from './acl-panel.tsx';
import { RenameForm } from './rename.tsx';
import { RESOURCE, type Resource } from './resource.ts';
import { StatePanel } from './state-panel.tsx';
import { Timeline } from './timeline.tsx';
import { useFocusBack } from './use-focus-back.ts';
import { useResourceEvents } from './use-resource-events.ts';
import './resource.css';

/** Its events are those of one journal: what the address names, as `?journal=eu`, or the usual one. */
export function ResourcePage({ reference }: { readonly reference: string }) {
  const { config } = useApp();
  const { journal } = readView(useSearch(), config.journal);
  return <OneResource key={journal} reference={reference} journal={journal} />;
}

interface InJournal {
  readonly reference: string;
  readonly journal: string;
}

function OneResource({ reference, journal }: InJournal) {
  const [{ data, error }, read] = useQuery({
    query: RESOURCE,
    variables: { ref: reference },
    // Rights may have changed since it was read last.
    requestPolicy: 'network-only',
  });
  const readAgain = () => read({ requestPolicy: 'network-only' });
  const held = useResourceEvents(reference, journal, readAgain);
  // Where it cannot be read anew, what somebody is typing stands on what was read before.
  const [known, setKnown] = useState(data);
  if (data !== undefined && data !== known) setKnown(data);
  const resource = known?.resource ?? null;
  useTitle(resource?.name ?? reference);

  const head = <Head reference={reference} journal={journal} resource={resource} />;
  if (error !== undefined && known === undefined) {
    return (
      <article className="page resource">
        {head}
        <ErrorNotice
          error={error}
          doing="The resource could not be read"
          onRetry={() => {
            readAgain();
            held.again();
          }}
        />
      </article>
    );
  }
  if (known === undefined || (resource === null && held.list === null && held.error === null)) {
    return (
      <article className="page resource">
        {head}
        <Loading what="Reading the resource" />
      </article>
    );
  }
  if (resource === null && held.list?.events.length === 0) {
    return (
      <article className="page resource">
        {head}
        <Notice title="There is no such resource, or you may not see it">
          <p>No event about it may be seen by you either. It appears with the first event that names it.</p>
        </Notice>
      </article>
    );
  }
  return (
    <article className="page resource">
      {head}
      {resource === null && (
        <p className="hint">
          The resource itself is gone, or not for you to see. What you see below is what you may see of its
          events.
        </p>
      )}
      {error !== undefined && (
        <p className="fault" role="alert">
          The resource could not be read anew: {errorText(error).sentence}{' '}
          <button type="button" className="quiet" onClick={readAgain}>
            Try again
          </button>
        </p>
      )}
      <div className="resource-parts">
        <div className="resource-side">
          {held.list !== null && <StatePanel list={held.list} journal={journal} />}
          {resource !== null && <AclPanel resource={resource} />}
        </div>
        <Timeline reference={reference} journal={journal} held={held} />
      </div>
    </article>
  );
}

function Head({ reference, journal, resource }: InJournal & { readonly resource: Resource | null }) {
  const viewer = useViewer();
  const pathTo = useStreamPath(journal);
  const [isRenaming, setRenaming] = useState(false);
  const renameButton = useFocusBack<HTMLButtonElement>(isRenaming);
  const name = resource?.name ?? null;

  return (
    <header className="resource-head">
      {isRenaming && resource !== null ? (
        <RenameForm resource={resource} onClose={() => setRenaming(false)} />
      ) : (
        <h1>
          <Text of={name ?? reference} most={500} />
        </h1>
      )}
      <p>
        {name !== null && (
          <span className="mono">
            <Text of={reference} most={500} />
          </span>
        )}
        <CopyButton text={reference} what="the reference" />
        {resource !== null && !isRenaming && mayRename(viewer, resource) && (
          <button ref={renameButton} type="button" className="quiet" onClick={() => setRenaming(true)}>
            {name === null ? 'Give it a name' : 'Rename'}
          </button>
        )}
        <Link href={pathTo(fieldChip('resource', reference))} className="quiet">
          Show in the stream
        </Link>
      </p>
    </header>
  );
}

/** Who does not see the ACL may hold the right all the same: the server then says. */
function mayRename(viewer: Viewer | null, { acl }: Resource): boolean {
  if (viewer === null) return false;
  if (acl === null) return viewer.subject !== 'group/anonymous';
  return isAdmin(viewer) || has(viewer.claims, acl, 'editMeta');
}
