import { describe, expect, test } from 'vitest';
import { unique, worldForFile } from '../support/world.ts';
import { eventsIn, recorderOf } from './support/recording.ts';

describe('a session', () => {
  const world = worldForFile();

  test('is recorded as it is created, signed in to and ended, and calls point to it', async () => {
    const journal = unique('journal');
    const { recorder } = await recorderOf(world(), { journal });
    const session = await recorder.session({ address: '192.0.2.7', userAgent: 'Firefox' });
    expect(session.actor).toBeNull();
    await recorder.call('look', { session }, () => 1);
    await session.authenticated('user/jane');
    expect(session.actor).toBe('user/jane');
    await recorder.call('pay', { session }, (call) => void call.record({ type: 'note' }));
    await recorder.call('pay', { session, actor: 'user/john' }, () => 1);
    await recorder.call('pay', { session: session.id }, () => 1);
    await session.end();
    await session.end();
    await recorder.flush();
    const seen = await eventsIn(world(), {}, journal);
    expect(new Set(seen.map(({ sessionId }) => sessionId))).toEqual(new Set([session.id]));
    const resource = { ref: `session/${session.id}` };
    expect(
      seen.map(({ type, actor, resource: of, attributes }) => [type.name, actor, of, attributes]),
    ).toEqual([
      ['create', 'user/bank', resource, { values: { address: '192.0.2.7', user_agent: 'Firefox' } }],
      ['call', 'user/bank', null, expect.anything()],
      ['update', 'user/jane', resource, { attribute: 'authuser', new: 'user/jane' }],
      ['call', 'user/jane', null, expect.anything()],
      ['note', 'user/jane', null, {}],
      ['call', 'user/john', null, expect.anything()],
      ['call', 'user/bank', null, expect.anything()],
      ['destroy', 'user/jane', resource, {}],
    ]);
  });

  test('is recorded whatever becomes of the call in which it begins', async () => {
    const journal = unique('journal');
    const { recorder } = await recorderOf(world(), { journal });
    const failing = recorder.call('login', async () => {
      const session = await recorder.session({ id: 'mine', actor: 'user/jane' });
      await session.authenticated('user/john');
      throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');
    await recorder.flush();
    const seen = await eventsIn(world(), { sessionId: { eq: 'mine' } }, journal);
    expect(seen.map(({ type, actor, attributes }) => [type.name, actor, attributes.old])).toEqual([
      ['create', 'user/jane', undefined],
      ['update', 'user/john', 'user/jane'],
    ]);
  });
});
