/**
 * The ACL while somebody changes it: chips to remove, a line to add to each right, and what all of it comes to, said
 * before it is saved. A change that somebody else saves meanwhile shows up under the edits, which stay.
 */
import { useEffect, useRef, useState } from 'react';
import { useMutation } from 'urql';
import { RIGHTS, type Right } from '../../../src/access/acl.ts';
import { errorText } from '../api/error-text.ts';
import { isAdmin, type Viewer } from '../session/viewer.ts';
import { shown } from '../ui/text.tsx';
import { applied, type Edit, effective, has, lost, withEdit } from './acl-edit.ts';
import { EditedRight } from './edited-right.tsx';
import { type AclLists, SET_ACL } from './resource.ts';

interface AclEditorProps {
  readonly reference: string;
  readonly acl: AclLists;
  readonly viewer: Viewer;
  readonly onClose: () => void;
}

export function AclEditor({ reference, acl, viewer, onClose }: AclEditorProps) {
  const [edits, setEdits] = useState<readonly Edit[]>([]);
  const [typed, setTyped] = useState<Partial<Record<Right, string>>>({});
  const [{ fetching, error }, setAcl] = useMutation(SET_ACL);

  const editor = useRef<HTMLDivElement>(null);
  useEffect(() => {
    // Not a button before it, which takes a right away: who holds Enter down would press it.
    editor.current?.querySelector('input')?.focus();
  }, []);

  const changes = effective(acl, edits);
  const draft = applied(acl, edits);
  const admin = isAdmin(viewer);
  const losing = admin ? [] : lost(viewer.claims, acl, draft);
  const unfinished = RIGHTS.filter((right) => (typed[right] ?? '').trim() !== '');

  async function save(): Promise<void> {
    const { error: refusal } = await setAcl({ ref: reference, acl: draft });
    if (refusal === undefined) onClose();
  }

  return (
    <div ref={editor} className="acl-editor">
      <table className="rights">
        <thead>
          <tr>
            <th scope="col">Right</th>
            <th scope="col">Who has it</th>
          </tr>
        </thead>
        <tbody>
          {RIGHTS.map((right) => (
            <EditedRight
              key={right}
              right={right}
              before={acl[right]}
              after={draft[right]}
              typed={typed[right] ?? ''}
              isFixed={right === 'owners' && !admin && !has(viewer.claims, acl, 'owners')}
              onType={(text) => setTyped({ ...typed, [right]: text })}
              onEdit={(claim, isGiven) => setEdits(withEdit(edits, { right, claim, isGiven }))}
            />
          ))}
        </tbody>
      </table>
      <div className="acl-summary" aria-live="polite">
        {changes.length === 0 ? (
          <p className="hint">Nothing is changed yet.</p>
        ) : (
          <ul>
            {changes.map(({ right, claim, isGiven }) => (
              <li key={`${right} ${claim}`}>
                {shown(claim)} {isGiven ? 'gets' : 'loses'} {right}
              </li>
            ))}
          </ul>
        )}
        {losing.length > 0 && (
          <p className="warning">
            <strong>You would lose {losing.join(', ')} yourself.</strong>{' '}
            {losing.includes('editAcl') && 'You could not take this back: somebody else would have to.'}
          </p>
        )}
        {draft.owners.length === 0 && (
          <p className="warning">Nobody would own it: private parts would be seen by group/admin alone.</p>
        )}
        {unfinished.length > 0 && (
          <p className="fault">Add what you have typed for {unfinished.join(', ')}, or clear it.</p>
        )}
      </div>
      {error !== undefined && (
        <p className="fault" role="alert">
          {errorText(error).sentence}
        </p>
      )}
      <p className="form-end">
        <button
          type="button"
          className="primary"
          disabled={fetching || changes.length === 0 || unfinished.length > 0}
          onClick={() => void save()}
        >
          {fetching ? 'Saving…' : 'Save'}
        </button>
        <button type="button" onClick={onClose} disabled={fetching}>
          Cancel
        </button>
      </p>
    </div>
  );
}
