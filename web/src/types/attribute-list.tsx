/** The attributes, one row each, with the types that have them. */
import { memo } from 'react';
import type { Chip } from '../filter/chip.ts';
import { TypeLink, useStreamPath } from '../filter/links.tsx';
import { mostOf } from './arrange.ts';
import { CountCell } from './count.tsx';
import type { CountOf } from './count-of.ts';
import { DeclaredRow } from './declared-row.tsx';
import type { Attribute } from './registry.ts';

interface AttributeListProps {
  readonly attributes: readonly Attribute[];
  /** Names of types, by that of an attribute. */
  readonly users: ReadonlyMap<string, readonly string[]>;
  readonly countOf: CountOf;
  /** Null for who may not. */
  readonly onEdit: ((attribute: Attribute) => void) | null;
}

export const AttributeList = memo(function AttributeList({
  attributes,
  users,
  countOf,
  onEdit,
}: AttributeListProps) {
  const pathTo = useStreamPath();
  const most = mostOf(attributes, countOf);
  return (
    <ul className="declared-list">
      {attributes.map((attribute) => {
        const { name, description, kind } = attribute;
        const types = users.get(name) ?? [];
        const isThere: Chip = { on: 'attribute', name, test: null, isNot: false };
        return (
          <DeclaredRow
            key={name}
            name={name}
            description={description}
            marks={
              <>
                <span className="mark">{kind}</span>
                {attribute.private && <span className="mark">private</span>}
                <span className="hint">
                  {types.length === 0
                    ? 'of no type'
                    : types.length === 1
                      ? 'of 1 type'
                      : `of ${types.length} types`}
                </span>
              </>
            }
            count={
              <CountCell count={countOf(name)} most={most} what={`with ${name}`} path={pathTo(isThere)} />
            }
          >
            {() => (
              <>
                <p className="hint">
                  {attribute.indexed
                    ? 'Indexed: filters by it are fast.'
                    : 'Not indexed: filters by it read each event.'}{' '}
                  {attribute.private && 'Private: only owners of an event’s resource see it.'}
                </p>
                {types.length === 0 && <p className="hint">No event type has it.</p>}
                {types.length > 0 && (
                  <ul className="attribute-types" aria-label={`Types that have ${name}`}>
                    {types.map((type) => (
                      <li key={type}>
                        <TypeLink type={type} />
                      </li>
                    ))}
                  </ul>
                )}
                {onEdit !== null && (
                  <button type="button" onClick={() => onEdit(attribute)}>
                    Edit
                  </button>
                )}
              </>
            )}
          </DeclaredRow>
        );
      })}
    </ul>
  );
});
