/**
 * Tokens that expire while streams are open: each stream ends within a second, whatever it is about, and says that
 * a new token is wanted, with which it goes on where it was.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { expect, test } from 'vitest';
import { pause } from '../../src/base/retry.ts';
import { codeOf, openSocket } from '../doors/support/doors.ts';
import { startRedis } from '../support/redis.ts';
import { type Answer, openWorld, type World, worldForFile } from '../support/world.ts';

const world = worldForFile();
const RECORD = 'mutation ($input: [RecordEventInput!]!) { recordEvents(input: $input) { events { id } } }';
const STREAM = `subscription ($after: String, $from: StreamStart!, $maxBatch: Int!) {
  eventStream(after: $after, from: $from, maxBatch: $maxBatch) { events { id } cursor live }
}`;
const RECORDED = 'subscription ($after: String) { eventRecorded(after: $after) { id cursor } }';
const NOW = { from: 'NOW', maxBatch: 100 };
const DOORS = ['ws', 'sse'] as const;

const notes = (count: number) => Array.from({ length: count }, () => ({ type: 'note' }));

/** A token of one who sees everything, and when it expires. */
async function brief({ token: sign }: Pick<World, 'token'>, lifetimeSeconds = 3) {
  const token = await sign({ groups: ['admin'], lifetimeSeconds });
  const { exp } = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
  return { token, expiresAt: exp * 1_000 };
}

/** What streams by both doors bring until they end, each with an error that says why, in the second after its token. */
async function endings(
  query: string,
  variables: object,
  { token, expiresAt }: { token: string; expiresAt: number },
) {
  // Server and client are this process: neither can keep a time while it is held up.
  const delays = monitorEventLoopDelay({ resolution: 20 });
  delays.enable();
  return Promise.all(
    DOORS.map(async (by): Promise<readonly Answer[]> => {
      const stream = world().watch(query, variables, { by, token });
      const messages = await stream.until(({ errors }) => errors !== undefined);
      expect(Date.now()).toBeGreaterThanOrEqual(expiresAt);
      expect(Date.now()).toBeLessThan(expiresAt + 1_000 + delays.max / 1e6);
      expect(codeOf(messages.at(-1) ?? {})).toBe('UNAUTHENTICATED');
      await expect(stream.next()).rejects.toThrow('The stream has ended.');
      return messages.slice(0, -1);
    }),
  ).finally(() => delays.disable());
}

test.each([STREAM, RECORDED])('a live stream ends with its token: %s', async (query) => {
  let isEnded = false;
  const recording = (async () => {
    while (!isEnded) {
      await world().ask(RECORD, { input: notes(1) });
      await pause(5);
    }
  })();
  for (const messages of await endings(query, NOW, await brief(world())))
    expect(messages.length).toBeGreaterThan(5);
  isEnded = true;
  await recording;
});

test('a stream that reads the journal ends with its token', async () => {
  for (let nth = 0; nth < 10; nth++) await world().ask(RECORD, { input: notes(1_000) });
  const variables = { from: 'BEGINNING', maxBatch: 1 };
  // Over before it has read them all.
  for (const messages of await endings(STREAM, variables, await brief(world(), 2))) {
    expect(messages.length).toBeGreaterThan(5);
    expect(messages.some(({ data }) => data.eventStream.live)).toBe(false);
  }
});

test('a stream that waits for the database ends with its token', async () => {
  const client = await world().db.connect();
  try {
    await client.query('begin');
    await client.query('lock table journal in access exclusive mode');
    for (const messages of await endings(STREAM, NOW, await brief(world()))) expect(messages).toEqual([]);
  } finally {
    await client.query('rollback');
    client.release();
  }
});

test('a stream that is opened in the last moments of its token ends with it', async () => {
  const token = await brief(world());
  await pause(token.expiresAt - Date.now() - 500);
  await endings(STREAM, NOW, token);
});

test('on a socket that outlives its token streams end, later ones are refused, and the socket stays open', async () => {
  const { token } = await brief(world());
  const socket = await openSocket(world().servers[0] ?? expect.fail(), { token });
  socket.subscribe('1', STREAM, NOW);
  expect((await socket.next('1')).payload.data.eventStream.live).toBe(true);
  const { type, payload } = await socket.next('1');
  expect([type, codeOf(payload)]).toEqual(['next', 'UNAUTHENTICATED']);
  expect((await socket.next('1')).type).toBe('complete');
  socket.subscribe('2', STREAM, NOW);
  const refused = await socket.next('2');
  expect([refused.type, codeOf({ errors: refused.payload })]).toEqual(['error', 'UNAUTHENTICATED']);
  expect(socket.ws.readyState).toBe(socket.ws.OPEN);
});

test('who fetches a new token each time misses nothing and gets nothing twice, under load on two nodes', {
  timeout: 60_000,
}, async () => {
  const redis = await startRedis();
  const two = await openWorld({ servers: 2, environment: { REDIS_URL: redis.url } });
  const server = (nth: number) => two.servers[nth % 2] ?? expect.fail();
  let isRecording = true;
  const writers = [0, 1].map(async (nth) => {
    while (isRecording) {
      await two.ask(RECORD, { input: notes(3) }, { server: server(nth) });
      await pause(2);
    }
  });

  /** What a client has been given; `next` goes on where it was, with another token, until that expires or a test holds. */
  function createFollower(by: (typeof DOORS)[number]) {
    const ids: string[] = [];
    let after: string | null = null;
    let connections = 0;
    const next = async (isDone: () => boolean) => {
      const { token } = await brief(two);
      const options = { by, token, server: server(connections++) };
      const stream = two.watch(STREAM, { after, from: 'BEGINNING', maxBatch: 10 }, options);
      for await (const { data, errors } of stream) {
        if (errors !== undefined) {
          expect(errors[0]?.extensions.code).toBe('UNAUTHENTICATED');
          break;
        }
        ids.push(...data.eventStream.events.map(({ id }: { id: string }) => id));
        after = data.eventStream.cursor;
        if (isDone()) break;
      }
      stream.close();
    };
    return { ids, next };
  }

  const followers = DOORS.map(createFollower);
  await Promise.all(
    followers.map(async ({ next }) => {
      for (let tokens = 0; tokens < 4; tokens++) await next(() => false);
    }),
  );
  isRecording = false;
  await Promise.all(writers);
  const { rows } = await two.db.query<{ id: string }>('select id from event order by position');
  for (const { ids, next } of followers) {
    while (ids.length < rows.length) await next(() => ids.length >= rows.length);
    expect(ids).toEqual(rows.map(({ id }) => id));
  }
});
