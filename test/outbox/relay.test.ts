import { randomUUID } from 'node:crypto';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { claimParcels } from '../../src/outbox/claim.ts';
import type { Deliver } from '../../src/outbox/deliver.ts';
import { openMarkers, releaseLease } from '../../src/outbox/outbox.ts';
import { runOn } from '../../src/outbox/statement.ts';
import { openWorld, unique, worldForFile } from '../support/world.ts';
import {
  call,
  deliverTo,
  journalOf,
  markerOf,
  markersIn,
  note,
  openOutbox,
  openRelay,
  parcel,
  parcelsIn,
  write,
  writer,
} from './support/outbox.ts';

const world = worldForFile();

/** What of the journal has these ids, as `type` and `parent` tell. */
async function told(ids: readonly string[], at = world()) {
  return (await journalOf(at)).filter(({ id }) => ids.includes(id));
}

const until = (isSo: () => Promise<boolean>) => vi.waitUntil(isSo, { timeout: 20_000, interval: 20 });
const coded = (code: string) => Object.assign(new Error(`told by the API: ${code}`), { code });

describe('a relay', () => {
  test('moves trees into the journal, resources first, parents before children', async () => {
    const { pool, run } = await openOutbox();
    const top = call();
    const account = unique('account').replace('-', '/');
    const below = note('below', { parentId: top.id, resource: account });
    const nested = note('nested', { parentId: below.id });
    const acl = { viewMeta: ['group/anonymous'] };
    await write(run, {
      parcels: [parcel([note('deep', { parentId: nested.id })], { depth: 1, waitsFor: nested.id })],
    });
    await write(run, {
      parcels: [parcel([top, below, nested], { resources: [{ ref: account, name: 'One', acl }] })],
      ends: [nested.id],
    });
    const relay = openRelay(pool, { deliver: await deliverTo(world()) });
    await relay.settled();

    expect((await told([top.id, below.id, nested.id])).map(({ parent }) => parent)).toEqual([
      null,
      top.id,
      below.id,
    ]);
    expect((await journalOf(world())).find(({ message }) => message === 'deep')?.parent).toBe(nested.id);
    const { resource } = await world().ask('query ($ref: ResourceRef!) { resource(ref: $ref) { name } }', {
      ref: account,
    });
    expect(resource).toEqual({ name: 'One' });
    expect(await parcelsIn(run)).toEqual([]);
    expect([relay.refused, relay.failures]).toEqual([[], []]);
  });

  test('moves more events than a mutation takes', async () => {
    const { pool, run } = await openOutbox();
    // The recorder does not see what it has recorded of another, and yet hangs the rest below it.
    const place = { journal: 'bulk', actor: 'user/somebody-else' };
    const top = call(place);
    const many = Array.from({ length: 1_200 }, (_, nth) => note(String(nth), { ...place, parentId: top.id }));
    await write(run, { parcels: [parcel([top, ...many])] });
    await openRelay(pool, { deliver: await deliverTo(world()) }).settled();
    const { rows } = await world().db.query(
      'select count(*)::integer from event where $1::uuid = any(path)',
      [top.id],
    );
    expect(rows).toEqual([{ count: 1_200 }]);
  });

  test('keeps what is refused, with the reason, reports it, goes on with the others, and tries it again', async () => {
    const { pool, run } = await openOutbox();
    const type = unique('undeclared');
    const refused = note('of a type to come', { type });
    const below = note('below', { parentId: refused.id });
    const others = [note('a'), note('b')] as const;
    await write(run, { parcels: [parcel([refused])], ends: [refused.id] });
    await write(run, {
      parcels: [
        parcel([below], { waitsFor: refused.id, depth: 1 }),
        ...others.map((event) => parcel([event])),
      ],
    });
    const relay = openRelay(pool, { deliver: await deliverTo(world()) });
    await relay.settled();

    expect(await told(others.map(({ id }) => id))).toHaveLength(2);
    const [kept, waiting] = await parcelsIn(run);
    expect(kept).toMatchObject({ error: expect.stringMatching(/^UNKNOWN_EVENT_TYPE: /) });
    // What hangs below it is not refused for want of it.
    expect(waiting).toMatchObject({ attempts: 0, error: null });
    expect(relay.refused[0]).toEqual([kept?.id, expect.stringContaining(type)]);

    await world().ask(
      'mutation ($name: String!) { defineEventType(input: { name: $name, category: STATE }) { name } }',
      {
        name: type,
      },
    );
    await until(async () => (await parcelsIn(run)).length === 0);
    expect((await told([refused.id, below.id])).map(({ id }) => id)).toEqual([refused.id, below.id]);
  });

  test('records what stands before a change of a resource before it', async () => {
    const { pool, run } = await openOutbox();
    const page = unique('page').replace('-', '/');
    const last = note('the last of mine', { resource: page });
    const resources = [{ ref: page, acl: { owners: ['user/boss'] } }];
    await write(run, {
      parcels: [parcel([], { resources: [{ ref: page }] }), parcel([last]), parcel([], { resources })],
    });
    const relay = openRelay(pool, { deliver: await deliverTo(world()) });
    await relay.settled();
    expect(relay.refused).toEqual([]);
    expect(await told([last.id])).toHaveLength(1);
  });

  test.each(['UNAVAILABLE', 'UNREACHABLE', 'RATE_LIMITED', 'TOKEN_UNAVAILABLE', 'INTERNAL_SERVER_ERROR'])(
    'refuses nothing for %s: it tries again',
    async (code) => {
      const { pool, run } = await openOutbox();
      const delivered: string[] = [];
      let failures = 0;
      const deliver: Deliver = async (parcels) => {
        if (failures++ < 3) throw coded(code);
        delivered.push(...parcels.map(({ id }) => id));
      };
      await write(run, { parcels: [parcel([note('a')]), parcel([note('b')])] });
      const relay = openRelay(pool, { deliver });
      await relay.settled();
      expect(delivered).toEqual(['1', '2']);
      expect(relay.refused).toEqual([]);
      expect(relay.failures.length).toBeGreaterThan(0);
    },
  );

  test('takes what upsets the server five times for refused: the others go on', async () => {
    const { pool, run } = await openOutbox();
    const delivered: unknown[] = [];
    const deliver: Deliver = async (parcels) => {
      if (parcels.some(({ id }) => id === '1')) throw coded('INTERNAL_SERVER_ERROR');
      delivered.push(...parcels.map(({ id }) => id));
    };
    await write(run, { parcels: [parcel([note('poison')]), parcel([note('b')])] });
    const relay = openRelay(pool, { deliver });
    await relay.settled();
    expect(delivered).toEqual(['2']);
    expect(relay.refused[0]).toEqual(['1', expect.stringContaining('INTERNAL_SERVER_ERROR')]);
    expect((await parcelsIn(run))[0]?.attempts).toBeGreaterThanOrEqual(5);
  });

  test('passes where it is told so', async () => {
    const { pool, run } = await openOutbox();
    let failures = 0;
    const deliver: Deliver = async () => {
      if (failures++ < 2) throw coded('UNAUTHENTICATED');
    };
    await write(run, { parcels: [parcel([note('a')])] });
    const relay = openRelay(pool, { deliver, isPassing: () => true });
    await relay.settled();
    expect([relay.refused.length, relay.failures.length]).toEqual([0, 2]);
  });

  test('moves nothing twice that it had recorded before it failed', async () => {
    const { pool, run } = await openOutbox();
    const tree = [call()];
    tree.push(note('below', { parentId: tree[0]?.id }));
    await write(run, { parcels: [parcel(tree)] });
    const record = await deliverTo(world());
    let failed = false;
    const deliver: Deliver = async (parcels) => {
      await record(parcels);
      if (!failed) {
        failed = true;
        throw coded('UNREACHABLE');
      }
    };
    const relay = openRelay(pool, { deliver });
    await relay.settled();
    expect(relay.refused).toEqual([]);
    expect(await told(tree.map(({ id }) => id))).toHaveLength(2);
    expect(failed).toBe(true);
  });

  test('takes nothing that another has taken', async () => {
    const { pool, run } = await openOutbox();
    const ids = Array.from({ length: 500 }, (_, nth) => String(nth + 1));
    await write(run, { parcels: ids.map((id) => parcel([note(id)])) });
    const delivered: string[] = [];
    const deliver: Deliver = async (parcels) => void delivered.push(...parcels.map(({ id }) => id));
    const relays = Array.from({ length: 5 }, () => openRelay(pool, { deliver }));
    await Promise.all(relays.map((relay) => relay.settled()));
    expect(delivered.toSorted()).toEqual(ids.toSorted());
  });

  test('records what is lost: a call whose recorder is gone, and what was committed below it', async () => {
    const { pool, run } = await openOutbox();
    const by = writer();
    const top = call();
    await openMarkers(run, { id: by.recorder, leaseMs: 10_000 }, [markerOf(top)], null);
    const group = note('group', { parentId: top.id });
    await write(
      run,
      {
        parcels: [parcel([note('committed', { parentId: group.id })], { waitsFor: group.id, depth: 2 })],
        marks: [markerOf(top), { id: group.id, event: group, waitsFor: top.id, depth: 1 }],
      },
      by,
    );
    const relay = openRelay(pool, { deliver: await deliverTo(world()), sweepIntervalMs: 20 });
    await relay.settled();
    expect(await told([top.id, group.id])).toEqual([]);

    await releaseLease(run, by.recorder);
    await until(async () => (await parcelsIn(run)).length === 0 && (await told([group.id])).length > 0);
    await relay.settled();
    const events = await journalOf(world());
    const place = (id: string | null) => events.find((event) => event.id === id);
    const committed = events.find(({ message, parent }) => message === 'committed' && parent === group.id);
    expect(place(committed?.parent ?? null)).toMatchObject({ message: 'group', parent: top.id });
    expect(place(top.id)).toMatchObject({ type: 'call_lost', parent: null });
  });

  test('records a call below the event by which it was lost, when its process comes back', async () => {
    const { pool, run } = await openOutbox();
    const by = writer();
    // Their actor is another than who records them: what they hang below is not seen by the recorder.
    const top = call({ actor: 'user/jane' });
    const inner = call({ actor: 'user/jane', parentId: top.id });
    const leaf = note('leaf', { actor: 'user/jane', parentId: inner.id });
    const marks = [markerOf(top), markerOf(inner, { waitsFor: top.id, depth: 1 })];
    await openMarkers(run, { id: by.recorder, leaseMs: 10_000 }, marks, null);
    await releaseLease(run, by.recorder);
    const relay = openRelay(pool, { deliver: await deliverTo(world()), sweepIntervalMs: 20 });
    await until(async () => (await told([inner.id])).length > 0);

    const tree = parcel([top, inner, leaf]);
    for (let times = 0; times < 2; times++) {
      await write(run, { parcels: [tree], ends: [top.id, inner.id] }, by);
      await relay.settled();
    }
    expect(relay.refused).toEqual([]);
    const events = await journalOf(world());
    const below = (id: string) =>
      events.filter(({ parent }) => parent === id).map(({ id, type }) => [id, type]);
    expect(await told([top.id])).toMatchObject([{ type: 'call_lost' }]);
    expect(below(top.id)).toEqual([
      [inner.id, 'call_lost'],
      [expect.any(String), 'call'],
    ]);
    expect(below(inner.id)).toEqual([
      [expect.any(String), 'call'],
      [leaf.id, 'note'],
    ]);
  });

  test('drops the word that a call is lost when the call is there', async () => {
    const { pool, run } = await openOutbox();
    const by = writer();
    const top = call();
    const deliver = await deliverTo(world());
    await write(run, { parcels: [parcel([top])] });
    await openRelay(pool, { deliver }).settled();
    await openMarkers(run, { id: by.recorder, leaseMs: 10_000 }, [markerOf(top)], null);
    await releaseLease(run, by.recorder);
    const relay = openRelay(pool, { deliver, sweepIntervalMs: 20 });
    await relay.settled();
    await until(async () => (await parcelsIn(run)).length === 0);
    expect(relay.refused).toEqual([]);
    expect(await told([top.id])).toMatchObject([{ type: 'call' }]);
  });

  test('records a lost call by itself where what it was part of never came', async () => {
    const { pool, run } = await openOutbox();
    const by = writer();
    const inner = call({ parentId: call().id });
    await openMarkers(run, { id: by.recorder, leaseMs: 10_000 }, [markerOf(inner)], null);
    await releaseLease(run, by.recorder);
    const relay = openRelay(pool, { deliver: await deliverTo(world()), sweepIntervalMs: 20 });
    await until(async () => (await told([inner.id])).length > 0);
    expect(relay.refused).toEqual([]);
    expect(await told([inner.id])).toMatchObject([{ type: 'call_lost', parent: null }]);
  });

  test('records below the next scope above what hangs below a call that is not kept, and finds it there again', async () => {
    const { run } = await openOutbox();
    const deliver = await deliverTo(world());
    const [outer, inner] = [call(), call()];
    const below = note('below', { parentId: inner.id });
    await write(run, {
      parcels: [parcel([outer]), parcel([below], { waitsFor: inner.id, above: [outer.id], depth: 2 })],
    });
    const taken = await claimParcels(run, { relay: randomUUID(), claimMs: 30_000 });
    // As a relay does that is killed before it removes them, and then another one.
    for (let times = 0; times < 2; times++) for (const one of taken) await deliver([one]);
    expect(await told([below.id])).toMatchObject([{ parent: outer.id }]);
  });

  test('says that all is settled when only what waits for an open scope is left', async () => {
    const { pool, run } = await openOutbox();
    const by = writer();
    const top = call();
    await openMarkers(run, { id: by.recorder, leaseMs: 10_000 }, [markerOf(top)], null);
    await write(
      run,
      { parcels: [parcel([note('x', { parentId: top.id })], { waitsFor: top.id, depth: 1 })] },
      by,
    );
    await openRelay(pool, { deliver: async () => {} }).settled();
    expect(await parcelsIn(run)).toHaveLength(1);
  });

  test('waits with that for what another relay has taken', async () => {
    const { pool, run } = await openOutbox();
    await write(run, { parcels: [parcel([note('x')])] });
    let letGo = () => {};
    const taken = new Promise<void>((resolve) => {
      openRelay(pool, {
        async deliver() {
          resolve();
          await new Promise<void>((go) => {
            letGo = go;
          });
        },
      });
    });
    await taken;
    let settled = false;
    const settling = openRelay(pool, { deliver: async () => {} })
      .settled()
      .then(() => {
        settled = true;
      });
    const other = openRelay(pool, { deliver: async () => {} });
    // It has looked in vain.
    await until(async () => (await parcelsIn(run)).length === 1);
    expect(settled).toBe(false);
    letGo();
    await settling;
    expect(await parcelsIn(run)).toEqual([]);
    await other.stop();
  });

  test('that is stopped gives back what it has not moved, and tells who waits', async () => {
    const { pool, run } = await openOutbox();
    await write(run, {
      parcels: [
        parcel([note('a')], { resources: [{ ref: 'page/1' }] }),
        parcel([note('b')], { resources: [{ ref: 'page/2' }] }),
      ],
    });
    const relay = openRelay(pool, {
      async deliver() {
        void relay.stop();
      },
    });
    await expect(relay.settled()).rejects.toThrow('stopped');
    await relay.stop();
    expect(await parcelsIn(run)).toMatchObject([{ id: '2' }]);
    const { rows } = await pool.query('select claimed_until from eventree_outbox.parcel');
    expect(rows).toEqual([{ claimed_until: null }]);
    await expect(relay.settled()).rejects.toThrow('stopped');
  });
});

describe('a relay takes for lost whose lease has ended only after two of its intervals', () => {
  /** Time passes when it is told to, and a call is left behind by a process that is gone. */
  async function openTime() {
    const { pool, run } = await openOutbox();
    let now = performance.now();
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => now);
    onTestFinished(() => clock.mockRestore());
    let rounds = 0;
    let failing: Error | null = null;
    const relay = openRelay(
      {
        query(text, values) {
          if (failing !== null) return Promise.reject(failing);
          if (text.includes('claimed_until')) rounds++;
          return pool.query(text, values);
        },
      },
      { deliver: async () => {}, sweepIntervalMs: 1_000, intervalMs: 5 },
    );
    await until(async () => rounds > 1);
    const leaveBehind = () =>
      openMarkers(run, { id: writer().recorder, leaseMs: 0 }, [markerOf(call())], null);
    return {
      relay,
      run,
      leaveBehind,
      /** It has looked several times since. */
      async pass(ms: number) {
        now += ms;
        const before = rounds;
        await until(async () => rounds > before + 3);
      },
      /** It has looked again since. */
      async failFor(ms: number) {
        const [before, looked] = [relay.failures.length, rounds];
        failing = new Error('The database is away');
        await until(async () => relay.failures.length > before);
        now += ms;
        failing = null;
        await until(async () => rounds > looked + 1);
      },
    };
  }

  test('from its start', async () => {
    const { run, pass, leaveBehind } = await openTime();
    await leaveBehind();
    await pass(1_999);
    expect(await markersIn(run)).toHaveLength(1);
    await pass(1);
    expect(await markersIn(run)).toEqual([]);
    await leaveBehind();
    await pass(1_000);
    expect(await markersIn(run)).toEqual([]);
  });

  test.each([0, 60_000])(
    'from when it can do its work again: recorders could not either, here for %i ms',
    async (ms) => {
      const { run, pass, failFor, leaveBehind } = await openTime();
      await pass(2_000);
      await leaveBehind();
      await failFor(ms);
      await pass(1_999);
      expect(await markersIn(run)).toHaveLength(1);
      await pass(1);
      expect(await markersIn(run)).toEqual([]);
    },
  );
});

test('a server that takes few events at a time gets them so', async () => {
  const small = await openWorld({
    environment: { EVENTREE_MAX_BATCH_EVENTS: '3', EVENTREE_MAX_TREE_EVENTS: '3' },
  });
  const by = writer('user/teller');
  const tree = [call()];
  for (let nth = 0; nth < 8; nth++) tree.push(note(String(nth), { parentId: tree[0]?.id }));
  await write(runOn(small.db), { parcels: [parcel(tree)] }, by);
  await until(async () => (await journalOf(small)).length === 9);
});
