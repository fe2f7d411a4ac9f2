/** Of when the events are: the last so long, between two moments, or all. */
import { type FormEvent, useId, useState } from 'react';
import { Dialog } from '../ui/dialog.tsx';
import { formatShort } from '../ui/time.tsx';
import { ALL_TIME, LASTS, lastRange, type TimeRange } from './view.ts';

const BETWEEN = 'between';

export function TimePicker({
  time,
  onTime,
}: {
  readonly time: TimeRange;
  readonly onTime: (time: TimeRange) => void;
}) {
  const [isOpen, setOpen] = useState(false);
  const id = useId();
  const value = time.is === 'last' ? time.text : time.is;
  const lasts =
    time.is === 'last' && !LASTS.some((text) => text === time.text) ? [...LASTS, time.text] : LASTS;
  return (
    <>
      <label htmlFor={id} className="hidden-text">
        Time
      </label>
      <select
        id={id}
        value={value}
        onChange={({ target }) => {
          if (target.value === BETWEEN || target.value === 'other') setOpen(true);
          else onTime(target.value === 'all' ? ALL_TIME : lastRange(target.value));
        }}
      >
        <option value="all">All time</option>
        {lasts.map((text) => (
          <option key={text} value={text}>
            Last {text}
          </option>
        ))}
        {time.is === 'between' && (
          <option value={BETWEEN}>
            {formatShort(time.from)} – {formatShort(time.before)}
          </option>
        )}
        <option value="other">Between…</option>
      </select>
      {isOpen && (
        <Dialog title="Between two moments" onClose={() => setOpen(false)}>
          <BetweenForm
            time={time}
            onTime={(next) => {
              setOpen(false);
              onTime(next);
            }}
          />
        </Dialog>
      )}
    </>
  );
}

function BetweenForm({
  time,
  onTime,
}: {
  readonly time: TimeRange;
  readonly onTime: (time: TimeRange) => void;
}) {
  const now = Date.now();
  const [from, setFrom] = useState(local(time.is === 'between' ? time.from : now - 86_400_000));
  const [before, setBefore] = useState(local(time.is === 'between' ? time.before : now));
  const [fromId, beforeId] = [useId(), useId()];
  const isOrdered = new Date(from) < new Date(before);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    onTime({ is: 'between', from: new Date(from).toISOString(), before: new Date(before).toISOString() });
  };
  return (
    <form className="between" onSubmit={submit}>
      <label htmlFor={fromId}>From</label>
      <input
        id={fromId}
        type="datetime-local"
        step="1"
        required
        value={from}
        onChange={({ target }) => setFrom(target.value)}
      />
      <label htmlFor={beforeId}>Before</label>
      <input
        id={beforeId}
        type="datetime-local"
        step="1"
        required
        value={before}
        onChange={({ target }) => setBefore(target.value)}
      />
      <p className="hint">{isOrdered ? 'By your clock.' : 'The first moment must lie before the second.'}</p>
      <button type="submit" className="primary" disabled={!isOrdered}>
        Show
      </button>
    </form>
  );
}

/** As the input writes it, by the local clock. */
function local(at: string | number): string {
  const date = new Date(at);
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}
