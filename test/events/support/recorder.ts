/** What tests of recording say again and again. */
import { expect } from 'vitest';
import { type SendOptions, unique, type World } from '../../support/world.ts';

const EVENT = `id cursor position journal kept message severity category occurredAt actor attributes payload privatePayload
  type { name } resource { ref } parent { id } root { id }`;
const RECORD = `mutation ($input: [RecordEventInput!]!) { recordEvents(input: $input) { events { ${EVENT} } } }`;
const READ = `query ($id: ID!) { event(id: $id) { ${EVENT} } }`;
const IN_ORDER = `query ($journal: String!) {
  events(journal: $journal, order: OLDEST_FIRST, first: 500) { nodes { ${EVENT} } }
}`;
const DEFINE_ATTRIBUTE = `mutation ($input: DefineAttributeInput!) {
  defineAttribute(input: $input) { name kind description indexed private }
}`;
const DEFINE_TYPE = `mutation ($input: DefineEventTypeInput!) {
  defineEventType(input: $input) {
    name description category severity messageTemplate enabled attributes { required attribute { name } }
  }
}`;
const PUT = `mutation ($input: PutResourceInput!) { putResource(input: $input) { ref acl { owners } } }`;

/** The fields of RecordEventInput, right or wrong. */
export type Input = Readonly<Record<string, unknown>>;

export interface Recorded {
  readonly id: string;
  readonly cursor: string;
  readonly position: number | null;
  readonly journal: string;
  readonly kept: boolean;
  readonly message: string;
  readonly attributes: Readonly<Record<string, unknown>> | null;
  readonly [field: string]: unknown;
}

/** How a request was refused. */
export interface Refusal {
  readonly message: string;
  readonly code: string;
  readonly [fact: string]: unknown;
}

export interface Recorder {
  /** Records them together, by default in a journal where nothing else is recorded. */
  record(input: readonly Input[], options?: SendOptions): Promise<Recorded[]>;
  one(input: Input, options?: SendOptions): Promise<Recorded>;
  /** Fails where they are not refused. */
  refusal(input: readonly Input[], options?: SendOptions): Promise<Refusal>;
  /** The event as its reader sees it. */
  read(id: string, options?: SendOptions): Promise<Recorded | null>;
  /** All that a journal holds, as `group/admin` sees it. */
  journal(name: string): Promise<Recorded[]>;
  attribute(input: Input, options?: SendOptions): Promise<Record<string, unknown>>;
  type(input: Input, options?: SendOptions): Promise<Record<string, unknown>>;
  resource(input: Input, options?: SendOptions): Promise<{ ref: string; acl: { owners: string[] } | null }>;
  /** A token of one who is not `group/admin`. */
  as(subject: string, ...groups: string[]): Promise<{ token: string }>;
}

export function recorderOf(world: () => World): Recorder {
  const recorder: Recorder = {
    record: async (input, options) => (await world().ask(RECORD, { input }, options)).recordEvents.events,
    one: async (input, options) => (await recorder.record([input], options))[0] as Recorded,
    refusal: async (input, options) => refusalOf(await world().send(RECORD, { input }, options)),
    read: async (id, options) => (await world().ask(READ, { id }, options)).event,
    journal: async (journal) => (await world().ask(IN_ORDER, { journal })).events.nodes,
    attribute: async (input, options) =>
      (await world().ask(DEFINE_ATTRIBUTE, { input }, options)).defineAttribute,
    type: async (input, options) => (await world().ask(DEFINE_TYPE, { input }, options)).defineEventType,
    resource: async (input, options) => (await world().ask(PUT, { input }, options)).putResource,
    as: async (subject, ...groups) => ({ token: await world().token({ subject, groups }) }),
  };
  return recorder;
}

/** The one error of an answer. */
export function refusalOf({ data, errors }: Awaited<ReturnType<World['send']>>): Refusal {
  expect(errors, JSON.stringify(data)).toHaveLength(1);
  const [error] = errors as [NonNullable<typeof errors>[number]];
  return { message: error.message, ...(error.extensions as { code: string }) };
}

/** The name of a journal where nothing is recorded yet. */
export function newJournal(): string {
  return unique('journal');
}

/** What no event has. */
export const NOBODYS_ID = '01900000-0000-7000-8000-000000000000';
