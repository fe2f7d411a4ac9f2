/**
 * Tokens that are revoked: refused everywhere, at once, on every node, though they have not expired. How streams
 * end is told in test/live/revocation.test.ts.
 */
import { describe, expect, test } from 'vitest';
import { anonymous, type Principal } from '../../src/access/principal.ts';
import { checkToken } from '../../src/access/revocation.ts';
import { codeOf, openBareSocket, openSocket, post, until } from '../doors/support/doors.ts';
import { recorderOf } from '../events/support/recorder.ts';
import { type Answer, unique, type Who, worldForFile } from '../support/world.ts';

// Without readers and without news the second node hears of nothing that happens on the first.
const world = worldForFile({ servers: 2 });
const { one, refusal, journal: all } = recorderOf(world);
const first = () => world().servers[0] ?? expect.fail();
const second = () => world().servers[1] ?? expect.fail();

const REVOKE = `mutation ($input: RevokeTokensInput!) { revokeTokens(input: $input) { subject issuedBefore } }`;
const RECORD = 'mutation ($input: RecordEventInput!) { recordEvent(input: $input) { event { id kept } } }';
const VIEWER = '{ viewer { subject } }';

/** A token of some time ago. */
const old = (who: Who) => world().token({ ageSeconds: 60, ...who });
const ago = (seconds: number) => new Date(Date.now() - seconds * 1_000).toISOString();

async function revoke(subject: string, issuedBefore: string | null = ago(30)) {
  const input = { subject: `user/${subject}`, issuedBefore };
  return (await world().ask(REVOKE, { input })).revokeTokens;
}

describe('which tokens a revocation refuses', () => {
  const jane = (issuedAt: number | null): Principal =>
    ({ ...anonymous, subject: 'user/jane', issuedAt }) as Principal;
  const revocations = new Map([[jane(0).subject, 10_500]]);

  test('those issued before its moment, and those that do not say when they were issued', () => {
    for (const issuedAt of [0, 9_000, 10_499])
      expect(() => checkToken(jane(issuedAt), revocations)).toThrow(
        'The token was revoked: fetch a new one.',
      );
    expect(() => checkToken(jane(10_500), revocations)).not.toThrow();
  });

  test('of its subject, and not of who came without a token', () => {
    expect(() => checkToken({ ...jane(0), subject: 'user/joe' as never }, revocations)).not.toThrow();
    expect(() => checkToken(jane(null), revocations)).not.toThrow();
  });

  test('and says how long one issued now would be taken for one of them', () => {
    const refused = (nowMs: number) => {
      try {
        return checkToken(jane(0), revocations, nowMs);
      } catch (error) {
        return error;
      }
    };
    expect(refused(10_600)).toMatchObject({ code: 'UNAUTHENTICATED', facts: { retryAfterMs: 400 } });
    expect(refused(11_000)).toMatchObject({ code: 'UNAUTHENTICATED', facts: {} });
  });
});

describe('revokeTokens', () => {
  test('takes group/admin', async () => {
    const input = { subject: 'user/jane' };
    for (const token of [await world().token({ subject: 'jane', groups: ['admins'] }), null])
      expect(codeOf(await world().send(REVOKE, { input }, { token }))).toBe('FORBIDDEN');
  });

  test('takes a user, and a moment that has come, give or take the skew of clocks', async () => {
    const refusedFor = async (input: object) => (await world().send(REVOKE, { input })).errors?.[0]?.message;
    expect(await refusedFor({ subject: 'group/dev' })).toBe('Tokens are those of a user, as in user/jane.');
    const subject = `user/${unique('late')}`;
    expect(await refusedFor({ subject, issuedBefore: ago(-11) })).toBe('issuedBefore lies in the future.');
    expect(await refusedFor({ subject, issuedBefore: ago(-9) })).toBeUndefined();
  });

  test('means now where it is told no moment', async () => {
    const subject = unique('now');
    const before = Date.now();
    const { issuedBefore } = await revoke(subject, null);
    expect(Date.parse(issuedBefore)).toBeGreaterThanOrEqual(before);
    expect(Date.parse(issuedBefore)).toBeLessThanOrEqual(Date.now());
  });

  test('is recorded in every journal, by nobody but the server, for who did it and group/admin', async () => {
    const journals = [unique('a'), unique('b')];
    for (const journal of journals) await one({ journal, type: 'note' });
    const subject = unique('told');
    const chief = await world().token({ subject: 'chief', groups: ['admin'] });
    const moment = ago(30);
    const input = { subject: `user/${subject}`, issuedBefore: moment };
    await world().ask(REVOKE, { input }, { token: chief });
    for (const name of ['main', ...journals]) {
      expect((await all(name)).at(-1)).toMatchObject({
        type: { name: 'token_revocation' },
        resource: null,
        actor: 'user/chief',
        attributes: { token_subject: `user/${subject}`, token_issued_before: moment },
        message: `user/chief revoked the tokens of user/${subject}`,
      });
    }
    const query = '{ events(filter: { type: { eq: "token_revocation" } }) { nodes { actor } } }';
    const seenBy = async (who: Who) =>
      (await world().ask(query, {}, { token: await world().token(who) })).events.nodes;
    expect(await seenBy({ subject: 'chief' })).toEqual([{ actor: 'user/chief' }]);
    expect(await seenBy({ subject })).toEqual([]);

    const forged = { type: 'token_revocation', attributes: { token_subject: 'user/jane' } };
    expect(await refusal([forged])).toMatchObject({
      code: 'FORBIDDEN',
      message:
        'Events of type token_revocation are recorded by the server itself, where rights change: use revokeTokens.',
    });
  });

  test('changes nothing where a later moment is in force', async () => {
    const subject = unique('twice');
    const later = await revoke(subject, ago(10));
    const { length } = await all('main');
    expect(await revoke(subject, ago(20))).toEqual(later);
    expect(await revoke(subject, later.issuedBefore)).toEqual(later);
    expect(await all('main')).toHaveLength(length);
    const newer = await revoke(subject, ago(5));
    expect(Date.parse(newer.issuedBefore)).toBeGreaterThan(Date.parse(later.issuedBefore));
  });

  test('holds for many at once, on both nodes', async () => {
    const subjects = Array.from({ length: 20 }, () => unique('many'));
    const tokens = await Promise.all(subjects.map((subject) => old({ subject })));
    await Promise.all(
      subjects.map((subject, nth) => {
        const input = { subject: `user/${subject}`, issuedBefore: ago(30) };
        return world().ask(REVOKE, { input }, { server: nth % 2 === 0 ? first() : second() });
      }),
    );
    for (const token of tokens)
      for (const server of [first(), second()])
        expect(codeOf(await world().send(VIEWER, {}, { token, server }))).toBe('UNAUTHENTICATED');
  });
});

describe('a revoked token is refused', () => {
  test('at the door, which lets a newer one in and others of other subjects', async () => {
    const subject = unique('door');
    const token = await old({ subject });
    expect(codeOf(await world().send(VIEWER, {}, { token }))).toBeUndefined();
    await revoke(subject);
    for (const accept of ['application/json', 'text/event-stream']) {
      const headers = { accept, authorization: `Bearer ${token}` };
      const { status, answer } = await post(first(), { query: VIEWER }, headers);
      expect([status, codeOf(answer())]).toEqual([401, 'UNAUTHENTICATED']);
    }
    const socket = await openBareSocket(first());
    socket.send({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } });
    expect(await socket.closed).toEqual({ code: 4403, reason: 'The token was revoked: fetch a new one.' });
    for (const accepted of [await world().token({ subject }), await old({ subject: `${subject}-2` })])
      expect(codeOf(await world().send(VIEWER, {}, { token: accepted }))).toBeUndefined();
  });

  test('on a socket that was opened by it before, which stays open', async () => {
    const subject = unique('socket');
    const socket = await openSocket(first(), { token: await old({ subject }) });
    socket.subscribe('1', VIEWER);
    expect((await socket.next('1')).payload.data.viewer.subject).toBe(`user/${subject}`);
    await revoke(subject);
    for (const query of [VIEWER, 'subscription { eventRecorded { id } }']) {
      socket.subscribe('2', query);
      const { type, payload } = await socket.next('2');
      expect([type, payload[0].extensions.code]).toEqual(['error', 'UNAUTHENTICATED']);
    }
    expect(socket.ws.readyState).toBe(socket.ws.OPEN);
  });

  test('by a server that starts after it was revoked', async () => {
    const subject = unique('restart');
    await revoke(subject);
    const server = await world().addServer();
    const token = await old({ subject });
    expect(codeOf(await world().send(VIEWER, {}, { token, server }))).toBe('UNAUTHENTICATED');
  });

  const input = () => ({ ref: `page/${unique('page')}` });
  const operations: Readonly<Record<string, readonly [query: string, variables: () => object]>> = {
    viewer: [VIEWER, () => ({})],
    events: ['{ events { totalCount } }', () => ({})],
    'a count': ['{ events { totalCount nodes { id } } }', () => ({})],
    eventTypes: ['{ eventTypes { name } }', () => ({})],
    eventType: ['{ eventType(name: "note") { name } }', () => ({})],
    attributes: ['{ attributes { name } }', () => ({})],
    resource: ['{ resource(ref: "page/none") { ref } }', () => ({})],
    resources: ['{ resources { nodes { ref } } }', () => ({})],
    recordEvent: [RECORD, () => ({ input: { type: 'note' } })],
    putResource: [
      'mutation ($input: PutResourceInput!) { putResource(input: $input) { ref } }',
      () => ({ input: input() }),
    ],
    setResourceAcl: [
      'mutation ($ref: ResourceRef!) { setResourceAcl(ref: $ref, acl: {}) { ref } }',
      () => input(),
    ],
    defineAttribute: [
      'mutation ($input: DefineAttributeInput!) { defineAttribute(input: $input) { name } }',
      () => ({ input: { name: unique('a'), kind: 'STRING' } }),
    ],
    defineEventType: [
      'mutation ($input: DefineEventTypeInput!) { defineEventType(input: $input) { name } }',
      () => ({ input: { name: unique('t'), category: 'USER' } }),
    ],
    revokeTokens: [REVOKE, () => ({ input: { subject: `user/${unique('other')}` } })],
  };
  test.each(Object.keys(operations))('by a node that has heard nothing of it: %s', async (name) => {
    const [query, variables] = operations[name] ?? expect.fail();
    const subject = unique('unheard');
    const token = await old({ subject, groups: ['admin'] });
    const options = { token, server: second() };
    expect(codeOf(await world().send(VIEWER, {}, options))).toBeUndefined();
    await revoke(subject);
    const answer = await world().send(query, variables(), options);
    expect(codeOf(answer)).toBe('UNAUTHENTICATED');
    expect(Object.values(answer.data ?? {}).every((value) => value === null)).toBe(true);
  });

  test('by such a node where it looks for one event that is there', async () => {
    const subject = unique('single');
    const token = await old({ subject, groups: ['admin'] });
    const { id } = await one({ type: 'note' });
    const ask = () =>
      world().send('query ($id: ID!) { event(id: $id) { id } }', { id }, { token, server: second() });
    expect((await ask()).data.event).toEqual({ id });
    await revoke(subject);
    expect(codeOf(await ask())).toBe('UNAUTHENTICATED');
  });

  test('by such a node for an event of a type that is not kept', async () => {
    const type = unique('off');
    const define = 'mutation ($input: DefineEventTypeInput!) { defineEventType(input: $input) { name } }';
    await world().ask(define, { input: { name: type, category: 'USER', enabled: false } });
    const subject = unique('unkept');
    const options = { token: await old({ subject }), server: second() };
    const record = () => world().send(RECORD, { input: { type } }, options);
    expect((await record()).data.recordEvent.event.kept).toBe(false);
    await revoke(subject);
    expect(codeOf(await record())).toBe('UNAUTHENTICATED');
  });
});

describe('a change that waits while its token is revoked is refused:', () => {
  /** Sends what waits for a lock that is held here, and frees it after what happens meanwhile. */
  async function meanwhile(lock: string, send: () => Promise<Answer>, work: () => Promise<unknown>) {
    const client = await world().db.connect();
    try {
      await client.query('begin');
      await client.query(lock);
      const answer = send();
      await waitingForLocks(1);
      await work();
      await client.query('commit');
      return await answer;
    } finally {
      client.release();
    }
  }

  test('of rights', async () => {
    const subject = unique('owner');
    const token = await old({ subject });
    const ref = `page/${unique('page')}`;
    await one({ type: 'note', resource: ref }, { token });
    const change = `mutation ($ref: ResourceRef!) {
      setResourceAcl(ref: $ref, acl: { viewMeta: ["user/x"] }) { ref }
    }`;
    const answer = await meanwhile(
      'select from resource for update',
      () => world().send(change, { ref }, { token }),
      () => revoke(subject),
    );
    expect(codeOf(answer)).toBe('UNAUTHENTICATED');
    const look = 'query ($ref: ResourceRef!) { resource(ref: $ref) { acl { viewMeta } } }';
    expect((await world().ask(look, { ref })).resource.acl.viewMeta).toEqual([]);
  });

  test('of tokens', async () => {
    const chief = unique('chief');
    const token = await old({ subject: chief, groups: ['admin'] });
    const victim = unique('victim');
    let answer: Promise<Answer> | undefined;
    await meanwhile(
      'select from installation for update',
      () => world().send(REVOKE, { input: { subject: `user/${chief}`, issuedBefore: ago(30) } }),
      async () => {
        const input = { subject: `user/${victim}` };
        answer = world().send(REVOKE, { input }, { token, server: second() });
        await waitingForLocks(2);
      },
    );
    expect(codeOf((await answer) ?? {})).toBe('UNAUTHENTICATED');
    const spared = { token: await old({ subject: victim }) };
    expect(codeOf(await world().send(VIEWER, {}, spared))).toBeUndefined();
  });
});

test('a stream of a journal that does not exist is refused by a node that has heard nothing of it', async () => {
  const subject = unique('waiting');
  const token = await old({ subject });
  const options = { token, server: second() };
  expect(codeOf(await world().send(VIEWER, {}, options))).toBeUndefined();
  await revoke(subject);
  const query = 'subscription ($journal: String!) { eventStream(journal: $journal) { live } }';
  const stream = world().watch(query, { journal: unique('none') }, { ...options, by: 'sse' });
  expect(codeOf(await stream.next())).toBe('UNAUTHENTICATED');
});

test('what is recorded by a revoked token stands before the revocation, while both nodes record', async () => {
  const subject = unique('writer');
  const token = await old({ subject });
  const journal = unique('written');
  const codes: unknown[] = [];
  const acknowledged: string[] = [];
  const write = async (nth: number) => {
    for (;;) {
      const server = nth % 2 === 0 ? first() : second();
      const answer = await world().send(RECORD, { input: { journal, type: 'note' } }, { token, server });
      if (answer.errors !== undefined) return codes.push(codeOf(answer));
      acknowledged.push(answer.data.recordEvent.event.id);
    }
  };
  await one({ journal, type: 'note' });
  const writers = [0, 1, 2, 3].map(write);
  while (acknowledged.length < 200) await new Promise((resolve) => setTimeout(resolve, 5));
  await revoke(subject);
  await Promise.all(writers);
  expect(codes).toEqual(['UNAUTHENTICATED', 'UNAUTHENTICATED', 'UNAUTHENTICATED', 'UNAUTHENTICATED']);
  const { rows } = await world().db.query<{ id: string; type: string; recorded_by: string }>(
    `select e.id, e.type, e.recorded_by from event e join journal j on j.id = e.journal_id
     where j.name = $1 order by e.position`,
    [journal],
  );
  const place = rows.findIndex(({ type }) => type === 'token_revocation');
  const last = rows.findLastIndex(({ recorded_by }) => recorded_by === `user/${subject}`);
  expect(place).toBeGreaterThan(last);
  const theirs = rows.filter(({ recorded_by }) => recorded_by === `user/${subject}`).map(({ id }) => id);
  expect(theirs.toSorted()).toEqual(acknowledged.toSorted());
});

test('no journal comes to be while tokens are revoked, which would lack the revocation', async () => {
  const client = await world().db.connect();
  const journal = unique('meanwhile');
  let isRecorded = false;
  try {
    // As a revocation does first.
    await client.query('begin');
    await client.query('select from installation for update');
    const recorded = one({ journal, type: 'note' }).then(() => {
      isRecorded = true;
    });
    await Promise.race([recorded, waitingForLocks(1)]);
    expect(isRecorded).toBe(false);
    await client.query('commit');
    await recorded;
  } finally {
    client.release();
  }
});

/** Resolves when so many statements on this database wait for a lock. */
async function waitingForLocks(count: number): Promise<void> {
  const query = `select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`;
  await until(
    () => world().db.query(query),
    ({ rows }) => rows.length >= count,
  );
}
