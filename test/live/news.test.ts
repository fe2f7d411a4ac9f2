/** News that cannot be understood, as of a node of another version: they cost nobody an event. */
import { expect, onTestFinished, test, vi } from 'vitest';
import { ACL_CHANGE } from '../../src/events/builtin.ts';
import type { Event, EventId } from '../../src/events/event.ts';
import { type Broker, createMemoryBroker } from '../../src/live/broker.ts';
import type { Delivery } from '../../src/live/delivery.ts';
import { follow } from '../../src/live/follow.ts';
import { startLive } from '../../src/live/live.ts';
import { heartForFile, ROOT } from '../properties/support/heart.ts';

const heart = heartForFile();
const NEVER_MS = 3_600_000;

/** A stream of a node that hears of events by its broker alone, and what it has got so far. */
async function openStream(broker: Broker, onError: (error: unknown) => void) {
  const { database, reader } = heart();
  const live = startLive({
    ...{ database, reader, broker, onError },
    ...{ checkpointIntervalMs: NEVER_MS, pollIntervalMs: NEVER_MS },
  });
  onTestFinished(() => live.stop());
  const got: EventId[] = [];
  const told: { events: EventId[] }[] = [];
  const idsOf = ({ events }: Delivery) => events.map(({ event }) => event.id);
  const stream = follow(
    { live, reader, checkpointIntervalMs: NEVER_MS },
    {
      ...{ journal: 'main', filter: await reader.filter(null), filterText: '', after: 'now', maxBatch: 100 },
      principal: ROOT,
      wording: {
        ...{ key: '', shared: true, unit: 'delivery' },
        word: (delivery) => JSON.stringify({ events: idsOf(delivery) }),
      },
      wire: {
        push(payload) {
          told.push(JSON.parse(payload.toString()));
          got.push(...(told.at(-1)?.events ?? []));
          return true;
        },
        reserve: () => true,
        free: () => {},
        whenDrained: (callback) => {
          setImmediate(callback);
          return () => {};
        },
      },
    },
    new AbortController().signal,
  );
  expect((await stream.next()).value).toMatchObject({ live: true });
  void (async () => {
    for await (const delivery of stream) got.push(...idsOf(delivery));
  })().catch(onError);
  return { got, told };
}

test('an event that nobody can make sense of keeps none of those before it, nor of those after', async () => {
  const { reader, recording, journals, registry } = heart();
  const journal = await journals.findOrCreate('main');
  const broker = createMemoryBroker();
  const errors: unknown[] = [];
  const { got, told } = await openStream(broker, (error) => errors.push(error));

  const recordAll = (count: number) =>
    recording.record(
      Array.from({ length: count }, () => ({ journal: 'main', type: 'note' })),
      ROOT,
    );
  const first = await recordAll(2);
  const [one, other] = await reader.unjudged(journal, 1, 2);
  if (one === undefined || other === undefined) expect.fail();
  const strange: Event = { ...other.event, type: ACL_CHANGE, attributes: {} };
  const announce = (events: (typeof one)[]) =>
    broker.announce({
      ...{ journal, events, registryVersion: registry.current().version },
      firstPosition: events[0]?.event.position ?? expect.fail(),
    });
  announce([one, { ...other, event: strange }]);
  await vi.waitUntil(() => errors.length > 0, { timeout: 10_000 });

  const later = await recordAll(1);
  announce(await reader.unjudged(journal, 3, 3));
  const all = [...first, ...later].map(({ event }) => event.id);
  await vi.waitUntil(() => got.length >= all.length, { timeout: 10_000 });
  expect(got).toEqual(all);

  const last = await recordAll(2);
  announce(await reader.unjudged(journal, 4, 5));
  await vi.waitUntil(() => got.length >= all.length + 2, { timeout: 10_000 });
  expect(told.at(-1)?.events).toEqual(last.map(({ event }) => event.id));
  expect(errors).toHaveLength(1);
});
