import { setImmediate } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { Scope } from '../../src/recorder/index.ts';
import { unique, worldForFile } from '../support/world.ts';
import { bankDatabase, eventsIn, outlineOf, recorderOf, transact } from './support/recording.ts';

const note = (message: string, more: object = {}) => ({ type: 'note', message, ...more });

describe('a call', () => {
  const world = worldForFile();
  const open = async (options: object = {}) => {
    const journal = unique('journal');
    const made = await recorderOf(world(), { journal, ...options });
    return { ...made, events: () => eventsIn(world(), {}, journal), journal };
  };

  test('is written as one tree when its function has ended, parents before children', async () => {
    const { recorder, events, reported } = await open();
    const result = await recorder.call('transfer', { params: { amount: 3 } }, async (call) => {
      call.record(note('a'));
      await call.group(note('b'), async (group) => {
        group.record(note('b1'));
        await group.group(note('b2'), (inner) => void inner.record(note('b2a')));
        group.record(note('b3', { children: [note('b3a'), note('b3b', { children: [note('b3b1')] })] }));
      });
      call.record(note('c'));
      return { done: true };
    });
    expect(result).toEqual({ done: true });
    await recorder.flush();
    const seen = await events();
    expect(outlineOf(seen)).toEqual([
      'call',
      '  a',
      '  b',
      '    b1',
      '    b2',
      '      b2a',
      '    b3',
      '      b3a',
      '      b3b',
      '        b3b1',
      '  c',
    ]);
    expect(seen.map(({ position }) => position)).toEqual(seen.map((_, nth) => nth + 1));
    expect(seen[0]?.attributes).toEqual({
      function: 'transfer',
      params: { amount: 3 },
      elapsed_ms: expect.any(Number),
      result_length: '{"done":true}'.length,
    });
    expect(reported).toEqual([]);
  });

  test('tells how long it took, to the microsecond, and nothing of a result that has no JSON', async () => {
    const { recorder, events } = await open();
    const circular: { self?: object } = {};
    circular.self = circular;
    await recorder.call('nothing', () => undefined);
    await recorder.call('circular', () => circular);
    await recorder.call('big', () => 1n);
    await recorder.call('text', () => 'four');
    await recorder.flush();
    const seen = await events();
    expect(seen.map(({ attributes }) => attributes.result_length)).toEqual([
      undefined,
      undefined,
      undefined,
      6,
    ]);
    for (const { attributes } of seen) {
      expect(attributes.elapsed_ms).toBeGreaterThanOrEqual(0);
      expect(attributes.elapsed_ms).toBe(Math.round(attributes.elapsed_ms * 1_000) / 1_000);
    }
  });

  test('gives what happens in it its actor, session and correlation id, unless that has its own', async () => {
    const { recorder, events } = await open();
    const of = { actor: 'user/jane', session: 's1', correlationId: 'c1', activeClaim: 'group/tellers' };
    await recorder.call('transfer', of, async (call) => {
      expect([call.function, call.actor, call.sessionId, call.correlationId]).toEqual([
        'transfer',
        'user/jane',
        's1',
        'c1',
      ]);
      call.record(note('plain', { children: [note('child')] }));
      call.record(note('own', { actor: 'user/john', correlationId: 'c2', activeClaim: null }));
      await recorder.call('nested', { session: 's2' }, (nested) => void nested.record(note('deep')));
    });
    await recorder.flush();
    const told = (await events()).map(({ message, actor, sessionId, correlationId, activeClaim }) =>
      [message, actor, sessionId, correlationId, activeClaim].join(' '),
    );
    expect(told).toEqual([
      'user/jane called transfer user/jane s1 c1 group/tellers',
      'plain user/jane s1 c1 group/tellers',
      'child user/jane s1 c1 group/tellers',
      'own user/john s1 c2 ',
      'user/jane called nested user/jane s2 c1 group/tellers',
      'deep user/jane s2 c1 group/tellers',
    ]);
  });

  test('is found by deep code, and parallel branches stay apart', async () => {
    const { recorder, events } = await open();
    async function deep(name: string): Promise<void> {
      await setImmediate();
      recorder.current()?.record(note(name));
      await setImmediate();
      await recorder.record(note(`${name}!`));
    }
    const branch = (name: string) =>
      recorder.call(name, (call) =>
        Promise.all([
          deep(`${name} itself`),
          call.group(note(`${name} left`), () => deep(`${name} l`)),
          call.group(note(`${name} right`), () => deep(`${name} r`)),
        ]),
      );
    expect(recorder.current()).toBeNull();
    await Promise.all([branch('x'), branch('y')]);
    await recorder.flush();
    const seen = await events();
    const parents = new Map(seen.map(({ id, message }) => [id, message]));
    const below = (parent: string) =>
      seen
        .filter(({ parent: above }) => above !== null && parents.get(above.id)?.endsWith(parent))
        .map((e) => e.message);
    for (const name of ['x', 'y']) {
      expect(below(`called ${name}`)).toEqual([
        `${name} left`,
        `${name} right`,
        `${name} itself`,
        `${name} itself!`,
      ]);
      expect(below(`${name} left`)).toEqual([`${name} l`, `${name} l!`]);
      expect(below(`${name} right`)).toEqual([`${name} r`, `${name} r!`]);
    }
  });

  test('within a call is part of it, whether it fails or not', async () => {
    const { recorder, events } = await open();
    await recorder.call('outer', async () => {
      await recorder.call('well', () => recorder.record(note('kept')));
      await recorder
        .call('bad', async (bad) => {
          bad.record(note('dropped'));
          bad.record(note('always', { always: true }));
          throw new Error('no');
        })
        .catch(() => {});
    });
    await recorder.flush();
    const seen = await events();
    expect(outlineOf(seen)).toEqual(['call', '  call', '    kept', '  call', '    always']);
    expect(seen[3]?.attributes).toMatchObject({ function: 'bad', error: 'Error', error_value: 'no' });
    await expect(
      recorder.call('outer', () => recorder.call('inner', { journal: 'other' }, () => 1)),
    ).rejects.toMatchObject({ code: 'BAD_INPUT' });
  });

  test('refuses an event that would be an orphan when the call fails', async () => {
    const { recorder, events } = await open();
    await recorder.call('a', async (call) => {
      await call.group(note('on success'), (group) => {
        expect(() => group.record(note('no', { always: true }))).toThrow(
          expect.objectContaining({ code: 'ORPHAN' }),
        );
      });
      await call.group(
        note('always', { always: true }),
        (group) => void group.record(note('on success too')),
      );
    });
    await recorder.flush();
    expect(outlineOf(await events())).toEqual(['call', '  on success', '  always', '    on success too']);
  });

  test('refuses to keep in any case what a transaction decides on', async () => {
    const bank = await bankDatabase();
    const { recorder, events } = await open({ outbox: bank });
    await recorder.call('a', async (call) => {
      await transact(bank, async (client) => {
        const refused = call.recordIn(client, [note('no'), note('neither', { always: true })]);
        await expect(refused).rejects.toMatchObject({
          code: 'BAD_INPUT',
          message: expect.stringContaining('leave `always` out'),
        });
        await call.recordIn(client, [note('b', { always: false })]);
      });
    });
    await recorder.flush();
    expect(outlineOf(await events())).toEqual(['call', '  b']);
  });

  test('takes nothing once it has ended', async () => {
    const { recorder, events } = await open();
    let left: Scope | undefined;
    let group: Scope | undefined;
    await recorder.call('a', async (call) => {
      left = call;
      await call.group(note('b'), (opened) => {
        group = opened;
      });
      expect(() => group?.record(note('late'))).toThrow(expect.objectContaining({ code: 'ENDED' }));
    });
    expect(() => left?.record(note('late'))).toThrow(expect.objectContaining({ code: 'ENDED' }));
    await expect(left?.group(note('late'), () => 1)).rejects.toMatchObject({ code: 'ENDED' });
    expect(() => left?.call.amend({ function: 'b' })).toThrow(expect.objectContaining({ code: 'ENDED' }));
    await recorder.flush();
    expect(outlineOf(await events())).toEqual(['call', '  b']);
  });

  test('lets what goes on behind its end record by itself', async () => {
    const { recorder, events } = await open();
    let goOn = () => {};
    let background: Promise<unknown> = Promise.resolve();
    await recorder.call('request', () => {
      const asked = new Promise<void>((resolve) => {
        goOn = resolve;
      });
      background = asked.then(async () => {
        await recorder.record(note('behind'));
        await recorder.call('job', () => 1);
      });
    });
    goOn();
    await background;
    await recorder.flush();
    expect(outlineOf(await events())).toEqual(['call', 'behind', 'call']);
  });

  test('drops a group that is still open when it ends: nobody knows how that will end', async () => {
    const { recorder, events } = await open();
    let goOn = () => {};
    let group: Promise<unknown> = Promise.resolve();
    await recorder.call('a', (call) => {
      group = call.group(note('open'), () => new Promise<void>((resolve) => (goOn = resolve)));
      call.record(note('b'));
    });
    goOn();
    await group;
    await recorder.flush();
    expect(outlineOf(await events())).toEqual(['call', '  b']);
  });

  test('holds so many events at most', async () => {
    const { recorder, events } = await open({ maxCallEvents: 3 });
    await recorder.call('a', async (call) => {
      call.record(note('b', { children: [note('c')] }));
      await recorder.call('d', (nested) => {
        expect(() => nested.record(note('too many'))).toThrow(
          expect.objectContaining({ code: 'BUFFER_FULL' }),
        );
      });
    });
    await recorder.flush();
    expect(outlineOf(await events())).toEqual(['call', '  b', '    c', '  call']);
  });

  test('keeps ids and times that it is given, and makes those that it is not', async () => {
    const { recorder, events } = await open();
    const before = Date.now();
    const id = '01900000-0000-7000-8000-000000000001';
    await recorder.call('a', (call) => {
      expect(call.record(note('given', { id, occurredAt: '2024-01-01T00:00:00.000Z' }))).toBe(id);
      call.record(note('id', { id: '01900000-0000-7000-8000-000000000002' }));
      call.record(note('none'));
    });
    await recorder.flush();
    const [, given, ofId, none] = await events();
    expect(given?.occurredAt).toBe('2024-01-01T00:00:00.000Z');
    for (const event of [ofId, none])
      expect(Date.parse(String(event?.occurredAt))).toBeGreaterThanOrEqual(before);
  });

  test('is said more of while it runs', async () => {
    const { recorder, events } = await open();
    await recorder.call('GET /a', { payload: { route: null, method: 'GET' } }, (call) => {
      call.amend({ function: 'GET /:name', payload: { route: '/:name', token: 'x' } });
      expect(call.function).toBe('GET /:name');
    });
    await recorder.flush();
    expect((await events())[0]).toMatchObject({
      attributes: { function: 'GET /:name' },
      payload: { route: '/:name', method: 'GET', token: '[redacted]' },
    });
  });

  test('hangs below an event that is recorded already, and so does an event by itself', async () => {
    const { recorder, events } = await open();
    const { id, kept } = await recorder.recordAlone(note('above'), { acknowledged: true });
    expect(kept).toBe(true);
    await recorder.call('below', { parentId: id }, () => 1);
    await recorder.recordAlone({ ...note('beside'), parentId: id });
    await recorder.flush();
    expect(outlineOf(await events())).toEqual(['above', '  call', '  beside']);
  });

  test('puts resources before the events that need them', async () => {
    const { recorder, journal } = await open();
    const ref = `account/${unique('a')}`;
    const resources = [{ ref, name: 'Savings', acl: { owners: ['user/jane'], viewData: ['user/john'] } }];
    await recorder.call('open', () => recorder.record(note('opened', { resource: ref }), { resources }));
    await recorder.flush();
    const { resource } = await world().ask(
      `query ($ref: ResourceRef!, $journal: String!) {
        resource(ref: $ref) { name acl { owners viewData } events(journal: $journal) { nodes { message } } }
      }`,
      { ref, journal },
    );
    expect(resource).toEqual({
      name: 'Savings',
      acl: { owners: ['user/jane'], viewData: ['user/john'] },
      events: { nodes: [{ message: 'opened' }] },
    });
  });
});
