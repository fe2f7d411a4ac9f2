/** The event types of a resource type, and how they are declared unless they are to be otherwise. Pure. */
import type { Category, Severity } from '../../client/event.ts';
import { RecorderError } from '../errors.ts';

export type Crud = 'create' | 'update' | 'destroy';
export type Outcome = 'completed' | 'failed';
type ActionEvent<Name extends string, Action extends string> = `${Name}.${Action | Crud}`;
export type EventName<Name extends string, Action extends string> =
  | ActionEvent<Name, Action>
  | `${ActionEvent<Name, Action>}.${Outcome}`;

/** An attribute as it is declared. */
export interface AttributeDeclaration {
  readonly kind: 'STRING' | 'INTEGER' | 'FLOAT' | 'BOOLEAN' | 'DATETIME' | 'RESOURCE' | 'JSON';
  readonly description?: string;
  readonly indexed?: boolean;
  readonly private?: boolean;
}

/** An event type as it is declared: in a declaration file, or over the API. */
export interface EventTypeDeclaration {
  readonly category: Category;
  readonly severity: Severity;
  readonly description: string;
  readonly messageTemplate: string;
  /** By name. */
  readonly attributes: Readonly<Record<string, { readonly required: boolean }>>;
}

/** What is to be otherwise for one event type. */
export interface EventTypeChange {
  readonly category?: Category;
  readonly severity?: Severity;
  readonly description?: string;
  readonly messageTemplate?: string;
  /** Further ones, by name: built in, or of `attributes` of the resource type. */
  readonly attributes?: Readonly<Record<string, { readonly required?: boolean }>>;
}

export const CRUD: readonly Crud[] = ['create', 'update', 'destroy'];
const NAME_FORM = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/;
/** Of an event type's name. */
const MOST_CHARS = 128;

export function noSuchType(type: string, name: string): RecorderError {
  return new RecorderError('BAD_INPUT', `${JSON.stringify(type)} is none of the event types of ${name}.`);
}

/** @throws RecorderError BAD_INPUT for names that cannot be. */
export function checkNames(name: string, actions: readonly string[]): void {
  for (const each of [name, ...actions]) {
    if (NAME_FORM.test(each)) continue;
    throw new RecorderError(
      'BAD_INPUT',
      `${JSON.stringify(each)} cannot name a resource type or an action: use a letter, then letters, digits, _ and -, at most 64 characters.`,
    );
  }
  const twice = actions.find((action, i) => actions.indexOf(action) !== i);
  if (twice !== undefined) {
    throw new RecorderError(
      'BAD_INPUT',
      `${name} has the action ${twice} twice: create, update and destroy are always there.`,
    );
  }
  const long = actions
    .map((action) => `${name}.${action}.completed`)
    .find((type) => type.length > MOST_CHARS);
  if (long !== undefined) {
    throw new RecorderError(
      'BAD_INPUT',
      `${long} is longer than an event type’s name may be: ${MOST_CHARS} characters.`,
    );
  }
}

const NOUNS: Readonly<Record<string, string>> = { create: 'creation', destroy: 'destruction' };
const START_ATTRIBUTES: Readonly<Record<string, readonly string[]>> = {
  create: ['values'],
  update: ['attribute', 'old', 'new', 'values'],
  destroy: ['values'],
};

/** The three event types of an action. */
export function eventTypesOf(name: string, action: string): [string, EventTypeDeclaration][] {
  const category: Category = (CRUD as readonly string[]).includes(action) ? 'CRUD' : 'ACTION';
  const words = action.replaceAll(/[-_]/g, ' ');
  const noun = NOUNS[action] ?? words;
  const type = `${name}.${action}`;
  return [
    [
      type,
      {
        category,
        severity: 'MEDIUM',
        description: `Somebody set out to ${words} a ${name}. What came of it is below.`,
        messageTemplate: `{actor} set out to ${words} {resource}`,
        attributes: optional(START_ATTRIBUTES[action] ?? ['params']),
      },
    ],
    [
      `${type}.completed`,
      {
        category,
        severity: 'LOW',
        description: `The ${noun} of a ${name} has completed.`,
        messageTemplate: `The ${noun} of {resource} has completed`,
        attributes: optional(['elapsed_ms']),
      },
    ],
    [
      `${type}.failed`,
      {
        category,
        severity: 'HIGH',
        description: `The ${noun} of a ${name} has failed.`,
        messageTemplate: `The ${noun} of {resource} has failed: {error}`,
        attributes: optional(['elapsed_ms', 'error', 'error_value', 'where', 'stack']),
      },
    ],
  ];
}

function optional(names: readonly string[]): Record<string, { required: boolean }> {
  return Object.fromEntries(names.map((name) => [name, { required: false }]));
}

export function changed(declared: EventTypeDeclaration, change: EventTypeChange = {}): EventTypeDeclaration {
  const { attributes = {}, ...rest } = change;
  const further = Object.entries(attributes).map(([name, { required = false }]) => [name, { required }]);
  return { ...declared, ...rest, attributes: { ...declared.attributes, ...Object.fromEntries(further) } };
}
