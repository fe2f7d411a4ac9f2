/** Many events at once for many viewers, each of whom is told in words of their own, for which the database is asked. */
import { expect, test } from 'vitest';
import { pause } from '../../src/base/retry.ts';
import { metric } from '../doors/support/doors.ts';
import { openWorld } from '../support/world.ts';

const RECORD = 'mutation ($input: [RecordEventInput!]!) { recordEvents(input: $input) { events { id } } }';
const PUT = 'mutation ($input: PutResourceInput!) { putResource(input: $input) { ref } }';
const WATCH = `subscription {
  eventRecorded(filter: { sessionId: { eq: "burst" } }) { message parent { message } resource { ref acl { owners } } }
}`;

const VIEWERS = 50;
const EVENTS = 80;
/** 32 messages at a time, each with a look-up or two, and what else the server asks. */
const MOST_WAITING = 100;

test('neither errors nor a queue for the database come of it', { timeout: 60_000 }, async () => {
  const world = await openWorld({ environment: { EVENTREE_DATABASE_POOL_SIZE: '4' } });
  const [server = expect.fail()] = world.servers;
  const acl = { owners: ['user/owner'], viewAcl: ['group/staff'] };
  await world.ask(PUT, { input: { ref: 'page/1', acl } });

  const streams = await Promise.all(
    Array.from({ length: VIEWERS }, async (_, nth) => {
      const token = await world.token({ subject: `viewer-${nth}`, groups: ['staff'] });
      return world.watch(WATCH, {}, { token });
    }),
  );
  const event = (message: string, children: object[] = []) => ({
    ...{ type: 'note', resource: 'page/1', message, sessionId: 'burst', children },
  });
  // Nothing says that a subscription is in force but its first message.
  const first = Promise.all(streams.map((stream) => stream.next()));
  let ready = false;
  void first.then(() => {
    ready = true;
  });
  for (let probe = 0; !ready; probe++) {
    await world.ask(RECORD, { input: [event(`probe ${probe}`)] });
  }

  let isOver = false;
  const lookAtQueue = async (): Promise<number> => {
    let most = 0;
    while (!isOver) {
      most = Math.max(most, await metric(server, 'eventree_database_connections', 'state="waiting"'));
      await pause(10);
    }
    return most;
  };
  const mostWaiting = lookAtQueue();
  const children = Array.from({ length: EVENTS }, (_, nth) => event(`child ${nth}`));
  await world.ask(RECORD, { input: [event('all', children)] });
  const told = await Promise.all(
    streams.map((stream) =>
      stream.until(({ data }) => data?.eventRecorded.message === `child ${EVENTS - 1}`),
    ),
  );

  isOver = true;
  expect(await mostWaiting).toBeLessThan(MOST_WAITING);
  for (const messages of told) {
    expect(messages.flatMap(({ errors }) => errors ?? [])).toEqual([]);
    expect(messages.slice(-EVENTS)).toEqual(
      children.map(({ message }) => ({
        data: {
          eventRecorded: {
            ...{ message, parent: { message: 'all' } },
            resource: { ref: 'page/1', acl: { owners: ['user/owner'] } },
          },
        },
      })),
    );
  }
});
