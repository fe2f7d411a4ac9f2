import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, onTestFinished, test, vi } from 'vitest';
import type { OpenScope } from '../../src/recorder/call.ts';
import type { CallOptions, Recorder } from '../../src/recorder/index.ts';
import { unique, worldForFile } from '../support/world.ts';
import { bankDatabase, eventsIn, recorderOf, transact } from './support/recording.ts';

setFlagsFromString('--expose-gc');
const collectGarbage: () => void = runInNewContext('gc');

const note = (message: string) => ({ type: 'note', message });
const world = worldForFile();

/** What of a call's tree could still be reached. Its scopes are within reach: something was begun in each. */
function track(recorder: Recorder) {
  const events: WeakRef<object>[] = [];
  const timers: NodeJS.Timeout[] = [];
  onTestFinished(() => timers.forEach(clearInterval));
  return {
    begin() {
      // As a connection that is opened within a call and kept: it holds the scope that runs.
      timers.push(setInterval(() => recorder.current(), 60_000));
      // A scope is what the recorder made.
      const { node } = recorder.current() as OpenScope;
      for (const { event } of [node, ...(node.children ?? [])]) events.push(new WeakRef(event));
    },
    async left() {
      // What was looked at in this turn is kept for it.
      await new Promise((resolve) => setTimeout(resolve, 50));
      collectGarbage();
      return events.filter((event) => event.deref() !== undefined).length;
    },
    tracked: () => events.length,
  };
}

test.each(['over the API', 'with an outbox', 'in a transaction'])(
  'what was begun within a call holds on to nothing that was written of it: %s',
  async (way) => {
    const journal = unique('journal');
    const bank = way === 'over the API' ? null : await bankDatabase();
    const outbox = bank === null ? {} : { outbox: bank };
    const { recorder } = await recorderOf(world(), { journal, leaseMs: 1_000, ...outbox });
    const { begin, left, tracked } = track(recorder);
    const work = (options: CallOptions) =>
      recorder.call('a', options, async (call) => {
        call.record(note('b'));
        await call.group(note('c'), (group) => {
          group.record(note('d'));
          begin();
        });
        await recorder.call('e', (inner) => {
          inner.record(note('f'));
          begin();
        });
        begin();
      });
    if (bank !== null && way === 'in a transaction') {
      await transact(bank, (transaction) => work({ transaction }));
    } else {
      await work({});
    }
    await recorder.flush();
    expect(await eventsIn(world(), {}, journal)).toHaveLength(6);
    expect(tracked()).toBe(8);
    // Whether a transaction is rolled back is looked at as often as the lease is renewed.
    await vi.waitUntil(async () => (await left()) === 0, { timeout: 20_000, interval: 100 });
  },
);

test('a call that goes on behind the end of the one around it ends as it would have', async () => {
  const { recorder } = await recorderOf(world(), { journal: unique('journal') });
  let goOn = () => {};
  const gate = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  let inner: Promise<number> = Promise.resolve(0);
  await recorder.call('outer', () => {
    inner = recorder.call('inner', async (call) => {
      await gate;
      expect(() => call.record(note('late'))).toThrow(expect.objectContaining({ code: 'ENDED' }));
      return 5;
    });
  });
  goOn();
  expect(await inner).toBe(5);
});
