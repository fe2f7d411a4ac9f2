/** The values that most events have, each with a bar and a way to them. */
import { Link } from 'wouter';
import { Text } from '../ui/text.tsx';

export interface FacetListProps {
  /** By which the address of the page leads to it. */
  readonly id?: string | undefined;
  readonly name: string;
  readonly hint?: string | undefined;
  readonly facet: {
    readonly values: readonly { readonly value: string; readonly count: number }[];
    readonly distinctCount: number;
  };
  readonly pathOf: (value: string) => string;
}

export function FacetList({ id, name, hint, facet, pathOf }: FacetListProps) {
  const { values, distinctCount } = facet;
  const most = Math.max(1, ...values.map(({ count }) => count));
  return (
    <section className="facet">
      <h2 id={id}>
        {name} {hint !== undefined && <span className="hint">{hint}</span>}
      </h2>
      {values.length === 0 ? (
        <p className="hint">None.</p>
      ) : (
        <ol>
          {values.map(({ value, count }) => (
            <li key={value}>
              <Link href={pathOf(value)}>
                <span className="facet-bar" style={{ width: `${(count / most) * 100}%` }} />
                <span className="facet-value">
                  <Text of={value} most={80} />
                </span>
                <span className="facet-count">{count.toLocaleString()}</span>
              </Link>
            </li>
          ))}
        </ol>
      )}
      {distinctCount > values.length && (
        <p className="hint">and {(distinctCount - values.length).toLocaleString()} more</p>
      )}
    </section>
  );
}
