import { expect, test } from 'vitest';
import { type Backlog, createBacklog, type Unwritten } from '../../src/recorder/backlog.ts';
import { Outage } from '../../src/recorder/outage.ts';
import { Room } from '../../src/recorder/room.ts';
import { databaseUrlThrough, socketOf, startTcpProxy } from '../support/tcp-proxy.ts';
import { unique, worldForFile } from '../support/world.ts';
import { bankDatabase, eventsIn, poolOf, recorderOf } from './support/recording.ts';

const world = worldForFile();

/** A database that is away, for what does not reach it. */
function awayDatabase() {
  const stopping = new AbortController();
  const room = new Room(10, 0);
  const reported: unknown[] = [];
  const written: Unwritten[] = [];
  let isAway = true;
  const backlog: Backlog = createBacklog({
    async attempt(what) {
      if (isAway) throw new Error('away');
      what.isWritten = true;
      written.push(what);
      return [];
    },
    room,
    outage: new Outage(() => {}),
    signal: stopping.signal,
    report: (error, unrecorded) => reported.push({ error, unrecorded }),
  });
  return {
    backlog,
    room,
    reported,
    written,
    stop: () => stopping.abort(),
    comeBack: () => {
      isAway = false;
    },
  };
}

const ended = (nth: number) => ({ parcels: [], ends: [`call ${nth}`], marks: [] });

test('ends of calls that are not kept are written together when the database is back', {
  timeout: 60_000,
}, async () => {
  const journal = unique('journal');
  const bank = await bankDatabase();
  const url = String(bank.options.connectionString);
  const proxy = await startTcpProxy(socketOf(url));
  const through = poolOf(databaseUrlThrough(proxy, url));
  through.on('error', () => {});
  let statements = 0;
  const outbox = {
    query(text: string, values?: unknown[]) {
      if (text.includes('delete from eventree_outbox.marker')) statements++;
      return through.query(text, values);
    },
  };
  const { recorder, reported } = await recorderOf(world(), { outbox, journal, maxBufferedEvents: 10 });
  let end = () => {};
  const gate = new Promise<void>((resolve) => {
    end = resolve;
  });
  const keep = () => false;
  const underWay = [1, 2, 3].map(() => recorder.call('marked', { keep }, () => gate));
  const markers = async () => (await bank.query('select from eventree_outbox.marker')).rowCount;
  await expect.poll(markers, { timeout: 20_000 }).toBe(3);
  proxy.refuse(true);
  end();
  await Promise.all(underWay);
  for (let nth = 0; nth < 300; nth++) await recorder.call('look', { keep }, () => nth);
  await recorder.call('change', () => 1);
  expect(recorder.stats()).toEqual({ calls: 0, buffered: 1, refused: 0 });
  proxy.refuse(false);
  statements = 0;
  await recorder.flush();
  expect(statements).toBeLessThan(10);
  expect(await markers()).toBe(0);
  expect((await eventsIn(world(), {}, journal)).map(({ attributes }) => attributes.function)).toEqual([
    'change',
  ]);
  reported.splice(0);
});

test('no more ends of calls wait than a limit, and the earliest are written', async () => {
  const { backlog, room, written, comeBack } = awayDatabase();
  for (let nth = 0; nth < 120_000; nth++) await backlog.write(ended(nth));
  expect(room.used).toBe(0);
  comeBack();
  await backlog.done();
  const ends = written.flatMap(({ writing }) => writing.ends);
  // Those of the statement that was under way have left room for others.
  expect(ends.length).toBeGreaterThanOrEqual(100_000);
  expect(ends.length).toBeLessThanOrEqual(105_000);
  expect(new Set(ends).size).toBe(ends.length);
  expect(ends[0]).toBe('call 0');
  expect(written.length).toBeLessThan(30);
});

test('ends of calls that are given up are told of once, and as no events', async () => {
  const { backlog, reported, stop } = awayDatabase();
  for (let nth = 0; nth < 1_000; nth++) await backlog.write(ended(nth));
  stop();
  backlog.giveUp(new Error('closed'));
  expect(reported.length).toBeLessThanOrEqual(2);
  expect(backlog.refused()).toBe(0);
});

test('nobody waits for room any more where nothing will give any', async () => {
  const room = new Room(1, 60_000);
  room.take(1);
  const early = room.wait();
  room.close(new Error('closed'));
  await expect(early).rejects.toThrow('closed');
  await expect(room.wait()).rejects.toThrow('closed');
});
