/** Declaring an attribute, or changing one: all of it but its name and kind, by which events were recorded. */
import { useMutation } from 'urql';
import type { AttributeKind } from '../filter/event-filter.ts';
import { Dialog } from '../ui/dialog.tsx';
import { shown } from '../ui/text.tsx';
import { useDraft } from './draft.ts';
import { Check, DescriptionField, DraftForm, Field, NameField } from './form.tsx';
import { type Attribute, DEFINE_ATTRIBUTE, KINDS } from './registry.ts';

interface AttributeFormProps {
  /** Null for a new one. */
  readonly existing: Attribute | null;
  readonly kept: Map<string, Attribute>;
  readonly onClose: () => void;
}

const NEW: Attribute = { name: '', description: null, kind: 'STRING', indexed: true, private: false };

export function AttributeForm({ existing, kept, onClose }: AttributeFormProps) {
  const drafting = useDraft(kept, existing?.name ?? '', existing ?? NEW);
  const [{ fetching, error }, define] = useMutation(DEFINE_ATTRIBUTE);
  const { draft, change } = drafting;
  const isIndexing = existing !== null && !existing.indexed && draft.indexed;
  const isJson = draft.kind === 'JSON';

  async function save(): Promise<void> {
    const { name, kind, indexed, private: isPrivate } = draft;
    const description = draft.description?.trim() || null;
    const input = { name: name.trim(), kind, description, indexed: indexed && !isJson, private: isPrivate };
    const { error: refusal } = await define({ input });
    if (refusal !== undefined) return;
    drafting.done();
    onClose();
  }

  const busy = isIndexing ? 'Adding what was recorded before to the index…' : 'Saving…';
  return (
    <Dialog
      title={existing === null ? 'New attribute' : `Attribute ${shown(existing.name)}`}
      onClose={onClose}
    >
      <DraftForm
        drafting={drafting}
        error={error}
        busy={fetching ? busy : null}
        onSave={() => void save()}
        onClose={onClose}
      >
        <NameField
          hint="Begins with a letter; letters, digits, _, - and dots. It cannot be changed later."
          value={draft.name}
          maxChars={64}
          isFixed={existing !== null}
          onChange={(name) => change({ name })}
        />
        <Field
          label="Kind"
          hint={
            existing === null
              ? 'What values it takes. It cannot be changed later.'
              : 'What values it takes, for good: declare another attribute for values of another kind.'
          }
        >
          {(ids) => (
            <select
              {...ids}
              value={draft.kind}
              onChange={(event) => change({ kind: event.target.value as AttributeKind })}
              disabled={existing !== null}
            >
              {KINDS.map((kind) => (
                <option key={kind}>{kind}</option>
              ))}
            </select>
          )}
        </Field>
        <DescriptionField
          value={draft.description ?? ''}
          onChange={(description) => change({ description })}
        />
        <Check
          label="Indexed"
          isOn={draft.indexed && !isJson}
          isFixed={isJson}
          hint={
            isJson
              ? 'JSON is never indexed.'
              : 'Makes filters by it fast. Leave it out for values that no two events share.'
          }
          onChange={(indexed) => change({ indexed })}
        />
        {isIndexing && (
          <p className="warning">
            The server goes through all that was recorded before, which may take a while; it answers when it
            is done.
          </p>
        )}
        <Check
          label="Private"
          isOn={draft.private}
          hint="Only owners of an event’s resource see it."
          onChange={(isPrivate) => change({ private: isPrivate })}
        />
        {existing !== null && !existing.private && draft.private && (
          <p className="warning">
            Messages that were recorded before and show its value keep showing it: only the attribute is
            hidden.
          </p>
        )}
        {existing?.private && !draft.private && (
          <p className="warning">
            Whoever sees the data of an event sees its value then, in what was recorded before as well.
          </p>
        )}
      </DraftForm>
    </Dialog>
  );
}
