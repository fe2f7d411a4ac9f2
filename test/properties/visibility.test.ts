/**
 * Visibility first: pages, counts, single events, trees and streams of a real server show each viewer what
 * the words of the contract let them see (support/oracle.ts), at the level they see it, before and after
 * rights change.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Database, openDatabase } from '../../src/db/database.ts';
import type { EventFilterInput } from '../../src/events/filter/filter.ts';
import { indexNext } from '../../src/events/index/indexer.ts';
import { openRegistry, type RegistryStore } from '../../src/events/registry-store.ts';
import { type Answer, type Stream, worldForFile } from '../support/world.ts';
import { rightsOf, sightOf } from './support/oracle.ts';
import { FAMILY, familyOf, PORTRAIT, portraitOf, type Told } from './support/portrait.ts';
import { assertOften, PROPERTY_TIMEOUT_MS } from './support/runs.ts';
import { type Question, type Story, story, type Visitor } from './support/story.ts';
import {
  answerTo,
  badge,
  begin,
  type Change,
  changeRights,
  eyesOf,
  filterOf,
  mark,
  prepare,
  record,
  sent,
  type Tale,
} from './support/tale.ts';

const PAGE = `query ($journal: String!, $filter: EventFilter, $order: EventOrder!,
  $first: Int, $after: String, $last: Int, $before: String) {
  events(journal: $journal, filter: $filter, order: $order, first: $first, after: $after, last: $last, before: $before) {
    totalCount edges { cursor node { ...portrait } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
} ${PORTRAIT}`;
const OF_RESOURCE = `query ($journal: String!, $ref: ResourceRef!) {
  resource(ref: $ref) { ref acl { owners } events(journal: $journal, first: 100) { totalCount nodes { id } } }
}`;
const STREAM = `subscription ($journal: String!, $filter: EventFilter, $size: Int!) {
  eventStream(journal: $journal, filter: $filter, from: BEGINNING, maxBatch: $size) {
    live hidden gap { reason } events { ...portrait }
  }
} ${PORTRAIT}`;
const RECORDED = `subscription ($journal: String!, $filter: EventFilter, $after: String) {
  eventRecorded(journal: $journal, filter: $filter, after: $after) { ...portrait }
} ${PORTRAIT}`;

const world = worldForFile({
  environment: { EVENTREE_MAX_JOURNALS: '100000', EVENTREE_MAX_QUERY_COST: '1000000' },
});
/** For who brings the journal into the index now and not when the server would. */
let database: Database;
let registry: RegistryStore;
let elsewhere: string;

beforeAll(async () => {
  database = openDatabase({
    url: world().databaseUrl,
    poolSize: 4,
    statementTimeoutMs: 20_000,
    onIdleError: () => {},
  });
  elsewhere = await prepare(world());
  registry = await openRegistry(database);
});
afterAll(() => database.close());

test(
  'queries and streams show each viewer what the contract says, while rights change',
  {
    timeout: PROPERTY_TIMEOUT_MS,
  },
  () => assertOften(story, holds, 20),
);

async function holds({ acls, steps, questions }: Story): Promise<void> {
  const tale = await begin({ world: world(), elsewhere }, { acls, steps });
  const watchers: Watcher[] = [];
  try {
    for (const [nth, step] of steps.entries()) {
      const first = tale.told.length;
      const lost = step.change === null ? null : await changeRights(tale, step.change);
      await record(tale, step.events);
      await mark(tale, nth + 1);
      if (nth === 0) for (const question of questions) watchers.push(...(await watchAll(tale, question)));
      const span = { first: nth === 0 ? 0 : first, marker: tale.markers[nth + 1] as string, lost };
      for (const watcher of watchers) await expectDelivered(tale, watcher, span);
      if (step.indexed) while (await indexNext(database.pool, registry, tale.journalId, 1));
      for (const question of questions) await expectShown(tale, question);
    }
    for (const question of questions) await expectTold(tale, question);
  } finally {
    for (const { stream } of watchers) stream.close();
  }
}

// ── Queries ─────────────────────────────────────────────────────────────────────────────────────

/** An operation may have a hundred aliases. */
const ONE_BY_ONE = 20;

async function expectShown(tale: Tale, question: Question): Promise<void> {
  const { visitor, order, size } = question;
  const { journal } = tale;
  const eyes = eyesOf(tale, visitor);
  const who = await badge(world(), visitor);
  const filter = filterOf(tale, question.filter);
  const rising = answerTo(tale, filter, eyes);
  const expected = (order === 'OLDEST_FIRST' ? rising : rising.toReversed()).map((one) =>
    portraitOf(one, eyes),
  );
  const variables = { journal, order, filter: sent(filter) };
  const page = async (part: object) => (await world().ask(PAGE, { ...variables, ...part }, who)).events;

  const forward: unknown[] = [];
  for (let after: string | null = null, more = true; more; ) {
    const { edges, totalCount, pageInfo } = await page({ first: size, after });
    expect(totalCount).toBe(expected.length);
    expect(pageInfo.hasPreviousPage).toBe(after !== null);
    forward.push(...edges.map(({ node }: { node: unknown }) => node));
    after = pageInfo.endCursor;
    more = pageInfo.hasNextPage;
  }
  expect(forward, 'first … after').toEqual(expected);

  const backward: unknown[] = [];
  for (let before: string | null = null, more = true; more; ) {
    const { edges, pageInfo } = await page({ last: size, before });
    expect(pageInfo.hasNextPage).toBe(before !== null);
    backward.unshift(...edges.map(({ node }: { node: unknown }) => node));
    before = pageInfo.startCursor;
    more = pageInfo.hasPreviousPage;
  }
  expect(backward, 'last … before').toEqual(expected);

  for (let first = 0; first < tale.told.length; first += ONE_BY_ONE) {
    const some = tale.told.slice(first, first + ONE_BY_ONE);
    const fields = some.map(({ id }, nth) => `e${nth}: event(id: "${id}") { ...portrait ...family }`);
    const each = await world().ask(`{ ${fields.join(' ')} } ${PORTRAIT} ${FAMILY}`, {}, who);
    expect(Object.values(each), 'one by one').toEqual(
      some.map((told) => {
        const portrait = portraitOf(told, eyes);
        return portrait === null ? null : { ...portrait, ...familyOf(told, eyes) };
      }),
    );
  }

  for (const [ref, acl] of tale.resources) {
    const rights = rightsOf(visitor.claims, acl);
    const seen = tale.told.filter((told) => told.resource === ref && eyes.sight(told) > 0);
    const { resource } = await world().ask(OF_RESOURCE, { journal, ref }, who);
    expect(resource, ref).toEqual(
      !rights.has('viewMeta')
        ? null
        : {
            ref,
            acl: rights.has('viewAcl') ? { owners: acl.owners } : null,
            events: { totalCount: seen.length, nodes: seen.toReversed().map(({ id }) => ({ id })) },
          },
    );
  }
}

// ── Streams ─────────────────────────────────────────────────────────────────────────────────────

interface Watcher {
  readonly kind: 'eventStream' | 'eventRecorded';
  readonly visitor: Visitor;
  readonly filter: EventFilterInput;
  readonly stream: Stream<Answer>;
}

/** Opens both subscriptions. Markers come too, so that it is known when there is nothing more to come. */
async function watchAll(tale: Tale, { visitor, filter: recipe, size, by }: Question): Promise<Watcher[]> {
  const { journal, start, markers } = tale;
  // What a filter says of an event that is not there yet would depend on when it is asked.
  const there = tale.ids.slice(0, tale.recorded);
  const filter = { or: [filterOf(tale, recipe, there), { id: { in: markers } }] };
  const options = { by, ...(await badge(world(), visitor)) };
  const known = { visitor, filter };
  const asked = { journal, filter: sent(filter) };
  return [
    { kind: 'eventStream', ...known, stream: world().watch(STREAM, { ...asked, size }, options) },
    { kind: 'eventRecorded', ...known, stream: world().watch(RECORDED, { ...asked, after: start }, options) },
  ];
}

/** What a stream must deliver next: all from the first of these on, up to the marker. */
interface Span {
  readonly first: number;
  readonly marker: string;
  readonly lost: Change | null;
}

async function expectDelivered(tale: Tale, watcher: Watcher, { first, marker, lost }: Span): Promise<void> {
  const { kind, visitor, filter, stream } = watcher;
  const eyes = eyesOf(tale, visitor);
  const among = tale.told.slice(kind === 'eventRecorded' ? Math.max(1, first) : first);
  const expected = answerTo(tale, filter, eyes, among).map((one) => portraitOf(one, eyes));
  if (kind === 'eventRecorded') {
    const messages = await stream.until((message) => dataOf(message).eventRecorded.id === marker);
    expect(
      messages.map((message) => dataOf(message).eventRecorded),
      kind,
    ).toEqual(expected);
    return;
  }
  let ended = false;
  let isLive = first > 0;
  const messages = (
    await stream.until((message) => {
      const { events, live } = dataOf(message).eventStream;
      ended ||= events.some(({ id }: Told) => id === marker);
      isLive ||= live;
      return ended && isLive;
    })
  ).map((message) => dataOf(message).eventStream);
  expect(
    messages.flatMap(({ events }) => events),
    kind,
  ).toEqual(expected);
  expect(
    messages.flatMap(({ hidden }) => hidden),
    'hidden',
  ).toEqual(losesSight(visitor, lost) ? [lost?.resource] : []);
}

function losesSight({ claims }: Visitor, lost: Change | null): boolean {
  if (lost === null) return false;
  const ordinary = { type: 'thing', resource: lost.resource, actor: 'user/root', visibleToActor: false };
  return sightOf(ordinary, lost.before, claims) > 0 && sightOf(ordinary, lost.after, claims) === 0;
}

/** Who comes late, drops what is hidden and goes on from a cursor holds what a query shows. */
async function expectTold(tale: Tale, { visitor, filter: recipe, order, size, by }: Question): Promise<void> {
  const { journal } = tale;
  const eyes = eyesOf(tale, visitor);
  const filter = filterOf(tale, recipe);
  const expected = answerTo(tale, filter, eyes).map((one) => portraitOf(one, eyes));
  const who = await badge(world(), visitor);
  const asked = { journal, filter: sent(filter) };

  const stream = world().watch(STREAM, { ...asked, size }, { by, ...who });
  let held: { resource: { ref: string } | null; actor: string; visibleToActor: boolean }[] = [];
  const isOwn = (one: (typeof held)[number]) => one.visibleToActor && visitor.claims.includes(one.actor);
  for (const message of await stream.until((one) => dataOf(one).eventStream.live)) {
    const { events, hidden, gap } = dataOf(message).eventStream;
    expect(events.length).toBeLessThanOrEqual(size);
    expect(gap).toBeNull();
    held = [...held, ...events].filter((one) => isOwn(one) || !hidden.includes(one.resource?.ref));
  }
  stream.close();
  expect(held, 'told from the beginning').toEqual(expected);

  const { edges } = (await world().ask(PAGE, { ...asked, order, first: size }, who)).events;
  const from = edges.at(-1);
  if (from === undefined) return;
  const rest = expected.slice(expected.findIndex((one) => (one as Told).id === from.node.id) + 1);
  const onward = world().watch(RECORDED, { ...asked, after: from.cursor }, { by, ...who });
  for (const one of rest)
    expect(dataOf(await onward.next()).eventRecorded, 'told after a cursor').toEqual(one);
  onward.close();
}

function dataOf({ data, errors }: Answer) {
  if (errors !== undefined || data == null) throw new Error(JSON.stringify(errors));
  return data;
}
