/** Operations that come so often that a function is made of their text: their answers stay as they were. */
import { buildSchema, type ExecutionResult, parse } from 'graphql';
import { describe, expect, test } from 'vitest';
import { createFormatError } from '../../src/graphql/errors.ts';
import { compilable, execute, RUNS_BEFORE_COMPILING } from '../../src/graphql/execution.ts';
import { takesAtMost } from '../support/processor-time.ts';
import { worldForFile } from '../support/world.ts';

describe('who runs an operation', () => {
  const schema = buildSchema(`
    type Query { who: String, deeper(self: Self): Query }
    input Self { self: Self }
  `);
  const { who, deeper } = schema.getQueryType()?.getFields() ?? expect.fail();
  Object.assign(who as object, {
    resolve: () => (/graphql-jit/.test(new Error('Where am I?').stack ?? '') ? 'graphql-jit' : 'graphql-js'),
  });
  Object.assign(deeper as object, { resolve: () => ({}) });

  /** Who runs it the first time, the last before it may be compiled, and then. */
  function runners(text: string, mark = compilable): unknown[] {
    const document = mark(parse(text));
    const told: unknown[] = [];
    for (let nth = 1; nth <= RUNS_BEFORE_COMPILING; nth++) {
      const { data } = execute({ schema, document }) as ExecutionResult;
      told.push(data?.who);
    }
    return [told[0], told.at(-2), told.at(-1)];
  }

  test('graphql-jit, when it has come often', () => {
    const then = ['graphql-js', 'graphql-js', 'graphql-jit'];
    expect(runners('{ who }')).toEqual(then);
    expect(runners('query ($yes: Boolean = true) { who @include(if: $yes) }')).toEqual(then);
    expect(runners('{ who deeper(self: { self: { self: null } }) { who } }')).toEqual(then);
  });

  test('graphql-js, where the variables are not known to be good', () => {
    expect(runners('{ who }', (document) => document)).toEqual(Array(3).fill('graphql-js'));
  });

  test('graphql-js, where compiling would take long: fragments that name each other twice', () => {
    const fragments = Array.from(
      { length: 8 },
      (_, nth) => `fragment F${nth} on Query { a: deeper { ...F${nth + 1} } b: deeper { ...F${nth + 1} } }`,
    );
    const text = `{ who ...F0 } ${fragments.join(' ')} fragment F8 on Query { who }`;
    expect(runners(text)).toEqual(Array(3).fill('graphql-js'));
  });

  test('graphql-js, where graphql-jit would overflow the stack: a variable of a type that names itself', () => {
    const text = 'query ($self: [Self!]) { who deeper { who } }';
    expect(runners(text)).toEqual(Array(3).fill('graphql-js'));
    expect(takesAtMost(500, () => runners(text))).toBe(true);
  });

  test('each operation of a text is run as itself', () => {
    const document = compilable(parse('query A { a: who } query B { b: who }'));
    for (let nth = 0; nth <= RUNS_BEFORE_COMPILING; nth++) {
      for (const operationName of ['A', 'B']) {
        const { data } = execute({ schema, document, operationName }) as ExecutionResult;
        expect(Object.keys(data ?? {})).toEqual([operationName.toLowerCase()]);
      }
    }
  });
});

test('what graphql-jit finds to be wrong is put into words as what graphql-js does', () => {
  const schema = buildSchema('type Query { nothing: String! }');
  const document = compilable(parse('{ nothing }'));
  const format = createFormatError(() => {});
  const told: unknown[] = [];
  for (let nth = 1; nth <= RUNS_BEFORE_COMPILING; nth++) {
    const { errors } = execute({ schema, document, rootValue: {} }) as ExecutionResult;
    told.push(errors?.map((error) => format(error, undefined)));
  }
  expect(told[0]).toMatchObject([{ path: ['nothing'], extensions: { code: 'INTERNAL_SERVER_ERROR' } }]);
  expect(told.at(-1)).toEqual(told[0]);
});

describe('answers', () => {
  const world = worldForFile();
  const EVENT = `id type { name } message severity actor resource { ref name acl { owners } } attributes payload
    parent { id } children(first: 2) { totalCount nodes { message } }`;
  const RECORD = `mutation ($input: RecordEventInput!) { recordEvent(input: $input) { event { ${EVENT} } } }`;
  const note = {
    type: 'note',
    message: 'A note.',
    resource: 'page/1',
    children: [{ type: 'note', message: 'Below.' }],
  };

  /** What is new in each answer is left out of it. */
  const comparable = (answer: object) =>
    JSON.parse(
      JSON.stringify(answer)
        .replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, 'an id')
        .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'a time'),
    );

  const MUTATIONS: readonly [name: string, text: string, variables: object, code: string | null][] = [
    ['an event and its children', RECORD, { input: note }, null],
    ['what is wrong with an event', RECORD, { input: { type: 'unheard_of' } }, 'UNKNOWN_EVENT_TYPE'],
    ['what is wrong with its variables', RECORD, { input: { kind: 'note' } }, 'BAD_USER_INPUT'],
    ['a variable that is missing', RECORD, {}, 'BAD_USER_INPUT'],
    [
      'one field of two that fails',
      `mutation ($good: RecordEventInput!, $bad: [RecordEventInput!]!) {
        good: recordEvent(input: $good) { event { message } } bad: recordEvents(input: $bad) { events { id } }
      }`,
      { good: note, bad: [note, { ...note, type: 'unheard_of' }] },
      'UNKNOWN_EVENT_TYPE',
    ],
    [
      'fragments, directives, variables with defaults and without',
      `mutation ($input: [RecordEventInput!]!, $name: String = "text", $first: Int, $yes: Boolean!, $no: Boolean = false) {
        __typename
        recordEvents(input: $input) {
          events { ...More id @include(if: $no) seen: severity @include(if: $yes) children(first: $first) { totalCount } }
        }
      }
      fragment More on Event { attribute(name: $name) ... on Event { category message @skip(if: $yes) } }`,
      { input: [note, note], name: 'text', no: false, yes: true },
      null,
    ],
  ];

  test.each(MUTATIONS)('%s', async (_, text, variables, code) => {
    const first = await world().send(text, variables);
    expect(first.errors?.[0]?.extensions.code ?? null).toBe(code);
    for (let nth = 0; nth < RUNS_BEFORE_COMPILING; nth += 20) {
      await Promise.all(Array.from({ length: 20 }, () => world().send(text, variables)));
    }
    expect(comparable(await world().send(text, variables))).toEqual(comparable(first));
  });

  test('a live message is the same before and after', async () => {
    const stream = world().watch(`subscription { eventStream(maxBatch: 1) { events { ${EVENT} } } }`);
    await stream.next();
    const told: unknown[] = [];
    const events = RUNS_BEFORE_COMPILING + 20;
    for (let nth = 0; nth < events; nth++) await world().ask(RECORD, { input: { ...note, children: [] } });
    while (told.length < events) told.push(...(await stream.next()).data.eventStream.events);
    const query = `query ($first: Int!) { events(first: $first) { nodes { ${EVENT} } } }`;
    const { events: found } = await world().ask(query, { first: events });
    expect(told).toEqual(found.nodes.reverse());
  });
});
