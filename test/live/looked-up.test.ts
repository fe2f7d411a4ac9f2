/** What is looked up for a message when it is told: the database may be away in that moment. */
import { expect, test } from 'vitest';
import { databaseUrlThrough, socketOf, startTcpProxy } from '../support/tcp-proxy.ts';
import { openWorld } from '../support/world.ts';

const PUT = 'mutation ($input: PutResourceInput!) { putResource(input: $input) { ref } }';
const RECORD = 'mutation ($input: RecordEventInput!) { recordEvent(input: $input) { event { id } } }';
const WATCH = 'subscription { eventRecorded { message resource { ref acl { owners } } } }';

test('an event for which it cannot be asked is told when it can, whole, once and in its place', async () => {
  const world = await openWorld();
  const proxy = await startTcpProxy(socketOf(world.databaseUrl));
  const server = await world.addServer({
    DATABASE_URL: databaseUrlThrough(proxy, world.databaseUrl),
    EVENTREE_LOG_LEVEL: 'fatal',
  });
  await world.ask(PUT, { input: { ref: 'page/1', acl: { owners: ['user/owner'] } } });
  const streams = (['ws', 'sse'] as const).map((by) => world.watch(WATCH, {}, { server, by }));
  const record = (message: string) =>
    world.ask(RECORD, { input: { type: 'note', resource: 'page/1', message } }, { server });
  // Nothing says that a subscription is in force but its first message.
  const first = Promise.all(streams.map((stream) => stream.next()));
  let ready = false;
  void first.then(() => {
    ready = true;
  });
  for (let probe = 0; !ready; probe++) await record(`probe ${probe}`);

  const lost = proxy.loseAnswerTo('find-resources');
  await record('before');
  await record('while it is away');
  await lost;
  await record('last');
  for (const stream of streams) {
    const told = await stream.until(({ data }) => data?.eventRecorded?.message === 'last');
    const resource = { ref: 'page/1', acl: { owners: ['user/owner'] } };
    expect(told.slice(-3)).toEqual(
      ['before', 'while it is away', 'last'].map((message) => ({
        data: { eventRecorded: { message, resource } },
      })),
    );
    expect(told.flatMap(({ errors }) => errors ?? [])).toEqual([]);
  }
});
