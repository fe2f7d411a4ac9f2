/**
 * Tokens revoked while streams are open: each stream that was opened by one stops at the revocation's place in
 * the journal, says so, and goes on with a new token where it stopped.
 */
import { expect, test } from 'vitest';
import { pause } from '../../src/base/retry.ts';
import { codeOf } from '../doors/support/doors.ts';
import { openCursors } from '../support/follower.ts';
import { startRedis } from '../support/redis.ts';
import {
  type Answer,
  openWorld,
  type Stream,
  unique,
  type WatchOptions,
  type World,
} from '../support/world.ts';

const PUT = 'mutation ($input: PutResourceInput!) { putResource(input: $input) { ref } }';
const RECORD = 'mutation ($input: [RecordEventInput!]!) { recordEvents(input: $input) { events { id } } }';
const REVOKE = `mutation ($input: RevokeTokensInput!) { revokeTokens(input: $input) { issuedBefore } }`;
const stream = (
  fields: string,
) => `subscription ($journal: String!, $after: String, $from: StreamStart!, $maxBatch: Int!) {
  eventStream(journal: $journal, after: $after, from: $from, maxBatch: $maxBatch) { events { ${fields} } cursor live }
}`;
const PLAIN = stream('id');
/** Put into words for all viewers at once, by a look at the database. */
const NAMED = stream('id resource { name }');
/** Put into words for each viewer, by a look at the database. */
const PERSONAL = stream('id parent { id }');
const BATCH = 5;

const ago = (seconds: number) => new Date(Date.now() - seconds * 1_000).toISOString();

async function openStage() {
  const redis = await startRedis();
  const world = await openWorld({ servers: 2, environment: { REDIS_URL: redis.url } });
  const page = 'page/jane';
  await world.ask(PUT, { input: { ref: page, acl: { viewData: ['user/jane', 'group/dev'] } } });
  return {
    world,
    page,
    server: (nth: number) => world.servers[nth % 2] ?? expect.fail(),
    old: await world.token({ subject: 'jane', groups: ['dev'], ageSeconds: 60 }),
    fresh: await world.token({ subject: 'jane', groups: ['dev'] }),
    other: await world.token({ subject: 'joe', groups: ['dev'], ageSeconds: 60 }),
    revoke: (nth = 0) =>
      world.ask(
        REVOKE,
        { input: { subject: 'user/jane', issuedBefore: ago(30) } },
        { server: world.servers[nth % 2] ?? expect.fail() },
      ),
  };
}

/** Records about a page by way of both servers until it is stopped. */
function startWriting({ world, page, server }: Awaited<ReturnType<typeof openStage>>, journal = 'main') {
  let isStopped = false;
  let recorded = 0;
  const write = async (nth: number) => {
    let parentId: string | null = null;
    while (!isStopped) {
      const event = { journal, type: 'note', resource: page, parentId };
      const input = Array.from({ length: BATCH }, () => event);
      const answer: { recordEvents: { events: { id: string }[] } } = await world.ask(
        RECORD,
        { input },
        { server: server(nth) },
      );
      parentId ??= answer.recordEvents.events[0]?.id ?? null;
      recorded += BATCH;
    }
  };
  const writers = [0, 1, 2].map(write);
  return {
    async more(count: number) {
      const wanted = recorded + count;
      while (recorded < wanted) await pause(2);
    },
    async stop() {
      isStopped = true;
      await Promise.all(writers);
    },
  };
}

interface Heard {
  readonly ids: string[];
  cursor: string | null;
  isLive: boolean;
  /** Whether it has read the journal again when it was live. */
  hasFallenBehind: boolean;
  /** The code of the error that it has ended with. */
  end: unknown;
  /** Messages that told an error beside data. */
  torn: number;
}

/** What a stream brings, until it ends. */
function listen(source: Stream<Answer>): Heard {
  const heard: Heard = { ids: [], cursor: null, isLive: false, hasFallenBehind: false, end: null, torn: 0 };
  (async () => {
    for await (const answer of source) {
      if (answer.errors !== undefined) {
        heard.end = codeOf(answer);
        if (answer.data != null) heard.torn++;
        continue;
      }
      const { events, cursor, live } = answer.data.eventStream;
      heard.ids.push(...events.map(({ id }: { id: string }) => id));
      heard.hasFallenBehind ||= heard.isLive && !live;
      Object.assign(heard, { cursor, isLive: heard.isLive || live });
    }
    heard.end ??= 'complete';
  })().catch((error: unknown) => {
    heard.end ??= error;
  });
  return heard;
}

async function until(test: () => boolean): Promise<void> {
  while (!test()) await pause(5);
}

/** Those that were recorded about pages, in order, and how many of them stand before the revocation. */
async function journalOf({ db }: World, journal = 'main') {
  const { rows } = await db.query<{ id: string; type: string; position: number }>(
    `select e.id, e.type, e.position::int from event e join journal j on j.id = e.journal_id
     where j.name = $1 order by e.position`,
    [journal],
  );
  const place = rows.findIndex(({ type }) => type === 'token_revocation');
  const ids = rows.filter(({ type }) => type === 'note').map(({ id }) => id);
  return { ids, before: place, position: rows[place]?.position ?? 0 };
}

test('open streams stop exactly at the revocation, on both nodes, and go on with a new token', {
  timeout: 60_000,
}, async () => {
  const stage = await openStage();
  const { world, server, old, fresh, other, revoke } = stage;
  const positionOf = await openCursors(world.db);
  const variables = { journal: 'main', from: 'NOW', maxBatch: 7 };
  const open = (query: string, options: WatchOptions, more = {}) =>
    listen(world.watch(query, { ...variables, ...more }, options));
  const doors = [
    { by: 'ws', server: server(0) },
    { by: 'sse', server: server(0) },
    { by: 'ws', server: server(1) },
    { by: 'sse', server: server(1) },
  ] as const;
  const plain = doors.flatMap((door) => [PLAIN, NAMED].map((query) => open(query, { ...door, token: old })));
  const personal = doors.map((door) => open(PERSONAL, { ...door, token: old }));
  const kept = [fresh, other].flatMap((token) =>
    doors.flatMap((door) => [PLAIN, PERSONAL].map((query) => open(query, { ...door, token }))),
  );
  await until(() => [...plain, ...personal, ...kept].every(({ isLive }) => isLive));

  const writing = startWriting(stage);
  await writing.more(300);
  await revoke(1);
  await writing.more(300);
  await until(() => [...plain, ...personal].every(({ end }) => end !== null));
  await writing.stop();

  const { ids, before, position } = await journalOf(world);
  for (const { ids: given, end, cursor } of plain) {
    expect(end).toBe('UNAUTHENTICATED');
    expect(given).toEqual(ids.slice(0, before));
    expect(positionOf(cursor as string)).toBeLessThanOrEqual(position);
  }
  for (const { ids: given, end, torn } of personal) {
    expect([end, torn]).toEqual(['UNAUTHENTICATED', 0]);
    // What was looked up for a token that was revoked meanwhile is not told.
    expect(given).toEqual(ids.slice(0, given.length));
    expect(given.length).toBeLessThanOrEqual(before);
  }
  const stopped = [...plain, ...personal];
  const resumed = stopped.map(({ cursor }, nth) =>
    open(PLAIN, { ...doors[(nth + 1) % 4], token: fresh }, { after: cursor }),
  );
  await until(() => resumed.every(({ isLive }) => isLive));
  resumed.forEach((rest, nth) => {
    expect([...(stopped[nth]?.ids ?? []), ...rest.ids]).toEqual(ids);
  });
  await until(() => kept.every(({ ids: given }) => given.length >= ids.length));
  for (const { ids: given, end } of kept) expect([end, given]).toEqual([null, ids]);
});

test('a node that finds the revocation among events in the journal stops streams there as well', async () => {
  // Without Redis it hears of events by looking, once a second: of all of these at once.
  const world = await openWorld({ servers: 2 });
  const [first = expect.fail(), second = expect.fail()] = world.servers;
  const page = 'page/jane';
  await world.ask(PUT, { input: { ref: page, acl: { viewData: ['user/jane'] } } });
  const variables = { journal: 'main', from: 'NOW', maxBatch: 7 };
  const open = (token: string, query = PLAIN) =>
    listen(world.watch(query, variables, { token, server: second }));
  const old = await world.token({ subject: 'jane', ageSeconds: 60 });
  const revoked = [open(old), open(old, NAMED)];
  const kept = open(await world.token({ subject: 'jane' }));
  await until(() => [...revoked, kept].every(({ isLive }) => isLive));
  const record = async (): Promise<string[]> => {
    const input = Array.from({ length: 20 }, () => ({ type: 'note', resource: page }));
    const { recordEvents } = await world.ask(RECORD, { input }, { server: first });
    return recordEvents.events.map(({ id }: { id: string }) => id);
  };
  const before = await record();
  await world.ask(REVOKE, { input: { subject: 'user/jane', issuedBefore: ago(30) } }, { server: first });
  const after = await record();
  await until(() => revoked.every(({ end }) => end !== null) && kept.ids.length === 40);
  for (const { end, ids } of revoked) expect([end, ids]).toEqual(['UNAUTHENTICATED', before]);
  // By a newer token a stream goes on without reading the journal again.
  expect(kept).toMatchObject({ end: null, ids: [...before, ...after], hasFallenBehind: false });
});

test('what would be looked up for a token that was revoked meanwhile is not told', async () => {
  const redis = await startRedis();
  const environment = { REDIS_URL: redis.url, EVENTREE_POLL_INTERVAL_MS: '60000' };
  const world = await openWorld({ servers: 2, environment });
  const [first = expect.fail(), second = expect.fail()] = world.servers;
  const page = 'page/jane';
  await world.ask(PUT, { input: { ref: page, acl: { viewData: ['user/jane'] } } });
  const event = { type: 'note', resource: page };
  const { recordEvents } = await world.ask(RECORD, { input: [event] }, { server: first });
  const parentId = recordEvents.events[0].id;
  const token = await world.token({ subject: 'jane', ageSeconds: 60 });
  const variables = { journal: 'main', from: 'NOW', maxBatch: 7 };
  const heard = listen(world.watch(PERSONAL, variables, { token, server: second }));
  await until(() => heard.isLive);

  // The second node hears of the event when its look at the parent must wait for the revocation.
  redis.freeze();
  await world.ask(RECORD, { input: [{ ...event, parentId }] }, { server: first });
  const client = await world.db.connect();
  try {
    await client.query('begin');
    await client.query('lock table resource in access exclusive mode');
    await client.query('update installation set registry_version = registry_version + 1');
    await client.query(
      `insert into token_revocation (subject, issued_before, registry_version)
       select 'user/jane', now(), registry_version from installation`,
    );
    redis.thaw();
    const waiting = `select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`;
    while ((await world.db.query(waiting)).rows.length === 0) await pause(5);
    await client.query('commit');
  } finally {
    client.release();
  }
  await until(() => heard.end !== null);
  expect(heard).toMatchObject({ end: 'UNAUTHENTICATED', torn: 0, ids: [] });
});

test('a stream that reads the journal reads no further, and goes on with a new token', {
  timeout: 60_000,
}, async () => {
  const stage = await openStage();
  const { world, server, old, fresh, revoke } = stage;
  const writing = startWriting(stage);
  await writing.more(2_000);
  const variables = { journal: 'main', from: 'BEGINNING', maxBatch: 1 };
  const reading = (['ws', 'sse'] as const).map((by) =>
    listen(world.watch(PLAIN, variables, { by, token: old, server: server(1) })),
  );
  await until(() => reading.every(({ ids }) => ids.length > 50));
  await revoke(0);
  await until(() => reading.every(({ end }) => end !== null));
  await writing.stop();
  const { ids, before } = await journalOf(world);
  for (const { ids: given, end, isLive, cursor } of reading) {
    expect([end, isLive]).toEqual(['UNAUTHENTICATED', false]);
    expect(given.length).toBeLessThan(before);
    const rest = listen(world.watch(PLAIN, { ...variables, maxBatch: 500, after: cursor }, { token: fresh }));
    await until(() => rest.isLive);
    expect([...given, ...rest.ids]).toEqual(ids);
  }
});

test('a stream that waits for a journal to be created gets nothing of one created after the revocation', async () => {
  const { world, page, server, old, fresh, revoke } = await openStage();
  const journal = unique('later');
  const variables = { journal, from: 'NOW', maxBatch: 7 };
  const open = (token: string) =>
    [0, 1].map((nth) => listen(world.watch(PLAIN, variables, { token, server: server(nth) })));
  const revoked = open(old);
  const kept = open(fresh);
  await until(() => [...revoked, ...kept].every(({ isLive }) => isLive));
  await revoke();
  const input = [{ journal, type: 'note', resource: page }];
  for (let nth = 0; nth < 10; nth++) await world.ask(RECORD, { input }, { server: server(nth) });
  await until(() => revoked.every(({ end }) => end !== null));
  for (const { ids, end } of revoked) expect([end, ids]).toEqual(['UNAUTHENTICATED', []]);
  const { ids } = await journalOf(world, journal);
  await until(() => kept.every(({ ids: given }) => given.length === ids.length));
  for (const { ids: given, end } of kept) expect([end, given]).toEqual([null, ids]);
});

test('a token that is revoked now is told when a new one will be taken for a new one', async () => {
  const { world, fresh, server } = await openStage();
  const source = world.watch(
    PLAIN,
    { journal: 'main', from: 'NOW', maxBatch: 7 },
    { token: fresh, server: server(1) },
  );
  await source.next();
  const { revokeTokens } = await world.ask(REVOKE, { input: { subject: 'user/jane' } });
  const [error] = (await source.next()).errors ?? [];
  expect(error?.extensions.code).toBe('UNAUTHENTICATED');
  const boundary = Math.ceil(Date.parse(revokeTokens.issuedBefore) / 1_000) * 1_000;
  const { retryAfterMs = 0 } = (error?.extensions ?? {}) as { retryAfterMs?: number };
  expect(Date.now() + retryAfterMs).toBeGreaterThanOrEqual(boundary);
  await pause(retryAfterMs);
  const token = await world.token({ subject: 'jane' });
  expect((await world.ask('{ viewer { subject } }', {}, { token })).viewer.subject).toBe('user/jane');
});
