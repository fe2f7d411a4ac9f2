/** The id is the idempotency key: recorded again, an event is there once; an id stands for one content. */
import { v7 } from 'uuid';
import { describe, expect, test } from 'vitest';
import { unique, worldForFile } from '../support/world.ts';
import { type Input, newJournal, recorderOf } from './support/recorder.ts';

const world = worldForFile({ servers: 2 });
const { record, one, refusal, read, journal: all, resource, type, as } = recorderOf(world);

/** Every field that a recorder can give, and another value for each. */
async function fullEvent() {
  const journal = newJournal();
  const above = await record([
    { type: 'note', journal },
    { type: 'note', journal },
  ]);
  const given: Input = {
    id: v7(),
    journal,
    type: 'update',
    resource: 'page/1',
    category: 'USER',
    severity: 'HIGH',
    message: 'hello',
    occurredAt: '2024-02-29T12:00:00.000Z',
    actor: 'user/ann',
    activeClaim: 'group/red',
    sessionId: 's1',
    correlationId: 'c1',
    parentId: above[0]?.id,
    attributes: { attribute: 'size', old: { a: 1, b: [2] }, new: 3 },
    payload: { x: 1, y: { z: null } },
    privatePayload: ['p'],
    visibleToActor: true,
  };
  const other: Input = {
    type: 'row_insert',
    resource: 'page/2',
    category: 'ALARM',
    severity: 'LOW',
    message: 'hello!',
    occurredAt: '2024-02-29T12:00:00.001Z',
    actor: 'user/bob',
    activeClaim: 'group/blue',
    sessionId: 's2',
    correlationId: 'c2',
    parentId: above[1]?.id,
    attributes: { attribute: 'size', old: { a: 1, b: [2] }, new: 4 },
    payload: { x: 1, y: { z: 0 } },
    privatePayload: ['q'],
    visibleToActor: false,
  };
  return { journal, given, other };
}

describe('an event recorded again under its id', () => {
  test('is answered as it is there, and is there once', async () => {
    const { journal, given } = await fullEvent();
    const first = await one(given);
    expect(await one(given)).toEqual(first);
    expect(await one({ ...given, id: (given.id as string).toUpperCase() })).toEqual(first);
    expect(await all(journal)).toHaveLength(3);
  });

  test('says the same whatever the order of names in its JSON, and however its times are written', async () => {
    const { given } = await fullEvent();
    const first = await one(given);
    const again = {
      ...given,
      occurredAt: '2024-02-29T14:00:00+02:00',
      attributes: { new: 3, old: { b: [2], a: 1 }, attribute: 'size' },
      payload: { y: { z: null }, x: 1 },
    };
    expect(await one(again)).toEqual(first);
  });

  test('may leave out what has a default', async () => {
    const { given } = await fullEvent();
    const first = await one(given);
    const { category: _, severity: __, message: ___, occurredAt: ____, actor: _____, ...rest } = given;
    expect(await one(rest)).toEqual(first);
  });

  test('is the same event for another server, and for both at once', async () => {
    const journal = newJournal();
    const id = v7();
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, nth) => {
        const server = world().servers[nth % 2] as NonNullable<
          (typeof world extends () => infer W ? W : never)['servers'][number]
        >;
        return one({ id, journal, type: 'note', message: 'once', resource: 'page/once' }, { server });
      }),
    );
    expect(new Set(answers.map(({ position }) => position))).toEqual(new Set([1]));
    expect(await all(journal)).toHaveLength(1);
  });

  test('twice in one batch is one event', async () => {
    const journal = newJournal();
    const input = { id: v7(), journal, type: 'note' };
    const [first, second, third] = await record([input, input, { journal, type: 'note' }]);
    expect(second).toEqual(first);
    expect(third?.position).toBe(2);
    expect(await all(journal)).toHaveLength(2);
  });

  test('does not keep new ones of its batch from being recorded', async () => {
    const journal = newJournal();
    const inputs = [1, 2, 3].map((nth) => ({ id: v7(), journal, type: 'note', message: `${nth}` }));
    await record(inputs.slice(1, 2));
    expect((await record(inputs)).map(({ position }) => position)).toEqual([2, 1, 3]);
  });
});

describe('other content under an id that is taken', () => {
  test('is refused as ID_CONFLICT for each field, and changes nothing', async () => {
    const { journal, given, other } = await fullEvent();
    const first = await one(given);
    for (const [field, value] of Object.entries(other)) {
      const attributes = field === 'type' ? {} : given.attributes;
      expect(await refusal([{ ...given, attributes, [field]: value }]), field).toMatchObject({
        code: 'ID_CONFLICT',
        message: `There is another event with the id ${given.id}: give each event an id of its own.`,
        index: 0,
        at: 'input[0]',
      });
    }
    for (const field of [
      'resource',
      'activeClaim',
      'sessionId',
      'parentId',
      'attributes',
      'payload',
      'privatePayload',
    ]) {
      expect(await refusal([{ ...given, [field]: null }]), `${field} left out`).toMatchObject({
        code: 'ID_CONFLICT',
      });
    }
    expect(await read(given.id as string)).toEqual(first);
    expect(await all(journal)).toHaveLength(3);
  });

  test('is refused in another journal', async () => {
    const id = v7();
    await one({ id, journal: newJournal(), type: 'note' });
    expect(await refusal([{ id, journal: newJournal(), type: 'note' }])).toMatchObject({
      code: 'ID_CONFLICT',
    });
  });

  test('is refused within one batch, and none of it is recorded', async () => {
    const journal = newJournal();
    const id = v7();
    const input = [
      { id, journal, type: 'note' },
      { id, journal, type: 'note', message: 'other' },
    ];
    expect(await refusal(input)).toMatchObject({ code: 'ID_CONFLICT', index: 1, at: 'input[1]' });
    expect(await all(journal)).toEqual([]);
  });
});

describe('who says the same under an id', () => {
  test('gets the event back though their rights are gone since', async () => {
    const ann = await as('ann');
    const ref = `page/${newJournal()}`;
    const input = { id: v7(), type: 'note', resource: ref };
    const first = await one(input, ann);
    await resource({ ref, acl: { owners: ['user/bob'] } });
    expect(await read(input.id, ann)).toBeNull();
    expect((await one(input, ann)).id).toBe(first.id);
  });

  test('is told nothing of an event that they neither recorded nor see', async () => {
    const ref = `page/${newJournal()}`;
    await resource({ ref, acl: { owners: ['user/ann'] } });
    const input = { id: v7(), type: 'note', resource: ref };
    await one({ ...input, message: 'hidden' }, await as('ann'));
    for (const who of [await as('bob'), { token: null }]) {
      expect(await refusal([input], who)).toMatchObject({ code: 'ID_CONFLICT' });
    }
  });

  test('is told nothing of an event of which they see a part: a guess at the rest would be confirmed', async () => {
    const ref = `page/${newJournal()}`;
    const acl = { owners: ['user/ann'], viewMeta: ['user/meta'], viewData: ['user/data'] };
    await resource({ ref, acl });
    const input = { id: v7(), type: 'note', resource: ref, message: 'm', payload: 1, privatePayload: 2 };
    await one(input, await as('ann'));
    for (const who of ['meta', 'data'])
      expect(await refusal([input], await as(who))).toMatchObject({ code: 'ID_CONFLICT' });
    // Who sees all of it may as well be told.
    expect(await one(input)).toMatchObject({ id: input.id, payload: 1 });
  });

  test('is told nothing of it by way of a type that is not kept', async () => {
    const [off, ref] = [unique('off'), `page/${newJournal()}`];
    await type({ name: off, category: 'USER', enabled: false });
    await resource({ ref, acl: { owners: ['user/ann'] } });
    const hidden = { id: v7(), type: 'note', resource: ref, message: 'hidden', payload: 1 };
    await one(hidden, await as('ann'));
    const own = { id: v7(), type: 'note', message: 'own' };
    const bob = await as('bob');
    await one(own, bob);
    // The id that is there already makes the server look all ids up.
    const [, answer] = await record([own, { id: hidden.id, type: off, message: 'guess' }], bob);
    expect(answer).toMatchObject({ kept: false, message: 'guess', payload: null, resource: null });
  });
});
