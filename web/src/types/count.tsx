/** How often something occurs: a number that leads to the events, and a bar beside the most frequent. */
import { Link } from 'wouter';
import type { Count } from './count-of.ts';

interface CountCellProps {
  readonly count: Count;
  readonly most: number;
  /** What is counted, for who does not see the row: "of type note". */
  readonly what: string;
  readonly path: string;
}

export function CountCell({ count, most, what, path }: CountCellProps) {
  if (count === undefined) return <span className="count" />;
  if (count === null) return <span className="count hint">not counted: it is not indexed</span>;
  if (count === 0) return <span className="count hint">unused</span>;
  return (
    <span className="count">
      <Link href={path} aria-label={`${count.toLocaleString()} events ${what}: show them`}>
        {count.toLocaleString()}
      </Link>
      <span className="count-bar" aria-hidden="true">
        <span style={{ inlineSize: `${(100 * count) / most}%` }} />
      </span>
    </span>
  );
}
