/**
 * Rights that come and go while streams are open on two nodes: who gains a right is told what comes after, who loses
 * it is told once what is hidden, and nothing that comes after but what they see as its actor.
 */
import { expect, test } from 'vitest';
import { startRedis } from '../support/redis.ts';
import { openWorld } from '../support/world.ts';

const PUT = 'mutation ($input: PutResourceInput!) { putResource(input: $input) { ref } }';
const SET = 'mutation ($ref: ResourceRef!, $acl: AclInput!) { setResourceAcl(ref: $ref, acl: $acl) { ref } }';
const RECORD = 'mutation ($input: RecordEventInput!) { recordEvent(input: $input) { event { id } } }';
const STREAM = 'subscription { eventStream { events { message } live hidden } }';

test('a right that is gained shows what comes after, and one that is lost hides the resource once', async () => {
  const redis = await startRedis();
  const world = await openWorld({ servers: 2, environment: { REDIS_URL: redis.url } });
  const [open, changing] = ['page/open', 'page/changing'];
  const jane = { viewData: ['user/jane'] };
  await world.ask(PUT, { input: { ref: open, acl: jane } });
  await world.ask(PUT, { input: { ref: changing } });
  const token = await world.token({ subject: 'jane' });
  const streams = world.servers.flatMap((server) =>
    (['ws', 'sse'] as const).map((by) => world.watch(STREAM, {}, { token, server, by })),
  );
  for (const stream of streams) expect((await stream.next()).data.eventStream.live).toBe(true);

  // Each time by way of the other node.
  let turns = 0;
  const server = () => world.servers[turns++ % 2] ?? expect.fail();
  const note = (resource: string, message: string, more: object = {}) =>
    world.ask(RECORD, { input: { type: 'note', resource, message, ...more } }, { server: server() });
  const own = { actor: 'user/jane', visibleToActor: true };
  const set = (acl: object) => world.ask(SET, { ref: changing, acl }, { server: server() });
  await note(changing, 'before it is gained');
  await note(changing, 'her own, before it is gained', own);
  await set(jane);
  await note(changing, 'while it is held');
  await set({ viewMeta: ['user/jane'] });
  await note(changing, 'while less is held');
  await set({});
  await note(changing, 'after it is lost');
  await note(changing, 'her own, after it is lost', own);
  await note(changing, 'another’s', { ...own, actor: 'user/joe' });
  await set({ viewMeta: [] });
  await set({ viewData: ['user/joe'] });
  await note(changing, 'while another holds it');
  await note(open, 'last');

  for (const stream of streams) {
    const told = await stream.until(({ data }) =>
      data.eventStream.events.some(({ message }: { message: string }) => message === 'last'),
    );
    const messages = told.map(({ data }) => data.eventStream);
    expect(
      messages.flatMap(({ events }) => events.map(({ message }: { message: string }) => message)),
    ).toEqual([
      'her own, before it is gained',
      'while it is held',
      'while less is held',
      'her own, after it is lost',
      'last',
    ]);
    expect(messages.flatMap(({ hidden }) => hidden)).toEqual([changing]);
    expect(messages.every(({ live }) => live)).toBe(true);
  }
});
