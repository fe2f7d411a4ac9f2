/** Each limit of recording has its outcome: a code, and a sentence that says what to do. */
import { v7 } from 'uuid';
import { describe, expect, test, vi } from 'vitest';
import { unique, worldForFile } from '../support/world.ts';
import { type Input, newJournal, recorderOf, refusalOf } from './support/recorder.ts';

const world = worldForFile({
  environment: {
    EVENTREE_MAX_BATCH_EVENTS: '4',
    EVENTREE_MAX_TREE_EVENTS: '6',
    EVENTREE_MAX_TREE_DEPTH: '3',
    EVENTREE_MAX_EVENT_BYTES: '1024',
    EVENTREE_MAX_MESSAGE_CHARS: '50',
    EVENTREE_MAX_CLOCK_SKEW_MS: '60000',
    EVENTREE_MAX_PENDING_EVENTS: '100',
  },
});
const { one, record, refusal, journal: all, attribute, type, resource } = recorderOf(world);

const note: Input = { type: 'note' };
const notes = (count: number): Input[] => Array.from({ length: count }, () => note);
const nested = (levels: number): Input => (levels === 1 ? note : { ...note, children: [nested(levels - 1)] });

interface Limit {
  readonly fits: readonly Input[];
  readonly exceeds: readonly Input[];
  readonly code?: string;
  readonly says: string;
  readonly at?: string;
}

const LIMITS: Readonly<Record<string, Limit>> = {
  'events of a batch': {
    fits: notes(4),
    exceeds: notes(5),
    says: 'A batch holds at most 4 events, children not counted: send several.',
  },
  'events of a mutation': {
    fits: [note, { ...note, children: notes(4) }],
    exceeds: [note, { ...note, children: notes(5) }],
    says: 'A mutation records at most 6 events, children counted: send several.',
    at: 'input[1].children[4]',
  },
  'levels of a tree': {
    fits: [nested(3)],
    exceeds: [nested(4)],
    says: 'A tree has at most 3 levels.',
    at: 'input[0].children[0].children[0].children[0]',
  },
  'bytes of attributes and payloads': {
    // Two quotes around each, and the attributes' two brackets.
    fits: [{ ...note, payload: 'x'.repeat(500), privatePayload: 'é'.repeat(259) }],
    exceeds: [{ ...note, payload: 'x'.repeat(500), privatePayload: 'é'.repeat(260) }],
    says: 'The event’s attributes and payloads are 1026 bytes of JSON, more than 1024: keep large content elsewhere and refer to it.',
    at: 'input[0]',
  },
  'characters of a message': {
    fits: [{ ...note, message: 'x'.repeat(50) }],
    exceeds: [{ ...note, message: 'x'.repeat(51) }],
    says: 'The message is longer than 50 characters: long text belongs into the payload.',
    at: 'input[0]',
  },
  'characters of a sessionId': {
    fits: [{ ...note, sessionId: 'x'.repeat(255) }],
    exceeds: [{ ...note, sessionId: 'x'.repeat(256) }],
    says: 'The sessionId is longer than 255 characters.',
    at: 'input[0]',
  },
  'characters of a correlationId': {
    fits: [{ ...note, correlationId: 'x'.repeat(255) }],
    exceeds: [{ ...note, correlationId: 'x'.repeat(256) }],
    says: 'The correlationId is longer than 255 characters.',
    at: 'input[0]',
  },
};

describe('there are limits for', () => {
  for (const [what, { fits, exceeds, says, at }] of Object.entries(LIMITS)) {
    test(what, async () => {
      const journal = newJournal();
      const into = (input: readonly Input[]) => input.map((event) => ({ ...event, journal }));
      await record(into(fits));
      const held = (await all(journal)).length;
      const place = at === undefined ? {} : { at, index: Number(at.slice(6, 7)) };
      expect(await refusal(into(exceeds))).toEqual({ code: 'LIMIT_EXCEEDED', message: says, ...place });
      expect(await all(journal)).toHaveLength(held);
    });
  }

  test('a message that a template makes', async () => {
    await attribute({ name: 'long', kind: 'STRING' });
    await type({
      name: 'long.told',
      category: 'USER',
      messageTemplate: '{long}',
      attributes: [{ name: 'long' }],
    });
    const long = { type: 'long.told', attributes: { long: 'x'.repeat(51) } };
    expect(await refusal([long])).toMatchObject({ code: 'LIMIT_EXCEEDED', at: 'input[0]' });
  });

  test('levels of a tree that grows', async () => {
    const journal = newJournal();
    let parentId: string | undefined;
    for (let level = 1; level <= 3; level++) parentId = (await one({ ...note, journal, parentId })).id;
    expect(await refusal([{ ...note, journal, parentId }])).toEqual({
      code: 'LIMIT_EXCEEDED',
      message: 'A tree has at most 3 levels.',
      index: 0,
      at: 'input[0]',
    });
  });

  test('characters of claims and references', async () => {
    await one({
      ...note,
      message: 'x',
      actor: `user/${'x'.repeat(295)}`,
      resource: `page/${'x'.repeat(495)}`,
    });
    for (const [field, value] of [
      ['actor', `user/${'x'.repeat(296)}`],
      ['activeClaim', `user/${'x'.repeat(296)}`],
      ['resource', `page/${'x'.repeat(496)}`],
    ] as const) {
      expect((await refusal([{ ...note, [field]: value }])).code, field).toBe('BAD_USER_INPUT');
    }
  });

  test('claims of an ACL', async () => {
    const claims = (count: number) => Array.from({ length: count }, (_, nth) => `user/${nth}`);
    await resource({ ref: unique('page/shared'), acl: { viewData: claims(999), owners: ['user/ann'] } });
    const query = `mutation ($input: PutResourceInput!) { putResource(input: $input) { ref } }`;
    const input = { ref: unique('page/shared'), acl: { viewData: claims(1_000), owners: ['user/ann'] } };
    expect(refusalOf(await world().send(query, { input }))).toEqual({
      code: 'LIMIT_EXCEEDED',
      message: 'An ACL names at most 1000 claims: give rights to groups.',
    });
  });

  test('the time in an id: not of the future, but for what clocks differ by', async () => {
    await one({ ...note, id: v7({ msecs: Date.now() + 50_000 }) });
    const id = v7({ msecs: Date.now() + 120_000 });
    expect(await refusal([{ ...note, id }])).toMatchObject({
      code: 'BAD_USER_INPUT',
      message: expect.stringMatching(
        `^The time in the id ${id} lies in the future \\(.*Z\\): check the clock.$`,
      ),
    });
  });

  test('names of journals', async () => {
    for (const journal of ['', 'Main', 'a b', '-a', 'x'.repeat(64), 'é']) {
      expect(await refusal([{ ...note, journal }]), journal).toMatchObject({ code: 'BAD_USER_INPUT' });
    }
    await one({ ...note, journal: 'x'.repeat(63) });
  });
});

test('there are as many journals as may be', async () => {
  const { rows } = await world().db.query('select count(*)::int as journals from journal');
  const most = rows[0].journals + 1;
  const server = await world().addServer({ EVENTREE_MAX_JOURNALS: String(most) });
  const journal = newJournal();
  await one({ ...note, journal }, { server });
  expect(await refusal([{ ...note, journal: newJournal() }], { server })).toEqual({
    code: 'LIMIT_EXCEEDED',
    message: `There are ${most} journals, the most there may be.`,
  });
  await one({ ...note, journal }, { server });
});

test('what waits to be written is bounded: more is refused as UNAVAILABLE, and nothing is lost', async () => {
  const journal = newJournal();
  await one({ ...note, journal });
  const holder = await world().db.connect();
  try {
    await holder.query('begin');
    await holder.query('select from journal where name = $1 for update', [journal]);
    const waiting = Array.from({ length: 100 }, () => one({ ...note, journal }));
    for (const each of waiting) each.catch(() => {});
    const query = `mutation ($input: RecordEventInput!) { recordEvent(input: $input) { event { id } } }`;
    // The requests above are on their way: this one is refused as soon as they wait.
    const id = v7();
    const probe = async () => {
      const { rows } = await world().db.query(
        "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
      );
      return rows.length > 0 && (await pendingEvents()) === 100;
    };
    await vi.waitUntil(probe, { timeout: 20_000, interval: 10 });
    expect(refusalOf(await world().send(query, { input: { ...note, id, journal } }))).toEqual({
      code: 'UNAVAILABLE',
      message: 'Too many events are waiting to be written: try again in a moment.',
    });
    await holder.query('rollback');
    await Promise.all(waiting);
    await one({ ...note, id, journal });
    expect(await all(journal)).toHaveLength(102);
  } finally {
    holder.release();
  }
});

async function pendingEvents(): Promise<number> {
  const metrics = await (await fetch(`${world().servers[0]?.url}/metrics`)).text();
  return Number(/^eventree_\w*pending\w*(?:\{.*\})? (\d+)$/m.exec(metrics)?.[1]);
}
