/** Declares what a resource type needs over the API, so that a program can do it whenever it starts. */
import type { Client } from '../../client/client.ts';
import type { Category, Severity } from '../../client/event.ts';
import type { AttributeDeclaration, EventTypeDeclaration } from './events.ts';

/** What declarations say, in the shape in which a declaration file has it. */
export interface Declared {
  readonly attributes: Record<string, AttributeDeclaration>;
  readonly eventTypes: Record<string, EventTypeDeclaration>;
}

interface AttributeInput {
  readonly name: string;
  readonly kind: string;
  readonly description: string | null;
  readonly indexed: boolean;
  readonly private: boolean;
}

interface EventTypeInput {
  readonly name: string;
  readonly category: Category;
  readonly severity: Severity;
  readonly description: string | null;
  readonly messageTemplate: string | null;
  readonly attributes: readonly { readonly name: string; readonly required: boolean }[];
  readonly enabled: boolean;
}

interface EventTypeAnswer extends Omit<EventTypeInput, 'attributes'> {
  readonly attributes: readonly {
    readonly attribute: { readonly name: string };
    readonly required: boolean;
  }[];
}

interface Registry {
  readonly attributes: readonly AttributeInput[];
  readonly eventTypes: readonly EventTypeAnswer[];
}

const REGISTRY = `query {
  attributes { name kind description indexed private }
  eventTypes {
    name category severity description messageTemplate enabled
    attributes { required attribute { name } }
  }
}`;
const DEFINE_ATTRIBUTE =
  'mutation ($input: DefineAttributeInput!) { defineAttribute(input: $input) { name } }';
const DEFINE_EVENT_TYPE =
  'mutation ($input: DefineEventTypeInput!) { defineEventType(input: $input) { name } }';

/** @throws EventreeClientError */
export async function declare(
  client: Pick<Client, 'query'>,
  { attributes, eventTypes }: Declared,
): Promise<void> {
  const registry = await client.query<Registry>(REGISTRY);
  for (const input of Object.entries(attributes).map(attributeInput)) {
    const there = registry.attributes.find(({ name }) => name === input.name);
    if (!isSame(input, there)) await client.query(DEFINE_ATTRIBUTE, { input });
  }
  for (const [name, declared] of Object.entries(eventTypes)) {
    const there = registry.eventTypes.find((type) => type.name === name);
    // Whoever disabled it had a reason that this program does not know.
    const input = eventTypeInput(name, declared, there?.enabled ?? true);
    if (!isSame(input, there && toInput(there))) await client.query(DEFINE_EVENT_TYPE, { input });
  }
}

function attributeInput([name, declared]: [string, AttributeDeclaration]): AttributeInput {
  const { kind, description = null, indexed = true, private: isPrivate = false } = declared;
  // JSON has no order and no terms: the server never indexes it.
  return { name, kind, description, indexed: indexed && kind !== 'JSON', private: isPrivate };
}

function eventTypeInput(name: string, declared: EventTypeDeclaration, enabled: boolean): EventTypeInput {
  const { category, severity, description, messageTemplate } = declared;
  const attributes = Object.entries(declared.attributes).map(([attribute, { required }]) => ({
    name: attribute,
    required,
  }));
  return { name, category, severity, description, messageTemplate, attributes, enabled };
}

function toInput({ attributes, ...rest }: EventTypeAnswer): EventTypeInput {
  return {
    ...rest,
    attributes: attributes.map(({ attribute, required }) => ({ name: attribute.name, required })),
  };
}

function isSame<Input extends object>(input: Input, there: Input | undefined): boolean {
  if (there === undefined) return false;
  return (Object.keys(input) as (keyof Input)[]).every(
    (name) => JSON.stringify(input[name]) === JSON.stringify(there[name]),
  );
}
