/** Who has which right on the resource, and a way to change it for who may. */
import { type RefObject, useState } from 'react';
import { DATA, type Level, PRIVATE, RIGHTS } from '../../../src/access/acl.ts';
import { isAdmin, useViewer } from '../session/viewer.ts';
import { Text } from '../ui/text.tsx';
import { has, implied, sightOf } from './acl-edit.ts';
import { AclEditor } from './acl-editor.tsx';
import type { AclLists, Resource } from './resource.ts';
import { RightHead } from './right.tsx';
import { useFocusBack } from './use-focus-back.ts';

export function AclPanel({ resource }: { readonly resource: Resource }) {
  const viewer = useViewer();
  const [isEditing, setEditing] = useState(false);
  // Where there is one column, the timeline stands below: it is not to be far away.
  const [isOpen, setOpen] = useState(() => matchMedia('(min-width: 64rem)').matches);
  const editButton = useFocusBack<HTMLButtonElement>(isEditing);
  const { ref, acl } = resource;
  const mayEdit = acl !== null && viewer !== null && (isAdmin(viewer) || has(viewer.claims, acl, 'editAcl'));

  return (
    <details className="acl" open={isOpen} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        <h2>Rights</h2>
      </summary>
      {acl === null && <p className="hint">You may not see who has rights on it: it takes viewAcl.</p>}
      {acl !== null && isEditing && viewer !== null && (
        <AclEditor reference={ref} acl={acl} viewer={viewer} onClose={() => setEditing(false)} />
      )}
      {acl !== null && !isEditing && (
        <AclTable acl={acl} editButton={editButton} onEdit={mayEdit ? () => setEditing(true) : null} />
      )}
    </details>
  );
}

interface AclTableProps {
  readonly acl: AclLists;
  readonly editButton: RefObject<HTMLButtonElement | null>;
  /** Null for who may not. */
  readonly onEdit: (() => void) | null;
}

function AclTable({ acl, editButton, onEdit }: AclTableProps) {
  const [withImplied, setWithImplied] = useState(false);
  return (
    <>
      <p className="form-end">
        {onEdit !== null && (
          <button ref={editButton} type="button" onClick={onEdit}>
            Edit
          </button>
        )}
        <button type="button" aria-pressed={withImplied} onClick={() => setWithImplied(!withImplied)}>
          Show rights that come with others
        </button>
      </p>
      <table className="rights">
        <thead>
          <tr>
            <th scope="col">Right</th>
            <th scope="col">Who has it</th>
          </tr>
        </thead>
        <tbody>
          {RIGHTS.map((right) => {
            const through = withImplied ? implied(acl, right) : [];
            return (
              <tr key={right}>
                <RightHead right={right} />
                <td>
                  {acl[right].length === 0 && through.length === 0 && <span className="hint">nobody</span>}
                  <ul className="claims">
                    {acl[right].map((claim) => (
                      <li key={claim} className="claim">
                        <Text of={claim} most={80} />
                      </li>
                    ))}
                    {through.map(({ claim, through: by }) => (
                      <li key={claim} className="claim implied">
                        <Text of={claim} most={80} /> <span className="hint">through {by}</span>
                      </li>
                    ))}
                  </ul>
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
      <InTheEnd acl={acl} />
      <p className="hint">Besides, group/admin sees and does everything.</p>
    </>
  );
}

function InTheEnd({ acl }: { readonly acl: AclLists }) {
  const sights = sightOf(acl);
  return (
    <details className="sights-fold">
      <summary>Who can see it in the end ({sights.length})</summary>
      <ul className="sights">
        {sights.map(({ claim, level, seesAcl }) => (
          <li key={claim}>
            <span className="claim">
              <Text of={claim} most={80} />
            </span>{' '}
            {sayLevel(level)}
            {seesAcl && ', and these rights'}
          </li>
        ))}
      </ul>
      {sights.length === 0 && <p className="hint">Nobody but group/admin.</p>}
    </details>
  );
}

function sayLevel(level: Level): string {
  if (level === PRIVATE) return 'all of its events, private parts too';
  return level === DATA ? 'its events with attributes and payload' : 'the envelope of its events';
}
