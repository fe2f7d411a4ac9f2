/** News as they come from a broker, by the rooms themselves: what cannot be understood, and what is said before a token ends. */
import { expect, onTestFinished, test, vi } from 'vitest';
import { NOBODY } from '../../src/access/acl.ts';
import type { Claim } from '../../src/access/claim.ts';
import type { ResourceRef } from '../../src/access/resource-ref.ts';
import { createAclChange } from '../../src/events/acl-change.ts';
import { ACL_CHANGE, TOKEN_REVOCATION } from '../../src/events/builtin.ts';
import type { Event, EventId, SeenEvent } from '../../src/events/event.ts';
import type { Journal } from '../../src/events/journal.ts';
import type { UnjudgedEvent } from '../../src/events/read.ts';
import { type Broker, createMemoryBroker } from '../../src/live/broker.ts';
import type { Delivery } from '../../src/live/delivery.ts';
import { follow } from '../../src/live/follow.ts';
import { startLive } from '../../src/live/live.ts';
import type { Wording } from '../../src/live/wording.ts';
import { heartForFile, principal, ROOT } from '../properties/support/heart.ts';

const heart = heartForFile();
const NEVER_MS = 3_600_000;
/** More than are put into words at a time. */
const MANY = 90;

const ID_KEY = new Uint8Array(32);
const LIMITS = {
  ...{ maxBatchEvents: 10, maxTreeEvents: 10, maxTreeDepth: 10 },
  ...{ maxEventBytes: 100_000, maxMessageChars: 1_000, maxClockSkewMs: 10_000 },
};

/** Messages as texts of the ids of their events. */
const SHARED: Wording = {
  ...{ key: '', shared: true, unit: 'delivery' },
  word: (delivery) => JSON.stringify(idsOf(delivery)),
};
const PERSONAL: Wording = {
  ...{ key: '', shared: false, unit: 'event' },
  word: async (delivery) => JSON.stringify(idsOf(delivery)),
};

function idsOf({ events }: Delivery): EventId[] {
  return events.map(({ event }) => event.id);
}

/** A stream of a node that hears of events by its broker alone, and what it has got so far. */
async function openStream(
  broker: Broker,
  onError: (error: unknown) => void,
  { wording = SHARED, principal = ROOT } = {},
) {
  const { database, reader } = heart();
  const live = startLive({
    ...{ database, reader, broker, onError },
    ...{ checkpointIntervalMs: NEVER_MS, pollIntervalMs: NEVER_MS },
  });
  onTestFinished(() => live.stop());
  const got: EventId[] = [];
  const told: EventId[][] = [];
  const stream = follow(
    { live, reader, checkpointIntervalMs: NEVER_MS },
    {
      ...{ journal: 'main', filter: await reader.filter(null), filterText: '', after: 'now', maxBatch: 100 },
      ...{ principal, wording },
      wire: {
        push(payload) {
          told.push(JSON.parse(payload.toString()));
          got.push(...(told.at(-1) ?? []));
          return true;
        },
        reserve: () => true,
        free: () => {},
        whenDrained: (callback) => {
          setImmediate(callback);
          return () => {};
        },
      },
    },
    new AbortController().signal,
  );
  expect((await stream.next()).value).toMatchObject({ live: true });
  void (async () => {
    for await (const delivery of stream) got.push(...idsOf(delivery));
  })().catch(onError);
  return { got, told };
}

/** A stream of everything, and what its node hears by. */
async function openListener() {
  const { reader, journals } = heart();
  const journal = await journals.findOrCreate('main');
  const { head } = await reader.state(journal);
  const broker = createMemoryBroker();
  const errors: unknown[] = [];
  const stream = await openStream(broker, (error) => errors.push(error));
  return { reader, journal, head, broker, errors, ...stream };
}

function record(count: number): Promise<SeenEvent[]> {
  const events = Array.from({ length: count }, () => ({ journal: 'main', type: 'note' }));
  return heart().recording.record(events, ROOT);
}

/** Tells of events as the node does that recorded them. */
function announce(broker: Broker, journal: Journal, events: readonly UnjudgedEvent[]): void {
  const firstPosition = events[0]?.event.position ?? expect.fail();
  broker.announce({ journal, events, firstPosition, registryVersion: heart().registry.current().version });
}

test('an event that nobody can make sense of keeps none of those before it, nor of those after', async () => {
  const { reader, journal, head, broker, errors, got, told } = await openListener();

  const first = await record(2);
  const [one, other] = await reader.unjudged(journal, head + 1, head + 2);
  if (one === undefined || other === undefined) expect.fail();
  const strange: Event = { ...other.event, type: ACL_CHANGE, attributes: {} };
  announce(broker, journal, [one, { ...other, event: strange }]);
  await vi.waitUntil(() => errors.length > 0, { timeout: 10_000 });

  const later = await record(1);
  announce(broker, journal, await reader.unjudged(journal, head + 3, head + 3));
  const all = [...first, ...later].map(({ event }) => event.id);
  await vi.waitUntil(() => got.length >= all.length, { timeout: 10_000 });
  expect(got).toEqual(all);

  const last = await record(2);
  announce(broker, journal, await reader.unjudged(journal, head + 4, head + 5));
  await vi.waitUntil(() => got.length >= all.length + 2, { timeout: 10_000 });
  expect(told.at(-1)).toEqual(last.map(({ event }) => event.id));
  expect(errors).toHaveLength(1);
});

test('nor does one that comes alone', async () => {
  const { reader, journal, head, broker, errors, got } = await openListener();

  const recorded = await record(1);
  const [one = expect.fail()] = await reader.unjudged(journal, head + 1, head + 1);
  announce(broker, journal, [{ ...one, event: { ...one.event, type: ACL_CHANGE, attributes: {} } }]);
  await vi.waitUntil(() => errors.length > 0, { timeout: 10_000 });

  // Of these, only the last is told of: what comes before it is read with what made no sense.
  recorded.push(...(await record(2)));
  announce(broker, journal, await reader.unjudged(journal, head + 3, head + 3));
  await vi.waitUntil(() => got.length >= 3, { timeout: 10_000 });
  expect(got).toEqual(recorded.map(({ event }) => event.id));
  expect(errors).toHaveLength(1);
});

test('who sees a change of rights and loses sight by it is told both in one message', async () => {
  const { database, registry, resources, recording, reader, journals } = heart();
  const ref = 'page/changing' as ResourceRef;
  const jane: Claim[] = ['user/jane' as Claim];
  await resources.create(ref, null, { ...NOBODY, viewData: jane }, ROOT);
  await recording.record([{ journal: 'main', type: 'note', resource: ref }], ROOT);
  const journal = await journals.findOrCreate('main');
  const { head } = await reader.state(journal);
  const broker = createMemoryBroker();
  const { told } = await openStream(broker, (error) => expect.fail(String(error)), {
    wording: { ...SHARED, word: (delivery) => JSON.stringify([...idsOf(delivery), ...delivery.hidden]) },
    principal: principal(jane),
  });

  // What it announces does not reach this node.
  const changeAcl = createAclChange({
    database,
    registry,
    limits: LIMITS,
    idKey: ID_KEY,
    announce: () => {},
  });
  await changeAcl(ref, NOBODY, ROOT);
  await changeAcl(ref, { ...NOBODY, viewAcl: jane }, ROOT);
  // News of the first is lost. It is read from the journal, and judged by the ACL of now: she may see it again.
  const changes = await reader.unjudged(journal, head + 1, head + 2);
  announce(broker, journal, changes.slice(1));
  await vi.waitUntil(() => told.length >= 2, { timeout: 10_000 });
  const [lost, regained] = changes.map(({ event }) => event.id);
  expect(told).toEqual([[lost, ref], [regained]]);
});

test('all that comes before the revocation of a token is told, also what waits to be put into words', async () => {
  const { reader, journals } = heart();
  const journal = await journals.findOrCreate('main');
  const { head } = await reader.state(journal);
  const broker = createMemoryBroker();
  const { told } = await openStream(broker, (error) => expect.fail(String(error)), {
    wording: PERSONAL,
    principal: { ...ROOT, issuedAt: Date.now() },
  });

  const recorded = await record(MANY + 1);
  const events = await reader.unjudged(journal, head + 1, head + MANY + 1);
  const last = events.pop() ?? expect.fail();
  const attributes = {
    token_subject: ROOT.subject,
    token_issued_before: new Date(Date.now() + NEVER_MS).toISOString(),
  };
  const revocation: Event = { ...last.event, type: TOKEN_REVOCATION, attributes };
  announce(broker, journal, [...events, { ...last, event: revocation }]);
  await vi.waitUntil(() => told.length >= MANY, { timeout: 10_000 });
  expect(told.flat().slice(0, MANY)).toEqual(recorded.slice(0, MANY).map(({ event }) => event.id));
});
