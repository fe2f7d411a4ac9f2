/** A row of either list: what it is in a line, and all of it when it is opened. */
import { type ReactNode, useId, useState } from 'react';
import { Text } from '../ui/text.tsx';

interface DeclaredRowProps {
  readonly name: string;
  readonly description: string | null;
  readonly marks: ReactNode;
  readonly count: ReactNode;
  readonly children: () => ReactNode;
}

/** @param children made only when the row is open: there are hundreds. */
export function DeclaredRow({ name, description, marks, count, children }: DeclaredRowProps) {
  const [isOpen, setOpen] = useState(false);
  const id = useId();
  return (
    <li className="declared">
      <div className="declared-line">
        <div>
          <button
            type="button"
            className="quiet declared-name"
            aria-expanded={isOpen}
            aria-controls={isOpen ? id : undefined}
            onClick={() => setOpen(!isOpen)}
          >
            <span aria-hidden="true">{isOpen ? '▾' : '▸'}</span>
            <Text of={name} most={130} />
          </button>
          <span className="declared-marks">{marks}</span>
          {description !== null && !isOpen && (
            <p className="hint declared-text">
              <Text of={description} most={160} />
            </p>
          )}
        </div>
        {count}
      </div>
      {isOpen && (
        <div className="declared-all" id={id}>
          {description !== null && (
            <p>
              <Text of={description} />
            </p>
          )}
          {children()}
        </div>
      )}
    </li>
  );
}
