import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { GraphQLError, GraphQLScalarType } from 'graphql';
import { createSchema, createYoga, type Plugin } from 'graphql-yoga';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createRecorder, type Recorder } from '../../src/recorder/index.ts';
import { type EventreeOptions, useEventree } from '../../src/recorder/yoga.ts';
import { freePort } from '../support/redis.ts';
import { unique, worldForFile } from '../support/world.ts';
import { eventsIn, outline } from './support/outline.ts';

const world = worldForFile();
const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const TRACEPARENT = `00-${TRACE}-00f067aa0ba902b7-01`;

const typeDefs = /* GraphQL */ `
  type Query {
    hello: String!
  }
  type Mutation {
    transfer(amount: Int!, password: String): String!
    fail(how: String!): String
    pay(amount: Int!): String!
    order(input: OrderInput!): String
    ping: String
    open: Account
    enter(pin: Int!): String
    enterPin(input: PinInput!): String
    move(to: Place!): String
  }
  type Account {
    id: Int!
    photo: String
    photos: [Photo]
    owner: Owner!
  }
  type Photo {
    url: String!
  }
  type Owner {
    name: String!
  }
  input PinInput {
    pin: Int!
  }
  scalar Place
  input OrderInput {
    kind: Kind!
    items: [Item!]!
    pin: String
  }
  input Item {
    sku: String!
    n: Float
    off: Float
  }
  enum Kind {
    EXPRESS
  }
  type Subscription {
    ticks: Int!
  }
`;

interface Context {
  readonly user: string;
}

interface Answer {
  readonly data?: unknown;
  readonly errors?: readonly { readonly message: string }[];
}

/** A service of its own, whose mutations record in a journal of their own. */
async function startService(
  options: Omit<EventreeOptions<Context & { request: Request }>, 'recorder'> = {},
  { url = String(world().servers[0]?.url), plugins = [] as Plugin[], strict = false } = {},
) {
  const journal = unique('journal');
  const recorder: Recorder = createRecorder({
    url,
    token: () => world().token({ subject: 'service', groups: ['admin'] }),
    journal,
    strict,
    markerTimeoutMs: 500,
    closeTimeoutMs: 500,
    onError: () => {},
  });
  const record = async (message: string) => {
    // Behind an await, and a timer, which know nothing of each other but by the call that they run in.
    await new Promise((resolve) => setTimeout(resolve, 1));
    await recorder.record({ type: 'note', message });
  };
  const schema = createSchema<Context>({
    typeDefs,
    resolvers: {
      Query: {
        hello: async () => {
          await record('hello');
          return 'hello';
        },
      },
      Mutation: {
        transfer: async (_, { amount }: { amount: number }) => {
          await record(`transfer of ${amount}`);
          return `${amount} by ${recorder.current()?.call.actor}`;
        },
        pay: async (_, { amount }: { amount: number }) => {
          await record(`payment of ${amount}`);
          return 'paid';
        },
        fail: async (_, { how }: { how: string }) => {
          await record('before it failed');
          if (how === 'expectedly') {
            throw new GraphQLError('Not enough money', { extensions: { code: 'POOR' } });
          }
          throw new TypeError('secret of the house');
        },
        open: async () => {
          await record('opened');
          return { id: 1, photos: [{ url: 'a' }, {}, {}], owner: {} };
        },
        enter: () => 'entered',
      },
      Account: {
        photo: () => {
          throw new TypeError('The photos are away: token=XYZZY');
        },
      },
      Place: new GraphQLScalarType({
        name: 'Place',
        parseValue(value) {
          throw new RangeError(`There is no place ${value}`);
        },
      }),
      Subscription: {
        ticks: {
          subscribe: async function* () {
            yield { ticks: recorder.current() === null ? 0 : 1 };
          },
        },
      },
    },
  });
  const yoga = createYoga<object, Context>({
    schema,
    logging: false,
    context: ({ request }) => ({ user: request.headers.get('x-user') ?? 'nobody' }),
    plugins: [...plugins, useEventree<Context>({ recorder, ...options })],
  });
  const server = createServer(yoga);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await recorder.close();
  });

  const send = (body: object, headers: Record<string, string> = {}) =>
    fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    });
  return {
    send,
    recorder,
    /** Without a server. */
    yoga,
    async ask(query: string, more: object = {}, headers: Record<string, string> = {}): Promise<Answer> {
      return (await send({ query, ...more }, headers)).json() as Promise<Answer>;
    },
    async written() {
      await recorder.flush();
      return { lines: await outline(world(), journal), events: await eventsIn(world(), journal) };
    },
  };
}

const TRANSFER =
  'mutation Transfer($amount: Int!, $password: String) { transfer(amount: $amount, password: $password) }';

describe('a mutation', () => {
  test('is a call, within which its resolvers run', async () => {
    const service = await startService({
      actor: ({ user }) => `user/${user}`,
      activeClaim: ({ user }) => `group/of-${user}`,
      session: ({ request }) => request.headers.get('x-session'),
    });
    const variables = { amount: 5, password: 'hunter2' };
    const headers = { 'x-user': 'jane', 'x-session': 's-1', traceparent: TRACEPARENT };
    expect(await service.ask(TRANSFER, { variables }, headers)).toEqual({
      data: { transfer: '5 by user/jane' },
    });
    const { lines, events } = await service.written();
    expect(lines).toEqual(['call', '  note']);
    const [call, note] = events;
    expect(call).toMatchObject({
      actor: 'user/jane',
      activeClaim: 'group/of-jane',
      sessionId: 's-1',
      correlationId: TRACE,
      attributes: {
        function: 'Transfer',
        params: { amount: 5, password: '[redacted]' },
        elapsed_ms: expect.any(Number),
        result_length: JSON.stringify({ data: { transfer: '5 by user/jane' } }).length,
      },
      payload: { operation: 'mutation', fields: ['transfer'], traceparent: TRACEPARENT },
    });
    expect(note).toMatchObject({ message: 'transfer of 5', actor: 'user/jane', sessionId: 's-1' });
  });

  test('stays apart from those that run beside it', async () => {
    const service = await startService();
    await Promise.all([1, 2, 3, 4].map((amount) => service.ask(`mutation { transfer(amount: ${amount}) }`)));
    const { events } = await service.written();
    const calls = events.filter(({ type }) => type.name === 'call').map(({ id }) => id);
    const parents = events.filter(({ type }) => type.name === 'note').map(({ parent }) => parent?.id);
    expect(calls).toHaveLength(4);
    expect(parents.toSorted()).toEqual(calls.toSorted());
  });

  test.each([
    ['mutation { transfer(amount: 1) again: pay(amount: 2) }', {}, 'transfer, pay', ['transfer', 'pay']],
    [
      'mutation { ...Both ... on Mutation { pay(amount: 2) } } fragment Both on Mutation { transfer(amount: 1) }',
      {},
      'transfer, pay',
      ['transfer', 'pay'],
    ],
    [
      'query A { hello } mutation B { pay(amount: 1) } mutation C { transfer(amount: 1) }',
      { operationName: 'C' },
      'C',
      ['transfer'],
    ],
    [`mutation ${'N'.repeat(900)} { pay(amount: 1) }`, {}, 'N'.repeat(200), ['pay']],
  ])('is named after the operation, or what it asks for: %s', async (query, more, name, fields) => {
    const service = await startService();
    expect(await service.ask(query, more)).not.toHaveProperty('errors');
    const [call] = (await service.written()).events;
    expect(call?.attributes?.function).toBe(name);
    expect(call?.payload).toMatchObject({ fields });
  });

  test.each([
    [
      'literals',
      'mutation { transfer(amount: 1, password: "hunter2") }',
      {},
      { amount: 1, password: '[redacted]' },
    ],
    [
      'variables, whatever the client calls them',
      'mutation ($a: Int!, $b: String) { transfer(amount: $a, password: $b) }',
      { a: 1, b: 'hunter2' },
      { amount: 1, password: '[redacted]' },
    ],
    [
      'defaults of variables, and nothing of those that are not given',
      'mutation ($a: Int! = 7, $b: String) { transfer(amount: $a, password: $b) }',
      {},
      { amount: 7 },
    ],
    [
      'a variable instead of its default',
      'mutation ($a: Int! = 7) { pay(amount: $a) }',
      { a: 8 },
      { amount: 8 },
    ],
    [
      'objects, lists and enums, with variables within',
      'mutation ($n: Float) { order(input: { kind: EXPRESS, items: [{ sku: "a", n: $n, off: null }], pin: "1234" }) }',
      { n: 1.5 },
      { input: { kind: 'EXPRESS', items: [{ sku: 'a', n: 1.5, off: null }], pin: '[redacted]' } },
    ],
    [
      'several fields, by their names in the answer',
      'mutation { transfer(amount: 1) again: pay(amount: 2) ...More ping __typename } fragment More on Mutation { pay(amount: 3) }',
      {},
      { transfer: { amount: 1 }, again: { amount: 2 }, pay: { amount: 3 } },
    ],
    [
      'nothing of what is left out',
      'mutation ($no: Boolean! = false) { pay(amount: 1) out: pay(amount: 2) @skip(if: true) off: pay(amount: 3) @include(if: $no) }',
      {},
      { amount: 1 },
    ],
    ['one field, and what all have', 'mutation { pay(amount: 1) __typename }', {}, { amount: 1 }],
    ['no arguments', 'mutation { ping __typename }', {}, {}],
  ])('tells what it is given: %s', async (_, query, variables, params) => {
    const service = await startService();
    expect(await service.ask(query, { variables })).not.toHaveProperty('errors');
    const [call] = (await service.written()).events;
    expect(call?.attributes?.params).toEqual(params);
  });

  test('keeps arguments to owners that are to be private', async () => {
    const service = await startService({ private: ['amount'] });
    await service.ask('mutation ($a: Int!) { transfer(amount: $a) }', { variables: { a: 5 } });
    await service.ask('mutation { transfer(amount: 5) }');
    for (const call of (await service.written()).events.filter(({ type }) => type.name === 'call')) {
      expect(call.attributes?.params).toEqual({ amount: '[private]' });
      expect(call.privatePayload).toEqual({ params: { amount: 5 } });
    }
  });

  test('that fails says so, and is answered as without', async () => {
    const service = await startService();
    const query = 'mutation Fail { fail(how: "expectedly") }';
    expect(await service.ask(query)).toMatchObject({
      data: { fail: null },
      errors: [{ message: 'Not enough money', extensions: { code: 'POOR' } }],
    });
    const { lines, events } = await service.written();
    // What was to be kept on success is not.
    expect(lines).toEqual(['call']);
    expect(events[0]?.attributes).toMatchObject({ function: 'Fail', error: 'GraphQLError' });
    expect(events[0]?.attributes).not.toHaveProperty('stack');
  });

  test('tells the history what was thrown, and the client what it may know', async () => {
    const service = await startService();
    const { errors } = await service.ask('mutation { fail(how: "badly") }');
    expect(errors?.map(({ message }) => message)).toEqual(['Unexpected error.']);
    const [call] = (await service.written()).events;
    expect(call?.attributes).toMatchObject({
      error: 'TypeError',
      error_value: 'secret of the house',
      where: expect.stringMatching(/yoga\.test\.ts:\d+$/),
      stack: expect.stringContaining('secret of the house'),
    });
  });

  test('that could not show all of what it did has not failed, and says what it could not', async () => {
    const service = await startService();
    expect(await service.ask('mutation { o: open { id photo photos { url } } }')).toMatchObject({
      data: { o: { id: 1, photo: null, photos: [{ url: 'a' }, null, null] } },
      errors: [{}, {}, {}],
    });
    const { lines, events } = await service.written();
    expect(lines).toEqual(['call', '  note']);
    expect(events[0]?.attributes).toMatchObject({
      error_value: expect.arrayContaining([
        { path: ['o', 'photo'], message: 'The photos are away: token=[redacted]' },
        { path: ['o', 'photos', 1, 'url'], message: expect.stringContaining('Photo.url') },
      ]),
      result_length: expect.any(Number),
    });
    expect(events[0]?.attributes).not.toHaveProperty('error');
  });

  test.each([
    [
      'nothing is left of a field that was asked for',
      'mutation { open { owner { name } } }',
      'Cannot return null for non-nullable field Owner.name.',
    ],
    [
      'a field that was asked for has failed',
      'mutation { open { photo } fail(how: "badly") }',
      'secret of the house',
    ],
  ])('has failed where %s', async (_, query, said) => {
    const service = await startService();
    await service.ask(query);
    const { lines, events } = await service.written();
    expect(lines).toEqual(['call']);
    expect(events[0]?.attributes).toMatchObject({ error: expect.any(String), error_value: said });
  });

  test.each([
    ['mutation ($pin: Int!) { enter(pin: $pin) }', { pin: '4711x' }, '$pin'],
    ['mutation ($input: PinInput!) { enterPin(input: $input) }', { input: { pin: '4711x' } }, '$input'],
    ['mutation ($input: PinInput!) { enterPin(input: $input) }', { input: { pin: 1, a: '4711x' } }, '$input'],
    ['mutation ($to: Place!) { move(to: $to) }', { to: '4711x\n    at home (/4711x:1:1)' }, '$to'],
  ])('tells nothing of a value that does not fit: %s', async (query, variables, name) => {
    const service = await startService();
    const { errors } = await service.ask(query, { variables });
    expect(errors).toHaveLength(1);
    const [call] = (await service.written()).events;
    const { params: _, ...told } = call?.attributes ?? {};
    expect(JSON.stringify(told)).not.toContain('4711x');
    expect(told).toMatchObject({
      error: 'GraphQLError',
      error_value: {
        message: `Variable "${name}" got invalid value [redacted]`,
        locations: [{ line: 1, column: 11 }],
      },
    });
    expect(told).not.toHaveProperty('where');
  });

  test('is part of what the call around it is part of', async () => {
    const service = await startService();
    const ask = (headers: Record<string, string>) =>
      service.yoga.fetch('http://bank/graphql', {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify({ query: 'mutation { ping }' }),
      });
    await service.recorder.call('order', { correlationId: 'order-7' }, async () => {
      await ask({});
      await ask({ traceparent: TRACEPARENT });
    });
    await service.recorder.call('none', () => ask({ traceparent: TRACEPARENT }));
    const { events } = await service.written();
    expect(events.map(({ correlationId }) => correlationId)).toEqual([
      'order-7',
      'order-7',
      'order-7',
      null,
      TRACE,
    ]);
  });

  test('with a correlation id of its own is not found by its trace', async () => {
    const service = await startService({ correlationId: () => 'order-7' });
    await service.ask('mutation { pay(amount: 1) }', {}, { traceparent: TRACEPARENT });
    const [call] = (await service.written()).events;
    expect(call).toMatchObject({ correlationId: 'order-7', payload: { traceparent: TRACEPARENT } });
  });

  test.each([
    `00-${'0'.repeat(32)}-00f067aa0ba902b7-01`,
    `00-${TRACE}-${'0'.repeat(16)}-01`,
    `ff-${TRACE}-00f067aa0ba902b7-01`,
    `00-${TRACE}-00f067aa0ba902b7-01-more`,
    `00-${TRACE.toUpperCase()}-00f067aa0ba902b7-01`,
    `cc-${TRACE}-00f067aa0ba902b7-01-${'x'.repeat(300)}`,
    'nonsense',
  ])('takes no trace from %s', async (traceparent) => {
    const service = await startService();
    await service.ask('mutation { pay(amount: 1) }', {}, { traceparent });
    const [call] = (await service.written()).events;
    expect(call?.correlationId).toBeNull();
    expect(call?.payload).not.toHaveProperty('traceparent');
  });

  test('takes one of a later version of the standard', async () => {
    const service = await startService();
    const traceparent = `cc-${TRACE}-00f067aa0ba902b7-01-what-comes`;
    await service.ask('mutation { pay(amount: 1) }', {}, { traceparent });
    expect((await service.written()).events[0]?.correlationId).toBe(TRACE);
  });

  test('whose actor cannot be found out is not executed', async () => {
    const service = await startService({
      actor: () => {
        throw new Error('no directory');
      },
    });
    expect(await service.ask('mutation { pay(amount: 1) }')).toMatchObject({ errors: [{}] });
    expect((await service.written()).lines).toEqual([]);
  });

  test('that cannot be marked is executed all the same, or refused by a strict recorder', {
    timeout: 60_000,
  }, async () => {
    const url = `http://127.0.0.1:${await freePort()}`;
    const lenient = await startService({}, { url });
    expect(await lenient.ask('mutation { pay(amount: 1) }')).toEqual({ data: { pay: 'paid' } });
    const strict = await startService({}, { url, strict: true });
    expect(await strict.ask('mutation { pay(amount: 1) }')).toMatchObject({
      errors: [{ message: 'Unexpected error.' }],
    });
  });

  test('ends with the last part of an answer that comes in parts', async () => {
    const stream: Plugin = {
      onExecute({ executeFn, setExecuteFn }) {
        setExecuteFn(async (args) => {
          const whole = await executeFn(args);
          return (async function* () {
            yield whole as object;
            yield { errors: [new GraphQLError('no photo', { path: ['pay', 'photo'] })] };
            yield { errors: [new GraphQLError('too late')] };
          })();
        });
      },
    };
    const service = await startService({}, { plugins: [stream] });
    const query = 'mutation { pay(amount: 1) }';
    const response = await service.send({ query }, { accept: 'text/event-stream' });
    const text = await response.text();
    expect(text).toContain('"pay":"paid"');
    expect(text).toContain('too late');
    const { lines, events } = await service.written();
    expect(lines).toEqual(['call']);
    expect(events[0]?.attributes?.error_value).toMatchObject({ message: 'too late' });
  });

  test('that answers in parts tells what it could not show in a later one', async () => {
    const stream: Plugin = {
      onExecute({ executeFn, setExecuteFn }) {
        setExecuteFn(async (args) => {
          const whole = await executeFn(args);
          return (async function* () {
            yield whole as object;
            yield { errors: [new GraphQLError('no photo', { path: ['pay', 'photo'] })] };
          })();
        });
      },
    };
    const service = await startService({}, { plugins: [stream] });
    const query = 'mutation { pay(amount: 1) }';
    await (await service.send({ query }, { accept: 'text/event-stream' })).text();
    const { lines, events } = await service.written();
    expect(lines).toEqual(['call', '  note']);
    expect(events[0]?.attributes?.error_value).toEqual([{ path: ['pay', 'photo'], message: 'no photo' }]);
  });

  test('ends when who asked for parts of it leaves', async () => {
    const stream: Plugin = {
      onExecute({ setExecuteFn }) {
        setExecuteFn(async () =>
          (async function* () {
            yield { data: { pay: 'paid' } };
            // Cancelled by who leaves.
            for (let i = 0; i < 1_000; i++) {
              await new Promise((resolve) => setTimeout(resolve, 10));
              yield { data: { pay: `${i}` } };
            }
          })(),
        );
      },
    };
    const service = await startService({}, { plugins: [stream] });
    const response = await service.send(
      { query: 'mutation { pay(amount: 1) }' },
      { accept: 'text/event-stream' },
    );
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    await reader.read();
    await reader.cancel();
    await expect.poll(async () => (await service.written()).lines, { timeout: 20_000 }).toEqual(['call']);
  });
});

describe('what is no mutation', () => {
  test('is not recorded, unless it is asked for', async () => {
    const service = await startService();
    await service.ask('{ hello }');
    expect((await service.written()).lines).toEqual(['note']);

    const all = await startService({ filter: ({ name }) => name !== 'Quiet' });
    await all.ask('query Loud { hello }');
    await all.written();
    await all.ask('query Quiet { hello }');
    const { lines, events } = await all.written();
    expect(lines).toEqual(['call', '  note', 'note']);
    expect(events[0]).toMatchObject({ attributes: { function: 'Loud' }, payload: { operation: 'query' } });
  });

  test('that names fragments twice, which name others twice, is answered as without', {
    timeout: 10_000,
  }, async () => {
    const service = await startService();
    // A fragment that counted each time would count two million times.
    const fragments = Array.from(
      { length: 21 },
      (_, i) => `fragment F${i} on Query { hello ...F${i + 1} ...F${i + 1} }`,
    );
    const query = `query { ...F0 } ${fragments.join(' ')} fragment F21 on Query { hello }`;
    expect(await service.ask(query)).toEqual({ data: { hello: 'hello' } });
  });

  test('a subscription is left alone', async () => {
    const service = await startService({ filter: () => true });
    const response = await service.send({ query: 'subscription { ticks }' }, { accept: 'text/event-stream' });
    expect(await response.text()).toContain('{"data":{"ticks":0}}');
    expect((await service.written()).lines).toEqual([]);
  });

  test('what is not valid is not recorded', async () => {
    const service = await startService();
    await service.ask('mutation { nothing }');
    expect((await service.written()).lines).toEqual([]);
  });
});
