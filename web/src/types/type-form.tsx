/** Declaring an event type, or declaring one anew as a whole. */
import { useMutation } from 'urql';
import { CATEGORIES, type Category, SEVERITIES, type Severity } from '../../../src/client/index.ts';
import { Dialog } from '../ui/dialog.tsx';
import { shown } from '../ui/text.tsx';
import { AttributePicker } from './attribute-picker.tsx';
import { useDraft } from './draft.ts';
import { Check, DescriptionField, DraftForm, Field, NameField } from './form.tsx';
import { type Attribute, DEFINE_TYPE, type DefineEventTypeInput, type EventType } from './registry.ts';

interface TypeFormProps {
  /** Null for a new one. */
  readonly existing: EventType | null;
  readonly attributes: ReadonlyMap<string, Attribute>;
  readonly kept: Map<string, DefineEventTypeInput>;
  readonly onClose: () => void;
}

const NEW: DefineEventTypeInput = {
  name: '',
  description: null,
  category: 'ACTION',
  severity: 'MEDIUM',
  messageTemplate: null,
  enabled: true,
  attributes: [],
};

export function TypeForm({ existing, attributes, kept, onClose }: TypeFormProps) {
  const drafting = useDraft(kept, existing?.name ?? '', existing === null ? NEW : inputOf(existing));
  const [{ fetching, error }, define] = useMutation(DEFINE_TYPE);
  const { draft, change } = drafting;

  async function save(): Promise<void> {
    const description = draft.description?.trim() || null;
    const messageTemplate = draft.messageTemplate?.trim() || null;
    const input = { ...draft, name: draft.name.trim(), description, messageTemplate };
    const { error: refusal } = await define({ input });
    if (refusal !== undefined) return;
    drafting.done();
    onClose();
  }

  return (
    <Dialog
      title={existing === null ? 'New event type' : `Event type ${shown(existing.name)}`}
      onClose={onClose}
    >
      <DraftForm
        drafting={drafting}
        error={error}
        busy={fetching ? 'Saving…' : null}
        onSave={() => void save()}
        onClose={onClose}
      >
        <NameField
          hint="Words of letters, digits, _ and - joined by dots, as in deployment.start. It cannot be changed later."
          value={draft.name}
          maxChars={128}
          isFixed={existing !== null}
          onChange={(name) => change({ name })}
        />
        <DescriptionField
          value={draft.description ?? ''}
          onChange={(description) => change({ description })}
        />
        <div className="field-pair">
          <Field label="Category" hint="Of its events that give none.">
            {(ids) => (
              <select
                {...ids}
                value={draft.category}
                onChange={(event) => change({ category: event.target.value as Category })}
              >
                {CATEGORIES.map((category) => (
                  <option key={category}>{category}</option>
                ))}
              </select>
            )}
          </Field>
          <Field label="Severity" hint="Of its events that give none.">
            {(ids) => (
              <select
                {...ids}
                value={draft.severity}
                onChange={(event) => change({ severity: event.target.value as Severity })}
              >
                {SEVERITIES.map((severity) => (
                  <option key={severity}>{severity}</option>
                ))}
              </select>
            )}
          </Field>
        </div>
        <Field
          label="Message template"
          hint="e.g. {actor} renamed {resource}: {old} → {new}. In braces: type, resource, actor, or one of its attributes."
        >
          {(ids) => (
            <input
              {...ids}
              className="mono"
              value={draft.messageTemplate ?? ''}
              onChange={(event) => change({ messageTemplate: event.target.value })}
              placeholder="{actor} renamed {resource}"
              spellCheck={false}
            />
          )}
        </Field>
        <AttributePicker
          chosen={draft.attributes}
          declared={attributes}
          onChange={(chosen) => change({ attributes: chosen })}
        />
        <Check
          label="Enabled"
          isOn={draft.enabled}
          hint="Events of a disabled type are accepted and not kept."
          onChange={(enabled) => change({ enabled })}
        />
      </DraftForm>
    </Dialog>
  );
}

function inputOf({
  name,
  description,
  category,
  severity,
  messageTemplate,
  enabled,
  attributes,
}: EventType): DefineEventTypeInput {
  const chosen = attributes.map(({ attribute, required }) => ({ name: attribute.name, required }));
  return { name, description, category, severity, messageTemplate, enabled, attributes: chosen };
}
