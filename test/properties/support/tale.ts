/**
 * A story as it is told to a real server, through its API, and written down for the oracle: what stands in
 * the journal, in its order, and the rights as they are now.
 */
import { randomBytes } from 'node:crypto';
import { v7 } from 'uuid';
import { expect } from 'vitest';
import type { EventFilterInput } from '../../../src/events/filter/filter.ts';
import { unique, type World } from '../../support/world.ts';
import { type EventRecipe, resolved } from './arbitraries.ts';
import { type Lists, RIGHTS, rightsOf, type Sight, sightOf, verdictOf } from './oracle.ts';
import type { Eyes, Told } from './portrait.ts';
import { EVERYONE, type Question, type Step, type Story, type Visitor } from './story.ts';
import { ATTRIBUTES, renderedMessage, TYPES } from './vocabulary.ts';

const DEFINE_ATTRIBUTE = `mutation ($input: DefineAttributeInput!) { defineAttribute(input: $input) { name } }`;
const DEFINE_TYPE = `mutation ($input: DefineEventTypeInput!) { defineEventType(input: $input) { name } }`;
const PUT = `mutation ($ref: ResourceRef!, $name: String, $acl: AclInput!) {
  putResource(input: { ref: $ref, name: $name, acl: $acl }) { ref }
}`;
const SET_ACL = `mutation ($ref: ResourceRef!, $acl: AclInput!) { setResourceAcl(ref: $ref, acl: $acl) { ref } }`;
const RECORD = `mutation ($input: [RecordEventInput!]!) {
  recordEvents(input: $input) { events { id cursor position recordedAt } }
}`;
const NEWEST = `query ($journal: String!) {
  events(journal: $journal, first: 1) {
    nodes { id type { name } position occurredAt recordedAt message attributes payload }
  }
}`;

/** Declares the vocabulary. @returns an event of another journal, which everyone sees. */
export async function prepare(world: World): Promise<string> {
  for (const [name, declared] of Object.entries(ATTRIBUTES)) {
    await world.ask(DEFINE_ATTRIBUTE, { input: { name, ...declared } });
  }
  for (const [name, { attributes, ...type }] of Object.entries(TYPES)) {
    const listed = Object.keys(attributes).map((attribute) => ({ name: attribute }));
    await world.ask(DEFINE_TYPE, { input: { name, ...type, attributes: listed } });
  }
  const ref = `doc/${unique('seen by all')}`;
  await world.ask(PUT, { ref, acl: { viewMeta: EVERYONE } });
  const input = [{ type: 'note', journal: 'elsewhere', resource: ref }];
  return (await world.ask(RECORD, { input })).recordEvents.events[0].id;
}

/** A journal, and what the oracle knows of it. */
export interface Tale {
  readonly world: World;
  /** An event of another journal, which everyone sees. */
  readonly elsewhere: string;
  readonly journal: string;
  readonly journalId: number;
  readonly resources: Map<string, Lists>;
  readonly told: Told[];
  /** Ids of the events to come, but for markers and changes of rights. */
  readonly ids: readonly string[];
  readonly markers: readonly string[];
  /** Of the first marker. */
  readonly start: string;
  recorded: number;
}

const OPEN = 'doc/open';
/** What markers and changes of rights do not have. */
const NOTHING_MORE = {
  ...{ sessionId: null, correlationId: null, ancestors: [], attributes: {} },
  ...{ payload: null, privatePayload: null, visibleToActor: false },
};
const nameOf = (ref: string) => `The page ${ref}`;

/** Creates the resources, and records the first marker. */
export async function begin(
  { world, elsewhere }: Pick<Tale, 'world' | 'elsewhere'>,
  { acls, steps }: Pick<Story, 'acls' | 'steps'>,
): Promise<Tale> {
  const journal = randomBytes(6).toString('hex');
  const nobody = Object.fromEntries(RIGHTS.map((right) => [right, []])) as unknown as Lists;
  const resources = new Map(
    acls.map((lists, nth) => [`doc${nth === 2 ? '.b' : ''}/${nth} ${journal}`, lists]),
  );
  resources.set(`${OPEN} ${journal}`, { ...nobody, viewMeta: EVERYONE });
  for (const [ref, acl] of resources) await world.ask(PUT, { ref, name: nameOf(ref), acl });
  const ids = steps.flatMap(({ events }) => events.map(({ idTime }) => v7({ msecs: idTime })));
  const markers = [...Array(steps.length + 1)].map(() => v7());
  const told: Told[] = [];
  const made = { world, elsewhere, journal, resources, told, ids, markers, recorded: 0 };
  const start = await mark(made, 0);
  const { rows } = await world.db.query('select id from journal where name = $1', [journal]);
  return { ...made, journalId: rows[0].id, start };
}

/** Records what everyone sees. @returns its cursor. */
export async function mark(
  { world, journal, told, markers }: Pick<Tale, 'world' | 'journal' | 'told' | 'markers'>,
  nth: number,
): Promise<string> {
  const id = markers[nth] as string;
  const resource = `${OPEN} ${journal}`;
  const input = [{ id, journal, resource, type: 'thing.plain', actor: 'user/root' }];
  const [event] = (await world.ask(RECORD, { input })).recordEvents.events;
  const plain = {
    type: 'thing.plain',
    resource,
    actor: 'user/root',
    sessionId: null,
    attributes: {},
  } as const;
  told.push({
    ...{ ...NOTHING_MORE, ...plain, ...renderedMessage(plain), id, position: event.position },
    category: TYPES[plain.type].category,
    severity: TYPES[plain.type].severity,
    occurredAt: Number.parseInt(id.replaceAll('-', '').slice(0, 12), 16),
    recordedAt: Date.parse(event.recordedAt),
  });
  return event.cursor;
}

export async function record(tale: Tale, recipes: readonly EventRecipe[]): Promise<void> {
  const { world, journal, told, ids } = tale;
  const refs = [...tale.resources.keys()];
  const made = recipes.map(({ below, idTime, ...recipe }, i) => {
    const nth = tale.recorded + i;
    return {
      ...recipe,
      id: ids[nth] as string,
      parentId: below === null ? undefined : ids[nth - below],
      resource: recipe.resource === null ? null : (refs[recipe.resource] as string),
      occurredAt: recipe.occurredAt ?? idTime,
      payload: nth % 3 === 0 ? undefined : { open: nth },
      privatePayload: nth % 4 === 0 ? undefined : { secret: nth },
    };
  });
  const input = made.map((event) => ({ ...event, journal, occurredAt: iso(event.occurredAt) }));
  const { events } = (await world.ask(RECORD, { input })).recordEvents;
  for (const [i, event] of made.entries()) {
    const { type, resource, attributes, sessionId = null, correlationId = null, actor = 'user/root' } = event;
    const { visibleToActor = false } = event;
    const rendered = renderedMessage({ type, resource, actor, sessionId, attributes });
    const parent = told.find(({ id }) => id === event.parentId);
    told.push({
      ...{ id: event.id, type, resource, actor, attributes, sessionId, correlationId, visibleToActor },
      ...{ occurredAt: event.occurredAt, recordedAt: Date.parse(events[i].recordedAt) },
      category: event.category ?? TYPES[type].category,
      severity: event.severity ?? TYPES[type].severity,
      message: event.message ?? rendered.message,
      masked: event.message ?? rendered.masked,
      ancestors: parent === undefined ? [] : [...parent.ancestors, parent.id],
      position: events[i].position,
      payload: event.payload ?? null,
      privatePayload: event.privatePayload ?? null,
    });
  }
  tale.recorded += recipes.length;
}

/** A change of rights that was recorded. */
export interface Change {
  readonly resource: string;
  readonly before: Lists;
  readonly after: Lists;
}

/** @returns null where nothing changes, or there is nothing to hide. */
export async function changeRights(
  tale: Tale,
  { resource: nth, acl }: NonNullable<Step['change']>,
): Promise<Change | null> {
  const { world, journal, told, resources } = tale;
  const [resource, before] = [...resources][nth] as [string, Lists];
  const isNew = RIGHTS.some((right) => acl[right].toSorted().join() !== before[right].toSorted().join());
  const hasEvents = told.some((one) => one.resource === resource);
  await world.ask(SET_ACL, { ref: resource, acl });
  resources.set(resource, acl);
  const [newest] = (await world.ask(NEWEST, { journal })).events.nodes;
  expect(newest.position, 'a change of rights takes a place among events').toBe(
    told.length + Number(isNew && hasEvents),
  );
  if (!isNew || !hasEvents) return null;
  const message = `user/root changed who may see or change ${resource}`;
  const attributes = { old_acl: before, new_acl: acl };
  expect(newest).toMatchObject({ type: { name: 'acl_change' }, message, attributes });
  told.push({
    ...{ ...NOTHING_MORE, id: newest.id, type: 'acl_change', resource, actor: 'user/root', attributes },
    ...{ category: 'CHANGE', severity: 'MEDIUM', message, masked: message, position: newest.position },
    occurredAt: Date.parse(newest.occurredAt),
    recordedAt: Date.parse(newest.recordedAt),
  });
  return { resource, before, after: acl };
}

// ── A viewer’s eyes ─────────────────────────────────────────────────────────────────────────────

export function eyesOf({ journal, told, resources }: Tale, { claims }: Visitor): Eyes {
  return {
    journal,
    told,
    isAdmin: claims.includes('group/admin'),
    sight: (of): Sight =>
      sightOf(of, of.resource === null ? null : (resources.get(of.resource) as Lists), claims),
    nameOf: (ref) => (rightsOf(claims, resources.get(ref) as Lists).has('viewMeta') ? nameOf(ref) : null),
  };
}

/** Of the events in question those that the viewer sees and the filter lets through, in journal order. */
export function answerTo(
  tale: Tale,
  filter: EventFilterInput,
  { sight }: Eyes,
  among: readonly Told[] = tale.told,
): Told[] {
  const sees = (id: string) =>
    id === tale.elsewhere || tale.told.some((one) => one.id === id && sight(one) > 0);
  return among.filter((one) => sight(one) > 0 && verdictOf(filter, one, sight(one), sees) === true);
}

/** @param ids of the events that it may name. */
export function filterOf(
  tale: Tale,
  recipe: Question['filter'],
  ids: readonly string[] = tale.ids,
): EventFilterInput {
  const { told, resources, elsewhere } = tale;
  const recordedAt = told.map((one) => one.recordedAt);
  return resolved(recipe, { ids, recordedAt, resources: [...resources.keys()], elsewhere });
}

/** The same as it is sent: times as text. */
export function sent(filter: unknown): unknown {
  if (Array.isArray(filter)) return filter.map(sent);
  if (typeof filter !== 'object' || filter === null) return filter;
  return Object.fromEntries(
    Object.entries(filter).map(([name, value]) => {
      const isSpan = name === 'occurredAt' || name === 'recordedAt';
      if (!isSpan) return [name, name === 'attributes' ? value : sent(value)];
      return [
        name,
        Object.fromEntries(Object.entries(value).map(([bound, ms]) => [bound, iso(ms as number)])),
      ];
    }),
  );
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}

export async function badge(world: World, { token }: Visitor): Promise<{ token: string | null }> {
  return { token: token === null ? null : await world.token(token) };
}
