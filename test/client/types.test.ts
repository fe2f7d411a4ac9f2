/** The client's types, as an application sees them. Vitest takes types out; the last test puts them to the compiler. */
import { fileURLToPath } from 'node:url';
import { expect, expectTypeOf, test } from 'vitest';
import {
  type Client,
  createClient,
  type EventFilter,
  type EventNode,
  type EventPage,
  type Following,
  type FollowState,
  type NewEvent,
  type Recorded,
  type StreamMessage,
  type TypedText,
} from '../../src/client/index.ts';
import type { RecordEventInput } from '../../src/events/draft.ts';
import type { EventFilterInput } from '../../src/events/filter/filter.ts';
import { COMPILED_MS, compile } from './support/compile.ts';

const client = createClient({ url: 'http://127.0.0.1' });
type Identity = { readonly id: string; readonly cursor: string };

test('one event is answered for one, and a list for a list', () => {
  expectTypeOf(client.record<EventNode>)
    .parameter(0)
    .toExtend<NewEvent | readonly NewEvent[]>();
  const one = () => client.record({ type: 'note' });
  const several = () => client.record([{ type: 'note' }]);
  const some = () => client.record<{ message: string }>({ type: 'note' }, { fields: 'message' });
  expectTypeOf(one).returns.resolves.toEqualTypeOf<Recorded<EventNode>>();
  expectTypeOf(several).returns.resolves.toEqualTypeOf<Recorded<EventNode>[]>();
  expectTypeOf(some).returns.resolves.toExtend<Identity & { message: string; kept: boolean }>();
});

test('an event to record is one of the API, and nothing else', () => {
  expectTypeOf<keyof NewEvent>().toEqualTypeOf<keyof RecordEventInput>();
  // @ts-expect-error an event has a type
  const typeless: NewEvent = {};
  // @ts-expect-error a severity is one of four words
  const severe: NewEvent = { type: 'note', severity: 'high' };
  // @ts-expect-error there is no such field
  const misspelt: NewEvent = { type: 'note', mesage: '' };
  void [typeless, severe, misspelt];
});

test('a filter has the fields of the API’s, at each level', () => {
  type Inner<F extends keyof EventFilter & keyof EventFilterInput> = [
    keyof NonNullable<EventFilter[F]>,
    keyof NonNullable<EventFilterInput[F]>,
  ];
  type Equal<Pair extends [unknown, unknown]> = Pair[0] extends Pair[1]
    ? Pair[1] extends Pair[0]
      ? true
      : false
    : false;
  expectTypeOf<keyof EventFilter>().toEqualTypeOf<keyof EventFilterInput>();
  type Levels = 'id' | 'type' | 'severity' | 'resource' | 'actor' | 'sessionId' | 'occurredAt' | 'recordedAt';
  expectTypeOf<{ [F in Levels]: Equal<Inner<F>> }>().toEqualTypeOf<Record<Levels, true>>();
  type Attribute<F> = F extends { attributes?: infer A }
    ? keyof NonNullable<A>[number & keyof NonNullable<A>]
    : never;
  expectTypeOf<Attribute<EventFilter>>().toEqualTypeOf<Attribute<EventFilterInput>>();
  // @ts-expect-error a condition is not a value
  const bare: EventFilter = { type: 'note' };
  void bare;
});

test('events are followed as they are, or as what is selected of them', () => {
  expectTypeOf(client.follow<EventNode>).returns.toEqualTypeOf<Following<EventNode & Identity>>();
  const whole = async () => {
    for await (const event of client.follow()) return event;
    throw new Error('It has no end.');
  };
  const part = async () => {
    for await (const event of client.follow<{ message: string }>(null, { fields: 'message' })) return event;
    throw new Error('It has no end.');
  };
  expectTypeOf(whole).returns.resolves.toEqualTypeOf<EventNode & Identity>();
  expectTypeOf(part).returns.resolves.toEqualTypeOf<{ message: string } & Identity>();
  expectTypeOf<Following<EventNode>['cursor']>().toEqualTypeOf<string | null>();
  expectTypeOf(client.stream<EventNode>).returns.toEqualTypeOf<Following<StreamMessage<EventNode>>>();
  expectTypeOf(client.events<EventNode>).returns.resolves.toEqualTypeOf<EventPage<EventNode>>();
});

test('a state tells by its name what else it says', () => {
  const reasonOf = (state: FollowState) => {
    expectTypeOf(state.state).toEqualTypeOf<'connecting' | 'catching-up' | 'live' | 'lost' | 'ended'>();
    if (state.state === 'lost') expectTypeOf(state.retryInMs).toBeNumber();
    if (state.state === 'ended') expectTypeOf(state.reason).toEqualTypeOf<Error | null>();
    // @ts-expect-error a live stream has no reason
    if (state.state === 'live') return state.reason;
    return null;
  };
  void reasonOf;
});

test('an answer is what the caller says, what a typed text says, or unknown', () => {
  type Answer = { viewer: { subject: string } };
  const said = () => client.query<Answer>('{ viewer { subject } }');
  const untold = () => client.query('{ viewer { subject } }', { anything: 1 });
  const text = '' as unknown as TypedText<Answer, { id: string }>;
  const typed = () => client.query(text, { id: '' });
  // @ts-expect-error the text asks for an id
  const wrong = () => client.query(text, { id: 1 });
  expectTypeOf(said).returns.resolves.toEqualTypeOf<Answer>();
  expectTypeOf(untold).returns.resolves.toBeUnknown();
  expectTypeOf(typed).returns.resolves.toEqualTypeOf<Answer>();
  void wrong;
});

test('a token is a text, none, or a function that gives it now or later', () => {
  type Options = Parameters<typeof createClient>[0];
  expectTypeOf<string>().toExtend<Options['token']>();
  expectTypeOf<null>().toExtend<Options['token']>();
  expectTypeOf<() => Promise<string>>().toExtend<Options['token']>();
  expectTypeOf<(request: { refused: string | null }) => string | null>().toExtend<Options['token']>();
  expectTypeOf<() => number>().not.toExtend<Options['token']>();
  expectTypeOf<Client['url']>().toBeString();
});

test('the compiler agrees', { timeout: COMPILED_MS }, async () => {
  expect(await compile({}, [fileURLToPath(import.meta.url)])).toBe('');
});
