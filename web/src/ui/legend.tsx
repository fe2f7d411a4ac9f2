/** What the colours of a chart stand for. */
import { Link } from 'wouter';
import './legend.css';

export interface LegendItem {
  readonly name: string;
  /** A CSS variable. */
  readonly color: string;
  readonly count: number;
  /** Where a click on it leads. */
  readonly to?: string;
}

export function Legend({ items }: { readonly items: readonly LegendItem[] }) {
  return (
    <ul className="legend">
      {items.map((item) => (
        <li key={item.name}>
          {item.to === undefined ? (
            <Entry item={item} />
          ) : (
            <Link href={item.to}>
              <Entry item={item} />
            </Link>
          )}
        </li>
      ))}
    </ul>
  );
}

function Entry({ item: { name, color, count } }: { readonly item: LegendItem }) {
  return (
    <>
      <span className="swatch" aria-hidden="true" style={{ background: `var(${color})` }} />
      {name} <span className="hint">{count.toLocaleString()}</span>
    </>
  );
}
