import { describe, expect, test, vi } from 'vitest';
import { pause } from '../../src/base/retry.ts';
import { unique, worldForFile } from '../support/world.ts';
import { refusal, startGateway } from './support/gateway.ts';
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
      for (let times = 0; times < 3; times++) await recorder.flush();
      expect(functionsOf(await events())).toEqual(['a', 'b', 'c']);
      expect(tries()).toBeLessThan(before + 3);
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

  test('what is set aside is tried once more when the recorder is closed, and reported', {
    timeout: 60_000,
  }, async () => {
    const { recorder, gateway, events, reported } = await open();
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
        if (operation !== 'OpenMarkers' || !body.includes('bad')) return null;
        const index = (variables.input.markers as object[]).findIndex((marker) =>
          JSON.stringify(marker).includes('bad'),
        );
        return refusal('BAD_USER_INPUT', way === 'with its place' ? { index } : {});
      });
      const isMarked = async (id: string) =>
        (await world().db.query('select from eventree_outbox.marker where id = $1', [id])).rowCount === 1;
      const names = ['a', 'b', 'c', 'bad', 'd', 'e', 'f', 'g'];
      const marked = await Promise.all(names.map((name) => recorder.call(name, ({ id }) => isMarked(id))));
      expect(marked).toEqual(names.map((name) => name !== 'bad'));
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
