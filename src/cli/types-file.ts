/**
 * Declarations of attributes and event types, from one server to another: as the declaration file that a
 * server reads at start (events/declaration.ts), and through the API.
 */
import { writeFile } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import { messageOf } from '../base/errors.ts';
import type { Client } from '../client/client.ts';
import { BUILT_IN, isReserved } from '../events/builtin.ts';
import type { Declarations } from '../events/declaration.ts';
import type { Patience } from './patience.ts';

type Attribute = Declarations['attributes'][string];
type EventType = Declarations['eventTypes'][string];

/** By name. Not an object: `constructor` may name an attribute. */
interface Known {
  readonly attributes: ReadonlyMap<string, Attribute>;
  readonly eventTypes: ReadonlyMap<string, EventType>;
}

export interface Declared {
  /** Attributes and event types that were missing or another. */
  readonly count: number;
  /** To be called when the events are there: switches off what the file has switched off. */
  finish(): Promise<void>;
}

const READ = `{
  attributes { name kind description indexed private }
  eventTypes {
    name description category severity messageTemplate enabled
    attributes { required attribute { name } }
  }
}`;
const DEFINE_ATTRIBUTE = `mutation ($input: DefineAttributeInput!) { defineAttribute(input: $input) { name } }`;
const DEFINE_TYPE = `mutation ($input: DefineEventTypeInput!) { defineEventType(input: $input) { name } }`;

/** Writes all that the server has declared beyond what every server has. */
export async function writeTypesFile(file: string, client: Client, patiently: Patience): Promise<void> {
  const { attributes, eventTypes } = await readKnown(client, patiently);
  const declarations = {
    attributes: Object.fromEntries(differing(attributes, builtIn.attributes)),
    eventTypes: Object.fromEntries(differing(eventTypes, builtIn.eventTypes)),
  };
  try {
    await writeFile(file, `${JSON.stringify(declarations, null, 2)}\n`);
  } catch (error) {
    throw new Error(`The file ${file} cannot be written: ${messageOf(error)}.`);
  }
}

/**
 * Declares what the server lacks or has otherwise. A type that is disabled goes off by `finish` only: its
 * events would be accepted and not kept.
 *
 * @throws EventreeClientError: FORBIDDEN, and what contradicts the events that the server has.
 */
export async function declareTypes(
  declarations: Declarations,
  client: Client,
  patiently: Patience,
): Promise<Declared> {
  const known = await readKnown(client, patiently);
  const given = knownOf(declarations);
  const attributes = differing(given.attributes, known.attributes);
  const eventTypes = differing(given.eventTypes, known.eventTypes);
  const isOn = (name: string) => known.eventTypes.get(name)?.enabled ?? true;
  const define = async (name: string, type: EventType) => {
    const listed = Object.entries(type.attributes).map(([attribute, { required }]) => ({
      name: attribute,
      required,
    }));
    const input = { ...type, name, attributes: listed };
    await patiently(() => client.query(DEFINE_TYPE, { input }));
  };

  for (const [name, attribute] of attributes) {
    const input = { ...attribute, name };
    await patiently(() => client.query(DEFINE_ATTRIBUTE, { input }));
  }
  for (const [name, type] of eventTypes) await define(name, { ...type, enabled: type.enabled || isOn(name) });
  return {
    count: attributes.length + eventTypes.length,
    async finish() {
      for (const [name, type] of eventTypes) if (!type.enabled && isOn(name)) await define(name, type);
    },
  };
}

const builtIn = knownOf(BUILT_IN);

function knownOf({ attributes, eventTypes }: Declarations): Known {
  return {
    // As the server keeps it: JSON is never indexed.
    attributes: new Map(
      Object.entries(attributes).map(([name, { indexed, ...rest }]) => [
        name,
        { ...rest, indexed: indexed && rest.kind !== 'JSON' },
      ]),
    ),
    eventTypes: new Map(Object.entries(eventTypes)),
  };
}

/** Without the types that are the server's own: nobody may declare them. */
function differing<T>(given: ReadonlyMap<string, T>, known: ReadonlyMap<string, T>): [string, T][] {
  return [...given].filter(([name, one]) => !isReserved(name) && !isDeepStrictEqual(known.get(name), one));
}

type Nullable<T> = { readonly [Name in keyof T]: T[Name] | null };

interface Answer {
  readonly attributes: readonly (Nullable<Attribute> & { readonly name: string })[];
  readonly eventTypes: readonly (Nullable<Omit<EventType, 'attributes'>> & {
    readonly name: string;
    readonly attributes: readonly {
      readonly required: boolean;
      readonly attribute: { readonly name: string };
    }[];
  })[];
}

async function readKnown(client: Client, patiently: Patience): Promise<Known> {
  const { attributes, eventTypes } = await patiently(() => client.query<Answer>(READ));
  return {
    attributes: new Map(attributes.map(({ name, ...rest }) => [name, withoutNulls<Attribute>(rest)])),
    eventTypes: new Map(
      eventTypes.map(({ name, attributes: listed, ...rest }) => [
        name,
        {
          ...withoutNulls<Omit<EventType, 'attributes'>>(rest),
          attributes: Object.fromEntries(
            listed.map(({ required, attribute }) => [attribute.name, { required }]),
          ),
        },
      ]),
    ),
  };
}

/** The API says null for what a file leaves out, and for nothing else. */
function withoutNulls<T extends object>(said: Nullable<T>): T {
  return Object.fromEntries(Object.entries(said).filter(([, value]) => value !== null)) as T;
}
