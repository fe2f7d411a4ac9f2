/** The filter: chips, an input that completes what is typed, the time, and the same filter for other tools. */
import { type KeyboardEvent, useEffect, useId, useMemo, useRef, useState } from 'react';
import { gql, useQuery } from 'urql';
import type { EventFilter } from '../../../src/client/index.ts';
import { useKeys } from '../ui/keyboard.ts';
import { Text } from '../ui/text.tsx';
import { type Chip, parseChip, printChip } from './chip.ts';
import { isUnfinished, type Occurring, suggest } from './completion.ts';
import type { Registry } from './registry.ts';
import { ShareDialog } from './share.tsx';
import { TimePicker } from './time-picker.tsx';
import type { ViewControl } from './use-view.ts';
import { type TimeRange, typedTime } from './view.ts';
import './filter.css';

const OCCURRING = gql<{
  eventStatistics: Record<'resources' | 'types' | 'actors', { values: { value: string }[] }>;
}>`
  query Occurring($journal: String!) {
    eventStatistics(journal: $journal) {
      resources: facet(by: RESOURCE, first: 200) {
        values {
          value
        }
      }
      types: facet(by: RESOURCE_TYPE, first: 100) {
        values {
          value
        }
      }
      actors: facet(by: ACTOR, first: 200) {
        values {
          value
        }
      }
    }
  }
`;

export interface FilterBarProps {
  readonly control: ViewControl;
  readonly registry: Registry | null;
  /** The filter as the server gets it. */
  readonly filter: EventFilter | null;
}

export function FilterBar({ control, registry, filter }: FilterBarProps) {
  const { view, add, remove, setTime } = control;
  const [isShared, setShared] = useState(false);
  return (
    <search className="filter-bar">
      <ul className="chips" aria-label="Conditions">
        {view.chips.map((chip, index) => (
          <li key={printChip(chip)}>
            <ChipMark
              chip={chip}
              onRemove={() => remove(index)}
              onEdit={(next) =>
                control.show({ ...view, chips: view.chips.map((each, i) => (i === index ? next : each)) })
              }
            />
          </li>
        ))}
        <li className="chip-input">
          <FilterInput
            journal={view.journal}
            registry={registry}
            onChip={add}
            onTime={setTime}
            onBackspace={() => {
              if (view.chips.length > 0) remove(view.chips.length - 1);
            }}
          />
        </li>
      </ul>
      <div className="filter-end">
        <TimePicker time={view.time} onTime={setTime} />
        <button type="button" onClick={() => setShared(true)}>
          Share
        </button>
      </div>
      {isShared && <ShareDialog view={view} filter={filter} onClose={() => setShared(false)} />}
    </search>
  );
}

function ChipMark({
  chip,
  onRemove,
  onEdit,
}: {
  readonly chip: Chip;
  readonly onRemove: () => void;
  readonly onEdit: (chip: Chip) => void;
}) {
  const text = printChip(chip);
  return (
    <span className={chip.isNot ? 'chip not' : 'chip'}>
      <button
        type="button"
        className="chip-text"
        title={chip.isNot ? 'Does not hold; click to ask for it' : 'Holds; click to leave it out'}
        aria-pressed={chip.isNot}
        aria-label={`${text}: negate`}
        onClick={() => onEdit({ ...chip, isNot: !chip.isNot })}
      >
        {chip.on === 'words' && <span aria-hidden="true">{chip.isNot ? '' : '“'}</span>}
        <Text of={text} most={60} />
        {chip.on === 'words' && <span aria-hidden="true">{chip.isNot ? '' : '”'}</span>}
      </button>
      <button type="button" className="chip-off" onClick={onRemove} aria-label={`Remove ${text}`}>
        ✕
      </button>
    </span>
  );
}

interface FilterInputProps {
  readonly journal: string;
  readonly registry: Registry | null;
  readonly onChip: (chip: Chip) => void;
  readonly onTime: (time: TimeRange) => void;
  readonly onBackspace: () => void;
}

/** By the pattern of WAI-ARIA's combobox with a list. */
function FilterInput({ journal, registry, onChip, onTime, onBackspace }: FilterInputProps) {
  const [typed, setTyped] = useState('');
  const [isOpen, setOpen] = useState(false);
  const [active, setActive] = useState(-1);
  const input = useRef<HTMLInputElement>(null);
  const list = useRef<HTMLDivElement>(null);
  const id = useId();
  const occurring = useOccurring(journal, isOpen);
  const suggestions = useMemo(
    () => (isOpen ? suggest(typed, registry, occurring) : []),
    [isOpen, typed, registry, occurring],
  );
  useKeys({ '/': () => input.current?.focus() });
  useEffect(() => {
    list.current?.children[active]?.scrollIntoView({ block: 'nearest' });
  }, [active]);

  function change(text: string): void {
    setTyped(text);
    setActive(-1);
    setOpen(true);
  }

  function take(text: string): void {
    if (text.trim() === '') return;
    // Else it would be looked for in the messages, where nobody has written it.
    if (isUnfinished(text)) {
      setOpen(true);
      return;
    }
    const time = typedTime(text);
    if (time === null) onChip(parseChip(text.trim()));
    else onTime(time);
    change('');
  }

  function choose(index: number): void {
    const chosen = suggestions[index];
    if (chosen === undefined) return;
    if (chosen.isWhole) take(chosen.text);
    else change(chosen.text);
    input.current?.focus();
  }

  function press(event: KeyboardEvent): void {
    const { length } = suggestions;
    if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      event.preventDefault();
      setOpen(true);
      const step = event.key === 'ArrowDown' ? 1 : -1;
      if (length > 0) setActive((active + step + (active < 0 && step < 0 ? 1 : 0) + length) % length);
    } else if (event.key === 'Enter') {
      event.preventDefault();
      if (active >= 0) choose(active);
      else take(typed);
    } else if (event.key === 'Tab' && active >= 0) {
      event.preventDefault();
      choose(active);
    } else if (event.key === 'Escape') {
      if (isOpen) setOpen(false);
      else input.current?.blur();
    } else if (event.key === 'Backspace' && typed === '') onBackspace();
  }

  return (
    <>
      <input
        ref={input}
        id={id}
        role="combobox"
        aria-label="Filter"
        aria-expanded={suggestions.length > 0}
        aria-controls={`${id}-list`}
        aria-autocomplete="list"
        aria-activedescendant={active >= 0 ? `${id}-${active}` : undefined}
        value={typed}
        placeholder="Filter: type:…, actor:…, words"
        autoComplete="off"
        autoCapitalize="off"
        spellCheck={false}
        onChange={(event) => change(event.target.value)}
        onFocus={() => setOpen(true)}
        onBlur={() => setOpen(false)}
        onKeyDown={press}
      />
      <div
        ref={list}
        id={`${id}-list`}
        role="listbox"
        aria-label="Suggestions"
        hidden={suggestions.length === 0}
      >
        {suggestions.map(({ text, hint }, index) => (
          // biome-ignore lint/a11y/useKeyWithClickEvents: the input takes the keys, as the pattern has it.
          <div
            key={text}
            id={`${id}-${index}`}
            role="option"
            tabIndex={-1}
            aria-selected={index === active}
            // Before the input loses the focus, and the list with it.
            onMouseDown={(event) => event.preventDefault()}
            onClick={() => choose(index)}
          >
            <span className="mono">
              <Text of={text} most={70} />
            </span>
            <span className="hint">
              <Text of={hint} most={60} />
            </span>
          </div>
        ))}
      </div>
    </>
  );
}

/** Asked for when somebody first looks at the suggestions. */
function useOccurring(journal: string, isWanted: boolean): Occurring {
  const [{ data }] = useQuery({
    query: OCCURRING,
    variables: { journal },
    pause: !isWanted,
    requestPolicy: 'cache-first',
  });
  return useMemo(() => {
    const values = (of: 'resources' | 'types' | 'actors') =>
      data?.eventStatistics[of].values.map(({ value }) => value) ?? [];
    return { resources: values('resources'), resourceTypes: values('types'), actors: values('actors') };
  }, [data]);
}
