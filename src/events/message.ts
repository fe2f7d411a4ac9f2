/**
 * Messages from templates: `{actor} renamed {resource}: {old} → {new}`.
 *
 * A placeholder is an attribute of the type or one of the envelope's own fields. What a message shows is
 * read by everyone who sees the envelope, but attributes are for who may see the data: a message that
 * shows one therefore has a second form, with `…` in its place. Private attributes are never shown.
 */
import { EventreeError } from '../base/errors.ts';
import { type Json, type JsonObject, ownValue } from '../base/json.ts';

const ENVELOPE_PLACEHOLDERS = [
  'type',
  'resource',
  'actor',
  'activeClaim',
  'sessionId',
  'correlationId',
] as const;

export type EnvelopeValues = Readonly<Record<(typeof ENVELOPE_PLACEHOLDERS)[number], string | null>>;

export interface Message {
  readonly message: string;
  /** For who sees the envelope only; null where it is the same. */
  readonly maskedMessage: string | null;
}

const PLACEHOLDER = /\{([A-Za-z][A-Za-z0-9_.-]*)\}/g;
const HIDDEN = '…';
const MAX_VALUE_CHARS = 200;

/**
 * @param isPrivate whether an attribute is shown to owners only.
 */
export function renderMessage(
  template: string,
  envelope: EnvelopeValues,
  attributes: JsonObject,
  isPrivate: (attribute: string) => boolean,
): Message {
  let masks = false;
  const render = (showData: boolean) =>
    template.replace(PLACEHOLDER, (_, name: string) => {
      if (isEnvelopePlaceholder(name)) return envelope[name] ?? '—';
      if (isPrivate(name)) return HIDDEN;
      masks = true;
      return showData ? shown(ownValue(attributes, name)) : HIDDEN;
    });
  const message = render(true);
  return { message, maskedMessage: masks ? render(false) : null };
}

/**
 * @throws UNKNOWN_ATTRIBUTE for a placeholder that neither the envelope nor the type has.
 */
export function checkTemplate(template: string, attributes: ReadonlySet<string>): void {
  for (const [, name] of template.matchAll(PLACEHOLDER)) {
    if (name === undefined || isEnvelopePlaceholder(name) || attributes.has(name)) continue;
    throw new EventreeError(
      'UNKNOWN_ATTRIBUTE',
      `The message template shows {${name}}, which is neither an attribute of this type nor one of ${ENVELOPE_PLACEHOLDERS.join(', ')}.`,
      { attribute: name },
    );
  }
}

/** For a type without a template: `deployment.start on deployment/847a by user/jane`. */
export function plainMessage({ type, resource, actor }: EnvelopeValues): Message {
  const message =
    type + (resource === null ? '' : ` on ${resource}`) + (actor === null ? '' : ` by ${actor}`);
  return { message, maskedMessage: null };
}

function isEnvelopePlaceholder(name: string): name is keyof EnvelopeValues {
  return (ENVELOPE_PLACEHOLDERS as readonly string[]).includes(name);
}

function shown(value: Json | undefined): string {
  if (value === undefined || value === null) return '—';
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.length <= MAX_VALUE_CHARS ? text : `${text.slice(0, MAX_VALUE_CHARS).toWellFormed()}…`;
}
