/** Who sees how much of an event and by what: told to administrators, and the same as what is seen. */
import { describe, expect, test } from 'vitest';
import { RIGHTS } from '../../src/access/acl.ts';
import { unique, worldForFile } from '../support/world.ts';
import { NOBODYS_ID, newJournal, recorderOf, refusalOf } from './support/recorder.ts';

const world = worldForFile();
const { one, resource, as } = recorderOf(world);

const EXPLAIN = `query ($id: ID!, $claims: [Claim!]!) {
  explainVisibility(id: $id, claims: $claims) { level reasons { claim right level } missing { level claims } }
}`;
const SEEN = 'query ($id: ID!) { event(id: $id) { visibility } }';
const SET_ACL =
  'mutation ($ref: ResourceRef!, $acl: AclInput!) { setResourceAcl(ref: $ref, acl: $acl) { ref } }';

async function explain(id: string, ...claims: string[]) {
  return (await world().ask(EXPLAIN, { id, claims })).explainVisibility;
}

/** An event of a resource where each right is held by a user of its name. */
async function eventOfAll(more: object = {}): Promise<string> {
  const ref = unique('page/explained');
  await resource({ ref, acl: Object.fromEntries(RIGHTS.map((right) => [right, [`user/${right}`]])) });
  return (await one({ journal: newJournal(), type: 'note', resource: ref, actor: 'user/ann', ...more })).id;
}

describe('each right', () => {
  const LEVEL = {
    owners: 'PRIVATE',
    viewMeta: 'ENVELOPE',
    viewData: 'DATA',
    viewAcl: 'DATA',
    editMeta: 'NONE',
    editData: 'DATA',
    editAcl: 'DATA',
    manage: 'NONE',
    delete: 'NONE',
  } as const;

  test.each(RIGHTS)('%s gives what it is said to give', async (right) => {
    const id = await eventOfAll();
    const level = LEVEL[right];
    const explained = await explain(id, `user/${right}`, 'group/none');
    expect(explained).toMatchObject({
      level,
      reasons: level === 'NONE' ? [] : [{ claim: `user/${right}`, right, level }],
    });
    const { event } = await world().ask(SEEN, { id }, await as(right, 'none'));
    expect(event?.visibility ?? 'NONE').toBe(level);
  });

  test('that is not held is told with who holds it', async () => {
    const data = ['user/viewData', 'user/viewAcl', 'user/editData', 'user/editAcl'];
    const { missing } = await explain(await eventOfAll(), 'user/nobody');
    const claims = Object.fromEntries(
      missing.map((gap: { level: string; claims: string[] }) => [gap.level, gap.claims.sort()]),
    );
    expect(claims).toEqual({
      ENVELOPE: [...data, 'group/admin', 'user/owners', 'user/viewMeta'].sort(),
      DATA: [...data, 'group/admin', 'user/owners'].sort(),
      PRIVATE: ['group/admin', 'user/owners'],
    });
  });

  test('of several claims is told, and the highest level of them holds', async () => {
    const id = await eventOfAll();
    expect(await explain(id, 'user/viewMeta', 'user/owners', 'group/admin')).toEqual({
      level: 'PRIVATE',
      reasons: [
        { claim: 'user/viewMeta', right: 'viewMeta', level: 'ENVELOPE' },
        { claim: 'user/owners', right: 'owners', level: 'PRIVATE' },
        { claim: 'group/admin', right: 'admin', level: 'PRIVATE' },
      ],
      missing: [],
    });
  });
});

test('an actor sees its event where it says so or is about no resource', async () => {
  const reasons = [{ claim: 'user/ann', right: 'actor', level: 'DATA' }];
  expect(await explain(await eventOfAll(), 'user/ann')).toMatchObject({ level: 'NONE', reasons: [] });
  const shown = await eventOfAll({ visibleToActor: true });
  expect(await explain(shown, 'user/ann')).toMatchObject({ level: 'DATA', reasons });
  const { id } = await one({ journal: newJournal(), type: 'note', actor: 'user/ann' });
  expect(await explain(id, 'user/ann')).toEqual({
    level: 'DATA',
    reasons,
    missing: [{ level: 'PRIVATE', claims: ['group/admin'] }],
  });
  expect(await explain(id, 'user/bob')).toMatchObject({
    level: 'NONE',
    missing: [
      { level: 'ENVELOPE', claims: ['user/ann', 'group/admin'] },
      { level: 'DATA', claims: ['user/ann', 'group/admin'] },
      { level: 'PRIVATE', claims: ['group/admin'] },
    ],
  });
});

test('a change of an ACL is seen by who may see the ACL', async () => {
  const journal = newJournal();
  const ref = unique('page/acl');
  const acl = { owners: ['user/owner'], viewData: ['user/reader'] };
  await resource({ ref, acl });
  await one({ journal, type: 'note', resource: ref });
  await world().ask(SET_ACL, { ref, acl: { ...acl, viewAcl: ['user/auditor'] } });
  const { events } = await world().ask(
    'query ($journal: String!) { events(journal: $journal, filter: { type: { eq: "acl_change" } }) { nodes { id } } }',
    { journal },
  );
  const id = events.nodes[0].id;
  expect(await explain(id, 'user/reader')).toMatchObject({ level: 'NONE', reasons: [] });
  expect(await explain(id, 'user/auditor')).toMatchObject({
    level: 'DATA',
    reasons: [{ claim: 'user/auditor', right: 'viewAcl', level: 'DATA' }],
  });
});

test('the rights in force are explained, not those of when it was recorded', async () => {
  const ref = unique('page/later');
  await resource({ ref, acl: { owners: ['user/owner'], viewData: ['user/before'] } });
  const { id } = await one({ journal: newJournal(), type: 'note', resource: ref });
  await world().ask(SET_ACL, { ref, acl: { owners: ['user/owner'], viewMeta: ['user/after'] } });
  expect(await explain(id, 'user/before')).toMatchObject({ level: 'NONE' });
  expect(await explain(id, 'user/after')).toMatchObject({ level: 'ENVELOPE' });
});

test('nothing is explained of an event that is not there', async () => {
  expect(await explain(NOBODYS_ID, 'user/ann')).toBeNull();
  expect(await explain('no id', 'user/ann')).toBeNull();
});

test('nobody but group/admin is told anything, whether there is such an event or not', async () => {
  const id = await eventOfAll();
  for (const sought of [id, NOBODYS_ID]) {
    const answer = await world().send(EXPLAIN, { id: sought, claims: ['user/owners'] }, await as('owners'));
    expect(refusalOf(answer)).toMatchObject({
      code: 'FORBIDDEN',
      message: 'Explaining what others see takes the claim group/admin.',
    });
  }
});

test('what is no claim, or too many of them, is refused', async () => {
  const bad = await world().send(EXPLAIN, { id: NOBODYS_ID, claims: ['ann'] });
  expect(refusalOf(bad).code).toBe('BAD_USER_INPUT');
  const claims = Array.from({ length: 1_001 }, (_, nth) => `user/${nth}`);
  expect(refusalOf(await world().send(EXPLAIN, { id: NOBODYS_ID, claims })).code).toBe('LIMIT_EXCEEDED');
});
