/** Which events of a resource type are recorded at all: by type of resource, by event type and by category. */
import type { Category } from '../../client/event.ts';
import { type EventTypeDeclaration, noSuchType } from './events.ts';

export interface SwitchOptions<Event extends string = string> {
  /** False: no event of this type of resource is recorded. */
  readonly enabled?: boolean;
  /** False: no event of this type; what would stand below one stands where that would have stood. */
  readonly events?: Readonly<Partial<Record<Event, boolean>>>;
  /** False: no event of types of this category. */
  readonly categories?: Readonly<Partial<Record<Category, boolean>>>;
}

/** Whether events of a type are recorded. */
export type Switches = (type: string) => boolean;

/**
 * An event is recorded where none of the three says no.
 *
 * @param layers each switch is as the last of them has it that says anything about it.
 * @throws RecorderError BAD_INPUT for a switch of an event type that there is not.
 */
export function createSwitches(
  name: string,
  eventTypes: Readonly<Record<string, EventTypeDeclaration>>,
  layers: readonly SwitchOptions[],
): Switches {
  const enabled = layers.findLast((layer) => layer.enabled !== undefined)?.enabled ?? true;
  const events: Readonly<Record<string, boolean | undefined>> = Object.assign(
    {},
    ...layers.map((layer) => layer.events),
  );
  const categories: SwitchOptions['categories'] = Object.assign(
    {},
    ...layers.map((layer) => layer.categories),
  );
  const unknown = Object.keys(events).find((type) => !Object.hasOwn(eventTypes, type));
  if (unknown !== undefined) throw noSuchType(unknown, name);

  return (type) => {
    const category = eventTypes[type]?.category;
    return enabled && events[type] !== false && (category === undefined || categories?.[category] !== false);
  };
}
