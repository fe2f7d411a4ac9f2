/** A stream whose reader takes its time, by the rooms themselves: what a door does meanwhile is not in question. */
import { expect, onTestFinished, test } from 'vitest';
import { pause } from '../../src/base/retry.ts';
import { createMemoryBroker } from '../../src/live/broker.ts';
import { follow } from '../../src/live/follow.ts';
import { startLive } from '../../src/live/live.ts';
import type { Wire } from '../../src/live/wire.ts';
import { heartForFile, ROOT } from '../properties/support/heart.ts';

const heart = heartForFile();
/** Groups look after their members every 250 ms: it lies between two looks. */
const LIFETIME_MS = 1_375;

/** A live stream by a token that is about to expire, and how to record what is offered to it. */
async function openStream(wire: Wire) {
  const { database, reader, recording, journals } = heart();
  await journals.findOrCreate('main');
  const checkpointIntervalMs = 10_000;
  const live = startLive({
    ...{ database, reader, checkpointIntervalMs, pollIntervalMs: 20 },
    broker: createMemoryBroker(),
    onError: (error) => expect.fail(String(error)),
  });
  onTestFinished(() => live.stop());
  const expiresAt = Date.now() + LIFETIME_MS;
  const stream = follow(
    { live, reader, checkpointIntervalMs },
    {
      ...{ journal: 'main', filter: await reader.filter(null), filterText: '', after: 'now', maxBatch: 100 },
      principal: { ...ROOT, expiresAt },
      wording: { key: '', shared: true, unit: 'event', word: () => '{}' },
      wire,
    },
    new AbortController().signal,
  );
  expect((await stream.next()).value).toMatchObject({ live: true });
  const { hub, close } = live.open('main');
  onTestFinished(close);
  return {
    stream,
    expiresAt,
    async record() {
      const [recorded] = await recording.record([{ journal: 'main', type: 'note' }], ROOT);
      await hub.reached(recorded?.event.position ?? expect.fail(), new AbortController().signal);
    },
  };
}

test('one that takes its time over a delivery is not told what was recorded meanwhile once its token has expired', async () => {
  let pushed = 0;
  const { stream, expiresAt, record } = await openStream({
    push: () => ++pushed > 0,
    reserve: () => true,
    free: () => {},
    whenDrained: () => () => {},
  });
  await record();
  while (Date.now() < expiresAt) await pause(expiresAt - Date.now());
  await expect(stream.next()).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  expect(pushed).toBe(0);
});

test('one whose network takes nothing is not waited for once its token has expired', async () => {
  const { stream, expiresAt, record } = await openStream({
    push: () => false,
    reserve: () => true,
    free: () => {},
    whenDrained: () => () => {},
  });
  const ended = expect(stream.next())
    .rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
    .then(() => Date.now());
  await record();
  expect(await ended).toBeLessThan(expiresAt + 1_000);
});
