/** The attributes of an event, and what of them stands out: a failure first, then a change, then all others. */
import { Link } from 'wouter';
import { attributeChip } from '../filter/chip.ts';
import type { AttributeKind } from '../filter/event-filter.ts';
import { ResourceLink, useStreamPath } from '../filter/links.tsx';
import { type Registry, useRegistry } from '../filter/registry.ts';
import { shown, Text } from '../ui/text.tsx';
import { formatFull } from '../ui/time.tsx';
import { isHolder } from './json-steps.ts';
import { JsonTree, LongText } from './json-tree.tsx';
import { type FailureTold, type Parts, partsOf } from './parts.ts';

export interface AttributesProps {
  readonly journal: string;
  readonly attributes: Readonly<Record<string, unknown>>;
  /** The event is one by failure.ts: a stack alone makes it none. */
  readonly hasFailed: boolean;
}

export function Attributes({ journal, attributes, hasFailed }: AttributesProps) {
  const registry = useRegistry();
  const declared = new Map(registry?.attributes.map((attribute) => [attribute.name, attribute]));
  const { change, failure, rest } = partsOf(attributes);
  return (
    <>
      {failure !== null && <FailureNote failure={failure} hasFailed={hasFailed} journal={journal} />}
      {change !== null && <Change change={change} />}
      {rest.length > 0 && (
        <section>
          <h3>Attributes</h3>
          <table className="attributes">
            <thead className="hidden-text">
              <tr>
                <th scope="col">Name</th>
                <th scope="col">Value</th>
              </tr>
            </thead>
            <tbody>
              {rest.map(([name, value]) => (
                <tr key={name}>
                  <th scope="row" title={titleOf(declared.get(name))}>
                    <Text of={name} most={80} />
                  </th>
                  <td className={typeof value === 'number' ? 'numeric' : undefined}>
                    <Value name={name} value={value} kind={declared.get(name)?.kind} journal={journal} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      )}
    </>
  );
}

function titleOf(declared: Registry['attributes'][number] | undefined): string | undefined {
  if (declared === undefined) return undefined;
  const { kind, description } = declared;
  return description === null ? kind : `${shown(description)} (${kind})`;
}

interface ValueProps {
  readonly name: string;
  readonly value: unknown;
  readonly kind: AttributeKind | undefined;
  readonly journal: string;
}

/** No condition of a filter is longer than an attribute that the index knows. */
const MOST_FILTERED = 255;

function Value({ name, value, kind, journal }: ValueProps) {
  const pathTo = useStreamPath(journal);
  if (isHolder(value)) return <JsonTree value={value} />;
  const text = String(value);
  if (kind === 'JSON' || value === null || text.length > MOST_FILTERED) return <LongText text={text} />;
  const chip = attributeChip(name, text);
  return (
    <>
      <Link href={pathTo(chip)} className="ref" title={`Filter by ${shown(name)}: ${shown(text)}`}>
        {kind === 'DATETIME' && !Number.isNaN(Date.parse(text)) ? formatFull(text) : <Text of={text} />}
      </Link>
      {kind === 'RESOURCE' && (
        <>
          {' '}
          (<ResourceLink reference={text} most={40} journal={journal} />)
        </>
      )}
    </>
  );
}

interface FailureNoteProps {
  readonly failure: FailureTold;
  readonly hasFailed: boolean;
  readonly journal: string;
}

function FailureNote({ failure, hasFailed, journal }: FailureNoteProps) {
  const { error, said, where, stack } = failure;
  return (
    <section className={hasFailed ? 'event-failure' : undefined}>
      {hasFailed ? (
        <h3>
          <span aria-hidden="true">✗ </span>Failed
          {error !== null && !isHolder(error) && (
            <>
              : <Value name="error" value={error} kind="STRING" journal={journal} />
            </>
          )}
        </h3>
      ) : (
        <h3>Where it came from</h3>
      )}
      {isHolder(error) && <JsonTree value={error} />}
      {said != null && (isHolder(said) ? <JsonTree value={said} /> : <LongText text={String(said)} />)}
      {where !== null && (
        <p>
          at{' '}
          <span className="mono">
            <Value name="where" value={where} kind="STRING" journal={journal} />
          </span>
        </p>
      )}
      {stack !== null && (
        <details open>
          <summary>Stack</summary>
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls is reached by the keyboard. */}
          <pre tabIndex={0}>{shown(stack)}</pre>
        </details>
      )}
    </section>
  );
}

function Change({ change }: { readonly change: NonNullable<Parts['change']> }) {
  return (
    <section>
      <h3>
        Changed
        {change.of !== null && (
          <>
            : <Text of={change.of} most={80} />
          </>
        )}
      </h3>
      <dl className="event-change">
        <div className="before">
          <dt>Before</dt>
          <dd>
            <Side value={change.old} />
          </dd>
        </div>
        <div className="after">
          <dt>After</dt>
          <dd>
            <Side value={change.new} />
          </dd>
        </div>
      </dl>
    </section>
  );
}

function Side({ value }: { readonly value: unknown }) {
  if (value === undefined || value === null) return <span className="hint">nothing</span>;
  if (isHolder(value)) return <JsonTree value={value} />;
  return <LongText text={String(value)} />;
}
