/**
 * One filter language: what a filter means in memory, in SQL, by way of the index and in the words of the
 * contract (support/oracle.ts) is the same for every event, filter and viewer.
 */
import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { v7 } from 'uuid';
import { describe, expect, test } from 'vitest';
import { type Acl, NOBODY } from '../../src/access/acl.ts';
import type { Claim } from '../../src/access/claim.ts';
import type { ResourceRef } from '../../src/access/resource-ref.ts';
import type { RecordEventInput } from '../../src/events/draft.ts';
import type { SeenEvent } from '../../src/events/event.ts';
import { compileMatch } from '../../src/events/filter/filter-match.ts';
import type { Journal } from '../../src/events/journal.ts';
import {
  acl,
  CLAIMS,
  type EventRecipe,
  eventRecipe,
  type FilterRecipe,
  filterRecipe,
  RESOURCES,
  resolved,
  viewer,
} from './support/arbitraries.ts';
import { type Heart, heartForFile, principal, ROOT } from './support/heart.ts';
import { type Fact, type Lists, type Sight, sightOf, verdictOf } from './support/oracle.ts';
import { assertOften, PROPERTY_TIMEOUT_MS } from './support/runs.ts';
import { renderedMessage, TYPES } from './support/vocabulary.ts';

/** A filter asked by a viewer, and which part of the answer. */
interface Question {
  readonly filter: FilterRecipe;
  readonly claims: readonly string[];
  readonly direction: 'rising' | 'falling';
  /** Between these two events, or from one to an end. */
  readonly above: number | null;
  readonly below: number | null;
  readonly limit: number;
}

const question: fc.Arbitrary<Question> = fc.record({
  filter: filterRecipe,
  claims: viewer,
  direction: fc.constantFrom('rising', 'falling'),
  above: fc.option(fc.nat(40)),
  below: fc.option(fc.nat(40)),
  limit: fc.integer({ min: 1, max: 4 }),
});

/** Events recorded together, from so many positions behind the ones before. */
interface Part {
  readonly leap: number;
  readonly events: readonly EventRecipe[];
}

// The ends of chunks lie 4,096 positions apart.
const leap = fc.constantFrom(0, 0, 0, 4_090, 4_096, 3 * 4_096);
const together: fc.Arbitrary<readonly Part[]> = fc.array(
  fc.record({ leap, events: fc.array(eventRecipe, { minLength: 1, maxLength: 16, size: 'max' }) }),
  { minLength: 1, maxLength: 3, size: 'max' },
);
/** Each event by itself, over more chunks than are read at once. */
const scattered: fc.Arbitrary<readonly Part[]> = fc.array(
  fc.record({ leap: fc.integer({ min: 0, max: 2 * 4_096 }), events: fc.tuple(eventRecipe) }),
  { minLength: 1, maxLength: 50, size: 'max' },
);

const scenario = (parts: fc.Arbitrary<readonly Part[]>, questions: number) =>
  fc.record({
    acls: fc.array(acl(CLAIMS), { minLength: RESOURCES, maxLength: RESOURCES }),
    parts,
    /** How many chunks are indexed after the first part. */
    indexed: fc.nat(10),
    questions: fc.array(question, { minLength: 1, maxLength: questions, size: 'max' }),
  });

type Scenario = typeof scenario extends (...args: never[]) => fc.Arbitrary<infer T> ? T : never;

const heart = heartForFile();
const narrow = heartForFile({ rangeLimits: { rows: 3, terms: 2 } });

describe('a filter means the same in memory, in SQL, in the index and in words', () => {
  test('for events recorded together', { timeout: PROPERTY_TIMEOUT_MS }, () =>
    holds(heart, scenario(together, 24), 60),
  );

  test('for events scattered over many chunks', { timeout: PROPERTY_TIMEOUT_MS }, () =>
    holds(heart, scenario(scattered, 24), 12),
  );

  test('where ranges of terms are too large to be looked at', { timeout: PROPERTY_TIMEOUT_MS }, () =>
    holds(narrow, scenario(together, 24), 25),
  );
});

function holds(of: () => Heart, scenarios: fc.Arbitrary<Scenario>, runs: number) {
  const elsewhere = seenByAll(of);
  return assertOften(scenarios, async (made) => check(of(), made, await elsewhere()), runs);
}

async function check(heart: Heart, { acls, parts, indexed, questions }: Scenario, elsewhere: string) {
  const world = await begin(heart, acls, elsewhere);
  const ids = parts.flatMap(({ events }) => events.map(({ idTime }) => v7({ msecs: idTime })));
  const ask = async () => {
    for (const one of questions) await compare(world, one, ids);
  };

  for (const [nth, { leap, events }] of parts.entries()) {
    await heart.leap(world.journal, leap);
    world.leapt ||= leap > 0 && nth > 0;
    await record(world, events, ids);
    if (nth > 0) continue;
    await ask();
    await heart.index(world.journal, indexed);
  }
  await ask();
  await heart.index(world.journal, indexed);
  await ask();
  await heart.index(world.journal);
  await ask();
}

/** A journal and what the oracle knows of it. */
interface Known {
  readonly heart: Heart;
  readonly journal: Journal;
  readonly resources: ReadonlyMap<string, Lists>;
  readonly elsewhere: string;
  readonly facts: { readonly fact: Fact; readonly position: number; readonly recorded: SeenEvent }[];
  /** Whether positions were left out, which no journal does. */
  leapt: boolean;
}

async function begin(heart: Heart, acls: readonly Lists[], elsewhere: string): Promise<Known> {
  const name = randomBytes(6).toString('hex');
  const resources = new Map(
    acls.map((lists, nth) => [`doc${nth === 2 ? '.b' : ''}/${nth} "\\% ${name}`, lists]),
  );
  for (const [ref, lists] of resources) {
    await heart.resources.create(ref as ResourceRef, null, lists as Acl, ROOT);
  }
  const journal = await heart.journals.findOrCreate(name);
  return { heart, journal, resources, elsewhere, facts: [], leapt: false };
}

async function record(known: Known, recipes: readonly EventRecipe[], ids: readonly string[]): Promise<void> {
  const { heart, journal, facts } = known;
  const first = facts.length;
  const refs = [...known.resources.keys()];
  const made = recipes.map((recipe, i) => {
    const above = recipe.below === null ? undefined : (ids[first + i - recipe.below] as string | undefined);
    return { recipe, id: ids[first + i] as string, above, resource: refs[recipe.resource ?? -1] ?? null };
  });
  const recorded = await heart.recording.record(
    made.map(({ recipe: { below: _, idTime: __, ...recipe }, id, above, resource }) => {
      // Recipes are checked by no type: what is wrong with them the door would say.
      return {
        ...recipe,
        id,
        parentId: above,
        resource,
        journal: journal.name,
      } as unknown as RecordEventInput;
    }),
    ROOT,
  );
  for (const [i, { recipe, id, above, resource }] of made.entries()) {
    const event = recorded[i] as SeenEvent;
    const parent = facts.find(({ fact }) => fact.id === above)?.fact;
    const { type, attributes, sessionId = null, correlationId = null, actor = 'user/root' } = recipe;
    const { visibleToActor = false } = recipe;
    const rendered = renderedMessage({ type, resource, actor, sessionId, attributes });
    const { message = rendered.message, occurredAt = recipe.idTime } = recipe;
    const { category = TYPES[type].category, severity = TYPES[type].severity } = recipe;
    facts.push({
      recorded: event,
      position: event.event.position,
      fact: {
        ...{
          id,
          type,
          category,
          severity,
          occurredAt,
          resource,
          actor,
          sessionId,
          correlationId,
          attributes,
          visibleToActor,
        },
        ...{ message, masked: recipe.message ?? rendered.masked, recordedAt: event.event.recordedAt },
        ancestors: parent === undefined ? [] : [...parent.ancestors, parent.id],
      },
    });
  }
}

async function compare(known: Known, asked: Question, ids: readonly string[]): Promise<void> {
  const { heart, journal, resources, facts, elsewhere } = known;
  const { claims, direction, limit } = asked;
  const refs = [...resources.keys()];
  const recordedAt = facts.map(({ fact }) => fact.recordedAt);
  const input = resolved(asked.filter, { ids, recordedAt, resources: refs, elsewhere });
  const who = principal(claims);
  const sightOn = ({ fact }: { fact: Fact }): Sight =>
    sightOf(fact, fact.resource === null ? null : (resources.get(fact.resource) as Lists), claims);
  const sees = (id: string) =>
    id === elsewhere || facts.some((one) => one.fact.id === id && sightOn(one) > 0);

  const expected = facts.flatMap((one) => {
    const sight = sightOn(one);
    const met = sight > 0 && verdictOf(input, one.fact, sight, sees) === true;
    return met ? [{ id: one.fact.id, level: sight }] : [];
  });

  const filter = await heart.reader.filter(input);
  const match = compileMatch(filter);
  const inMemory = facts.flatMap((one) => {
    const level = sightOn(one);
    const met = level > 0 && match(one.recorded.event, level, sees) === true;
    return met ? [{ id: one.fact.id, level }] : [];
  });
  expect(inMemory, 'in memory').toEqual(expected);

  const all = {
    journal,
    filter,
    direction,
    above: 0,
    below: Number.POSITIVE_INFINITY,
    limit: 1_000,
  } as const;
  const inOrder = direction === 'rising' ? expected : expected.toReversed();
  expect((await heart.reader.page(all, who)).events.map(brief), 'read').toEqual(inOrder);

  const positionAt = (nth: number | null) => facts[(nth ?? 0) % facts.length]?.position ?? 0;
  const above = asked.above === null ? 0 : positionAt(asked.above);
  const below = asked.below === null ? Number.POSITIVE_INFINITY : positionAt(asked.below);
  const within = new Set(
    facts.filter((one) => one.position > above && one.position < below).map((one) => one.fact.id),
  );
  const part = await heart.reader.page({ ...all, above, below, limit }, who);
  expect(part.events.map(brief), 'a page').toEqual(
    inOrder.filter(({ id }) => within.has(id)).slice(0, limit),
  );

  // Of everything an admin is told how far the journal goes, which counts what was leapt over.
  const count = await heart.reader.count({ journal, filter }, who);
  if (!(known.leapt && who.claims.has('group/admin' as never)))
    expect(count, 'counted').toBe(expected.length);
}

function brief({ event, level }: SeenEvent) {
  return { id: event.id, level };
}

/** An event of another journal, at a position that every journal has. */
function seenByAll(of: () => Heart): () => Promise<string> {
  let made: Promise<string> | undefined;
  return () => {
    made ??= (async () => {
      const everyone = [...CLAIMS, 'user/nobody'];
      const ref = `doc/${randomBytes(4).toString('hex')}` as ResourceRef;
      const lists = { ...NOBODY, viewMeta: everyone as Claim[] };
      await of().resources.create(ref, null, lists, ROOT);
      const journal = `elsewhere-${randomBytes(4).toString('hex')}`;
      const [event] = await of().recording.record([{ type: 'note', journal, resource: ref }], ROOT);
      return (event as SeenEvent).event.id;
    })();
    return made;
  };
}
