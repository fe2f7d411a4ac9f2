/** Attributes are declared names of a kind: what is stored is checked, and in one written form. */
import { beforeAll, describe, expect, test } from 'vitest';
import type { RunningServer } from '../../src/server/server.ts';
import { startRedis } from '../support/redis.ts';
import { openWorld, unique, worldForFile } from '../support/world.ts';
import { recorderOf } from './support/recorder.ts';

const world = worldForFile({ servers: 2 });
const { one, refusal, read, attribute, type, resource, as } = recorderOf(world);

/** For each kind what is kept, where it is not kept as it comes, and what is refused. */
const KINDS: Readonly<
  Record<
    string,
    {
      keeps: readonly unknown[];
      writes?: readonly (readonly [unknown, unknown])[];
      refuses: readonly unknown[];
    }
  >
> = {
  STRING: { keeps: ['', 'x', 'e\u0301', '😀', 'x'.repeat(10_000)], refuses: [1, true, [], {}, ['x']] },
  INTEGER: {
    keeps: [0, -1, 2 ** 53 - 1, -(2 ** 53 - 1)],
    writes: [[-0, 0]],
    refuses: ['1', 1.5, 1e300, true, [1], {}],
  },
  FLOAT: { keeps: [0, 0.1, -1, 1e300, 5e-324], refuses: ['0.1', false, [], {}] },
  BOOLEAN: { keeps: [true, false], refuses: [0, 1, 'true', [], {}] },
  DATETIME: {
    keeps: ['2024-02-29T21:59:59.999Z', '0001-01-01T00:00:00.000Z', '9999-12-31T23:59:59.999Z'],
    writes: [
      ['2024-02-29T23:59:59.999+02:00', '2024-02-29T21:59:59.999Z'],
      ['2024-01-01T00:00:00Z', '2024-01-01T00:00:00.000Z'],
      ['2024-01-01t00:00:00.1239z', '2024-01-01T00:00:00.123Z'],
    ],
    refuses: [
      '2024',
      '2024-01-01',
      '2023-02-29T00:00:00Z',
      '2024-01-01T24:00:00Z',
      '0000-12-31T00:00:00Z',
      0,
      {},
    ],
  },
  RESOURCE: {
    keeps: ['page/1', 'page/1/2', 'page/😀', `page/${'x'.repeat(495)}`],
    refuses: ['page', '/1', 'page/', 'page/ ', '1page/2', `page/${'x'.repeat(496)}`, 1, {}],
  },
  JSON: { keeps: [0, '', false, [], {}, [1, [null]], { a: { b: null } }], refuses: [] },
};

beforeAll(async () => {
  for (const kind of Object.keys(KINDS)) await attribute({ name: `of_${kind}`, kind });
  const attributes = Object.keys(KINDS).map((kind) => ({ name: `of_${kind}` }));
  await type({ name: 'of.kinds', category: 'ACTION', attributes });
});

describe('a value of the kind', () => {
  for (const [kind, { keeps, writes = [], refuses }] of Object.entries(KINDS)) {
    const name = `of_${kind}`;
    const sent = (value: unknown) => ({ type: 'of.kinds', attributes: { [name]: value } });

    test(`${kind} is kept`, async () => {
      const pairs = [...keeps.map((value) => [value, value] as const), ...writes];
      for (const [value, kept] of pairs) {
        const recorded = await one(sent(value));
        expect(recorded.attributes, 'as it is answered').toEqual({ [name]: kept });
        expect((await read(recorded.id))?.attributes, 'as it is read').toEqual({ [name]: kept });
      }
    });

    if (refuses.length > 0)
      test(`${kind} is told from others`, async () => {
        for (const value of refuses) {
          expect(await refusal([sent(value)]), JSON.stringify(value)).toMatchObject({
            code: 'ATTRIBUTE_KIND_MISMATCH',
            attribute: name,
            kind,
            index: 0,
            message: expect.stringContaining(`The attribute ${name} must be `),
          });
        }
      });
  }

  test('STRING has at most 10,000 characters', async () => {
    const long = { type: 'of.kinds', attributes: { of_STRING: 'x'.repeat(10_001) } };
    expect(await refusal([long])).toEqual({
      code: 'LIMIT_EXCEEDED',
      message: 'The attribute of_STRING is longer than 10000 characters: long text belongs into the payload.',
      attribute: 'of_STRING',
      index: 0,
      at: 'input[0]',
    });
  });
});

describe('an attribute', () => {
  test('that is null is left out', async () => {
    expect(
      (await one({ type: 'of.kinds', attributes: { of_STRING: null, of_JSON: null } })).attributes,
    ).toEqual({});
  });

  test('that nobody declared is refused, and so is one that the type does not list', async () => {
    for (const name of ['never', 'of_string', 'old', 'constructor', '__proto__']) {
      const attributes = JSON.parse(`{ ${JSON.stringify(name)}: "x" }`);
      expect(await refusal([{ type: 'of.kinds', attributes }]), name).toEqual({
        code: 'UNKNOWN_ATTRIBUTE',
        message: `The event type of.kinds has no attribute "${name}": add it to the type, or put it into the payload.`,
        attribute: name,
        type: 'of.kinds',
        index: 0,
        at: 'input[0]',
      });
    }
  });

  test('that is required must be there, and not be null', async () => {
    const attributes = [{ name: 'of_STRING', required: true }, { name: 'of_INTEGER' }];
    await type({ name: 'needs.text', category: 'ACTION', attributes });
    for (const given of [undefined, {}, { of_INTEGER: 1 }, { of_STRING: null }]) {
      expect(await refusal([{ type: 'needs.text', attributes: given }])).toEqual({
        code: 'ATTRIBUTE_REQUIRED',
        message: 'An event of type needs.text needs the attribute of_STRING.',
        attribute: 'of_STRING',
        type: 'needs.text',
        index: 0,
        at: 'input[0]',
      });
    }
    expect((await one({ type: 'needs.text', attributes: { of_STRING: '' } })).attributes).toEqual({
      of_STRING: '',
    });
  });
});

describe('a private attribute', () => {
  const WITH_SECRET = `query ($id: ID!, $name: String!) {
    event(id: $id) { attributes attribute(name: $name) message payload privatePayload }
  }`;
  const FOUND = `query ($filter: EventFilter!) { events(filter: $filter) { totalCount nodes { attributes } } }`;

  /** An event with it, and what each sees of that. */
  async function secretEvent(isPrivate: boolean) {
    const name = unique('secret');
    const typeName = unique('telling');
    await attribute({ name, kind: 'STRING', private: isPrivate });
    await type({
      name: typeName,
      category: 'USER',
      messageTemplate: `{actor} knows {${name}} and {of_STRING}`,
      attributes: [{ name }, { name: 'of_STRING' }],
    });
    const ref = unique('page/secret');
    const acl = { owners: ['user/owner'], viewData: ['user/reader'], viewMeta: ['user/passer'] };
    await resource({ ref, acl });
    const attributes = { [name]: 'hush', of_STRING: 'open' };
    const parts = { attributes, payload: 'p', privatePayload: 'q' };
    const recorded = await one({ type: typeName, resource: ref, actor: 'user/ann', ...parts });
    const seenBy = async (subject: string, server = world().servers[0]) => {
      const options = { ...(await as(subject)), ...(server && { server }) };
      return (await world().ask(WITH_SECRET, { id: recorded.id, name }, options)).event;
    };
    return { name, id: recorded.id, typeName, ref, seenBy };
  }

  test('is shown to owners only, and its value stands in no message', async () => {
    const { name, seenBy } = await secretEvent(true);
    const told = { message: 'user/ann knows … and open', payload: 'p' };
    const all = { [name]: 'hush', of_STRING: 'open' };
    expect(await seenBy('owner')).toEqual({
      ...told,
      attributes: all,
      attribute: 'hush',
      privatePayload: 'q',
    });
    const open = { of_STRING: 'open' };
    expect(await seenBy('reader')).toEqual({
      ...told,
      attributes: open,
      attribute: null,
      privatePayload: null,
    });
    expect(await seenBy('passer')).toEqual({
      ...{ message: 'user/ann knows … and …', attributes: null, attribute: null },
      ...{ payload: null, privatePayload: null },
    });
    expect(await seenBy('stranger')).toBeNull();
  });

  test('is looked for by owners only', async () => {
    const { name, typeName } = await secretEvent(true);
    const count = async (subject: string, test: object) => {
      const filter = { type: { eq: typeName }, attributes: [{ name, ...test }] };
      return (await world().ask(FOUND, { filter }, await as(subject))).events.totalCount;
    };
    for (const test of [{ eq: 'hush' }, { ne: 'other' }, { startsWith: 'h' }, { exists: true }]) {
      expect([await count('owner', test), await count('reader', test), await count('passer', test)]).toEqual([
        1, 0, 0,
      ]);
    }
    expect([await count('reader', { exists: false }), await count('reader', { ne: 'hush' })]).toEqual([0, 0]);
  });

  test('may be declared so later: what was recorded before is hidden, on every server at once', async () => {
    const { name, seenBy } = await secretEvent(false);
    const [here, there] = world().servers;
    expect((await seenBy('reader', there)).attributes).toEqual({ [name]: 'hush', of_STRING: 'open' });
    await attribute({ name, kind: 'STRING', private: true }, { ...(here && { server: here }) });
    expect((await seenBy('reader', there)).attributes).toEqual({ of_STRING: 'open' });
    expect((await seenBy('owner', there)).attributes).toEqual({ [name]: 'hush', of_STRING: 'open' });
  });

  for (const [way, environment] of [
    ['by way of the journal', async () => ({})],
    ['by way of Redis', async () => ({ REDIS_URL: (await startRedis()).url })],
  ] as const) {
    test(`may be declared so while a stream is open: it is hidden from then on, ${way}`, async () => {
      const own = await openWorld({ servers: 2, environment: await environment() });
      const admin = recorderOf(() => own);
      await admin.attribute({ name: 'secret', kind: 'STRING' });
      await admin.type({ name: 'telling', category: 'USER', attributes: [{ name: 'secret' }] });
      await admin.resource({ ref: 'page/1', acl: { viewData: ['user/reader'] } });
      const event = { type: 'telling', resource: 'page/1', attributes: { secret: 'hush' } };
      const stream = own.watch(
        'subscription { eventStream { live events { attributes } } }',
        {},
        { ...(await admin.as('reader')), server: own.servers[1] as RunningServer },
      );
      expect((await stream.next()).data.eventStream.live).toBe(true);
      const told = async () => {
        await admin.one(event);
        return (await stream.next()).data.eventStream.events;
      };
      expect(await told()).toEqual([{ attributes: { secret: 'hush' } }]);
      await admin.attribute({ name: 'secret', kind: 'STRING', private: true });
      expect(await told()).toEqual([{ attributes: {} }]);
    });
  }

  test('may be declared so while a stream filters by it: its value lets nothing through from then on', async () => {
    const { name, typeName, ref } = await secretEvent(false);
    const filter = {
      or: [{ attributes: [{ name, eq: 'hush' }] }, { search: 'end' }],
      type: { eq: typeName },
    };
    const stream = world().watch(
      'subscription ($filter: EventFilter) { eventStream(filter: $filter) { events { message } } }',
      { filter },
      await as('reader'),
    );
    await stream.next();
    const tell = (message: string) =>
      one({ type: typeName, resource: ref, message, attributes: { [name]: 'hush' } });
    await tell('open');
    expect((await stream.next()).data.eventStream.events).toEqual([{ message: 'open' }]);
    await attribute({ name, kind: 'STRING', private: true });
    await tell('hidden');
    await tell('end');
    expect((await stream.next()).data.eventStream.events).toEqual([{ message: 'end' }]);
  });
});
