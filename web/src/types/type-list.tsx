/** The event types, one row each. */
import { memo } from 'react';
import { fieldChip } from '../filter/chip.ts';
import { useStreamPath } from '../filter/links.tsx';
import { CategoryMark, SeverityMark } from '../ui/marks.tsx';
import { Text } from '../ui/text.tsx';
import { mostOf } from './arrange.ts';
import { CountCell } from './count.tsx';
import type { CountOf } from './count-of.ts';
import { DeclaredRow } from './declared-row.tsx';
import type { Attribute, EventType } from './registry.ts';

interface TypeListProps {
  readonly types: readonly EventType[];
  readonly attributes: ReadonlyMap<string, Attribute>;
  readonly countOf: CountOf;
  /** Null for who may not. */
  readonly onEdit: ((type: EventType) => void) | null;
}

export const TypeList = memo(function TypeList({ types, attributes, countOf, onEdit }: TypeListProps) {
  const pathTo = useStreamPath();
  const most = mostOf(types, countOf);
  return (
    <ul className="declared-list">
      {types.map((type) => (
        <DeclaredRow
          key={type.name}
          name={type.name}
          description={type.description}
          marks={
            <>
              <CategoryMark category={type.category} />
              <SeverityMark severity={type.severity} word />
              {!type.enabled && <span className="mark off">disabled</span>}
            </>
          }
          count={
            <CountCell
              count={countOf(type.name)}
              most={most}
              what={`of type ${type.name}`}
              path={pathTo(fieldChip('type', type.name))}
            />
          }
        >
          {() => (
            <>
              <TypeDetails type={type} attributes={attributes} isUnused={countOf(type.name) === 0} />
              {onEdit !== null && (
                <button type="button" onClick={() => onEdit(type)}>
                  Edit
                </button>
              )}
            </>
          )}
        </DeclaredRow>
      ))}
    </ul>
  );
});

interface TypeDetailsProps {
  readonly type: EventType;
  readonly attributes: ReadonlyMap<string, Attribute>;
  readonly isUnused: boolean;
}

function TypeDetails({ type, attributes, isUnused }: TypeDetailsProps) {
  return (
    <>
      {!type.enabled && <p className="hint">Its events are accepted and not kept.</p>}
      {isUnused && <p className="hint">No event of this type that you may see.</p>}
      {type.messageTemplate !== null && (
        <p>
          Message:{' '}
          <span className="mono">
            <Text of={type.messageTemplate} />
          </span>
        </p>
      )}
      {type.attributes.length === 0 && <p className="hint">Its events have no attributes.</p>}
      {type.attributes.length > 0 && (
        <ul className="type-attributes">
          {type.attributes.map(({ attribute: { name }, required }) => {
            const declared = attributes.get(name);
            return (
              <li key={name}>
                <span className="mono">
                  <Text of={name} />
                </span>
                {declared !== undefined && <span className="hint">{declared.kind}</span>}
                {required && <span className="mark">required</span>}
                {declared?.private && <span className="mark">private</span>}
                {declared?.description != null && (
                  <span className="hint">
                    <Text of={declared.description} most={200} />
                  </span>
                )}
              </li>
            );
          })}
        </ul>
      )}
    </>
  );
}
