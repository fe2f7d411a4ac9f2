/** The options by which `tail` and `export` choose events, and the EventFilter that they make up. */
import { type Command, InvalidArgumentError } from 'commander';
import type { Client } from '../client/client.ts';
import { CATEGORIES, type Category, SEVERITIES, type Severity } from '../client/event.ts';
import type { EventFilter } from '../client/filter.ts';
import { type AttributeKinds, attributeKinds, attributeValue } from './attribute-value.ts';
import { collect, oneOf } from './options.ts';

export interface FilterOptions {
  readonly type?: readonly string[];
  readonly resource?: readonly string[];
  readonly resourceType?: readonly string[];
  readonly actor?: readonly string[];
  readonly severity?: Severity;
  readonly category?: readonly Category[];
  readonly within?: string;
  readonly search?: string;
  readonly attribute?: readonly AttributeTest[];
  readonly filter?: EventFilter;
}

export interface AttributeTest {
  readonly name: string;
  readonly test: 'eq' | 'ne' | 'gt' | 'gte' | 'lt' | 'lte' | 'startsWith' | 'exists';
  readonly text: string;
}

const OPERATORS: Readonly<Record<string, AttributeTest['test']>> = {
  '=': 'eq',
  '!=': 'ne',
  '>': 'gt',
  '>=': 'gte',
  '<': 'lt',
  '<=': 'lte',
  '^=': 'startsWith',
};

const asIs = collect((text) => text);

export function addFilterOptions(command: Command): Command {
  return command
    .option('--journal <name>', 'the journal to read', 'main')
    .option('--type <name>', 'of this type; `deployment.*` for all that begin so (repeatable)', asIs)
    .option('--resource <type/id>', 'about this resource (repeatable)', asIs)
    .option('--resource-type <type>', 'about resources of this type (repeatable)', asIs)
    .option('--actor <claim>', 'caused by, as in user/jane (repeatable)', asIs)
    .option('--severity <level>', `at least this severe: ${SEVERITIES.join(', ')}`, oneOf(SEVERITIES))
    .option('--category <name>', 'of this category (repeatable)', collect(oneOf(CATEGORIES)))
    .option('--within <id>', 'this event and all that happened as part of it')
    .option('--search <words>', 'with these words in the message')
    .option(
      '--attribute <test>',
      'name=value, !=, >, >=, <, <=, ^= (begins with), or a name alone (repeatable; all must hold)',
      collect(parseAttributeTest),
    )
    .option('--filter <json>', 'an EventFilter of the API, for what the others cannot say', parseFilterJson);
}

/** Null where no option narrows anything. Asks the server for the kinds of attributes, if there are any. */
export async function filterOf(
  options: FilterOptions,
  client: Client,
  signal?: AbortSignal,
): Promise<EventFilter | null> {
  const kinds = options.attribute === undefined ? new Map() : await attributeKinds(client, signal);
  return buildFilter(options, kinds);
}

/** Options of one name are alternatives; different ones must all hold. */
function buildFilter(options: FilterOptions, kinds: AttributeKinds): EventFilter | null {
  const { type = [], resource = [], resourceType = [], actor = [], category = [], attribute = [] } = options;
  const { severity, within, search } = options;
  const all: EventFilter[] = [];
  const add = (filters: readonly EventFilter[]) => {
    if (filters.length === 1) all.push(filters[0] as EventFilter);
    if (filters.length > 1) all.push({ or: filters });
  };

  const names = type.filter((name) => !name.endsWith('*'));
  const prefixes = type.filter((name) => name.endsWith('*')).map((name) => name.slice(0, -1));
  add([
    ...(names.length > 0 ? [{ type: { in: names } }] : []),
    ...prefixes.map((startsWith) => ({ type: { startsWith } })),
  ]);
  if (resource.length > 0) all.push({ resource: { in: resource } });
  add(resourceType.map((name) => ({ resource: { type: name } })));
  if (actor.length > 0) all.push({ actor: { in: actor } });
  if (severity !== undefined) all.push({ severity: { gte: severity } });
  if (category.length > 0) all.push({ category });
  if (within !== undefined) all.push({ within });
  if (search !== undefined) all.push({ search });
  if (attribute.length > 0) {
    all.push({
      attributes: attribute.map(({ name, test, text }) => ({
        name,
        [test]: valueFor(test, text, kinds.get(name)),
      })),
    });
  }
  if (options.filter !== undefined) all.push(options.filter);
  if (all.length === 0) return null;
  return all.length === 1 ? (all[0] as EventFilter) : { and: all };
}

function valueFor(test: AttributeTest['test'], text: string, kind: string | undefined): unknown {
  if (test === 'exists') return true;
  return test === 'startsWith' ? text : attributeValue(text, kind);
}

function parseAttributeTest(text: string): AttributeTest {
  const [, name, operator, value = ''] =
    /^([A-Za-z][A-Za-z0-9_.-]*)(?:(\^=|!=|>=|<=|=|>|<)(.*))?$/s.exec(text) ?? [];
  if (name === undefined) {
    throw new InvalidArgumentError('It is written like branch=main, size>=100, path^=src/ or branch.');
  }
  if (operator === undefined) return { name, test: 'exists', text: '' };
  return { name, test: OPERATORS[operator] as AttributeTest['test'], text: value };
}

function parseFilterJson(text: string): EventFilter {
  try {
    const filter = JSON.parse(text) as unknown;
    if (typeof filter === 'object' && filter !== null && !Array.isArray(filter)) return filter as EventFilter;
  } catch {
    // Told below.
  }
  throw new InvalidArgumentError(`It is a JSON object, as in '{"correlationId":{"eq":"42"}}'.`);
}
