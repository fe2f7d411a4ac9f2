/**
 * Readers that have stopped to read, beside others that go on: they cost the server little memory and the
 * others no time, and get everything when they read on.
 */
import { expect, test, vi } from 'vitest';
import { pause } from '../../src/base/retry.ts';
import { metric } from '../doors/support/doors.ts';
import { at, type Follower, historyOf, openCursors, startFollower } from '../support/follower.ts';
import { faultsOf, noOutcomes } from '../support/history.ts';
import { newEvents, RECORD } from '../support/load.ts';
import { startServerProcess } from '../support/server-process.ts';
import { addressOf, startTcpProxy } from '../support/tcp-proxy.ts';
import { openWorld } from '../support/world.ts';
import { INSPECTED, inspect } from './support/inspector.ts';
import { limitMs, SCALE } from './support/scale.ts';

const READERS = SCALE.stalledReaders;
const MOST_BYTES_EACH = 1_048_576;
const PAYLOAD = 'x'.repeat(8_000);
/** 8 MB for each reader, which is twice what the system's own buffers were seen to take. */
const BURST_EVENTS = 1_000;
const BURST_BATCH = 40;
const EVENT_INTERVAL_MS = 20;
const WINDOW_MS = 700;
/** Of which the calmest counts: the machine has other work as well. */
const WINDOWS = 4;
const MOST_TURNS = 4;
/** Twice next to nothing is nothing to speak of. */
const LEAST_P99_MS = 15;
/** Who has taken nothing for so long is sent away; it may happen from half of that on. */
const STALL_TIMEOUT_MS = 30_000;

test(`${READERS} readers that stall cost the server at most 1 MiB each, and ${READERS} others no time; they miss nothing`, {
  timeout: limitMs(240_000, 480_000),
}, async () => {
  const world = await openWorld({ servers: 0 });
  const server = await startServerProcess({ ...world.environment, ...INSPECTED });
  const inspector = await inspect(server);
  const proxy = await startTcpProxy(addressOf(server.url));
  const positionOf = await openCursors(world.db);
  async function startMany(name: string, url: string, options: object): Promise<Follower[]> {
    const followers = Array.from({ length: READERS }, (_, nth) => {
      const by = nth % 2 === 0 ? 'ws' : 'sse';
      const common = { name: `${name} ${nth} by ${by}`, url: () => url, by, fields: 'payload' } as const;
      return startFollower(world, positionOf, { ...common, ...options });
    });
    await Promise.all(followers.map((follower) => follower.until(({ live }) => live)));
    return followers;
  }
  const healthy = await startMany('healthy', server.url, {});

  const outcomes = noOutcomes();
  const sentAtMs = new Map<string, number>();
  async function record(count: number, payload = ''): Promise<void> {
    const input = newEvents(count).map((event) => ({ ...event, payload }));
    for (const { id } of input) sentAtMs.set(id, performance.now());
    const { recordEvents } = await world.ask(RECORD, { input }, { server: at(server.url) });
    outcomes.acknowledged.push(...recordEvents.events);
  }
  /** Records one event after the other; answers within how many ms 99 of 100 came to the healthy ones. */
  async function p99Ms(): Promise<number> {
    const seen = healthy.map(({ messages }) => messages.length);
    for (const endMs = performance.now() + WINDOW_MS; performance.now() < endMs; ) {
      await Promise.all([record(1), pause(EVENT_INTERVAL_MS)]);
    }
    const last = outcomes.acknowledged.at(-1)?.position ?? expect.fail();
    await Promise.all(healthy.map((follower) => follower.reached(last)));
    const latencies = healthy.flatMap(({ messages }, nth) =>
      messages
        .slice(seen[nth])
        .flatMap(({ ids, atMs }) => ids.map((id) => atMs - (sentAtMs.get(id) ?? Number.NaN))),
    );
    return latencies.sort((one, other) => one - other)[Math.floor(latencies.length * 0.99)] ?? expect.fail();
  }

  async function calmestP99Ms(): Promise<number> {
    const windows: number[] = [];
    while (windows.length < WINDOWS) windows.push(await p99Ms());
    return Math.min(...windows);
  }

  /** Others stall while the healthy ones are timed, and read on. */
  async function stallOthers(): Promise<{ p99Ms: number; heldBytesEach: number }> {
    const heldBefore = await inspector.heldBytes();
    const after = healthy[0]?.messages.at(-1)?.cursor;
    const stalled = await startMany('stalled', `http://127.0.0.1:${proxy.port}`, { after });
    proxy.stall(true);
    const stalledAtMs = performance.now();
    for (let events = 0; events < BURST_EVENTS; events += BURST_BATCH) await record(BURST_BATCH, PAYLOAD);
    const p99Ms = await calmestP99Ms();
    const heldBytesEach = ((await inspector.heldBytes()) - heldBefore) / READERS;
    await pause(stalledAtMs + SCALE.stalledMs - performance.now());
    const isForLong = SCALE.stalledMs > STALL_TIMEOUT_MS;
    if (isForLong) {
      const left = async () => (await metric(at(server.url), 'eventree_live_readers')) - READERS;
      await vi.waitUntil(async () => (await left()) === 0, { timeout: STALL_TIMEOUT_MS, interval: 100 });
    }
    const mostConnections = performance.now() - stalledAtMs < STALL_TIMEOUT_MS / 2 ? 1 : 2;
    proxy.stall(false);

    expect(faultsOf(await historyOf(world.db, outcomes, [...healthy, ...stalled]))).toEqual([]);
    for (const follower of stalled) {
      expect(follower.connections()).toBeGreaterThanOrEqual(isForLong ? 2 : 1);
      expect(follower.connections()).toBeLessThanOrEqual(mostConnections);
      follower.close();
    }
    return { p99Ms, heldBytesEach };
  }

  await p99Ms();
  const [alone, beside]: [number[], number[]] = [[], []];
  // What else the machine does changes from one moment to the next: both are timed in turns.
  for (let turns = 0; turns < MOST_TURNS; turns++) {
    alone.push(await calmestP99Ms());
    const { p99Ms, heldBytesEach } = await stallOthers();
    beside.push(p99Ms);
    expect(heldBytesEach).toBeLessThanOrEqual(MOST_BYTES_EACH);
    if (Math.min(...beside) <= 2 * Math.max(LEAST_P99_MS, Math.min(...alone))) break;
  }
  expect(Math.min(...beside)).toBeLessThanOrEqual(2 * Math.max(LEAST_P99_MS, Math.min(...alone)));
  for (const follower of healthy) expect(follower.connections()).toBe(1);
});
