/** A message is for a person to read: the one given, else made from the type’s template. */
import { beforeAll, expect, test } from 'vitest';
import { unique, worldForFile } from '../support/world.ts';
import { recorderOf } from './support/recorder.ts';

const world = worldForFile();
const { one, refusal, read, attribute, type, resource, as } = recorderOf(world);

beforeAll(async () => {
  for (const [name, kind] of Object.entries({
    word: 'STRING',
    size: 'INTEGER',
    when: 'DATETIME',
    more: 'JSON',
  })) {
    await attribute({ name, kind });
  }
  const attributes = ['word', 'size', 'when', 'more'].map((name) => ({ name }));
  const messageTemplate =
    '{type}: {actor} as {activeClaim} in {sessionId} said {word}, {size}, {when}, {more} of {resource}';
  await type({ name: 'told', category: 'USER', messageTemplate, attributes });
  await type({ name: 'short', category: 'USER', messageTemplate: '{word}', attributes });
  await type({ name: 'bare', category: 'USER', attributes });
});

test('a template shows the envelope and the attributes', async () => {
  const { message } = await one({
    ...{ type: 'told', actor: 'user/ann', activeClaim: 'group/red', sessionId: 's1', resource: 'page/1' },
    attributes: { word: 'hello', size: 3, when: '2024-01-01T01:00:00+01:00', more: { a: [1] } },
  });
  expect(message).toBe(
    'told: user/ann as group/red in s1 said hello, 3, 2024-01-01T00:00:00.000Z, {"a":[1]} of page/1',
  );
});

test('what an event does not have is shown as a dash', async () => {
  const { message } = await one({ type: 'told' });
  expect(message).toBe('told: user/root as — in — said —, —, —, — of —');
});

test('a value is shown as it is, and never taken for a placeholder or a pattern', async () => {
  for (const word of ['{size}', '$& $1 $$', '\\', '{', '…']) {
    expect((await one({ type: 'short', attributes: { word, size: 1 } })).message).toBe(word);
  }
});

test('a long value is cut, and not through the middle of a character', async () => {
  const message = async (word: string) => (await one({ type: 'short', attributes: { word } })).message;
  expect(await message('x'.repeat(200))).toBe('x'.repeat(200));
  expect(await message('x'.repeat(201))).toBe(`${'x'.repeat(200)}…`);
  expect(await message(`${'x'.repeat(199)}😀`)).toBe(`${'x'.repeat(199)}\ufffd…`);
});

test('a message that is given is kept, an empty one too', async () => {
  for (const message of ['given', '', '{word}']) {
    expect((await one({ type: 'short', message, attributes: { word: 'x' } })).message).toBe(message);
  }
});

test('a type without a template says what, on what and by whom', async () => {
  expect((await one({ type: 'bare', resource: 'page/1', actor: 'user/ann' })).message).toBe(
    'bare on page/1 by user/ann',
  );
  expect((await one({ type: 'bare' })).message).toBe('bare by user/root');
});

test('who sees the envelope only reads no attribute in a message, and finds none by its words', async () => {
  const ref = unique('page/read');
  await resource({ ref, acl: { viewData: ['user/reader'], viewMeta: ['user/passer'] } });
  const attributes = { word: 'zebra', size: 3 };
  const { id } = await one({ type: 'told', resource: ref, actor: 'user/ann', attributes });
  const passer = await as('passer');
  const reader = await as('reader');
  expect((await read(id, reader))?.message).toBe(`told: user/ann as — in — said zebra, 3, —, — of ${ref}`);
  expect((await read(id, passer))?.message).toBe(`told: user/ann as — in — said …, …, …, … of ${ref}`);
  const found = async (search: string, who: object) => {
    const query = `query ($filter: EventFilter) { events(filter: $filter) { totalCount } }`;
    return (await world().ask(query, { filter: { search, resource: { eq: ref } } }, who)).events.totalCount;
  };
  expect([await found('zebra', reader), await found('zebra', passer), await found('said', passer)]).toEqual([
    1, 0, 1,
  ]);
});

test('a message that is given as the template makes it hides what that hides', async () => {
  const ref = unique('page/copied');
  await resource({ ref, acl: { viewMeta: ['user/passer'] } });
  const event = { type: 'short', resource: ref, attributes: { word: 'zebra' } };
  const copied = await one({ ...event, message: 'zebra' });
  expect(copied.message).toBe('zebra');
  expect((await read(copied.id, await as('passer')))?.message).toBe('…');
});

test('a template shows nothing that its type does not have', async () => {
  const query = `mutation ($input: DefineEventTypeInput!) { defineEventType(input: $input) { name } }`;
  const input = {
    name: 'wrong',
    category: 'USER',
    messageTemplate: '{word} {size}',
    attributes: [{ name: 'word' }],
  };
  const { errors } = await world().send(query, { input });
  expect(errors?.[0]?.extensions).toEqual({ code: 'UNKNOWN_ATTRIBUTE', attribute: 'size' });
  expect(await refusal([{ type: 'wrong' }])).toMatchObject({ code: 'UNKNOWN_EVENT_TYPE', type: 'wrong' });
});
