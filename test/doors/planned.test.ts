/** Operations that are run by a plan of their text: their answers and what they do are those of graphql-js. */
import {
  buildSchema,
  execute as executeByGraphqlJs,
  type GraphQLFieldResolver,
  type GraphQLObjectType,
  getOperationAST,
  type OperationDefinitionNode,
  parse,
} from 'graphql';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { createClient, LINE_FIELDS } from '../../src/client/index.ts';
import { createCoercion } from '../../src/graphql/coercion.ts';
import { execute, planFor } from '../../src/graphql/execution.ts';
import { schema as schemaOfServer } from '../../src/graphql/schema.ts';
import { worldForFile } from '../support/world.ts';

type Resolve = GraphQLFieldResolver<unknown, unknown>;

/** What resolvers are asked, in order; those of the plan are told nothing of text and schema. */
let asked: string[] = [];

const schema = buildSchema(`
  scalar Even
  enum Colour { RED GREEN }
  type Query { unused: String }
  type Mutation {
    make(name: String = "thing", size: Int! = 3, list: [Int!]): Thing!
    tell: String
    informed: String
    things: [Thing!]
  }
  type Subscription { seen: Thing }
  type Thing {
    name: String! size: Int even: Even colour: Colour list: [Int!] part: Thing parts: [Thing!]!
    wrong: String later: String promised: Thing broken: Thing brokenParts: [Thing] thenable: Thing sparse: [Int!]
    plainly: String made: Thing argued(by: String = "default"): String
  }
`);
const UNSPEAKABLE = 666;
const THING = {
  plainly: 'plain',
  made: () => THING,
  size: 3,
  even: 4,
  colour: 'GREEN',
  list: [1, 2],
  part: null,
  parts: [],
};
const RESOLVERS: Record<string, Record<string, Resolve>> = {
  Mutation: {
    make: (_, args) => {
      if (args.name === 'nothing') return null;
      if (args.name === 'error') throw new Error('It cannot be made.');
      if (args.name === 'an error') return new Error('It is an error.');
      const thing = { ...THING, ...args, part: THING, parts: [THING, { ...THING, name: 'part' }] };
      return args.name === 'refused' ? Promise.reject(new Error('It is refused.')) : Promise.resolve(thing);
    },
    tell: () => 'told',
    informed: (_root, _args, _context, { fieldName }) => fieldName,
    things: () => [{ ...THING, name: 'one' }, null],
  },
  Query: { unused: () => 'used' },
  Subscription: { seen: (root) => (root as { value: unknown }).value },
  Thing: {
    name: (thing) => (thing as { name?: string }).name,
    size: (thing) => (thing as { size: unknown }).size,
    even: (thing) => (thing as { even: unknown }).even,
    colour: (thing) => (thing as { colour: unknown }).colour,
    list: (thing) => (thing as { list: unknown }).list,
    part: (thing) => (thing as { part: unknown }).part,
    parts: (thing) => (thing as { parts: unknown }).parts,
    wrong: () => {
      throw new Error('It is wrong.');
    },
    later: () => Promise.resolve('later'),
    promised: () => Promise.resolve({ ...THING, name: 'promised' }),
    broken: () => Promise.reject(new Error('It is broken.')),
    brokenParts: () => [
      THING,
      Promise.reject(new Error('It is broken.')),
      Promise.reject(new Error('It too.')),
    ],
    // biome-ignore lint/suspicious/noThenProperty: it is to be taken for a promise.
    thenable: () => ({ then: (resolve: (value: unknown) => void) => resolve({ ...THING, name: 'late' }) }),
    // biome-ignore lint/suspicious/noSparseArray: it is to have a hole.
    sparse: () => [1, , 3],
    argued: (_, { by }) => String(by),
  },
};
for (const [type, resolvers] of Object.entries(RESOLVERS)) {
  const fields = (schema.getType(type) as ReturnType<typeof schema.getMutationType>)?.getFields() ?? {};
  for (const [name, resolve] of Object.entries(resolvers)) {
    const noted = (...given: unknown[]) => {
      asked.push(`${given.length === 3 ? 'plan' : 'graphql-js'} ${name} ${JSON.stringify(given[1])}`);
      return resolve(...(given as Parameters<Resolve>));
    };
    const takesInfo = resolve.length > 3;
    Object.assign(fields[name] as object, { resolve: takesInfo ? resolve : noted });
  }
}
Object.assign(schema.getType('Even') as object, {
  serialize: (value: number) => {
    if (value % 2 !== 0) throw new Error(`${value} is odd.`);
    return value === UNSPEAKABLE ? undefined : value;
  },
});

/** What one of the two answers, as a door sends it, and what it did for it. */
async function told(
  by: typeof execute,
  text: string,
  variableValues: Record<string, unknown>,
  rootValue?: unknown,
) {
  const document = parse(text);
  const operation = getOperationAST(document) as OperationDefinitionNode;
  if (by === execute) planFor(schema, document, operation);
  asked = [];
  const run = () => by({ schema, document, variableValues, rootValue });
  const answer = JSON.stringify(await run());
  const first = asked;
  asked = [];
  // What it has learned of the first run changes nothing.
  expect(JSON.stringify(await run())).toBe(answer);
  return { answer, asked: first, askedAgain: asked };
}

const isByPlan = (calls: readonly string[]) => calls.every((call) => call.startsWith('plan '));
const rootCalls = (calls: readonly string[]) => calls.filter((call) => /^\S+ (make|tell|things) /.test(call));

const PLAIN: readonly [text: string, variables?: Record<string, unknown>][] = [
  ['mutation { tell }'],
  ['mutation Named { said: tell }'],
  ['mutation ($name: String) { make(name: $name) { __typename name } }', { name: 'this' }],
  ['mutation ($name: String) { make(name: $name) { name } }', {}],
  [
    'mutation ($size: Int!, $list: [Int!]) { make(size: $size, list: $list) { size list } }',
    { size: 5, list: [7] },
  ],
  ['mutation ($list: [Int!]) { make(list: $list) { list } }', { list: null }],
  ['mutation { make { a: name b: name colour even size part { size } parts { size } list } }'],
  ['mutation { make { plainly part { plainly } } }'],
  ['mutation { make { constructor: name toString: size hasOwnProperty: colour } }'],
];

test.each(PLAIN)('%s', async (text, variables = {}) => {
  const byPlan = await told(execute, text, variables);
  const expected = await told(executeByGraphqlJs as typeof execute, text, variables);
  expect(byPlan.answer).toBe(expected.answer);
  expect(isByPlan([...byPlan.asked, ...byPlan.askedAgain])).toBe(true);
  expect(byPlan.asked.map(argumentsAsked)).toEqual(expected.asked.map(argumentsAsked));
});

const argumentsAsked = (call: string) => call.slice(call.indexOf(' '));

const NOT_PLAIN: readonly [text: string, variables?: Record<string, unknown>][] = [
  ['mutation ($name: String) { make(name: $name) { size } }', { name: 'nothing' }],
  ['mutation ($name: String) { make(name: $name) { size } }', { name: 'error' }],
  ['mutation ($name: String) { make(name: $name) { size } }', { name: 'an error' }],
  ['mutation ($name: String) { make(name: $name) { size } }', { name: 'refused' }],
  ['mutation ($size: Int) { make(size: $size) { size } }', { size: null }],
  ['mutation ($size: Int = 1) { make(size: $size) { size } }', { size: null }],
  ['mutation ($size: Int = 1) { make(size: $size) { size even part { even } } }', {}],
  ['mutation { make { size wrong } }'],
  ['mutation { make { part { name } } }'],
  ['mutation { make { parts { name } } }'],
  ['mutation { make { later promised { name later } } }'],
  ['mutation { make { broken { name } later } }'],
  ['mutation { make { size brokenParts { name } } }'],
  ['mutation { make { thenable { size } } }'],
  ['mutation { make { sparse } }'],
  ['mutation { make { made { size } } }'],
  ['mutation { things { name } }'],
  ['mutation { make { argued } }'],
  ['mutation { make(name: "literal", list: [1]) { name list } }'],
  ['mutation ($name: Int!) { make(list: [$name]) { list } }', { name: 1 }],
  ['mutation { a: tell b: make { wrong } c: tell }'],
  ['mutation { a: make(name: "error") { size } b: tell }'],
  ['mutation { tell @skip(if: true) }'],
  ['mutation ($no: Boolean!) { make { size @include(if: $no) name } }', { no: false }],
  [
    'mutation { make { ...More name } } fragment More on Thing { size part { ...Deep } } fragment Deep on Thing { size }',
  ],
  ['mutation { ... on Mutation { tell } }'],
  ['mutation { make { part { size } part { colour } } }'],
  ['mutation { informed }'],
  ['mutation { __typename }'],
  ['mutation { __proto__: tell }'],
  ['mutation { make { __proto__: name } }'],
];

test.each(NOT_PLAIN)('as by graphql-js: %s', async (text, variables = {}) => {
  const byPlan = await told(execute, text, variables);
  const expected = await told(executeByGraphqlJs as typeof execute, text, variables);
  expect(byPlan.answer).toBe(expected.answer);
  // What changes something is done once, with the same arguments and in the same order.
  for (const run of ['asked', 'askedAgain'] as const) {
    expect(rootCalls(byPlan[run]).map(argumentsAsked)).toEqual(rootCalls(expected[run]).map(argumentsAsked));
  }
});

test('a text whose fields promise their values is soon not planned for any more', async () => {
  const document = parse('mutation { make { size later } }');
  planFor(schema, document, getOperationAST(document) as OperationDefinitionNode);
  const runs: boolean[] = [];
  for (let nth = 0; nth < 20; nth++) {
    asked = [];
    await execute({ schema, document });
    runs.push(asked.some((call) => call.startsWith('plan ')));
  }
  expect([runs[0], runs.at(-1)]).toEqual([true, false]);
});

test('one promise that has passed does not end the plan', async () => {
  const document = parse('subscription { seen { part { size } } }');
  planFor(schema, document, getOperationAST(document) as OperationDefinitionNode);
  for (let nth = 0; nth < 100; nth++) {
    asked = [];
    const part = nth % 5 === 0 ? Promise.resolve(THING) : THING;
    await execute({ schema, document, rootValue: { value: { part } } });
    expect(asked[0]).toContain('plan ');
  }
});

test('a look-up that fails while nobody waits for it any more ends nothing', async () => {
  const unhandled = vi.fn();
  process.on('unhandledRejection', unhandled);
  onTestFinished(() => void process.off('unhandledRejection', unhandled));
  await told(execute, 'mutation { make { broken { name } brokenParts { name } } }', {});
  await told(execute, 'mutation { make { brokenParts { name } } }', {});
  await new Promise((resolve) => setTimeout(resolve, 10));
  expect(unhandled).not.toHaveBeenCalled();
});

test('an odd value is refused in the words of graphql-js', async () => {
  const text = 'subscription { seen { name even } }';
  for (const even of [4, 5, UNSPEAKABLE, null, undefined, {}]) {
    const rootValue = { value: { ...THING, name: 'seen', even } };
    const byPlan = await told(execute, text, {}, rootValue);
    expect(byPlan.answer).toBe(
      (await told(executeByGraphqlJs as typeof execute, text, {}, rootValue)).answer,
    );
    expect(isByPlan(byPlan.asked)).toBe(even === 4 || even == null);
  }
});

test('a text with a variable that was not coerced ahead is left to graphql-js, which does', async () => {
  const doubling = buildSchema(`
    scalar Doubled
    input Pair { one: Int }
    type Query { unused: String }
    type Mutation { add(pair: Pair, to: Doubled): String }
  `);
  Object.assign(doubling.getType('Doubled') as object, { parseValue: (value: number) => value * 2 });
  const { add } = doubling.getMutationType()?.getFields() ?? expect.fail();
  Object.assign(add as object, { resolve: (_: unknown, args: object) => JSON.stringify(args) });
  const document = parse('mutation ($pair: Pair, $to: Doubled) { add(pair: $pair, to: $to) }');
  const operation = getOperationAST(document) as OperationDefinitionNode;
  const executable = createCoercion(doubling)(document, operation, { pair: { one: 1 }, to: 2 });
  expect(await execute(executable)).toEqual({ data: { add: '{"pair":{"one":1},"to":4}' } });
});

test('a query is not planned', async () => {
  const { answer, asked: first } = await told(execute, '{ unused }', {});
  expect(answer).toBe('{"data":{"unused":"used"}}');
  expect(isByPlan(first)).toBe(false);
});

describe('on a server', () => {
  const world = worldForFile();
  const RECORD =
    'mutation Record($input: [RecordEventInput!]!) { recordEvents(input: $input) { events { EVENT } } }';
  const record = (selection: string, input: object[]) =>
    world().send(RECORD.replace('EVENT', selection), { input });
  const note = {
    type: 'note',
    message: 'A note.',
    resource: 'page/1',
    children: [{ type: 'note', message: 'Below.' }],
  };

  test('our own client is answered by a plan, where nothing is read from the database', async () => {
    const { recordEvents } = schemaOfServer.getMutationType()?.getFields() ?? expect.fail();
    const { message } = (schemaOfServer.getType('Event') as GraphQLObjectType).getFields();
    const spies = [recordEvents, message].map((field) =>
      vi.spyOn(field as { resolve: (...args: unknown[]) => unknown }, 'resolve'),
    );
    onTestFinished(() => {
      for (const spy of spies) spy.mockRestore();
    });
    const { url } = world().servers[0] ?? expect.fail();
    const client = createClient({ url, token: await world().token({ groups: ['admin'] }) });
    const stop = new AbortController();
    const stream = client.stream({}, { signal: stop.signal, fields: LINE_FIELDS });
    const steps = stream[Symbol.asyncIterator]();
    await steps.next();
    // What is recorded first may still be read from the journal, which graphql-js puts into words.
    for (let nth = 0; nth < 3; nth++) {
      const recorded = await client.record([note, note], { fields: 'type { name } message' });
      expect(recorded.map(({ message: text }) => text)).toEqual(['A note.', 'A note.']);
      await steps.next();
    }
    stop.abort();
    // By its plan a resolver is told nothing of text and schema.
    for (const { mock } of spies) expect(mock.lastCall).toHaveLength(3);
  });

  test('what is recorded is answered, plain and not', async () => {
    const plain =
      'id cursor journal type { name } category severity message occurredAt actor resource { ref } attributes payload';
    const { data } = await record(plain, [note, note]);
    const [event] = data.recordEvents.events;
    const query = `query ($id: ID!) { event(id: $id) { ${plain} } }`;
    expect((await world().ask(query, { id: event.id })).event).toEqual(event);
    const nested = await record(
      'message children { totalCount nodes { message } } resource { acl { owners } }',
      [note],
    );
    expect(nested.data.recordEvents.events[0].children).toEqual({
      totalCount: 1,
      nodes: [{ message: 'Below.' }],
    });
  });

  test('what is refused says where and why, and nothing is recorded', async () => {
    const { errors, data } = await record('id', [
      { ...note, correlationId: 'refused' },
      { ...note, type: 'unheard_of' },
    ]);
    expect(data ?? null).toBeNull();
    expect(errors).toMatchObject([
      { path: ['recordEvents'], extensions: { code: 'UNKNOWN_EVENT_TYPE', index: 1 } },
    ]);
    const { events } = await world().ask(
      '{ events(filter: { correlationId: { eq: "refused" } }) { totalCount } }',
    );
    expect(events.totalCount).toBe(0);
  });
});
