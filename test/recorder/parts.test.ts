import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { describe, expect, test, vi } from 'vitest';
import { runOn } from '../../src/outbox/statement.ts';
import { sweepLost } from '../../src/outbox/sweep.ts';
import { unique, worldForFile } from '../support/world.ts';
import { type Asked, refusal, startGateway } from './support/gateway.ts';
import { recorderOf } from './support/recording.ts';

const PARTER = fileURLToPath(new URL('support/parter.ts', import.meta.url));
const PATIENCE = { timeout: 20_000, interval: 20 };
const BELOW = 1_200;
const codeOf = (code: string) => expect.objectContaining({ code });

describe('a tree that is sent in parts', () => {
  const world = worldForFile();
  const open = async (options: object = {}) => {
    const journal = unique('journal');
    const gateway = await startGateway(String(world().servers[0]?.url));
    const made = await recorderOf(world(), { url: gateway.url, journal, ...options });
    const nightly = (below = BELOW) =>
      made.recorder.call('nightly', { actor: 'user/jane', payload: { day: 1 } }, (call) => {
        for (let nth = 0; nth < below; nth++) call.record({ type: 'note', message: String(nth) });
        return call.id;
      });
    return { ...made, gateway, journal, nightly };
  };
  const markers = async () => (await world().db.query('select id::text from eventree_outbox.marker')).rows;

  interface Row {
    readonly id: string;
    readonly type: string;
    readonly path: readonly string[];
    readonly message: string;
    readonly payload: unknown;
  }
  const rowsOf = async (journal: string): Promise<Row[]> => {
    const { rows } = await world().db.query(
      `select e.id, e.type, coalesce(e.path, '{}') as path, e.message, e.payload
       from event e join journal j on j.id = e.journal_id where j.name = $1 order by e.position`,
      [journal],
    );
    return rows;
  };

  /** As after a lease that nobody renewed. */
  const sweep = async () => {
    await world().db.query('delete from eventree_outbox.recorder');
    await sweepLost(runOn(world().db));
    const left = 'select from eventree_outbox.marker union all select from eventree_outbox.parcel';
    await vi.waitUntil(async () => (await world().db.query(left)).rowCount === 0, PATIENCE);
  };

  test('is complete or says that it is not, whenever its process is killed', {
    timeout: 120_000,
  }, async () => {
    const token = await world().token({ groups: ['admin'] });
    const seen: string[] = [];
    for (let step = 1, isAlive = false; !isAlive; step++) {
      const journal = unique('journal');
      const gateway = await startGateway(String(world().servers[0]?.url));
      let parter: ChildProcess | null = null;
      // The server has done it, and who asked is gone when the answer comes.
      gateway.onAnswered(() => {
        if (gateway.asked.length === step) parter?.kill('SIGKILL');
      });
      const options = JSON.stringify({ url: gateway.url, token, journal });
      parter = spawn(process.execPath, ['--import', 'tsx', PARTER, options, String(BELOW)], {
        stdio: 'inherit',
      });
      const [code] = await once(parter, 'exit');
      isAlive = code === 0;
      await sweep();

      const rows = await rowsOf(journal);
      const [call] = rows.filter(({ path }) => path.length === 0);
      const lost = rows.filter(({ type }) => type === 'call_lost');
      const notes = rows.filter(({ type }) => type === 'note').length;
      seen.push(`${call?.type} ${notes}${lost.length > 0 ? ' lost' : ''}`);
      if (notes < BELOW) expect(lost.length, `step ${step}`).toBeGreaterThan(0);
      for (const { id, path, message, payload } of lost.filter(({ id }) => id !== call?.id)) {
        expect(path, id).toEqual([call?.id]);
        expect(message).toMatch(/^The call of nightly was recorded in part: of its 1201 events/);
        expect(payload).toEqual({ events: BELOW + 1, parts: [301, 300, 300, 300] });
      }
      expect(step).toBeLessThan(20);
    }
    expect(seen).toEqual([
      'call_lost 0 lost',
      'call_lost 0 lost',
      'call 300 lost',
      'call 600 lost',
      'call 900 lost',
      // That the last one had arrived, nobody had heard.
      'call 1200 lost',
      // Killed behind the end of its marker, and not at all.
      'call 1200',
      'call 1200',
    ]);
  });

  test('has a marker of its own from before its first part until behind its last one', async () => {
    const { recorder, gateway, journal, nightly } = await open();
    const id = await nightly();
    await recorder.flush();
    expect(gateway.asked.map(({ operation }) => operation)).toEqual([
      'OpenMarkers',
      'OpenMarkers',
      ...Array(4).fill('Record'),
      'CloseMarkers',
    ]);
    const event = { type: 'call_lost', parentId: id, journal, actor: 'user/jane' };
    expect(gateway.of('OpenMarkers')[1]?.variables.input.markers).toMatchObject([{ event }]);
    expect(await markers()).toEqual([]);
    expect(await rowsOf(journal)).toHaveLength(BELOW + 1);
  });

  test.each([
    ['has one part', {}, 100],
    ['is not marked', { markers: false }, BELOW],
  ])('has none where it %s', async (_, options, below) => {
    const { recorder, gateway, nightly } = await open(options);
    await nightly(below);
    await recorder.flush();
    expect(gateway.of('OpenMarkers')).toHaveLength('markers' in options ? 0 : 1);
    expect(gateway.of('CloseMarkers')).toEqual([]);
  });

  test('waits for its marker while the server is away, and goes without one that is refused', {
    timeout: 60_000,
  }, async () => {
    const { recorder, gateway, journal, nightly, reported } = await open();
    const isOfParts = ({ operation, body }: Asked) => operation === 'OpenMarkers' && body.includes('in part');
    gateway.answer((asked) => (isOfParts(asked) ? refusal('UNAVAILABLE') : null));
    await nightly();
    await vi.waitUntil(() => gateway.asked.filter(isOfParts).length > 1, PATIENCE);
    expect(gateway.of('Record')).toEqual([]);
    gateway.answer((asked) => (isOfParts(asked) ? refusal('FORBIDDEN') : null));
    await recorder.flush();
    expect(await rowsOf(journal)).toHaveLength(BELOW + 1);
    expect(reported.splice(0).map(({ error, unrecorded }) => [error, unrecorded])).toEqual([
      [codeOf('UNAVAILABLE'), []],
      [codeOf('FORBIDDEN'), []],
    ]);
  });

  test('keeps its marker as long as one of its parts is set aside', { timeout: 60_000 }, async () => {
    const { recorder, gateway, journal, nightly, reported } = await open();
    const isSecond = ({ operation, body }: Asked) =>
      operation === 'Record' && body.includes('"message":"400"');
    gateway.answer((asked) => (isSecond(asked) ? refusal('INTERNAL_SERVER_ERROR') : null));
    await nightly();
    await recorder.flush();
    expect(await rowsOf(journal)).toHaveLength(901);
    expect(await markers()).toHaveLength(1);
    gateway.answer(() => null);
    await vi.waitUntil(async () => (await markers()).length === 0, PATIENCE);
    expect(await rowsOf(journal)).toHaveLength(BELOW + 1);
    reported.splice(0);
  });
});
