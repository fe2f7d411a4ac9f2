/**
 * Types of resources with what can be done to them: create, update, destroy and actions of their own. Each of these
 * is an event of the type `deployment.start`, recorded before it is done, with `deployment.start.completed` or
 * `deployment.start.failed` below it when it has ended.
 *
 *     const deployment = defineResourceType('deployment', { actions: ['start', 'stop'] });
 *     await deployment.declare(client);
 *     const deployments = deployment.with(recorder);
 *     await deployments.run('start', '847a', () => startContainers('847a'));
 */
import type { Client } from '../../client/client.ts';
import type { Recorder } from '../recorder.ts';
import { type Actions, type BindingOptions, bindActions } from './actions.ts';
import { type Declared, declare } from './declare.ts';
import {
  type AttributeDeclaration,
  CRUD,
  type Crud,
  changed,
  checkNames,
  type EventName,
  type EventTypeChange,
  type EventTypeDeclaration,
  eventTypesOf,
  noSuchType,
} from './events.ts';
import { createSwitches } from './switches.ts';

export interface ResourceTypeOptions<Name extends string, Action extends string>
  extends BindingOptions<EventName<Name, Action>> {
  /** Beside create, update and destroy. In the imperative, as messages have them: `start`, `check-api`. */
  readonly actions?: readonly Action[];
  /** By event type. */
  readonly change?: Readonly<Partial<Record<EventName<Name, Action>, EventTypeChange>>>;
  /** Attributes that are not built in, by name, which `change` gives to event types. */
  readonly attributes?: Readonly<Record<string, AttributeDeclaration>>;
  /** Left out: `main`. */
  readonly journal?: string;
}

export interface ResourceType<Name extends string = string, Action extends string = string> {
  readonly name: Name;
  readonly actions: readonly (Action | Crud)[];
  readonly attributes: Readonly<Record<string, AttributeDeclaration>>;
  /** By name. */
  readonly eventTypes: Readonly<Record<string, EventTypeDeclaration>>;
  readonly journal: string | undefined;
  /** @param options what is otherwise than the definition has it. */
  with(recorder: Recorder, options?: BindingOptions<EventName<Name, Action>>): Actions<Action | Crud>;
  /**
   * Declares attributes and event types over the API, as `group/admin`. What is declared so already is left alone,
   * and what an administrator has disabled stays disabled.
   *
   * @throws EventreeClientError
   */
  declare(client: Pick<Client, 'query'>): Promise<void>;
}

/** @throws RecorderError BAD_INPUT for names that cannot be, or that mean nothing. */
export function defineResourceType<const Name extends string, const Action extends string = never>(
  name: Name,
  options: ResourceTypeOptions<Name, Action> = {},
): ResourceType<Name, Action> {
  const { actions: own = [], change = {}, attributes = {}, journal } = options;
  const actions = [...CRUD, ...own];
  checkNames(name, actions);
  const changes: Readonly<Record<string, EventTypeChange | undefined>> = change;
  const eventTypes = Object.fromEntries(
    actions
      .flatMap((action) => eventTypesOf(name, action))
      .map(([type, declared]) => [type, changed(declared, changes[type])]),
  );
  const unknown = Object.keys(changes).find((type) => !Object.hasOwn(eventTypes, type));
  if (unknown !== undefined) throw noSuchType(unknown, name);
  // Wrong switches are told where they stand, not where they are first used.
  createSwitches(name, eventTypes, [options]);

  const type: ResourceType<Name, Action> = {
    name,
    actions,
    attributes,
    eventTypes,
    journal,
    with: (recorder, otherwise = {}) => bindActions(recorder, type, [options, otherwise]),
    declare: (client) => declare(client, declarations(type)),
  };
  return type;
}

/** What these types declare, for a declaration file: `export default defineTypes(declarations(deployment, module))`. */
export function declarations(...types: readonly Pick<ResourceType, 'attributes' | 'eventTypes'>[]): Declared {
  return {
    attributes: Object.assign({}, ...types.map(({ attributes }) => attributes)),
    eventTypes: Object.assign({}, ...types.map(({ eventTypes }) => eventTypes)),
  };
}
