import { once } from 'node:events';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
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

describe('an error of a database', () => {
  const facts = (error: unknown) => failureFacts(error, createRedactor({}), () => false);
  const german = 'Fehlgeschlagene Zeile enthält (1, hunter2).';

  test.each([
    ['23514', german, '[redacted]'],
    ['P0001', 'hunter2 was wrong', '[redacted]'],
    ['22P02', 'Token "hunter2" is invalid.', '[redacted]'],
    ['23505', 'Schlüssel »(a)=(hunter2)« existiert bereits.', '[redacted]'],
    ['23505', 'Key (a)=(hunter2\n) already exists.', '[redacted]'],
    ['23505', `Key (a)=(hunter2${' '.repeat(4_000)}) already exists.`, '[redacted]'],
    ['23514', 'Failing row contains (1, hunter2).', 'Failing row contains [redacted]'],
    ['23505', 'Key (id)=(7) already exists.', 'Key (id)=(7) already exists.'],
    ['23505', 'Key (pin)=(hunter2) already exists.', 'Key (pin)=[redacted] already exists.'],
    ['23503', 'Key (a)=(7) is not present in table "b".', 'Key (a)=(7) is not present in table "b".'],
    ['40P01', 'Prozess 7 wartet auf ShareLock.', 'Prozess 7 wartet auf ShareLock.'],
    ['2BP01', 'Sicht v hängt von Tabelle a ab', 'Sicht v hängt von Tabelle a ab'],
    ['EPIPE', 'Not of a database', 'Not of a database'],
  ])('tells no values of a row: %s %j', (code, detail, safe) => {
    const error = Object.assign(new Error('refused'), { code, detail });
    expect(facts(error).error_value).toMatchObject({ code, detail: safe });
    // As Prisma brings it along.
    const wrapped = Object.assign(new Error('failed'), {
      meta: { driverAdapterError: { cause: { originalCode: code, detail } }, all: [{ code, detail }] },
    });
    expect(facts(wrapped).error_value).toMatchObject({
      meta: { driverAdapterError: { cause: { detail: safe } }, all: [{ detail: safe }] },
    });
  });

  test('tells none of what was read when it failed', () => {
    const at = (where: string) =>
      facts(Object.assign(new Error('refused'), { code: '22P02', where })).error_value;
    expect(at('JSON data, line 1: hunter2...')).toMatchObject({ where: '[redacted]' });
    const place = 'PL/pgSQL function pay(integer) line 3 at RAISE\nSQL function "f" statement 1';
    expect(at(place)).toMatchObject({ where: place });
  });

  test('tells none where others quote it, and keeps where it was raised', () => {
    const cause = Object.assign(new Error('refused'), { code: '23514', detail: german });
    for (const message of [`refused: ${german}`, 'refused: Failing row contains (1, hunter2).']) {
      const told = facts(Object.assign(new Error(message), { cause, hint: `see ${message}` }));
      expect(JSON.stringify(told)).not.toContain('hunter2');
      expect(told.error_value).toMatchObject({ message: expect.stringContaining('[redacted]') });
      expect(told.stack).toMatch(/\[redacted\][\s\S]*\n {4}at .*failure\.test\.ts/);
      expect(told.where).toMatch(/^test\/recorder\/failure\.test\.ts:/);
    }
  });

  test('does not have its words taken for those of others where it says little', () => {
    const cause = Object.assign(new Error('refused'), { code: 'P0001', detail: 'at' });
    const told = facts(Object.assign(new Error('look at it'), { cause }));
    expect(told.error_value).toMatchObject({ message: 'look at it', cause: { detail: '[redacted]' } });
    expect(told.stack).toContain('\n    at ');
  });
});

test('an error tells no headers of the request that it brings along', async () => {
  const server = createServer((_, response) => response.writeHead(401).end()).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const sent = request({
    port: (server.address() as AddressInfo).port,
    host: '127.0.0.1',
    method: 'POST',
    headers: { 'X-Api-Key': 'sk_live_abcdef', Authorization: 'Token t0ps3cret', 'X-Tenant': 'bank' },
  }).end();
  const [response] = await once(sent, 'response');
  response.resume();
  // As axios does.
  const error = Object.assign(new Error('401'), { request: sent, response: { status: 401, request: sent } });
  const told = JSON.stringify(failureFacts(error, createRedactor({ maxValueChars: 100_000 }), () => false));
  server.closeAllConnections();
  server.close();
  expect(told).toContain('X-Tenant: bank');
  expect(told).not.toMatch(/sk_live_abcdef|t0ps3cret/);
});

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
