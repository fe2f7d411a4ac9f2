/** A stream whose reader takes its time over what it is given, by the rooms themselves: no door reads so slowly. */
import { expect, onTestFinished, test } from 'vitest';
import { pause } from '../../src/base/retry.ts';
import { createMemoryBroker } from '../../src/live/broker.ts';
import { follow } from '../../src/live/follow.ts';
import { startLive } from '../../src/live/live.ts';
import { heartForFile, ROOT } from '../properties/support/heart.ts';

const heart = heartForFile();

test('what was recorded while it did is not told to it once its token has expired', async () => {
  const { database, reader, recording, journals } = heart();
  await journals.findOrCreate('main');
  const checkpointIntervalMs = 10_000;
  const live = startLive({
    ...{ database, reader, checkpointIntervalMs, pollIntervalMs: 20 },
    broker: createMemoryBroker(),
    onError: (error) => expect.fail(String(error)),
  });
  onTestFinished(() => live.stop());
  const expiresAt = Date.now() + 500;
  let pushed = 0;
  const stream = follow(
    { live, reader, checkpointIntervalMs },
    {
      ...{ journal: 'main', filter: await reader.filter(null), filterText: '', after: 'now', maxBatch: 100 },
      principal: { ...ROOT, expiresAt },
      wording: { key: '', shared: true, unit: 'event', word: () => '{}' },
      wire: { push: () => ++pushed > 0, whenDrained: () => () => {} },
    },
    new AbortController().signal,
  );
  expect((await stream.next()).value).toMatchObject({ live: true });
  const { hub, close } = live.open('main');
  onTestFinished(close);
  const [recorded] = await recording.record([{ journal: 'main', type: 'note' }], ROOT);
  await hub.reached(recorded?.event.position ?? expect.fail(), new AbortController().signal);
  while (Date.now() < expiresAt) await pause(expiresAt - Date.now());
  await expect(stream.next()).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  expect(pushed).toBe(0);
});
