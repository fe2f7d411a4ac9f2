/** One right while it is changed: who has it, each removable, and a line to name somebody else. */
import { type KeyboardEvent, useId } from 'react';
import type { Right } from '../../../src/access/acl.ts';
import { shown, Text } from '../ui/text.tsx';
import { claimFault } from './acl-edit.ts';
import { RightHead } from './right.tsx';

interface EditedRightProps {
  readonly right: Right;
  readonly before: readonly string[];
  readonly after: readonly string[];
  readonly typed: string;
  /** The viewer may change the others and not this one. */
  readonly isFixed: boolean;
  readonly onType: (text: string) => void;
  readonly onEdit: (claim: string, isGiven: boolean) => void;
}

export function EditedRight({ right, before, after, typed, isFixed, onType, onEdit }: EditedRightProps) {
  const id = useId();
  const claim = typed.trim();
  const fault = claim === '' ? null : claimFault(claim);

  function add(): void {
    if (claim === '' || fault !== null) return;
    onEdit(claim, true);
    onType('');
  }

  function press(event: KeyboardEvent): void {
    if (event.key !== 'Enter') return;
    event.preventDefault();
    add();
  }

  return (
    <tr>
      <RightHead right={right} />
      <td>
        <ul className="claims">
          {after.map((held) => (
            <li key={held} className={before.includes(held) ? 'claim' : 'claim added'}>
              <Text of={held} most={80} />
              {!isFixed && (
                <button
                  type="button"
                  className="quiet icon"
                  onClick={() => onEdit(held, false)}
                  aria-label={`Take ${right} from ${shown(held)}`}
                >
                  ✕
                </button>
              )}
            </li>
          ))}
        </ul>
        {isFixed ? (
          <p className="hint">Only owners name other owners.</p>
        ) : (
          <div className="add-claim">
            <input
              value={typed}
              onChange={(event) => onType(event.target.value)}
              onKeyDown={press}
              placeholder="user/… or group/…"
              aria-label={`Give ${right} to`}
              aria-invalid={fault !== null}
              aria-describedby={fault === null ? undefined : id}
              autoComplete="off"
              autoCapitalize="none"
              spellCheck={false}
            />
            <button
              type="button"
              onClick={add}
              disabled={claim === '' || fault !== null}
              aria-label={claim === '' ? `Add to ${right}` : `Add ${shown(claim)} to ${right}`}
            >
              Add
            </button>
          </div>
        )}
        {fault !== null && (
          <p className="fault" id={id} role="status">
            {fault}
          </p>
        )}
      </td>
    </tr>
  );
}
