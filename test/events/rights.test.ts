/**
 * Who may record about what: recording about a resource takes `editData`; who names one first owns it. And who sees
 * an event beside those whom the ACL of its resource lets see it.
 */
import { describe, expect, onTestFinished, test } from 'vitest';
import { RIGHTS } from '../../src/access/acl.ts';
import { openDatabase } from '../../src/db/database.ts';
import { indexNext } from '../../src/events/index/indexer.ts';
import { openRegistry } from '../../src/events/registry-store.ts';
import { type Answer, type Stream, unique, worldForFile } from '../support/world.ts';
import { newJournal, recorderOf, refusalOf } from './support/recorder.ts';

const world = worldForFile();
const { one, record, refusal, journal: all, resource, as } = recorderOf(world);

const ACL = RIGHTS.join(' ');
const LOOK = `query ($ref: ResourceRef!) { resource(ref: $ref) { ref name acl { ${ACL} } } }`;
const SET_ACL = `mutation ($ref: ResourceRef!, $acl: AclInput!) { setResourceAcl(ref: $ref, acl: $acl) { ref } }`;
const nobody = Object.fromEntries(RIGHTS.map((right) => [right, []]));

describe('a resource that an event names first', () => {
  test('is created with the recorder as its owner, and nobody else in its ACL', async () => {
    const ref = unique('page/new');
    await one({ type: 'note', resource: ref, actor: 'user/bob' }, await as('ann', 'red'));
    const { resource: made } = await world().ask(LOOK, { ref });
    expect(made).toEqual({ ref, name: null, acl: { ...nobody, owners: ['user/ann'] } });
  });

  test('belongs to one recorder where two name it at once', async () => {
    const ref = unique('page/race');
    const query = `mutation ($input: [RecordEventInput!]!) { recordEvents(input: $input) { events { id } } }`;
    const who = await Promise.all(['ann', 'bob', 'eve', 'kim'].map((subject) => as(subject)));
    const answers = await Promise.all(
      who.map((token) => world().send(query, { input: [{ type: 'note', resource: ref }] }, token)),
    );
    const refused = answers.filter(({ errors }) => errors !== undefined);
    expect(refused).toHaveLength(3);
    for (const answer of refused) expect(refusalOf(answer).code).toBe('NOT_FOUND');
    const { resource: made } = await world().ask(LOOK, { ref });
    expect(made.acl.owners).toHaveLength(1);
  });

  test('is named by several events of a batch, and created once', async () => {
    const ref = unique('page/batch');
    const input = [1, 2, 3].map((nth) => ({ type: 'note', message: `${nth}`, resource: ref }));
    expect(await record(input, await as('ann'))).toHaveLength(3);
  });

  test('is created by nobody who has no token', async () => {
    const ref = unique('page/anonymous');
    expect(await refusal([{ type: 'note', resource: ref }], { token: null })).toMatchObject({
      code: 'UNAUTHENTICATED',
      message: 'Recording takes a token: send it as "authorization: Bearer <token>".',
    });
    expect((await world().ask(LOOK, { ref })).resource).toBeNull();
  });
});

describe('recording about a resource', () => {
  const outcome: Readonly<Record<string, string>> = {
    owners: 'recorded',
    editAcl: 'recorded',
    editData: 'recorded',
    viewAcl: 'FORBIDDEN',
    viewData: 'FORBIDDEN',
    viewMeta: 'FORBIDDEN',
    // None of these lets one see it.
    editMeta: 'NOT_FOUND',
    manage: 'NOT_FOUND',
    delete: 'NOT_FOUND',
  };
  for (const [right, expected] of Object.entries(outcome)) {
    test(`with the right ${right} alone: ${expected}`, async () => {
      const ref = unique('page/held');
      const journal = newJournal();
      await resource({ ref, acl: { owners: ['user/bob'], [right]: ['group/red'] } });
      const input = [{ journal, type: 'note', resource: ref }];
      const ann = await as('ann', 'red');
      if (expected === 'recorded') await record(input, ann);
      else expect(await refusal(input, ann)).toMatchObject({ code: expected, index: 0, at: 'input[0]' });
      expect(await all(journal)).toHaveLength(expected === 'recorded' ? 1 : 0);
    });
  }

  test('is open to who has no token where the ACL says so', async () => {
    const ref = unique('page/open');
    await resource({ ref, acl: { editData: ['group/anonymous'] } });
    const event = await one({ type: 'note', resource: ref }, { token: null });
    expect(event.actor).toBe('group/anonymous');
  });

  test('is refused from the moment the right is taken away', async () => {
    const ref = unique('page/taken');
    const ann = await as('ann');
    await one({ type: 'note', resource: ref }, ann);
    await world().ask(SET_ACL, { ref, acl: { owners: ['user/bob'] } });
    expect(await refusal([{ type: 'note', resource: ref }], ann)).toMatchObject({ code: 'NOT_FOUND' });
    await world().ask(SET_ACL, { ref, acl: { owners: ['user/bob'], editData: ['user/ann'] } });
    await one({ type: 'note', resource: ref }, ann);
  });

  test('that is refused does not tell one that is hidden from one of somebody else’s', async () => {
    const ref = unique('page/hidden');
    await resource({ ref, acl: { owners: ['user/bob'] } });
    expect((await refusal([{ type: 'note', resource: ref }], await as('ann'))).message).toBe(
      `There is no resource ${ref} that you could record on.`,
    );
  });
});

describe('an event without a resource', () => {
  test('is recorded by who has a token, and seen by its actor and group/admin', async () => {
    const { id } = await one({ type: 'note', actor: 'user/bob' }, await as('ann'));
    const seen = async (who: object) =>
      (await world().ask(`query ($id: ID!) { event(id: $id) { id } }`, { id }, who)).event !== null;
    expect([
      await seen(await as('bob')),
      await seen({}),
      await seen(await as('ann')),
      await seen({ token: null }),
    ]).toEqual([true, true, false, false]);
  });

  test('is not recorded by who has none', async () => {
    expect(await refusal([{ type: 'note' }], { token: null })).toMatchObject({ code: 'UNAUTHENTICATED' });
  });

  test('tells who recorded it, whoever it says caused it', async () => {
    const query = `mutation ($input: RecordEventInput!) { recordEvent(input: $input) { event { actor recordedBy } } }`;
    const { recordEvent } = await world().ask(
      query,
      { input: { type: 'note', actor: 'user/bob' } },
      await as('ann'),
    );
    expect(recordEvent.event).toEqual({ actor: 'user/bob', recordedBy: 'user/ann' });
  });
});

describe('an event that its actor sees', () => {
  const READ = `query ($id: ID!) { event(id: $id) {
    message attributes payload privatePayload visibleToActor resource { ref name acl { owners } events { totalCount } }
  } }`;
  const FOUND = `query ($journal: String!, $filter: EventFilter) {
    events(journal: $journal, filter: $filter, order: OLDEST_FIRST) { totalCount nodes { message } }
  }`;
  const own = { type: 'note', actor: 'user/ann', visibleToActor: true };

  /** What a filter finds, in the order of the journal. */
  async function found(journal: string, who: object, filter?: object): Promise<string[]> {
    const { totalCount, nodes } = (await world().ask(FOUND, { journal, filter }, who)).events;
    expect(totalCount).toBe(nodes.length);
    return nodes.map(({ message }: { message: string }) => message);
  }

  /** Brings a journal into the index now, and not when the server would. */
  async function indexed(journal: string): Promise<void> {
    const url = world().databaseUrl;
    const database = openDatabase({ url, poolSize: 2, statementTimeoutMs: 20_000, onIdleError: () => {} });
    onTestFinished(() => database.close());
    const registry = await openRegistry(database);
    const { rows } = await world().db.query('select id from journal where name = $1', [journal]);
    while (await indexNext(database.pool, registry, rows[0].id, 1));
  }

  test('is seen with attributes and payload by who may not see its resource', async () => {
    const journal = newJournal();
    const ref = unique('page/own');
    await resource({ ref, name: 'Secret', acl: { owners: ['user/bob'] } });
    const { id } = await one({
      ...own,
      ...{ journal, type: 'field_update', resource: ref, attributes: { field: 'size', old: 1, new: 2 } },
      ...{ payload: { open: 1 }, privatePayload: { secret: 1 } },
    });
    const read = async (who: object) => (await world().ask(READ, { id }, who)).event;
    const seen = {
      message: `Field size of row — in — was changed: 1 → 2`,
      attributes: { field: 'size', old: 1, new: 2 },
      payload: { open: 1 },
      visibleToActor: true,
    };
    const count = { totalCount: 0 };
    expect(await read(await as('ann'))).toEqual({
      ...{ ...seen, privatePayload: null },
      resource: { ref, name: null, acl: null, events: count },
    });
    expect(await read(await as('bob'))).toEqual({
      ...{ ...seen, privatePayload: { secret: 1 } },
      resource: { ref, name: 'Secret', acl: { owners: ['user/bob'] }, events: count },
    });
    expect(await read(await as('eve'))).toBeNull();
    expect((await world().ask(LOOK, { ref }, await as('ann'))).resource).toBeNull();
    expect(await found(journal, await as('ann'), { resource: { eq: ref } })).toHaveLength(1);
    expect(await found(journal, await as('eve'))).toEqual([]);
  });

  test('is not seen by the actor where it does not say so', async () => {
    const ref = unique('page/others');
    await resource({ ref, acl: { owners: ['user/bob'] } });
    const { id } = await one({ type: 'note', resource: ref, actor: 'user/ann' });
    expect((await world().ask(READ, { id }, await as('ann'))).event).toBeNull();
  });

  const rights = [null, 'viewMeta', 'viewData', 'owners'] as const;
  const changes = rights.flatMap((before) =>
    rights.filter((after) => after !== before).map((after) => [before, after] as const),
  );

  test.each(changes)(
    'is seen in the index and before it when the right %s becomes %s',
    async (before, after) => {
      const journal = newJournal();
      const ref = unique('page/moved');
      const acl = (right: (typeof rights)[number]) => ({
        owners: ['user/bob'],
        ...(right && { [right]: ['user/ann'] }),
      });
      await resource({ ref, acl: acl(before) });
      const note = (message: string, more: object = {}) =>
        one({ journal, type: 'note', resource: ref, message, actor: 'user/ann', ...more });
      const ann = await as('ann');
      const data = { filter: { attributes: [{ name: 'field', eq: 'size' }] } };
      const shown = { type: 'field_update', attributes: { field: 'size' } };
      await note('indexed');
      await note('indexed own', { ...own, ...shown });
      await note('indexed, of another', { ...own, actor: 'user/eve' });
      await indexed(journal);
      await note('own', { ...own, ...shown });
      await note('plain');

      await world().ask(SET_ACL, { ref, acl: acl(after) });
      await indexed(journal);
      await note('own, later', { ...own, ...shown });
      const type = { type: { ne: 'acl_change' } };
      const all = ['indexed', 'indexed own', 'indexed, of another', 'own', 'plain', 'own, later'];
      const theirs = ['indexed own', 'own', 'own, later'];
      for (const _ of ['some of it', 'all']) {
        expect(await found(journal, ann, type)).toEqual(after === null ? theirs : all);
        // Attributes are seen by who sees the data.
        expect(await found(journal, ann, data.filter)).toEqual(theirs);
        expect(await found(journal, await as('eve'))).toEqual(['indexed, of another']);
        await indexed(journal);
      }
      await world().ask(SET_ACL, { ref, acl: acl(null) });
      expect(await found(journal, ann)).toEqual(theirs);
    },
  );

  test('may be gone on from: who sees it may record below it', async () => {
    const [hidden, mine] = [unique('page/hidden'), unique('page/mine')];
    await resource({ ref: hidden, acl: { owners: ['user/bob'] } });
    const { id: parentId } = await one({ ...own, resource: hidden });
    const input = [{ type: 'note', resource: mine, parentId }];
    expect(await record(input, await as('ann'))).toHaveLength(1);
    expect(
      await refusal([{ type: 'note', resource: unique('page/theirs'), parentId }], await as('eve')),
    ).toMatchObject({
      code: 'NOT_FOUND',
    });
  });

  test('is never a change of rights, which is for who may see the ACL', async () => {
    const ref = unique('page/handed');
    const journal = newJournal();
    const ann = await as('ann');
    await one({ ...own, journal, resource: ref, message: 'own' }, ann);
    await world().ask(SET_ACL, { ref, acl: { owners: ['user/bob'], viewData: ['user/ann'] } }, ann);
    expect(await found(journal, ann)).toEqual(['own']);
    const { rows } = await world().db.query(
      'select actor, visible_to_actor from event where type = $1 and resource = $2',
      ['acl_change', ref],
    );
    expect(rows).toEqual([{ actor: 'user/ann', visible_to_actor: false }]);
  });
});

describe('a change of rights', () => {
  const acl = { ...nobody, owners: ['user/ann'] };

  test('is recorded by nobody but the server: not by group/admin, not by the owner, not as a child', async () => {
    const ref = unique('page/forged');
    const journal = newJournal();
    await one({ journal, type: 'note', resource: ref }, await as('ann'));
    const forged = {
      journal,
      type: 'acl_change',
      resource: ref,
      attributes: { old_acl: acl, new_acl: nobody },
    };
    for (const who of [{}, await as('ann')]) {
      for (const [input, at] of [
        [[forged], 'input[0]'],
        [[{ journal, type: 'note', children: [forged] }], 'input[0].children[0]'],
      ] as const) {
        expect(await refusal(input, who)).toEqual({
          code: 'FORBIDDEN',
          message:
            'Events of type acl_change are recorded by the server itself, where rights change: use setResourceAcl.',
          index: 0,
          at,
        });
      }
    }
    expect(await all(journal)).toHaveLength(1);
  });

  test('stands in each journal that has events of the resource, and tells what was and what is', async () => {
    const ref = unique('page/changed');
    const journals = [newJournal(), newJournal()];
    for (const journal of journals) await one({ journal, type: 'note', resource: ref }, await as('ann'));
    await world().ask(
      SET_ACL,
      { ref, acl: { owners: ['user/ann'], viewData: ['user/bob'] } },
      await as('ann'),
    );
    for (const journal of journals) {
      const [, change] = await all(journal);
      expect(change).toMatchObject({
        position: 2,
        type: { name: 'acl_change' },
        resource: { ref },
        actor: 'user/ann',
        attributes: { old_acl: acl, new_acl: { ...acl, viewData: ['user/bob'] } },
        message: `user/ann changed who may see or change ${ref}`,
      });
    }
  });

  test('that changes nothing is not recorded', async () => {
    const ref = unique('page/same');
    const journal = newJournal();
    await one({ journal, type: 'note', resource: ref }, await as('ann'));
    await world().ask(SET_ACL, { ref, acl: { owners: ['user/ann', 'user/ann'] } });
    expect(await all(journal)).toHaveLength(1);
  });

  test('is for who may see the ACL, and not for other viewers', async () => {
    const ref = unique('page/seen');
    const journal = newJournal();
    await one({ journal, type: 'note', resource: ref }, await as('ann'));
    await world().ask(SET_ACL, {
      ref,
      acl: { owners: ['user/ann'], viewData: ['user/bob'], viewAcl: ['user/eve'] },
    });
    const query = `query ($journal: String!) { events(journal: $journal) { nodes { type { name } } } }`;
    const types = async (subject: string) =>
      (await world().ask(query, { journal }, await as(subject))).events.nodes.map(
        (node: { type: { name: string } }) => node.type.name,
      );
    expect(await types('ann')).toEqual(['acl_change', 'note']);
    expect(await types('eve')).toEqual(['acl_change', 'note']);
    expect(await types('bob')).toEqual(['note']);
  });
});

describe('who follows a journal while rights change', () => {
  const STREAM = `subscription ($journal: String!, $after: String, $from: StreamStart!, $maxBatch: Int!) {
    eventStream(journal: $journal, after: $after, from: $from, maxBatch: $maxBatch) {
      live cursor hidden events { message }
    }
  }`;
  const bob = { viewData: ['user/bob'], owners: ['user/ann'] };

  /** A page that Bob may see and one whose rights will change, both with an event. */
  async function twoPages() {
    const journal = newJournal();
    const [kept, changing] = [unique('page/kept'), unique('page/changing')];
    for (const ref of [kept, changing]) await resource({ ref, acl: bob });
    const note = (ref: string, message: string, more: object = {}) =>
      one({ journal, type: 'note', resource: ref, message, ...more });
    const change = (acl: object) => world().ask(SET_ACL, { ref: changing, acl });
    await note(changing, 'before');
    const watch = async (more: object = {}) => {
      const variables = { journal, from: 'BEGINNING', maxBatch: 1, ...more };
      return world().watch(STREAM, variables, await as('bob'));
    };
    return { kept, changing, note, change, watch };
  }

  /** What a stream says up to this event, and until it is live. */
  async function said(stream: Stream<Answer>, last: string) {
    const told: { events: { message: string }[]; hidden: string[]; cursor: string }[] = [];
    let isLive = false;
    await stream.until(({ data }) => {
      told.push(data.eventStream);
      isLive ||= data.eventStream.live;
      return isLive && told.some(({ events }) => events.some(({ message }) => message === last));
    });
    const messages = told.flatMap(({ events }) => events.map(({ message }) => message));
    return { messages, hidden: told.flatMap(({ hidden }) => hidden), cursor: told.at(-1)?.cursor };
  }

  test('is told what is hidden, and nothing that was recorded after it', async () => {
    const { kept, changing, note, change, watch } = await twoPages();
    const stream = await watch();
    const { cursor } = await said(stream, 'before');
    await note(changing, 'still seen');
    await change({ owners: ['user/ann'] });
    await note(changing, 'not seen');
    await note(kept, 'last');
    expect(await said(stream, 'last')).toMatchObject({
      messages: ['still seen', 'last'],
      hidden: [changing],
    });
    // Who was away meanwhile no longer sees what was recorded before it either.
    const resumed = await said(await watch({ after: cursor }), 'last');
    expect(resumed).toMatchObject({ messages: ['last'], hidden: [changing] });
  });

  test('is told what is hidden, and goes on to be told what they see as its actor', async () => {
    const { kept, changing, note, change, watch } = await twoPages();
    const own = { actor: 'user/bob', visibleToActor: true };
    const stream = await watch();
    const { cursor } = await said(stream, 'before');
    await note(changing, 'own', own);
    await change({ owners: ['user/ann'] });
    await note(changing, 'not seen');
    await note(changing, 'own, later', own);
    await note(changing, 'of another', { ...own, actor: 'user/eve' });
    await note(kept, 'last');
    const told = { messages: ['own', 'own, later', 'last'], hidden: [changing] };
    expect(await said(stream, 'last')).toMatchObject(told);
    // That there is something of the resource to be seen does not take back that the rest is hidden.
    expect(await said(await watch({ after: cursor }), 'last')).toMatchObject(told);
    expect(await said(await watch({ after: cursor, maxBatch: 100 }), 'last')).toMatchObject(told);
  });

  test('is not told to drop what they may see again', async () => {
    const { kept, changing, note, change, watch } = await twoPages();
    await change({ owners: ['user/ann'] });
    await note(changing, 'meanwhile');
    for (const message of ['1', '2', '3']) await note(kept, message);
    await change(bob);
    await note(kept, 'last');
    const messages = ['before', 'meanwhile', '1', '2', '3', 'last'];
    expect(await said(await watch(), 'last')).toMatchObject({ messages, hidden: [] });
  });
});
