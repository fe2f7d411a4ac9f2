import { describe, expect, test, vi } from 'vitest';
import { pause } from '../../src/base/retry.ts';
import { unique, worldForFile } from '../support/world.ts';
import { type Asked, type Gateway, refusal, startGateway } from './support/gateway.ts';
import { bankDatabase, eventsIn, outlineOf, recorderOf, type SeenNode } from './support/recording.ts';

const note = (message: string, more: object = {}) => ({ type: 'note', message, ...more });
const codeOf = (code: string) => expect.objectContaining({ code });
const PAGE = { status: 404, text: '<html>There is nothing here</html>' };
const PATIENCE = { timeout: 20_000, interval: 20 };

describe('behind a gateway', () => {
  const world = worldForFile();
  const open = async (options: object = {}) => {
    const journal = unique('journal');
    const gateway = await startGateway(String(world().servers[0]?.url));
    const made = await recorderOf(world(), { url: gateway.url, journal, markers: false, ...options });
    return { ...made, gateway, journal, events: () => eventsIn(world(), {}, journal) };
  };
  const functionsOf = (events: readonly SeenNode[]) => events.map(({ attributes }) => attributes.function);
  /** Of each request, the functions of the calls in it. */
  const sent = ({ of }: { of(operation: string): { variables: { input: unknown[] } }[] }) =>
    of('Record').map(({ variables }) =>
      (variables.input as { attributes: { function: string } }[])
        .map(({ attributes }) => attributes.function)
        .join(),
    );

  test.each([
    ['a page', PAGE, 7],
    ['no data', { text: '{"data":{}}' }, 3],
    ['an error without a code', { text: '{"errors":[{"message":"no upstream"}]}' }, 3],
  ])(
    'all waits until the server can be reached, however long something else answers in its place: %s',
    { timeout: 60_000 },
    async (_, reply, tries) => {
      const { recorder, gateway, events, reported } = await open({ maxBufferedEvents: 2, fullTimeoutMs: 50 });
      gateway.answer(() => reply);
      await Promise.all(['a', 'b'].map((name) => recorder.call(name, () => 1)));
      await vi.waitUntil(() => gateway.asked.length >= tries, PATIENCE);
      await expect(recorder.call('c', () => 1)).rejects.toThrow(codeOf('BUFFER_FULL'));
      gateway.answer(() => null);
      await recorder.flush();
      expect(new Set(sent(gateway))).toEqual(new Set(['a,b']));
      expect(functionsOf(await events())).toEqual(['a', 'b']);
      expect(reported.splice(0)).toEqual([{ error: codeOf('BAD_RESPONSE'), unrecorded: [] }]);
      expect(recorder.stats()).toEqual({ calls: 0, buffered: 0, refused: 0 });
    },
  );

  test('what the server says will pass is waited for, whatever its code', async () => {
    const { recorder, gateway, events, reported } = await open();
    gateway.answer(() => (gateway.asked.length < 4 ? refusal('UNAUTHENTICATED', { retryAfterMs: 1 }) : null));
    await recorder.call('a', () => 1);
    await recorder.flush();
    expect(functionsOf(await events())).toEqual(['a']);
    expect(reported.splice(0)).toEqual([{ error: codeOf('UNAUTHENTICATED'), unrecorded: [] }]);
  });

  test.each(['INTERNAL_SERVER_ERROR', 'A_CODE_OF_LATER'])(
    'what upsets the server time and again is set aside, and recorded later: %s',
    { timeout: 60_000 },
    async (code) => {
      const { recorder, gateway, events, reported } = await open();
      gateway.answer(({ body }) => (body.includes('poison') ? refusal(code) : null));
      await Promise.all(['a', 'poison', 'b'].map((name) => recorder.call(name, () => 1)));
      await recorder.flush();
      expect(sent(gateway).slice(0, 5)).toEqual(Array(5).fill('a,poison,b'));
      expect(functionsOf(await events())).toEqual(['a', 'b']);
      // The outage before `a` was recorded, the one behind it, and what was set aside.
      expect(reported.splice(0)).toEqual(Array(3).fill({ error: codeOf(code), unrecorded: [] }));
      expect(recorder.stats()).toEqual({ calls: 0, buffered: 1, refused: 0 });

      // Tried again by itself, once each time, and nothing waits for that.
      const tries = () => sent(gateway).filter((names) => names === 'poison').length;
      const before = tries();
      await vi.waitUntil(() => tries() > before, PATIENCE);
      await recorder.call('c', () => 1);
      for (let times = 0; times < 10; times++) await recorder.flush();
      expect(functionsOf(await events())).toEqual(['a', 'b', 'c']);
      // Some may have come by themselves meanwhile: when is drawn at random.
      expect(tries()).toBeLessThan(before + 5);
      gateway.answer(() => null);
      await vi.waitUntil(() => recorder.stats().buffered === 0, PATIENCE);
      expect(functionsOf(await events())).toEqual(['a', 'b', 'c', 'poison']);
      expect(reported).toEqual([]);
    },
  );

  test('what hangs below what was set aside waits for it, and is refused with it', {
    timeout: 60_000,
  }, async () => {
    const { recorder, gateway, events, reported } = await open();
    gateway.answer(({ body }) => (body.includes('poison') ? refusal('INTERNAL_SERVER_ERROR') : null));
    const place = async (name: string) => {
      const { id } = await recorder.recordAlone(note(`${name} poison`));
      await recorder.recordAlone({ ...note(`below ${name}`), parentId: id });
      await recorder.recordAlone({ ...note(`beside ${name}`), parentId: id });
      return id;
    };
    await place('good');
    const bad = await place('bad');
    await recorder.flush();
    expect(await events()).toEqual([]);
    expect(recorder.stats()).toMatchObject({ buffered: 6, refused: 0 });
    reported.splice(0);
    gateway.answer(({ variables }) =>
      variables.input.some(({ id }: { id: string }) => id === bad) ? refusal('BAD_USER_INPUT') : null,
    );
    await vi.waitUntil(() => recorder.stats().buffered === 0, { timeout: 40_000 });
    expect(outlineOf(await events()).toSorted()).toEqual(['  below good', '  beside good', 'good poison']);
    expect(reported.splice(0).map(({ error }) => error)).toEqual([
      codeOf('BAD_USER_INPUT'),
      codeOf('NOT_FOUND'),
      codeOf('NOT_FOUND'),
    ]);
  });

  describe('of what is said of a resource, the later stays', () => {
    const refOf = () => `account/${unique('a')}`;
    const stateOf = async (ref: string) => {
      const ask = `query ($ref: ResourceRef!) { resource(ref: $ref) { name acl { owners } } }`;
      return (await world().ask(ask, { ref })).resource;
    };
    const refuseOld = ({ operation, body }: Asked) =>
      operation === 'PutResource' && body.includes('old') ? refusal('INTERNAL_SERVER_ERROR') : null;
    const putsOf = ({ of }: Gateway, word: string) =>
      of('PutResource').filter(({ body }) => body.includes(word)).length;

    test('where the earlier was set aside', { timeout: 60_000 }, async () => {
      const { recorder, gateway, events, reported } = await open();
      const ref = refOf();
      const put = (message: string, more: object) =>
        recorder.record(note(message, { resource: ref }), { resources: [{ ref, ...more }] });
      gateway.answer(refuseOld);
      await put('first', { name: 'of the first', acl: { owners: ['user/old'] } });
      await recorder.flush();
      await put('second', { acl: { owners: ['user/new'] } });
      await recorder.flush();
      expect(outlineOf(await events())).toEqual(['second']);
      gateway.answer(() => null);
      await vi.waitUntil(() => recorder.stats().buffered === 0, PATIENCE);
      expect(outlineOf(await events())).toEqual(['second', 'first']);
      expect(await stateOf(ref)).toEqual({ name: 'of the first', acl: { owners: ['user/new'] } });
      reported.splice(0);
    });

    test('where nothing is left to say of it, it is put no more', { timeout: 60_000 }, async () => {
      const { recorder, gateway, events, reported } = await open();
      const ref = refOf();
      gateway.answer(refuseOld);
      await recorder.record(note('first'), { resources: [{ ref, name: 'old' }] });
      await recorder.flush();
      await recorder.record(note('second'), { resources: [{ ref, name: 'new' }] });
      await recorder.flush();
      const tries = putsOf(gateway, 'old');
      gateway.answer(() => null);
      await vi.waitUntil(() => recorder.stats().buffered === 0, PATIENCE);
      expect(outlineOf(await events())).toEqual(['second', 'first']);
      expect(putsOf(gateway, 'old')).toBe(tries);
      reported.splice(0);
    });

    test('where the later was refused, the earlier stands', { timeout: 60_000 }, async () => {
      const { recorder, gateway, reported } = await open();
      const ref = refOf();
      gateway.answer((asked) =>
        asked.body.includes('refused') ? refusal('BAD_USER_INPUT') : refuseOld(asked),
      );
      await recorder.record(note('first'), { resources: [{ ref, name: 'old' }] });
      await recorder.flush();
      await recorder.record(note('second'), { resources: [{ ref, name: 'refused' }] });
      await recorder.flush();
      gateway.answer(() => null);
      await vi.waitUntil(() => recorder.stats().buffered === 0, PATIENCE);
      expect(await stateOf(ref)).toMatchObject({ name: 'old' });
      reported.splice(0);
    });
  });

  test('what only mentions what it hangs below waits for nobody, and is refused', async () => {
    const { recorder, reported } = await open();
    const parentId = '01900000-0000-7000-8000-00000000000f';
    for (const message of ['a', 'b']) {
      await recorder.recordAlone({ ...note(message), parentId, payload: { id: parentId } });
    }
    await recorder.flush();
    expect(recorder.stats()).toEqual({ calls: 0, buffered: 0, refused: 2 });
    expect(reported.splice(0).map(({ error }) => error)).toEqual(Array(2).fill(codeOf('NOT_FOUND')));
  });

  test('what is acknowledged waits for what it hangs below, and not for what only mentions that', async () => {
    const { recorder, gateway, events } = await open();
    const { id: parentId } = await recorder.recordAlone(note('above'), { acknowledged: true });
    let goOn = (_: null) => {};
    const away = new Promise<null>((resolve) => {
      goOn = resolve;
    });
    gateway.answer(({ body }) => (body.includes('waiting') ? away : null));
    const { id } = await recorder.recordAlone(note('waiting', { payload: { parentId } }));
    await recorder.recordAlone({ ...note('a'), parentId }, { acknowledged: true });
    const below = recorder.recordAlone({ ...note('b'), parentId: id }, { acknowledged: true });
    await pause(100);
    expect(gateway.asked.filter(({ body }) => body.includes('"message":"b"'))).toEqual([]);
    goOn(null);
    await below;
    expect(outlineOf(await events())).toEqual(['above', '  a', 'waiting', '  b']);
  });

  test('what hangs below one of two with the same id waits for that, though the other is refused', async () => {
    const { recorder, gateway, events, reported } = await open();
    const [id, missing] = ['b', 'f'].map((digit) => `01900000-0000-7000-8000-00000000002${digit}`);
    gateway.answer(({ body }) => (body.includes('large') ? { status: 413, text: '' } : null));
    await recorder.recordAlone({ ...note('refused'), id, parentId: missing });
    await recorder.recordAlone({ ...note('large'), id });
    await recorder.recordAlone({ ...note('below'), parentId: id });
    await recorder.flush();
    expect(recorder.stats()).toEqual({ calls: 0, buffered: 2, refused: 1 });
    gateway.answer(() => null);
    await vi.waitUntil(() => recorder.stats().buffered === 0, PATIENCE);
    expect(outlineOf(await events())).toEqual(['large', '  below']);
    expect(reported.splice(0).map(({ error }) => error)).toEqual([
      codeOf('NOT_FOUND'),
      codeOf('BAD_RESPONSE'),
    ]);
  });

  test('those that hang below each other do not wait for each other', { timeout: 60_000 }, async () => {
    const { recorder, reported } = await open();
    const ids = [1, 2, 3].map((nth) => `01900000-0000-7000-8000-0000000001a${nth}`);
    for (const [nth, id] of ids.entries()) {
      await recorder.recordAlone({ ...note(id), id, parentId: ids[(nth + 1) % 3] });
    }
    await vi.waitUntil(() => recorder.stats().refused === 3, { timeout: 40_000 });
    expect(recorder.stats()).toEqual({ calls: 0, buffered: 0, refused: 3 });
    expect(reported.splice(0).map(({ error }) => error)).toEqual(Array(3).fill(codeOf('NOT_FOUND')));
  });

  test('an answer without an end is cut off, and waited for as what may pass', async () => {
    const { recorder, gateway, events, reported } = await open();
    const text = 'x'.repeat(65 * 1024 * 1024);
    gateway.answer(() => (gateway.asked.length < 2 ? { text, isEndless: true } : null));
    await recorder.call('a', () => 1);
    await vi.waitUntil(() => reported.length > 0, PATIENCE);
    const message = expect.stringContaining('64 MB');
    expect(reported.splice(0)).toMatchObject([{ error: { code: 'BAD_RESPONSE', message } }]);
    await vi.waitUntil(() => gateway.cut() === 1, PATIENCE);
    await recorder.flush();
    expect(functionsOf(await events())).toEqual(['a']);
  });

  test('a redirect is told with where it leads to, and waited for', async () => {
    const { recorder, gateway, events, reported } = await open();
    const headers = { location: '/elsewhere/graphql' };
    gateway.answer(() => (gateway.asked.length < 2 ? { status: 308, headers, text: '' } : null));
    await recorder.call('a', () => 1);
    await recorder.flush();
    expect(functionsOf(await events())).toEqual(['a']);
    const [{ error } = { error: null }] = reported.splice(0);
    expect(error).toMatchObject({
      code: 'BAD_RESPONSE',
      message: `${gateway.url}/graphql answered HTTP 308 and no GraphQL: set \`url\` to where it redirects to, ${gateway.url}/elsewhere/graphql.`,
    });
  });

  test('what is set aside is tried once more when the recorder is closed, and reported', {
    timeout: 60_000,
  }, async () => {
    const { recorder, gateway, events, reported } = await open({ closeTimeoutMs: 10_000 });
    gateway.answer(({ body }) => (/poison|mended/.test(body) ? refusal('INTERNAL_SERVER_ERROR') : null));
    await Promise.all(['poison', 'mended'].map((name) => recorder.call(name, () => 1)));
    await recorder.flush();
    expect(recorder.stats()).toEqual({ calls: 0, buffered: 2, refused: 0 });
    reported.splice(0);
    gateway.answer(({ body }) => (body.includes('poison') ? refusal('INTERNAL_SERVER_ERROR') : null));
    await recorder.close();
    expect(functionsOf(await events())).toEqual(['mended']);
    expect(recorder.stats()).toEqual({ calls: 0, buffered: 0, refused: 1 });
    expect(reported.splice(0)).toMatchObject([
      { error: codeOf('CLOSED'), unrecorded: [{ attributes: { function: 'poison' } }] },
    ]);
  });

  test('what is too large for the gateway is parted, and one tree that is so alone is set aside', async () => {
    const { recorder, gateway, events, reported } = await open();
    gateway.answer(({ body }) =>
      body.length > 20_000 ? { status: 413, text: '<html>Too large</html>' } : null,
    );
    await Promise.all(
      [...Array(8).keys()].map((nth) =>
        recorder.call(
          String(nth),
          { payload: 'x'.repeat(nth === 5 ? 16_000 : 4_000), params: 'y'.repeat(4_000) },
          () => {},
        ),
      ),
    );
    await recorder.flush();
    expect(functionsOf(await events())).toEqual(['0', '1', '2', '3', '4', '6', '7']);
    expect(recorder.stats()).toEqual({ calls: 0, buffered: 1, refused: 0 });
    gateway.answer(() => null);
    await vi.waitUntil(() => recorder.stats().buffered === 0, PATIENCE);
    expect(functionsOf(await events()).at(-1)).toBe('5');
    expect(reported.splice(0)).toEqual([{ error: codeOf('BAD_RESPONSE'), unrecorded: [] }]);
  });

  test('markers are asked for once where something else answers, and calls go on', async () => {
    const { recorder, gateway, reported } = await open({ markers: true });
    gateway.answer(({ operation }) => (operation === 'OpenMarkers' ? PAGE : null));
    const results = Promise.all([...Array(8).keys()].map((nth) => recorder.call('a', () => nth)));
    expect(await results).toEqual([...Array(8).keys()]);
    expect(gateway.of('OpenMarkers')).toHaveLength(1);
    await recorder.flush();
    expect(reported.splice(0)).toEqual([{ error: codeOf('BAD_RESPONSE'), unrecorded: [] }]);
  });

  test('the relay of an outbox waits too, and takes nothing for refused', { timeout: 60_000 }, async () => {
    const bank = await bankDatabase();
    const { recorder, gateway, events, reported } = await open({ outbox: bank });
    gateway.answer(() => PAGE);
    for (const name of ['a', 'b']) await recorder.call(name, () => 1);
    await vi.waitUntil(() => gateway.asked.length >= 3, PATIENCE);
    gateway.answer(() => null);
    await recorder.flush();
    expect(functionsOf(await events())).toEqual(['a', 'b']);
    expect(reported.splice(0)).toEqual([{ error: codeOf('BAD_RESPONSE'), unrecorded: [] }]);
  });

  test.each(['with its place', 'without it'])(
    'a marker that is refused takes no other one with it: %s',
    async (way) => {
      const { recorder, gateway, reported } = await open({ markers: true });
      gateway.answer(({ operation, variables, body }) => {
        if (operation !== 'OpenMarkers' || !body.includes('wrong')) return null;
        const index = (variables.input.markers as object[]).findIndex((marker) =>
          JSON.stringify(marker).includes('wrong'),
        );
        return refusal('BAD_USER_INPUT', way === 'with its place' ? { index } : {});
      });
      const isMarked = async (id: string) =>
        (await world().db.query('select from eventree_outbox.marker where id = $1', [id])).rowCount === 1;
      // Not a word that an id may hold, as 'bad'.
      const names = ['a', 'b', 'c', 'wrong', 'd', 'e', 'f', 'g'];
      const marked = await Promise.all(names.map((name) => recorder.call(name, ({ id }) => isMarked(id))));
      expect(marked).toEqual(names.map((name) => name !== 'wrong'));
      // Found by halves: in 8, 4, 4, 2, 2, 1, 1.
      expect(gateway.of('OpenMarkers')).toHaveLength(way === 'with its place' ? 2 : 7);
      expect(reported.splice(0)).toEqual([{ error: codeOf('BAD_USER_INPUT'), unrecorded: [] }]);
    },
  );

  test('markers are asked for once where no more of them may be open', async () => {
    const full = await world().addServer({ EVENTREE_MAX_MARKERS: '2' });
    const gateway = await startGateway(full.url);
    const { recorder, reported } = await recorderOf(world(), { url: gateway.url, who: { subject: 'full' } });
    await Promise.all([...Array(8).keys()].map((nth) => recorder.call('a', () => nth)));
    expect(gateway.of('OpenMarkers')).toHaveLength(1);
    expect(reported.splice(0)).toEqual([{ error: codeOf('LIMIT_EXCEEDED'), unrecorded: [] }]);
  });

  test('a lease is renewed while a marker is open, and only then', async () => {
    const { recorder, gateway } = await open({ markers: true, leaseMs: 1_000 });
    const renewals = () => gateway.of('RenewMarkers').length;
    await recorder.call('a', () => vi.waitUntil(() => renewals() > 0, PATIENCE));
    await recorder.flush();
    const before = renewals();
    await pause(1_500);
    expect(renewals()).toBe(before);
  });
});
