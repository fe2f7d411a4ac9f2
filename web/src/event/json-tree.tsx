/**
 * JSON to look into. What is folded is not there yet, so that a large value costs nothing before somebody looks at
 * it. It comes from anybody: it is shown as text, never as links or markup.
 */
import { useState } from 'react';
import { CopyButton } from '../ui/copy.tsx';
import { shown } from '../ui/text.tsx';
import {
  type Holder,
  isHolder,
  isList,
  isOpenAtFirst,
  LONG_CHARS,
  membersOf,
  STEP,
  sizeOf,
  summaryOf,
} from './json-steps.ts';

/** @param what by which the button to copy it is known, e.g. "payload"; left out, there is none. */
export function JsonTree({ value, what }: { readonly value: unknown; readonly what?: string }) {
  return (
    <div className="json">
      {isHolder(value) && sizeOf(value) > 0 ? <Members value={value} depth={0} /> : <Leaf value={value} />}
      {what !== undefined && <CopyButton text={JSON.stringify(value, null, 2)} what={what} />}
    </div>
  );
}

function Members({ value, depth }: { readonly value: Holder; readonly depth: number }) {
  const [count, setCount] = useState(STEP);
  const size = sizeOf(value);
  const left = size - count;
  return (
    <ul>
      {membersOf(value, count).map(([name, member]) => (
        <li key={name}>
          <Member name={shown(name)} isPlace={isList(value)} value={member} depth={depth + 1} />
        </li>
      ))}
      {left > 0 && (
        <li>
          <button type="button" className="quiet" onClick={() => setCount(count + STEP)}>
            Show {Math.min(STEP, left)} more of {size.toLocaleString()}
          </button>
        </li>
      )}
    </ul>
  );
}

interface MemberProps {
  readonly name: string;
  readonly isPlace: boolean;
  readonly value: unknown;
  readonly depth: number;
}

function Member({ name, isPlace, value, depth }: MemberProps) {
  const label = <bdi className={isPlace ? 'json-place' : 'json-name'}>{name}</bdi>;
  if (!isHolder(value) || sizeOf(value) === 0) {
    return (
      <div className="json-leaf">
        {label}: <Leaf value={value} />
      </div>
    );
  }
  return <Branch label={label} value={value} depth={depth} />;
}

function Branch({
  label,
  value,
  depth,
}: {
  readonly label: React.ReactNode;
  readonly value: Holder;
  readonly depth: number;
}) {
  const [isOpen, setOpen] = useState(() => isOpenAtFirst(value, depth));
  return (
    <details open={isOpen} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        {label}:{' '}
        <span className="json-summary">{isOpen ? (isList(value) ? '[' : '{') : shown(summaryOf(value))}</span>
      </summary>
      {isOpen && <Members value={value} depth={depth} />}
    </details>
  );
}

function Leaf({ value }: { readonly value: unknown }) {
  if (typeof value === 'string') {
    return (
      <span className="json-text">
        “<LongText text={value} />”
      </span>
    );
  }
  if (isHolder(value)) return <span className="json-word">{summaryOf(value)}</span>;
  return <span className={typeof value === 'number' ? 'json-number' : 'json-word'}>{String(value)}</span>;
}

/** Folded where it is long. */
export function LongText({ text }: { readonly text: string }) {
  const [isWhole, setWhole] = useState(false);
  if (text.length <= LONG_CHARS) return <bdi>{shown(text)}</bdi>;
  return (
    <>
      <bdi>{isWhole ? shown(text) : `${shown(text.slice(0, LONG_CHARS))}…`}</bdi>{' '}
      <button type="button" className="quiet" aria-expanded={isWhole} onClick={() => setWhole(!isWhole)}>
        {isWhole ? 'Show less' : `Show all ${text.length.toLocaleString()} characters`}
      </button>
    </>
  );
}
