/** What the forms of types and attributes are made of. */
import { type FormEvent, type ReactNode, useId } from 'react';
import type { CombinedError } from 'urql';
import { errorText } from '../api/error-text.ts';
import type { Drafting } from './draft.ts';

interface FieldProps {
  readonly label: string;
  readonly hint?: string;
  /** Given the ids that tie label and hint to the control. */
  readonly children: (ids: { readonly id: string; readonly 'aria-describedby'?: string }) => ReactNode;
}

export function Field({ label, hint, children }: FieldProps) {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      {children(hint === undefined ? { id } : { id, 'aria-describedby': `${id}-hint` })}
      {hint !== undefined && (
        <p className="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
    </div>
  );
}

interface NameFieldProps {
  readonly hint: string;
  readonly value: string;
  readonly maxChars: number;
  /** Of what is declared already. */
  readonly isFixed: boolean;
  readonly onChange: (name: string) => void;
}

export function NameField({ hint, value, maxChars, isFixed, onChange }: NameFieldProps) {
  return (
    <Field label="Name" hint={hint}>
      {(ids) => (
        <input
          {...ids}
          className="mono"
          value={value}
          onChange={(event) => onChange(event.target.value)}
          readOnly={isFixed}
          required
          maxLength={maxChars}
          autoComplete="off"
          autoCapitalize="none"
          spellCheck={false}
        />
      )}
    </Field>
  );
}

interface DescriptionFieldProps {
  readonly value: string;
  readonly onChange: (description: string) => void;
}

export function DescriptionField({ value, onChange }: DescriptionFieldProps) {
  return (
    <Field label="Description" hint="For a person to read.">
      {(ids) => (
        <textarea {...ids} rows={2} value={value} onChange={(event) => onChange(event.target.value)} />
      )}
    </Field>
  );
}

interface CheckProps {
  readonly label: string;
  readonly hint: string;
  readonly isOn: boolean;
  readonly isFixed?: boolean;
  readonly onChange: (isOn: boolean) => void;
}

export function Check({ label, hint, isOn, isFixed = false, onChange }: CheckProps) {
  const id = useId();
  return (
    <div className="field">
      <label className="check">
        <input
          type="checkbox"
          checked={isOn}
          disabled={isFixed}
          onChange={(event) => onChange(event.target.checked)}
          aria-describedby={id}
        />
        {label}
      </label>
      <p className="hint" id={id}>
        {hint}
      </p>
    </div>
  );
}

interface DraftFormProps {
  readonly drafting: Drafting<unknown>;
  readonly error: CombinedError | undefined;
  /** What is being done at the moment. */
  readonly busy: string | null;
  readonly onSave: () => void;
  readonly onClose: () => void;
  readonly children: ReactNode;
}

/** The frame of a form: its fields, the server's refusal beside the button, nothing typed ever lost. */
export function DraftForm({ drafting, error, busy, onSave, onClose, children }: DraftFormProps) {
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (busy === null) onSave();
  };
  return (
    <form className="draft-form" onSubmit={submit}>
      {drafting.isFound && (
        <p className="hint">
          You had begun this before.{' '}
          <button type="button" className="quiet" onClick={drafting.startOver}>
            Start over
          </button>
        </p>
      )}
      {children}
      {error !== undefined && (
        <p className="fault" role="alert">
          {errorText(error).sentence}
        </p>
      )}
      <p className="form-end">
        <button type="submit" className="primary" disabled={busy !== null}>
          Save
        </button>
        <button type="button" onClick={onClose}>
          Cancel
        </button>
        <span className="hint" role="status">
          {busy}
        </span>
      </p>
    </form>
  );
}
