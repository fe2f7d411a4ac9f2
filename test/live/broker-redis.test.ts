/** News is a hint: what anybody else says on its channels costs a look at the journal and nothing more. */
import { Redis } from 'ioredis';
import { expect, test, vi } from 'vitest';
import { startRedis } from '../support/redis.ts';
import { openWorld } from '../support/world.ts';

const RECORD = 'mutation ($input: RecordEventInput!) { recordEvent(input: $input) { event { id } } }';
const NOT_NEWS = [
  '',
  'garbage',
  'null',
  '[]',
  '{}',
  '{"journal":null}',
  '{"journal":{"id":1,"name":"main"}}',
];

test('a message that is not news harms nobody', { timeout: 60_000 }, async () => {
  const redis = await startRedis();
  const environment = { REDIS_URL: redis.url, EVENTREE_POLL_INTERVAL_MS: '60000' };
  const world = await openWorld({
    servers: 2,
    environment: { ...environment, EVENTREE_LOG_LEVEL: 'fatal' },
  });
  const [first = expect.fail(), second = expect.fail()] = world.servers;
  const query = 'subscription { eventStream { live events { message } } }';
  const stream = world.watch(query, {}, { server: second });
  expect((await stream.next()).data.eventStream.live).toBe(true);
  const received = stream.until(({ data }) => data.eventStream.events.length > 0);
  const client = new Redis(redis.url);
  // The node with a reader listens.
  const channel = await vi.waitUntil(
    async () =>
      ((await client.pubsub('CHANNELS', 'eventree:*')) as string[]).find((name) => name.endsWith(':main')),
    { timeout: 10_000, interval: 10 },
  );
  for (const text of NOT_NEWS) await client.publish(channel, `${'x'.repeat(36)}${text}`);
  await client.quit();

  const recorded = await world.send(RECORD, { input: { type: 'note', message: 'on' } }, { server: first });
  expect(recorded.errors).toBeUndefined();
  expect((await received).at(-1)?.data.eventStream.events).toEqual([{ message: 'on' }]);
});
