/** Small signs that stand for a word: severity, category. Never by colour alone. */
import type { Category, Severity } from '../../../src/client/index.ts';
import './marks.css';

const SIGN: Readonly<Record<Severity, string>> = { LOW: '·', MEDIUM: '●', HIGH: '▲', CRITICAL: '◆' };

export function SeverityMark({
  severity,
  word = false,
}: {
  readonly severity: Severity;
  readonly word?: boolean;
}) {
  return (
    <span className={`severity ${severity.toLowerCase()}`} title={severity}>
      <span aria-hidden="true">{SIGN[severity]}</span>
      <span className={word ? undefined : 'hidden-text'}>{severity}</span>
    </span>
  );
}

export function CategoryMark({ category }: { readonly category: Category }) {
  return <span className="category">{category}</span>;
}
