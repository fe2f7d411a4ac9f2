import { v7 } from 'uuid';
/** Attributes and event types come from three sources: built in, declared by mutation, declared in a file. */
import { describe, expect, test } from 'vitest';
import { openWorld, unique, worldForFile } from '../support/world.ts';
import { newJournal, recorderOf, refusalOf } from './support/recorder.ts';

const world = worldForFile();
const { one, refusal, read, journal: all, attribute, type, as } = recorderOf(world);

const TYPES = `{
  eventTypes { name description category severity messageTemplate enabled attributes { required attribute { name kind indexed private } } }
  attributes { name kind description indexed private }
}`;
const DEFINE_ATTRIBUTE = `mutation ($input: DefineAttributeInput!) { defineAttribute(input: $input) { name } }`;
const DEFINE_TYPE = `mutation ($input: DefineEventTypeInput!) { defineEventType(input: $input) { name } }`;
const COUNT = `query ($filter: EventFilter) { events(filter: $filter) { totalCount } }`;

interface Listed {
  readonly required: boolean;
  readonly attribute: { readonly name: string };
}

const refused = async (query: string, input: object, options = {}) =>
  refusalOf(await world().send(query, { input }, options));

describe('built in', () => {
  const ATTRIBUTES: Readonly<Record<string, string>> = {
    attribute: 'STRING',
    old: 'JSON',
    new: 'JSON',
    values: 'JSON',
    function: 'STRING',
    params: 'JSON',
    elapsed_ms: 'FLOAT',
    result_length: 'INTEGER',
    error: 'STRING',
    error_value: 'JSON',
    where: 'STRING',
    stack: 'STRING',
    mutex: 'STRING',
    watchdog: 'STRING',
    relation: 'STRING',
    row: 'STRING',
    field: 'STRING',
    old_acl: 'JSON',
    new_acl: 'JSON',
    token_subject: 'STRING',
    token_issued_before: 'DATETIME',
  };
  const EVENT_TYPES: Readonly<Record<string, readonly [category: string, ...attributes: string[]]>> = {
    create: ['CRUD', 'values'],
    update: ['CRUD', 'attribute', 'old', 'new'],
    destroy: ['CRUD', 'values'],
    call: [
      'CALL',
      'function',
      'params',
      'elapsed_ms',
      'result_length',
      'error',
      'error_value',
      'where',
      'stack',
    ],
    call_lost: ['ALARM', 'function', 'params'],
    watchdog: ['ALARM', 'mutex', 'watchdog'],
    marker: ['SYSTEM'],
    note: ['USER'],
    row_insert: ['CHANGE', 'relation', 'row', 'values'],
    row_delete: ['CHANGE', 'relation', 'row', 'values'],
    field_update: ['CHANGE', 'relation', 'row', 'field', 'old', 'new'],
    acl_change: ['CHANGE', 'old_acl', 'new_acl'],
    token_revocation: ['CHANGE', 'token_subject', 'token_issued_before'],
  };

  const OWN = ['acl_change', 'token_revocation'];

  test('are these types and attributes and no others, each described', async () => {
    const { attributes, eventTypes } = await (await openWorld()).ask(TYPES);
    const kinds = attributes.map(({ name, kind }: { name: string; kind: string }) => [name, kind]);
    expect(Object.fromEntries(kinds)).toEqual(ATTRIBUTES);
    for (const each of [...attributes, ...eventTypes]) expect(each.description, each.name).toMatch(/\.$/);
    expect(eventTypes.map(({ name }: { name: string }) => name)).toEqual(Object.keys(EVENT_TYPES).toSorted());
    for (const { name, category, enabled, attributes: of } of eventTypes) {
      const [expected, ...listed] = EVENT_TYPES[name] as readonly string[];
      expect({ category, enabled }, name).toEqual({ category: expected, enabled: true });
      const found = of.map(({ attribute, required }: Listed) => [attribute.name, required]);
      expect(found, name).toEqual(listed.map((attribute) => [attribute, false]));
    }
  });

  test('can be recorded, each with all of its attributes, except for changes of rights', async () => {
    const value = { STRING: 'x', INTEGER: 1, FLOAT: 0.5, JSON: { a: 1 } } as Record<string, unknown>;
    for (const [name, [category, ...listed]] of Object.entries(EVENT_TYPES)) {
      if (OWN.includes(name)) continue;
      const attributes = Object.fromEntries(listed.map((each) => [each, value[ATTRIBUTES[each] as string]]));
      expect(await one({ type: name, resource: 'page/1', attributes })).toMatchObject({
        category,
        attributes,
      });
    }
  });

  test('keep their attributes, whatever else is changed of them', async () => {
    const input = { name: 'update', category: 'CRUD', attributes: [{ name: 'old' }, { name: 'new' }] };
    expect(await refused(DEFINE_TYPE, input)).toEqual({
      code: 'BAD_USER_INPUT',
      message: 'The event type update is built in and keeps its attribute attribute.',
    });
  });

  test.each(OWN)('are left to administrators, except for those that tell of rights: %s', async (name) => {
    const input = { name, category: 'CHANGE', enabled: false };
    expect(await refused(DEFINE_TYPE, input)).toEqual({
      code: 'FORBIDDEN',
      message: `The event type ${name} is the server’s own: it stays as it is.`,
    });
  });

  test('stay as an administrator changed them when the server starts again', async () => {
    await type({ name: 'marker', category: 'ALARM', severity: 'CRITICAL', attributes: [{ name: 'where' }] });
    const server = await world().addServer();
    const { eventTypes } = await world().ask(TYPES, {}, { server });
    const marker = eventTypes.find(({ name }: { name: string }) => name === 'marker');
    expect(marker).toMatchObject({
      category: 'ALARM',
      severity: 'CRITICAL',
      attributes: [{ attribute: { name: 'where' } }],
    });
  });
});

describe('declared by mutation', () => {
  test('is for group/admin', async () => {
    for (const who of [await as('ann', 'admins'), { token: null }]) {
      for (const [query, input] of [
        [DEFINE_ATTRIBUTE, { name: unique('never'), kind: 'STRING' }],
        [DEFINE_TYPE, { name: unique('never'), category: 'USER' }],
      ] as const) {
        expect(await refused(query, input, who)).toEqual({
          code: 'FORBIDDEN',
          message: 'Declaring attributes and event types takes the claim group/admin.',
        });
      }
    }
    const { attributes, eventTypes } = await world().ask(TYPES);
    expect([...attributes, ...eventTypes].filter(({ name }) => name.startsWith('never'))).toEqual([]);
  });

  test('is an attribute, with its defaults', async () => {
    const name = unique('plain');
    expect(await attribute({ name, kind: 'INTEGER' })).toEqual({
      ...{ name, kind: 'INTEGER', description: null, indexed: true, private: false },
    });
    const changed = { name, kind: 'INTEGER', description: 'How many.', indexed: false, private: true };
    expect(await attribute(changed)).toEqual(changed);
  });

  test('is an attribute of one kind for good', async () => {
    const name = unique('fixed');
    await attribute({ name, kind: 'INTEGER' });
    expect(await refused(DEFINE_ATTRIBUTE, { name, kind: 'STRING' })).toEqual({
      code: 'ATTRIBUTE_KIND_MISMATCH',
      message: `The attribute ${name} is of kind INTEGER for good: declare another one for values of kind STRING.`,
      attribute: name,
      kind: 'INTEGER',
    });
  });

  test('is an event type, with its defaults, in the order of its attributes', async () => {
    const name = unique('plain');
    expect(await type({ name, category: 'USER' })).toEqual({
      ...{ name, description: null, category: 'USER', severity: 'MEDIUM', messageTemplate: null },
      ...{ enabled: true, attributes: [] },
    });
    const attributes = [{ name: 'old', required: true }, { name: 'attribute' }, { name: 'new' }];
    const whole = { name, description: 'It.', category: 'ALARM', severity: 'LOW', messageTemplate: '{old}' };
    expect(await type({ ...whole, attributes })).toEqual({
      ...whole,
      enabled: true,
      attributes: [
        { required: true, attribute: { name: 'old' } },
        { required: false, attribute: { name: 'attribute' } },
        { required: false, attribute: { name: 'new' } },
      ],
    });
    expect(await one({ type: name, attributes: { old: 1 } })).toMatchObject({
      category: 'ALARM',
      severity: 'LOW',
    });
  });

  test('is refused where a name cannot be one, or names what is not declared', async () => {
    for (const name of ['', '1x', 'a b', 'é', '.a', 'x'.repeat(65)]) {
      expect((await refused(DEFINE_ATTRIBUTE, { name, kind: 'STRING' })).code, name).toBe('BAD_USER_INPUT');
    }
    for (const name of ['', '1x', 'a b', 'a..b', 'a.', 'x'.repeat(129)]) {
      expect((await refused(DEFINE_TYPE, { name, category: 'USER' })).code, name).toBe('BAD_USER_INPUT');
    }
    const name = unique('wrong');
    const base = { name, category: 'USER' };
    expect(await refused(DEFINE_TYPE, { ...base, attributes: [{ name: 'never' }] })).toMatchObject({
      ...{ code: 'UNKNOWN_ATTRIBUTE', attribute: 'never' },
    });
    expect(await refused(DEFINE_TYPE, { ...base, attributes: [{ name: 'old' }, { name: 'old' }] })).toEqual({
      code: 'BAD_USER_INPUT',
      message: `The event type ${name} lists the attribute old twice.`,
    });
    expect(await refusal([{ type: name }])).toEqual({
      code: 'UNKNOWN_EVENT_TYPE',
      message: `There is no event type "${name}": declare it with defineEventType or in the declaration file.`,
      type: name,
      index: 0,
      at: 'input[0]',
    });
  });

  test('counts for events that are recorded on another server at once', async () => {
    const name = unique('far');
    const server = await world().addServer();
    expect(await refusal([{ type: name }], { server })).toMatchObject({ code: 'UNKNOWN_EVENT_TYPE' });
    await type({ name, category: 'USER', attributes: [{ name: 'old' }] });
    await one({ type: name, attributes: { old: 1 } }, { server });
    await type({ name, category: 'USER', attributes: [{ name: 'old', required: true }] });
    expect(await refusal([{ type: name }], { server })).toMatchObject({ code: 'ATTRIBUTE_REQUIRED' });
  });

  test('an attribute that is indexed later finds what was recorded before', async () => {
    const name = unique('late');
    await attribute({ name, kind: 'STRING', indexed: false });
    await type({ name, category: 'USER', attributes: [{ name }] });
    await one({ type: name, attributes: { [name]: 'x' } });
    await attribute({ name, kind: 'STRING', indexed: true });
    const filter = { attributes: [{ name, eq: 'x' }] };
    expect((await world().ask(COUNT, { filter })).events.totalCount).toBe(1);
  });
});

describe('a type that is disabled', () => {
  test('is accepted and not kept: what is below hangs one higher', async () => {
    const [off, journal] = [unique('off'), newJournal()];
    await type({ name: off, category: 'USER', enabled: false, attributes: [{ name: 'old' }] });
    const event = await one({
      ...{ journal, type: off, message: 'gone', resource: 'page/off', attributes: { old: 1 } },
      children: [{ type: 'note', message: 'stays' }],
    });
    expect(event).toMatchObject({ kept: false, message: 'gone', position: null, attributes: { old: 1 } });
    expect(await read(event.id)).toBeNull();
    const kept = await all(journal);
    expect(kept.map(({ message, parent, position }) => [message, parent, position])).toEqual([
      ['stays', null, 1],
    ]);

    const id = (await one({ journal, type: 'note', children: [{ type: off, children: [{ type: 'note' }] }] }))
      .id;
    expect((await all(journal)).at(-1)?.parent).toEqual({ id });
    expect((await world().ask('{ resource(ref: "page/off") { ref } }')).resource).toBeNull();
  });

  test('is passed over also where a tree is sent flat, however often', async () => {
    const [off, journal] = [unique('off'), newJournal()];
    await type({ name: off, category: 'USER', enabled: false });
    const [root, above, between, below] = [v7(), v7(), v7(), v7()];
    const input = [
      { journal, type: off, id: root },
      { journal, type: 'note', id: above, parentId: root },
      { journal, type: off, id: between, parentId: above },
      { journal, type: 'note', id: below, parentId: between },
    ];
    for (let time = 0; time < 2; time++) {
      await world().ask(
        'mutation ($input: [RecordEventInput!]!) { recordEvents(input: $input) { events { id } } }',
        { input },
      );
    }
    const kept = (await all(journal)).map(({ id, parent }) => [id, parent]);
    expect(kept).toEqual([
      [above, null],
      [below, { id: above }],
    ]);
  });

  test('is checked all the same', async () => {
    const off = unique('off');
    await type({ name: off, category: 'USER', enabled: false });
    expect(await refusal([{ type: off, attributes: { old: 1 } }])).toMatchObject({
      code: 'UNKNOWN_ATTRIBUTE',
    });
  });

  test('has a cursor from which nothing is missed and nothing comes twice', async () => {
    const [off, journal] = [unique('off'), newJournal()];
    await type({ name: off, category: 'USER', enabled: false });
    const input = ['note', off, 'note'].map((type, nth) => ({ journal, type, message: `the ${nth}th` }));
    const { recordEvents } = await world().ask(
      'mutation ($input: [RecordEventInput!]!) { recordEvents(input: $input) { events { cursor } } }',
      { input },
    );
    const { events } = await world().ask(
      'query ($journal: String!, $after: String) { events(journal: $journal, order: OLDEST_FIRST, after: $after) { nodes { message } } }',
      { journal, after: recordEvents.events[1].cursor },
    );
    expect(events.nodes).toEqual([{ message: 'the 2th' }]);
  });

  test('is kept at once where another server has enabled it', async () => {
    const { ask, addServer } = await openWorld();
    const server = await addServer();
    const name = unique('type');
    const define = (enabled: boolean) => ask(DEFINE_TYPE, { input: { name, category: 'USER', enabled } });
    const recordElsewhere = async () => {
      const RECORD = 'mutation ($type: String!) { recordEvent(input: { type: $type }) { event { kept } } }';
      return (await ask(RECORD, { type: name }, { server })).recordEvent.event.kept;
    };
    await define(false);
    expect(await recordElsewhere()).toBe(false);
    await define(true);
    expect(await recordElsewhere()).toBe(true);
  });

  test('is kept again once it is enabled', async () => {
    const name = unique('on');
    await type({ name, category: 'USER', enabled: false });
    await one({ type: name });
    await type({ name, category: 'USER', enabled: true });
    expect(await read((await one({ type: name })).id)).not.toBeNull();
    expect((await world().ask(COUNT, { filter: { type: { eq: name } } })).events.totalCount).toBe(1);
  });
});
