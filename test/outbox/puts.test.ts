/** What is said of a resource last stays, whoever moves the parcels that say it, and whenever. */
import { randomUUID } from 'node:crypto';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import {
  claimParcels,
  giveBack,
  markRefused,
  removeParcels,
  type TakenParcel,
} from '../../src/outbox/claim.ts';
import type { Deliver } from '../../src/outbox/deliver.ts';
import { openMarkers } from '../../src/outbox/outbox.ts';
import type { ResourcePut } from '../../src/outbox/parcel.ts';
import { holdPuts, notePuts } from '../../src/outbox/puts.ts';
import type { Run } from '../../src/outbox/statement.ts';
import { sweepLost } from '../../src/outbox/sweep.ts';
import {
  call,
  markerOf,
  note,
  openOutbox,
  openRelay,
  parcel,
  parcelsIn,
  write,
  writer,
} from './support/outbox.ts';

const GRANT = { viewData: ['user/jane'] };
const REVOKE = { viewData: [] };
const until = (isSo: () => boolean | Promise<boolean>) =>
  vi.waitUntil(isSo, { timeout: 20_000, interval: 10 });
const claimant = (claimMs = 30_000) => ({ relay: randomUUID(), claimMs });
const putting = (...resources: ResourcePut[]) => parcel([], { resources });
const refused = () => Object.assign(new Error('told by the API: no'), { code: 'FORBIDDEN' });
const heldIn = (run: Run) =>
  run<{ ref: string }>('select ref from eventree_outbox.resource where relay is not null', []);

/** An API that takes the word of each resource, in order. */
function openApi(judge: (put: ResourcePut) => Promise<void> | void = () => {}) {
  const puts: ResourcePut[] = [];
  const deliver: Deliver = async (parcels) => {
    for (const put of parcels.flatMap(({ resources }) => resources)) {
      await judge(put);
      puts.push(put);
    }
  };
  return { puts, deliver };
}

describe('two relays put a resource', () => {
  test('in the order in which it was written', async () => {
    const { pool, run } = await openOutbox();
    let go = () => {};
    const held = new Promise<void>((resolve) => {
      go = resolve;
    });
    const { puts, deliver } = openApi(({ acl }) => (acl === undefined ? undefined : held));
    await write(run, { parcels: [putting({ ref: 'page/1', acl: GRANT })] });
    const first = openRelay(pool, { deliver });
    await until(async () => (await heldIn(run)).length > 0);

    await write(run, { parcels: [putting({ ref: 'page/1', name: 'later' }), putting({ ref: 'page/2' })] });
    const second = openRelay(pool, { deliver });
    await until(() => puts.length > 0);
    // It has looked again since.
    await write(run, { parcels: [putting({ ref: 'page/3' })] });
    await until(() => puts.length > 1);
    expect(puts).toEqual([{ ref: 'page/2' }, { ref: 'page/3' }]);

    // The first one does no more than that; the second one goes on at once.
    const stopped = first.stop();
    go();
    await stopped;
    await second.settled();
    expect(puts.slice(2)).toEqual([
      { ref: 'page/1', acl: GRANT },
      { ref: 'page/1', name: 'later' },
    ]);
    expect([...first.failures, ...second.failures]).toEqual([]);
  });

  test('never both at once, though they claim at the same moment', async () => {
    const { run } = await openOutbox();
    const parcels = Array.from({ length: 300 }, () => putting({ ref: 'page/1' }));
    await write(run, { parcels });
    const taken = await Promise.all(Array.from({ length: 8 }, () => claimParcels(run, claimant())));
    expect(taken.filter(({ length }) => length > 0)).toHaveLength(1);
  });

  test('with others at random, so that the last word on each is the last that was written', {
    timeout: 60_000,
  }, async () => {
    const { pool, run } = await openOutbox();
    const refs = Array.from({ length: 5 }, (_, nth) => `page/${nth}`);
    const underWay = new Set<string>();
    const last = new Map<string, string>();
    const deliver: Deliver = async (parcels) => {
      for (const { ref, name } of parcels.flatMap(({ resources }) => resources)) {
        expect(underWay).not.toContain(ref);
        underWay.add(ref);
        await new Promise((resolve) => setTimeout(resolve, Math.random() * 3));
        underWay.delete(ref);
        last.set(ref, String(name));
      }
    };
    const relays = Array.from({ length: 4 }, () => openRelay(pool, { deliver, intervalMs: 5 }));
    for (let nth = 0; nth < 200; nth++) {
      const [one, other] = [refs[nth % 5], refs[(nth * 3 + 1) % 5]] as [string, string];
      const resources = [...new Set([one, other])].map((ref) => ({ ref, name: String(nth) }));
      await write(run, { parcels: [parcel([note('x')], { resources, depth: nth % 3 })] });
    }
    await Promise.all(relays.map((relay) => relay.settled()));
    const spoken = (ref: string) =>
      Array.from({ length: 200 }, (_, nth) => nth).findLast((nth) =>
        [refs[nth % 5], refs[(nth * 3 + 1) % 5]].includes(ref),
      );
    expect(Object.fromEntries(last)).toEqual(
      Object.fromEntries(refs.map((ref) => [ref, String(spoken(ref))])),
    );
    expect(relays.flatMap(({ failures }) => failures)).toEqual([]);
  });

  test('and hold none of which they cannot have all', async () => {
    const { run } = await openOutbox();
    const [one, other] = [claimant(), claimant()];
    await write(run, { parcels: [putting({ ref: 'page/1' })] });
    expect(await claimParcels(run, one)).toHaveLength(1);
    await write(run, { parcels: [putting({ ref: 'page/2' }, { ref: 'page/1' })] });
    expect(await claimParcels(run, other)).toEqual([]);
    expect(await heldIn(run)).toEqual([{ ref: 'page/1' }]);
  });
});

describe('a parcel whose word on a resource was refused', () => {
  test('holds up no later one, and says no more what a later one has said', async () => {
    const { pool, run } = await openOutbox();
    // When it is tried again is drawn: here as late as may be, behind what is written next.
    const random = vi.spyOn(Math, 'random').mockReturnValue(0.999);
    onTestFinished(() => random.mockRestore());
    let isOpen = false;
    const { puts, deliver } = openApi(({ acl }) => {
      if (acl?.viewData?.length === 1 && !isOpen) throw refused();
    });
    const page = { ref: 'page/1', name: 'The page', acl: GRANT };
    await write(run, {
      parcels: [putting(page, { ref: 'page/2', acl: GRANT }, { ref: 'page/1', acl: GRANT })],
    });
    const relay = openRelay(pool, { deliver });
    await relay.settled();
    expect(relay.refused).toHaveLength(1);

    await write(run, { parcels: [putting({ ref: 'page/1', acl: REVOKE })] });
    await relay.settled();
    expect(puts).toEqual([{ ref: 'page/1', acl: REVOKE }]);

    isOpen = true;
    await run('update eventree_outbox.parcel set retry_at = now()', []);
    await until(async () => (await parcelsIn(run)).length === 0);
    expect(puts.slice(1)).toEqual([
      { ref: 'page/1', name: 'The page' },
      { ref: 'page/2', acl: GRANT },
    ]);
  });

  test('says once what was taken of it', async () => {
    const { pool, run } = await openOutbox();
    let isOpen = false;
    const { puts, deliver } = openApi(({ ref }) => {
      if (ref === 'page/2' && !isOpen) throw refused();
    });
    await write(run, { parcels: [putting({ ref: 'page/1', acl: GRANT }, { ref: 'page/2' })] });
    const relay = openRelay(pool, { deliver });
    await relay.settled();
    isOpen = true;
    await run('update eventree_outbox.parcel set retry_at = now()', []);
    await until(async () => (await parcelsIn(run)).length === 0);
    expect(puts).toEqual([{ ref: 'page/1', acl: GRANT }, { ref: 'page/2' }]);
  });
});

test('a parcel that waits for a call holds up no later one, and says no more what that has said', async () => {
  const { pool, run } = await openOutbox();
  const { puts, deliver } = openApi();
  const by = writer();
  const top = call();
  await openMarkers(run, { id: by.recorder, leaseMs: 60_000 }, [markerOf(top)], null);
  const below = { waitsFor: top.id, depth: 1 };
  await write(run, { parcels: [parcel([], { ...below, resources: [{ ref: 'page/1', acl: GRANT }] })] }, by);
  await write(run, { parcels: [putting({ ref: 'page/1', acl: REVOKE })] });
  const relay = openRelay(pool, { deliver });
  await relay.settled();
  // The one that stands for the call puts it too: neither waits for the other.
  const resources = [{ ref: 'page/1', name: 'The page' }];
  await write(run, { parcels: [parcel([top], { resources })], ends: [top.id] }, by);
  await relay.settled();
  expect(await parcelsIn(run)).toEqual([]);
  expect(puts).toEqual([{ ref: 'page/1', acl: REVOKE }, ...resources]);
});

describe('a relay whose claim has run out', () => {
  async function taken(run: Run, claimMs: number) {
    const by = claimant(claimMs);
    const parcels = await claimParcels(run, by);
    return { by, parcels, first: parcels[0] as TakenParcel };
  }

  test('puts nothing of a parcel that another has moved', async () => {
    const { run } = await openOutbox();
    await write(run, { parcels: [putting({ ref: 'page/1', acl: GRANT })] });
    const slow = await taken(run, 0);
    const quick = await taken(run, 30_000);
    expect(quick.parcels).toEqual(slow.parcels);
    expect(await holdPuts(run, slow.first, slow.by)).toBeNull();

    await notePuts(run, quick.first.id, quick.first.resources, []);
    await giveBack(run, quick.by.relay, []);
    expect(await holdPuts(run, slow.first, slow.by)).toEqual([]);
    await removeParcels(run, [quick.first.id]);
    await sweepLost(run);
    expect(await holdPuts(run, slow.first, slow.by)).toBeNull();
  });

  test('leaves one whose resources another is at, and does not claim it again at once', async () => {
    const { pool, run } = await openOutbox();
    const other = claimant();
    await write(run, { parcels: [putting({ ref: 'page/1' })] });
    await claimParcels(run, other);
    // As who does not tell what it puts has written it.
    await write(run, { parcels: [putting({ ref: 'page/1', name: 'later' })] });
    await run(`update eventree_outbox.parcel set puts = '{}' where id = 2`, []);
    const { puts, deliver } = openApi();
    openRelay(pool, { deliver });
    const claims: unknown[] = [];
    for (const ref of ['page/2', 'page/3']) {
      await write(run, { parcels: [putting({ ref })] });
      await until(async () => (await parcelsIn(run)).length === 2);
      claims.push(await run('select claimed_until::text from eventree_outbox.parcel where id = 2', []));
    }
    expect(puts).toEqual([{ ref: 'page/2' }, { ref: 'page/3' }]);
    expect(claims[0]).toEqual(claims[1]);
    expect(claims[0]).not.toEqual([{ claimed_until: null }]);
  });
});

test('by which parcels resources were put is forgotten when no earlier one is left', async () => {
  const { run } = await openOutbox();
  const by = claimant();
  const known = () => run('select ref from eventree_outbox.resource order by ref', []);
  await write(run, { parcels: [putting({ ref: 'page/1' }), putting({ ref: 'page/2' })] });
  const [first, second] = (await claimParcels(run, by)) as [TakenParcel, TakenParcel];
  await notePuts(run, second.id, [{ ref: 'page/2', acl: GRANT }], []);
  await sweepLost(run);
  expect(await known()).toHaveLength(2);

  // The first one is still to put something, and is refused.
  await removeParcels(run, [second.id]);
  await giveBack(run, by.relay, []);
  await markRefused(run, first.id, 'no', 60_000);
  await sweepLost(run);
  expect(await known()).toEqual([{ ref: 'page/2' }]);

  await notePuts(run, first.id, first.resources, []);
  await sweepLost(run);
  expect(await known()).toEqual([]);
});

test('what no API takes for a resource fails no transaction', async () => {
  const { run } = await openOutbox();
  const refs = ['page/\0', `page/${'x'.repeat(100_000)}`, 'page/\ud800', 'page/1'];
  await write(run, { parcels: [putting(...refs.map((ref) => ({ ref })))] });
  const [taken] = await claimParcels(run, claimant());
  expect(taken?.resources.map(({ ref }) => ref)).toEqual(refs);
  expect(await heldIn(run)).toEqual([{ ref: 'page/1' }]);
});
