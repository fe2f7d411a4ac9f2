/** Who may record about what: recording about a resource takes `editData`; who names one first owns it. */
import { describe, expect, test } from 'vitest';
import { RIGHTS } from '../../src/access/acl.ts';
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
    const note = (ref: string, message: string) => one({ journal, type: 'note', resource: ref, message });
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
