/** The attributes of an event type: chosen from those that are declared, in an order, some of them required. */
import { useId, useState } from 'react';
import { shown, Text } from '../ui/text.tsx';
import type { Attribute, ChosenAttribute } from './registry.ts';

interface AttributePickerProps {
  readonly chosen: readonly ChosenAttribute[];
  readonly declared: ReadonlyMap<string, Attribute>;
  readonly onChange: (chosen: readonly ChosenAttribute[]) => void;
}

export function AttributePicker({ chosen, declared, onChange }: AttributePickerProps) {
  const [picked, setPicked] = useState('');
  const id = useId();
  const names = new Set(chosen.map(({ name }) => name));
  const free = [...declared.values()].filter(({ name }) => !names.has(name));

  function add(): void {
    if (picked === '') return;
    onChange([...chosen, { name: picked, required: false }]);
    setPicked('');
  }

  return (
    <fieldset className="picker">
      <legend>Attributes</legend>
      <ol>
        {chosen.map((each, i) => (
          <li key={each.name}>
            <span className="picker-name">
              <span className="mono">
                <Text of={each.name} />
              </span>{' '}
              <span className="hint">{declared.get(each.name)?.kind}</span>
            </span>
            <label className="check">
              <input
                type="checkbox"
                checked={each.required}
                onChange={({ target }) => onChange(chosen.with(i, { ...each, required: target.checked }))}
              />
              required<span className="hidden-text"> {shown(each.name)}</span>
            </label>
            <button
              type="button"
              className="icon"
              disabled={i === 0}
              onClick={() => onChange(swapped(chosen, i, i - 1))}
              aria-label={`Move ${shown(each.name)} up`}
            >
              ↑
            </button>
            <button
              type="button"
              className="icon"
              disabled={i === chosen.length - 1}
              onClick={() => onChange(swapped(chosen, i, i + 1))}
              aria-label={`Move ${shown(each.name)} down`}
            >
              ↓
            </button>
            <button
              type="button"
              className="icon"
              onClick={() => onChange(chosen.toSpliced(i, 1))}
              aria-label={`Leave out ${shown(each.name)}`}
            >
              ✕
            </button>
          </li>
        ))}
      </ol>
      <div className="picker-add">
        <label htmlFor={id} className="hidden-text">
          Attribute to add
        </label>
        <select id={id} value={picked} onChange={(event) => setPicked(event.target.value)}>
          <option value="">An attribute to add…</option>
          {free.map(({ name, kind }) => (
            <option key={name} value={name}>
              {shown(name)} · {kind}
            </option>
          ))}
        </select>
        <button type="button" onClick={add} disabled={picked === ''}>
          Add
        </button>
      </div>
    </fieldset>
  );
}

function swapped<T>(list: readonly T[], i: number, j: number): T[] {
  return list.with(i, list[j] as T).with(j, list[i] as T);
}
