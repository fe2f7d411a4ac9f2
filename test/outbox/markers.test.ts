import { randomUUID } from 'node:crypto';
import { describe, expect, test, vi } from 'vitest';
import type { PlacedEvent } from '../../src/outbox/parcel.ts';
import { runOn } from '../../src/outbox/statement.ts';
import {
  type Answer,
  openWorld,
  type SendOptions,
  unique,
  type World,
  worldForFile,
} from '../support/world.ts';
import { call, markerOf, markersIn, note, parcelsIn } from './support/outbox.ts';

const PATIENCE = { timeout: 20_000, interval: 20 };
const OPEN = 'mutation ($input: OpenMarkersInput!) { openMarkers(input: $input) { recorder open } }';
const RENEW =
  'mutation ($recorder: ID!, $leaseMs: Int!) { renewMarkers(recorder: $recorder, leaseMs: $leaseMs) { open } }';
const CLOSE =
  'mutation ($recorder: ID!, $ids: [ID!]!) { closeMarkers(recorder: $recorder, ids: $ids) { open } }';
const RECORD = 'mutation ($input: RecordEventInput!) { recordEvent(input: $input) { event { id } } }';
const EVENT =
  'query ($id: ID!) { event(id: $id) { type { name } severity category actor resource { ref } attributes parent { id } } }';

/** What marks a call: its event as it would be lost. */
const lostOf = (event: PlacedEvent) => ({ event: markerOf(event).event });
const lease = <Marker extends object>(markers: readonly Marker[], more: object = {}) => ({
  input: { recorder: randomUUID(), leaseMs: 60_000, markers, ...more },
});
const codeOf = ({ errors }: Answer) => errors?.[0]?.extensions.code;

/** As if the recorder had been silent for as long as its lease is. */
async function passLeases({ db }: World): Promise<void> {
  await db.query('update eventree_outbox.recorder set expires_at = now()');
}

describe('markers by the API', () => {
  const world = worldForFile();
  const as = async (subject: string): Promise<SendOptions> => ({ token: await world().token({ subject }) });
  const marked = () => markersIn(runOn(world().db));
  const seen = async (id: string, options: SendOptions) => (await world().ask(EVENT, { id }, options)).event;

  test('become the events that they hold when their lease has ended, readable by who could have read the call', async () => {
    const [teller, jane, viewer, stranger] = (await Promise.all(
      ['teller', 'jane', 'viewer', 'stranger'].map(as),
    )) as [SendOptions, SendOptions, SendOptions, SendOptions];
    const account = unique('account').replace('-', '/');
    await world().ask('mutation ($input: PutResourceInput!) { putResource(input: $input) { ref } }', {
      input: { ref: account, acl: { editData: ['user/teller'], viewData: ['user/viewer'] } },
    });
    const onAccount = call({
      resource: account,
      actor: 'user/somebody',
      attributes: { function: 'transfer', params: { amount: 1 } },
    });
    const ofJane = call({ actor: 'user/jane', parentId: onAccount.id });
    const markers = [lostOf(onAccount), { ...lostOf(ofJane), waitsFor: onAccount.id, depth: 1 }];
    const { openMarkers } = await world().ask(OPEN, lease(markers), teller);
    expect(openMarkers.open).toBe(2);
    expect(await seen(onAccount.id, viewer)).toBeNull();

    await passLeases(world());
    await vi.waitUntil(async () => (await seen(ofJane.id, jane)) !== null, PATIENCE);
    expect(await seen(onAccount.id, viewer)).toEqual({
      type: { name: 'call_lost' },
      severity: 'HIGH',
      category: 'ALARM',
      actor: 'user/somebody',
      resource: { ref: account },
      attributes: onAccount.attributes,
      parent: null,
    });
    expect(await seen(ofJane.id, {})).toMatchObject({ parent: { id: onAccount.id }, actor: 'user/jane' });
    expect(await seen(onAccount.id, stranger)).toBeNull();
    expect(await seen(ofJane.id, stranger)).toBeNull();
    expect(await seen(ofJane.id, viewer)).toBeNull();
    const { rows } = await world().db.query('select recorded_by from event where id = any($1)', [
      [onAccount.id, ofJane.id],
    ]);
    expect(rows).toEqual([{ recorded_by: 'user/teller' }, { recorded_by: 'user/teller' }]);
    expect(await marked()).toEqual([]);
  });

  test('are removed with the call that is recorded, and with those that are not kept', async () => {
    const teller = await as('teller');
    const [kept, dropped, open] = [call(), call(), call()] as const;
    const { input } = lease([kept, dropped, open].map(lostOf));
    await world().ask(OPEN, { input }, teller);
    await world().ask(RECORD, { input: kept }, teller);
    expect((await marked()).toSorted()).toEqual([dropped.id, open.id].toSorted());
    const { closeMarkers } = await world().ask(
      CLOSE,
      { recorder: input.recorder, ids: [dropped.id, call().id] },
      teller,
    );
    expect(closeMarkers.open).toBe(1);
    expect(await marked()).toEqual([open.id]);
    await world().ask(CLOSE, { recorder: input.recorder, ids: [open.id] }, teller);
  });

  test('stay open as long as the recorder says that it is alive', async () => {
    const teller = await as('teller');
    const { input } = lease([lostOf(call())], { leaseMs: 1_000 });
    await world().ask(OPEN, { input }, teller);
    await world().ask(RENEW, { recorder: input.recorder, leaseMs: 600_000 }, teller);
    const { rows } = await world().db.query(
      'select max(expires_at) > now() + $1::interval as long from eventree_outbox.recorder',
      ['590 s'],
    );
    expect(rows).toEqual([{ long: true }]);
    await world().ask(CLOSE, { recorder: input.recorder, ids: [input.markers[0]?.event.id] }, teller);
  });

  test('are their subject’s own: no other closes them, or keeps them open', async () => {
    const [teller, thief] = [await as('teller'), await as('thief')];
    const own = call();
    const { input } = lease([lostOf(own)]);
    await world().ask(OPEN, { input }, teller);
    const closed = await world().ask(CLOSE, { recorder: input.recorder, ids: [own.id] }, thief);
    expect(closed.closeMarkers.open).toBe(0);
    expect(await marked()).toEqual([own.id]);

    await passLeases(world());
    await world().ask(RENEW, { recorder: input.recorder, leaseMs: 600_000 }, thief);
    await vi.waitUntil(async () => (await marked()).length === 0, PATIENCE);
  });

  test.each([
    ['without a token', 'UNAUTHENTICATED', lease([lostOf(call())]), { token: null }],
    ['with a lease that is too short', 'BAD_USER_INPUT', lease([lostOf(call())], { leaseMs: 999 }), {}],
    ['with a lease that is too long', 'BAD_USER_INPUT', lease([lostOf(call())], { leaseMs: 600_001 }), {}],
    ['for a recorder without a UUID', 'BAD_USER_INPUT', lease([], { recorder: 'me' }), {}],
    ['without an id', 'BAD_USER_INPUT', lease([{ event: { type: 'call_lost' } }]), {}],
    [
      'of an id of another kind',
      'BAD_USER_INPUT',
      lease([{ event: { type: 'note', id: randomUUID() } }]),
      {},
    ],
    [
      'of an unknown type',
      'UNKNOWN_EVENT_TYPE',
      lease([lostOf(call()), { event: note('x', { type: 'nothing' }) }]),
      {},
    ],
    [
      'with an attribute of another kind',
      'ATTRIBUTE_KIND_MISMATCH',
      lease([lostOf(call({ attributes: { function: 1 } }))]),
      {},
    ],
    [
      'with what the server alone records',
      'FORBIDDEN',
      lease([{ event: { id: call().id, type: 'acl_change' } }]),
      {},
    ],
    ['with children', 'BAD_USER_INPUT', lease([{ event: { ...call(), children: [{ type: 'note' }] } }]), {}],
    [
      'that waits for what is no event',
      'BAD_USER_INPUT',
      lease([{ ...lostOf(call()), waitsFor: 'nothing' }]),
      {},
    ],
    [
      'that waits for another and is not below it',
      'BAD_USER_INPUT',
      lease([{ ...lostOf(call()), waitsFor: call().id }]),
      {},
    ],
    ['at a depth below 0', 'BAD_USER_INPUT', lease([{ ...lostOf(call()), depth: -1 }]), {}],
    ['of more than 1,000', 'LIMIT_EXCEEDED', lease(Array.from({ length: 1_001 }, () => lostOf(call()))), {}],
  ])('are not opened %s: %s', async (_, code, variables, options) => {
    const before = await marked();
    expect(codeOf(await world().send(OPEN, variables, options))).toBe(code);
    expect(await marked()).toEqual(before);
  });

  test('are not opened on what may not be recorded on, or under an id that is taken, which is named', async () => {
    const teller = await as('teller');
    const vault = unique('vault').replace('-', '/');
    await world().ask('mutation ($ref: ResourceRef!) { putResource(input: { ref: $ref }) { ref } }', {
      ref: vault,
    });
    const refused = await world().send(
      OPEN,
      lease([lostOf(call()), lostOf(call({ resource: vault }))]),
      teller,
    );
    expect(refused.errors).toMatchObject([{ extensions: { code: 'NOT_FOUND', index: 1 } }]);
    const taken = note('there');
    await world().ask(RECORD, { input: taken });
    expect(codeOf(await world().send(OPEN, lease([lostOf({ ...call(), id: taken.id })]), teller))).toBe(
      'ID_CONFLICT',
    );
  });

  test('may be of calls in several journals', async () => {
    const teller = await as('teller');
    const { input } = lease([lostOf(call({ journal: 'one' })), lostOf(call({ journal: 'two' }))]);
    const { openMarkers } = await world().ask(OPEN, { input }, teller);
    expect(openMarkers.open).toBe(2);
    await world().ask(
      CLOSE,
      { recorder: input.recorder, ids: input.markers.map(({ event }) => event.id) },
      teller,
    );
  });

  test.each([
    [RENEW, { recorder: randomUUID(), leaseMs: 1_000 }],
    [CLOSE, { recorder: randomUUID(), ids: [] }],
  ])('are not kept up or closed without a token: %s', async (mutation, variables) => {
    expect(codeOf(await world().send(mutation, variables, { token: null }))).toBe('UNAUTHENTICATED');
  });

  test('are kept up and closed for a recorder with a UUID, within bounds', async () => {
    const sent = [
      world().send(RENEW, { recorder: 'me', leaseMs: 1_000 }),
      world().send(RENEW, { recorder: randomUUID(), leaseMs: 0 }),
      world().send(CLOSE, { recorder: 'me', ids: [] }),
    ];
    expect((await Promise.all(sent)).map(codeOf)).toEqual(Array(3).fill('BAD_USER_INPUT'));
    const many = Array.from({ length: 1_001 }, () => call().id);
    expect(codeOf(await world().send(CLOSE, { recorder: randomUUID(), ids: many }))).toBe('LIMIT_EXCEEDED');
  });
});

test('a token that was revoked on another server a moment ago opens none', async () => {
  const world = await openWorld({ servers: 2 });
  const [server, other] = world.servers as [World['servers'][number], World['servers'][number]];
  const token = await world.token({ subject: 'gone', ageSeconds: 60 });
  const revoke = 'mutation { revokeTokens(input: { subject: "user/gone" }) { subject } }';
  await world.ask(revoke, {}, { server: other });
  expect(codeOf(await world.send(OPEN, lease([lostOf(call())]), { token, server }))).toBe('UNAUTHENTICATED');
});

test('what was marked by a token that is revoked is not recorded', async () => {
  const world = await openWorld({ environment: { EVENTREE_LOG_LEVEL: 'fatal' } });
  const run = runOn(world.db);
  const [stolen, kept] = [call(), call()];
  const token = await world.token({ subject: 'gone', ageSeconds: 60 });
  await world.ask(OPEN, lease([lostOf(stolen)]), { token });
  await world.ask(OPEN, lease([lostOf(kept)]), { token: await world.token({ subject: 'teller' }) });
  await world.ask('mutation { revokeTokens(input: { subject: "user/gone" }) { subject } }');
  await passLeases(world);
  await vi.waitUntil(async () => (await markersIn(run)).length === 0, PATIENCE);
  await vi.waitUntil(async () => (await parcelsIn(run)).every(({ error }) => error !== null), PATIENCE);
  expect(await parcelsIn(run)).toMatchObject([{ error: expect.stringMatching(/^UNAUTHENTICATED: /) }]);
  const { rows } = await world.db.query('select id from event where id = any($1)', [[stolen.id, kept.id]]);
  expect(rows).toEqual([{ id: kept.id }]);
});

test('a subject has as many markers open as it may, those counted that are lost and cannot be recorded', async () => {
  const world = await openWorld({ environment: { EVENTREE_MAX_MARKERS: '3', EVENTREE_LOG_LEVEL: 'fatal' } });
  const run = runOn(world.db);
  const teller = { token: await world.token({ subject: 'teller' }) };
  const other = { token: await world.token({ subject: 'other' }) };
  const type = unique('passing');
  await world.ask(
    'mutation ($name: String!) { defineEventType(input: { name: $name, category: STATE }) { name } }',
    {
      name: type,
    },
  );
  const lost = [{ event: note('x', { type }) }, { event: note('y', { type }) }];
  await world.ask(OPEN, lease(lost), teller);
  expect(codeOf(await world.send(OPEN, lease([lostOf(call()), lostOf(call())]), teller))).toBe(
    'LIMIT_EXCEEDED',
  );
  await world.ask(OPEN, lease([lostOf(call()), lostOf(call())]), other);

  // Their recorder is gone, and the type is no more, so they are refused.
  await world.db.query('delete from event_type where name = $1', [type]);
  await world.db.query('update installation set registry_version = registry_version + 1');
  await world.db.query(
    'delete from eventree_outbox.recorder where id in (select recorder from eventree_outbox.marker where author->>$1 = $2)',
    ['subject', 'user/teller'],
  );
  await vi.waitUntil(
    async () => (await parcelsIn(run)).filter(({ error }) => error !== null).length === 2,
    PATIENCE,
  );
  expect(await markersIn(run)).toHaveLength(2);
  expect(codeOf(await world.send(OPEN, lease([lostOf(call()), lostOf(call())]), teller))).toBe(
    'LIMIT_EXCEEDED',
  );
  await world.ask(OPEN, lease([lostOf(call())]), teller);
});
