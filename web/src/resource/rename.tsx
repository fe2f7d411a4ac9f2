/** The resource's name, and a form in its place for who may change it. */
import { type FormEvent, useId, useState } from 'react';
import { useMutation } from 'urql';
import { errorText } from '../api/error-text.ts';
import { RENAME, type Resource } from './resource.ts';

interface RenameProps {
  readonly resource: Resource;
  readonly onClose: () => void;
}

const MAX_NAME_CHARS = 500;

export function RenameForm({ resource, onClose }: RenameProps) {
  const [name, setName] = useState(resource.name ?? '');
  const [{ fetching, error }, rename] = useMutation(RENAME);
  const id = useId();

  async function save(event: FormEvent): Promise<void> {
    event.preventDefault();
    const trimmed = name.trim();
    const { error: refusal } = await rename({ ref: resource.ref, name: trimmed === '' ? null : trimmed });
    if (refusal === undefined) onClose();
  }

  return (
    <form className="rename" onSubmit={(event) => void save(event)}>
      <label htmlFor={id}>Name</label>
      <input
        id={id}
        value={name}
        onChange={(event) => setName(event.target.value)}
        maxLength={MAX_NAME_CHARS}
        placeholder="None: its reference stands for it"
        // biome-ignore lint/a11y/noAutofocus: it stands where the button was that asked for it.
        autoFocus
      />
      <button type="submit" className="primary" disabled={fetching}>
        {fetching ? 'Saving…' : 'Save'}
      </button>
      <button type="button" onClick={onClose} disabled={fetching}>
        Cancel
      </button>
      {error !== undefined && (
        <p className="fault" role="alert">
          {errorText(error).sentence}
        </p>
      )}
    </form>
  );
}
