/** What may be recorded: the declared event types and attributes, how often each occurs, and forms to declare them. */
import { useDeferredValue, useId, useMemo, useRef, useState } from 'react';
import { useQuery } from 'urql';
import { errorText } from '../api/error-text.ts';
import { isAdmin, useViewer } from '../session/viewer.ts';
import { useKeys } from '../ui/keyboard.ts';
import { ErrorNotice, Loading } from '../ui/notice.tsx';
import { useTitle } from '../ui/title.ts';
import { useNarrow } from '../ui/use-narrow.ts';
import { arrange, type Order } from './arrange.ts';
import { AttributeForm } from './attribute-form.tsx';
import { AttributeList } from './attribute-list.tsx';
import { useCounts } from './counts.ts';
import { type Attribute, DECLARED, type DefineEventTypeInput, type EventType } from './registry.ts';
import { TypeForm } from './type-form.tsx';
import { TypeList } from './type-list.tsx';
import './types.css';

/** What a form is open for; `of` is null for a new one. */
type Form =
  | { readonly on: 'type'; readonly of: EventType | null }
  | { readonly on: 'attribute'; readonly of: Attribute | null };

const NO_TYPES: readonly EventType[] = [];
const NO_ATTRIBUTES: readonly Attribute[] = [];

export function TypesPage() {
  useTitle('Types');
  const viewer = useViewer();
  const [{ data, error }, read] = useQuery({ query: DECLARED });
  const counts = useCounts(data !== undefined);
  const [words, setWords] = useState('');
  const [order, setOrder] = useState<Order>('name');
  const [form, setForm] = useState<Form | null>(null);
  const [tab, setTab] = useState<'types' | 'attributes'>('types');
  const isNarrow = useNarrow('72rem');
  const find = useRef<HTMLInputElement>(null);
  const typeDrafts = useRef(new Map<string, DefineEventTypeInput>());
  const attributeDrafts = useRef(new Map<string, Attribute>());
  const id = useId();
  useKeys({ '/': () => find.current?.focus() });

  const types = data?.eventTypes ?? NO_TYPES;
  const attributes = data?.attributes ?? NO_ATTRIBUTES;
  const byName = useMemo(() => new Map(attributes.map((each) => [each.name, each])), [attributes]);
  const users = useMemo(() => usersOf(types), [types]);
  // Typing stays quick while hundreds of rows follow.
  const wanted = useDeferredValue(words);
  const { ofType, ofAttribute } = counts;
  const shownTypes = useMemo(() => arrange(types, wanted, order, ofType), [types, wanted, order, ofType]);
  const shownAttributes = useMemo(
    () => arrange(attributes, wanted, order, ofAttribute),
    [attributes, wanted, order, ofAttribute],
  );
  const mayEdit = isAdmin(viewer);
  const editType = useMemo(
    () => (mayEdit ? (of: EventType) => setForm({ on: 'type', of }) : null),
    [mayEdit],
  );
  const editAttribute = useMemo(
    () => (mayEdit ? (of: Attribute) => setForm({ on: 'attribute', of }) : null),
    [mayEdit],
  );
  // A form that was closed while the server was busy does not close the next one.
  const close = () => setForm((open) => (open === form ? null : open));

  if (data === undefined) {
    return error === undefined ? (
      <Loading what="Reading what is declared" />
    ) : (
      <>
        <h1 className="hidden-text">Event types and attributes</h1>
        <ErrorNotice error={error} doing="What is declared could not be read" onRetry={read} />
      </>
    );
  }
  return (
    <div className="page types">
      <h1>Event types and attributes</h1>
      <div className="types-tools">
        <div className="types-find">
          <label htmlFor={`${id}-find`}>Find</label>
          <input
            id={`${id}-find`}
            ref={find}
            type="search"
            value={words}
            onChange={(event) => setWords(event.target.value)}
            placeholder="by name or description"
          />
        </div>
        <div>
          <label htmlFor={`${id}-order`}>Sort by</label>
          <select
            id={`${id}-order`}
            value={order}
            onChange={(event) => setOrder(event.target.value as Order)}
          >
            <option value="name">name</option>
            <option value="count">how often</option>
          </select>
        </div>
        {mayEdit && (
          <div className="types-new">
            <button type="button" onClick={() => setForm({ on: 'type', of: null })}>
              New event type
            </button>
            <button type="button" onClick={() => setForm({ on: 'attribute', of: null })}>
              New attribute
            </button>
          </div>
        )}
      </div>
      {counts.error !== null && <p className="hint">Not counted: {errorText(counts.error).sentence}</p>}
      {isNarrow && (
        <div className="types-tabs">
          <button type="button" aria-pressed={tab === 'types'} onClick={() => setTab('types')}>
            Event types ({shownTypes.length})
          </button>
          <button type="button" aria-pressed={tab === 'attributes'} onClick={() => setTab('attributes')}>
            Attributes ({shownAttributes.length})
          </button>
        </div>
      )}
      <div className="types-lists">
        {(!isNarrow || tab === 'types') && (
          <section aria-labelledby={`${id}-types`}>
            <h2 id={`${id}-types`} className={isNarrow ? 'hidden-text' : undefined}>
              Event types {sayHowMany(shownTypes.length, types.length)}
            </h2>
            {shownTypes.length === 0 && <p className="hint">None with these words.</p>}
            <TypeList types={shownTypes} attributes={byName} countOf={ofType} onEdit={editType} />
          </section>
        )}
        {(!isNarrow || tab === 'attributes') && (
          <section aria-labelledby={`${id}-attributes`}>
            <h2 id={`${id}-attributes`} className={isNarrow ? 'hidden-text' : undefined}>
              Attributes {sayHowMany(shownAttributes.length, attributes.length)}
            </h2>
            {shownAttributes.length === 0 && <p className="hint">None with these words.</p>}
            <AttributeList
              attributes={shownAttributes}
              users={users}
              countOf={ofAttribute}
              onEdit={editAttribute}
            />
          </section>
        )}
      </div>
      {form?.on === 'type' && (
        <TypeForm existing={form.of} attributes={byName} kept={typeDrafts.current} onClose={close} />
      )}
      {form?.on === 'attribute' && (
        <AttributeForm existing={form.of} kept={attributeDrafts.current} onClose={close} />
      )}
    </div>
  );
}

function sayHowMany(shown: number, all: number): string {
  return shown === all ? `(${all})` : `(${shown} of ${all})`;
}

/** Which types have an attribute. */
function usersOf(types: readonly EventType[]): ReadonlyMap<string, readonly string[]> {
  const users = new Map<string, string[]>();
  for (const { name, attributes } of types) {
    for (const { attribute } of attributes)
      users.set(attribute.name, [...(users.get(attribute.name) ?? []), name]);
  }
  return users;
}
