import { GraphQLError } from 'graphql';
import { describe, expect, test } from 'vitest';
import { draftNode } from '../../src/recorder/draft.ts';
import { failureFacts, ownFolders, whereOf } from '../../src/recorder/failure.ts';
import { createRedactor } from '../../src/recorder/redact.ts';
import { unique, worldForFile } from '../support/world.ts';
import { eventsIn, outlineOf, recorderOf } from './support/recording.ts';

const note = (message: string, more: object = {}) => ({ type: 'note', message, ...more });

class InsufficientFunds extends Error {
  readonly missing: number;
  readonly apiKey = 'k';

  constructor(missing: number) {
    super('There is not enough money.');
    this.missing = missing;
  }
}

describe('a call that fails', () => {
  const world = worldForFile();
  const open = async (options: object = {}) => {
    const journal = unique('journal');
    return {
      ...(await recorderOf(world(), { journal, ...options })),
      events: () => eventsIn(world(), {}, journal),
    };
  };

  test('passes the error on as it is, and keeps only what is always kept', async () => {
    const { recorder, events } = await open();
    const error = new InsufficientFunds(3);
    const failing = recorder.call('transfer', async (call) => {
      call.record(note('on success', { children: [note('child')] }));
      call.record(note('always', { always: true, children: [note('its child')] }));
      await call.group(note('group'), (group) => void group.record(note('in group')));
      await call.group(note('always group', { always: true }), (group) => {
        group.record(note('in it, always', { always: true }));
        group.record(note('in it'));
      });
      throw error;
    });
    expect(await failing.catch((reason: unknown) => reason)).toBe(error);
    await recorder.flush();
    const seen = await events();
    expect(outlineOf(seen)).toEqual([
      'call',
      '  always',
      '    its child',
      '  always group',
      '    in it, always',
    ]);
    expect(seen[0]?.attributes).toEqual({
      function: 'transfer',
      elapsed_ms: expect.any(Number),
      error: 'InsufficientFunds',
      error_value: { message: 'There is not enough money.', missing: 3, apiKey: '[redacted]' },
      where: expect.stringMatching(/^test\/recorder\/failure\.test\.ts:\d+$/),
      stack: error.stack,
    });
  });

  test('passes on whatever is thrown', async () => {
    const { recorder, events } = await open();
    for (const thrown of ['text', undefined, null, { code: 7 }, Object.freeze(new TypeError('frozen'))]) {
      const caught = await recorder
        .call('a', () => Promise.reject(thrown))
        .then(
          () => 'nothing',
          (reason: unknown) => reason,
        );
      expect(caught).toBe(thrown);
    }
    const sync = new RangeError('at once');
    await expect(
      recorder.call('b', () => {
        throw sync;
      }),
    ).rejects.toBe(sync);
    await recorder.flush();
    expect((await events()).map(({ attributes: { error, error_value } }) => [error, error_value])).toEqual([
      ['string', 'text'],
      ['undefined', undefined],
      ['object', undefined],
      ['Object', { code: 7 }],
      ['TypeError', 'frozen'],
      ['RangeError', 'at once'],
    ]);
  });

  test('keeps no stack of what is expected', async () => {
    const { recorder, events } = await open();
    const expected = [
      Object.assign(new Error('a'), { expected: true }),
      Object.assign(new Error('b'), { status: 404 }),
      Object.assign(new Error('c'), { statusCode: 422 }),
      new GraphQLError('d', { extensions: { code: 'FORBIDDEN' } }),
    ];
    const unexpected = [
      Object.assign(new Error('e'), { status: 503 }),
      new GraphQLError('f'),
      new GraphQLError('g', { extensions: { code: 'INTERNAL_SERVER_ERROR' } }),
      new Error('h'),
    ];
    for (const error of [...expected, ...unexpected]) {
      await recorder.call(error.message, () => Promise.reject(error)).catch(() => {});
    }
    await recorder.flush();
    const withStack = (await events()).map(({ attributes }) => [attributes.function, 'stack' in attributes]);
    expect(withStack).toEqual([
      ...expected.map(({ message }) => [message, false]),
      ...unexpected.map(({ message }) => [message, true]),
    ]);
  });

  test('asks the application what it expects, and does without an answer', async () => {
    const { recorder, events } = await open({
      isExpected(error: unknown) {
        if ((error as Error).message === 'odd') throw new Error('I cannot tell');
        return error instanceof RangeError;
      },
    });
    for (const error of [new RangeError('mine'), new Error('other'), new Error('odd')]) {
      await expect(recorder.call('a', () => Promise.reject(error))).rejects.toBe(error);
    }
    await recorder.flush();
    expect((await events()).map(({ attributes }) => 'stack' in attributes)).toEqual([false, true, true]);
  });

  test('names an error by the last part of its name', async () => {
    const { recorder, events } = await open();
    for (const name of ['Bank::Errors::Broke', 'bank.errors.Broke', 'Broke', 'Broke.']) {
      const error = Object.assign(new Error('a'), { name });
      await recorder.call('a', () => Promise.reject(error)).catch(() => {});
    }
    await recorder.flush();
    expect((await events()).map(({ attributes }) => attributes.error)).toEqual([
      'Broke',
      'Broke',
      'Broke',
      'Broke.',
    ]);
  });

  test('survives an error that cannot be looked at', async () => {
    const { recorder, events } = await open();
    const error = new Proxy(new Error('a'), {
      get() {
        throw new Error('do not look');
      },
      getPrototypeOf() {
        throw new Error('do not look');
      },
      ownKeys() {
        throw new Error('do not look');
      },
    });
    const isSame = await recorder
      .call('a', () => Promise.reject(error))
      .catch((reason: unknown) => reason === error);
    expect(isSame).toBe(true);
    await recorder.flush();
    expect(await events()).toHaveLength(1);
  });
});

test('an error that a constructor of its own made was raised where that was called', async () => {
  class Refused extends Error {
    constructor() {
      super('no');
    }
  }
  const raise = () => {
    throw new Refused();
  };
  const line = Number(/:(\d+):\d+\)?$/m.exec(new Error('here').stack as string)?.[1]) - 2;
  const { where } = failureFacts(catching(raise), createRedactor({}), () => false);
  expect(where).toBe(`test/recorder/failure.test.ts:${line}`);
});

test('what a message says is no place, and nothing of an odd error throws', () => {
  const forged = new Error('no\n    at steal (/app/forged.ts:1:1)');
  const odd = { constructor: { name: 42 } };
  const long = new Error(`${' at (:1'.repeat(50_000)}`);
  const [one, other, third] = [forged, odd, long].map((error) =>
    failureFacts(error, createRedactor({}), () => false),
  );
  expect(one?.where).toMatch(/^test\/recorder\/failure\.test\.ts:/);
  expect(other).toMatchObject({ error: 'Error' });
  expect(third?.where).toMatch(/^test\/recorder\/failure\.test\.ts:/);
});

test('an error that the recorder raised was raised where that was called', async () => {
  const line = Number(/:(\d+):\d+\)?$/m.exec(new Error('here').stack as string)?.[1]) + 1;
  const raise = () => draftNode('leaf', { type: 'a', id: 'none' }, null, false, {}, createRedactor({}));
  const { where } = failureFacts(catching(raise), createRedactor({}), () => false);
  expect(where).toBe(`test/recorder/failure.test.ts:${line}`);
});

function catching(raise: () => unknown): unknown {
  try {
    return raise();
  } catch (error) {
    return error;
  }
}

describe('the place where an error was raised', () => {
  test('is not in the package itself, wherever that lies', () => {
    const own = ownFolders('file:///home/a%20b/eventree/dist/recorder/failure.js');
    const stack = [
      '    at a (file:///home/a%20b/eventree/dist/recorder/call.js:1:1)',
      '    at b (/home/a b/eventree/src/recorder/call.ts:1:1)',
      '    at c (/home/a b/eventree/examples/bank.ts:2:1)',
    ];
    expect(whereOf(stack.join('\n'), '/home', [], own)).toBe('a b/eventree/examples/bank.ts:2');
    // Part of a bundle, it has no folder.
    expect(ownFolders('file:///app/dist/main.js')).toEqual([]);
  });

  test.each([
    ['    at pay (/app/src/bank.ts:17:5)', 'src/bank.ts:17'],
    ['    at async file:///app/src/a%20b.ts:1:2', 'src/a b.ts:1'],
    ['    at new Bank (file:///app/bank.js:3:4)', 'bank.js:3'],
    ['    at /elsewhere/x.js:9:9', '../elsewhere/x.js:9'],
    ['    at node:internal/process/task_queues:95:5', undefined],
    [
      '    at pg.query (/app/node_modules/pg/lib/client.js:1:1)\n    at pay (/app/src/bank.ts:17:5)',
      'src/bank.ts:17',
    ],
    ['    at Array.map (<anonymous>)', undefined],
    ['Error: at night (it:1:2)', undefined],
    ['', undefined],
  ])('of %j is %j', (stack, where) => {
    expect(whereOf(`Error: said\n${stack}`, '/app')).toBe(where);
  });
});
