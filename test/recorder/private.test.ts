import { describe, expect, test } from 'vitest';
import type { OpenCall } from '../../src/recorder/call.ts';
import { joined } from '../../src/recorder/draft.ts';
import { unique, worldForFile } from '../support/world.ts';
import { bankDatabase, eventsIn, recorderOf, type SeenNode, transact } from './support/recording.ts';

const world = worldForFile();
const HIDDEN = 'XYZZY';
/** Its own name is private, and stands at any depth. */
const BAG = { iban: HIDDEN, to: [{ iban: HIDDEN }], amount: 3 };
const SHOWN = { iban: '[private]', to: [{ iban: '[private]' }], amount: 3 };
const APART = { iban: HIDDEN, 'to.0.iban': HIDDEN };

async function open(options: object = { private: ['iban'] }) {
  const journal = unique('journal');
  const { recorder } = await recorderOf(world(), { journal, ...options });
  return {
    recorder,
    /** Of what is private nothing stands where others than owners see it. */
    async events(): Promise<readonly SeenNode[]> {
      await recorder.flush();
      const events = await eventsIn(world(), {}, journal);
      const shown = events.map(({ privatePayload: _, ...event }) => event);
      expect(JSON.stringify(shown)).not.toContain(HIDDEN);
      return events;
    },
  };
}

/** Gives an event type these attributes, of any JSON. */
async function declare(type: string, names: readonly string[]): Promise<void> {
  for (const name of names) {
    await world().ask(
      'mutation ($name: String!) { defineAttribute(input: { name: $name, kind: JSON, indexed: false }) { name } }',
      { name },
    );
  }
  await world().ask(
    `mutation ($type: String!, $attributes: [EventTypeAttributeInput!]!) {
      defineEventType(input: { name: $type, category: ACTION, attributes: $attributes }) { name }
    }`,
    { type, attributes: names.map((name) => ({ name })) },
  );
}

describe('what is named private is for owners alone', () => {
  test('in the parameters and the payload of a call, and in its further attributes', async () => {
    const { recorder, events } = await open();
    // What the type would have to declare is not sent.
    const attributes = { iban: HIDDEN };
    await recorder.call('pay', { params: BAG, payload: BAG, attributes }, () => 1);
    const [call] = await events();
    expect(call).toMatchObject({
      attributes: { params: SHOWN },
      payload: SHOWN,
      privatePayload: { params: APART, payload: APART, iban: HIDDEN },
    });
  });

  test('in all events of a call, and in those that are none of it', async () => {
    await declare('transfer', ['detail', 'iban']);
    const { recorder, events } = await open();
    const event = { type: 'transfer', attributes: { detail: BAG, iban: HIDDEN }, payload: BAG };
    await recorder.call('pay', async (call) => {
      call.record({ ...event, children: [event] });
      await call.group(event, async (group) => {
        group.record(event);
        await recorder.record(event);
      });
    });
    await recorder.record(event);
    await recorder.recordAlone(event);
    const transfers = (await events()).filter(({ type }) => type.name === 'transfer');
    expect(transfers).toHaveLength(7);
    for (const transfer of transfers) {
      expect(transfer).toMatchObject({
        // Left out by itself: a stub might not be of its kind.
        attributes: { detail: SHOWN },
        payload: SHOWN,
        privatePayload: { detail: APART, iban: HIDDEN, payload: APART },
      });
      expect(transfer.attributes).not.toHaveProperty('iban');
    }
  });

  test('in changes that name it beside its values', async () => {
    const { recorder, events } = await open();
    const change = { old: null, new: HIDDEN };
    const apart = { new: { iban: HIDDEN } };
    await recorder.record({ type: 'update', attributes: { attribute: 'iban', ...change } });
    await recorder.record({ type: 'field_update', attributes: { field: 'iban', ...change } });
    const was = { type: 'update', attributes: { attribute: 'iban', old: '[private]', new: '[private]' } };
    const own = { old: { iban: HIDDEN }, new: { iban: HIDDEN } };
    await recorder.record({ ...was, privatePayload: own });
    const seen = (await events()).map(({ attributes, privatePayload }) => [attributes, privatePayload]);
    expect(seen).toEqual([
      [{ attribute: 'iban', new: '[private]' }, apart],
      [{ field: 'iban', new: '[private]' }, apart],
      // As the extension of Prisma has it.
      [was.attributes, own],
    ]);
  });

  test('in attributes that name it beside its value', async () => {
    await declare('header_set', ['header', 'value']);
    await declare('audit', ['path', 'from', 'to']);
    const { recorder, events } = await open();
    await recorder.record({ type: 'header_set', attributes: { header: 'iban', value: HIDDEN } });
    await recorder.record({ type: 'header_set', attributes: { header: 'cookie', value: HIDDEN } });
    await recorder.record({ type: 'audit', attributes: { path: '/to/0/iban', from: HIDDEN, to: HIDDEN } });
    await recorder.record({ type: 'audit', attributes: { path: '/to/0/iban/length', from: 1, to: 2 } });
    const seen = (await events()).map(({ attributes, privatePayload }) => [attributes, privatePayload]);
    expect(seen).toEqual([
      [{ header: 'iban' }, { value: { iban: HIDDEN } }],
      [{ header: 'cookie' }, null],
      [{ path: '/to/0/iban' }, { from: { iban: HIDDEN }, to: { iban: HIDDEN } }],
      [{ path: '/to/0/iban/length', from: 1, to: 2 }, null],
    ]);
  });

  test('in what an error brings along', async () => {
    const { recorder, events } = await open();
    const error = Object.assign(new Error('no'), BAG);
    await recorder.call('pay', { params: BAG }, () => Promise.reject(error)).catch(() => {});
    const [call] = await events();
    expect(call).toMatchObject({
      attributes: { error_value: { ...SHOWN, message: 'no' } },
      privatePayload: { params: APART, error_value: APART },
    });
  });

  test.each([
    [
      'arguments',
      'Invalid `create()`: { data: { iban: "XYZZY", note: "a" } }',
      '{ iban: "[private]", note: "a" }',
    ],
    ['JSON', 'got {"iban":"XYZZY","n":1}', '{"iban":"[private]","n":1}'],
    ['a number', 'data: { iban: -12.5, n: 1 } XY', 'iban: [private], n: 1 }'],
    ['a date', 'data: { iban: new Date("XYZZY"), n: 1 }', 'iban: [private], n: 1 }'],
    ['an operation', 'data: { iban: { set: "XYZZY" }, n: 1 }', 'iban: [private], n: 1 }'],
    ['prose', 'no account with iban=XYZZY.', 'no account with iban=[private]'],
    ['a key', 'Key (iban)=(XYZZY of XYZZY) already exists.', 'Key (iban)=[private] already exists.'],
    ['a longer key', 'Key (lower(iban), n)=(XYZZY, 1) already exists.', 'n)=[private] already exists.'],
  ])('in the texts of an error: %s', async (_, message, safe) => {
    const { recorder, events } = await open({});
    const options = { private: ['iban'] };
    await recorder.call('a', options, () => Promise.reject(new Error(message))).catch(() => {});
    const error = Object.assign(new Error('no'), { detail: message });
    await recorder.call('b', options, () => Promise.reject(error)).catch(() => {});
    await recorder.call('c', { ...options, message }, () => {});
    const [said, detailed, told] = await events();
    expect(said?.attributes).toMatchObject({
      error_value: expect.stringContaining(safe),
      stack: expect.stringContaining(safe),
    });
    expect(detailed).toMatchObject({
      attributes: { error_value: { detail: expect.stringContaining(safe), message: 'no' } },
      privatePayload: { error_value: { detail: message } },
    });
    expect(told?.message).toContain(safe);
  });

  test('in what a call is said more of', async () => {
    const { recorder, events } = await open();
    await recorder.call('pay', { payload: { iban: 'the first', method: 'POST' } }, (call) => {
      call.amend({ payload: { iban: HIDDEN, card: { iban: HIDDEN } } });
      call.amend({ payload: { status: 200 } });
    });
    const [call] = await events();
    expect(call).toMatchObject({
      payload: { iban: '[private]', method: 'POST', card: { iban: '[private]' }, status: 200 },
      privatePayload: { payload: { iban: HIDDEN, 'card.iban': HIDDEN } },
    });
  });

  test('by the names of one call too, in all that is part of it', async () => {
    const { recorder, events } = await open({});
    let behind: Promise<unknown> = Promise.resolve();
    let goOn = () => {};
    await recorder.call('pay', { private: ['iban'] }, async (call) => {
      call.record({ type: 'note', payload: BAG });
      await recorder.call('inner', { params: BAG, private: ['amount'] }, () => 1);
      const asked = new Promise<void>((resolve) => {
        goOn = resolve;
      });
      behind = asked.then(() => recorder.record({ type: 'note', payload: BAG }));
    });
    goOn();
    await behind;
    const [, note, inner, last] = await events();
    expect(note).toMatchObject({ payload: SHOWN, privatePayload: { payload: APART } });
    expect(inner).toMatchObject({
      attributes: { params: { ...SHOWN, amount: '[private]' } },
      privatePayload: { params: { ...APART, amount: 3 } },
    });
    expect(last).toMatchObject({ payload: SHOWN, privatePayload: { payload: APART } });
    await recorder.record({ type: 'note', message: 'Not part of it', payload: { iban: 'shown' } });
    expect((await events()).at(-1)).toMatchObject({ payload: { iban: 'shown' }, privatePayload: null });
  });

  test('in what a call writes in a transaction', async () => {
    const outbox = await bankDatabase();
    const { recorder, events } = await open({ outbox });
    await recorder.call('pay', { private: ['iban'] }, (call) =>
      transact(outbox, (client) => call.recordIn(client, [{ type: 'note', payload: BAG }])),
    );
    expect((await events())[1]).toMatchObject({ payload: SHOWN, privatePayload: { payload: APART } });
  });

  test('in what is left of a call that is lost, which has the parameters alone', async () => {
    const { recorder } = await open();
    await recorder.call('pay', { params: BAG, payload: BAG }, (call) => {
      expect((call as OpenCall).marker().event).toMatchObject({
        attributes: { function: 'pay', params: SHOWN },
        privatePayload: { params: APART },
      });
    });
    await recorder.call('look', { payload: BAG }, (call) => {
      expect((call as OpenCall).marker().event).not.toHaveProperty('privatePayload');
    });
  });
});

test.each([
  ['nothing', undefined, { payload: { a: 1 } }],
  ['null', null, { payload: { a: 1 } }],
  ['other names', { mine: 2 }, { mine: 2, payload: { a: 1 } }],
  ['the same names', { payload: { a: 0, b: 2 } }, { payload: { a: 1, b: 2 } }],
  ['another value of that name', { payload: 'mine' }, { given: { payload: 'mine' }, payload: { a: 1 } }],
  ['a list', [1], { given: [1], payload: { a: 1 } }],
  ['a text', 'mine', { given: 'mine', payload: { a: 1 } }],
])('a private payload that is %s loses nothing to what is put beside it', (_, own, both) => {
  expect(joined(own, { payload: { a: 1 } })).toEqual(both);
});
