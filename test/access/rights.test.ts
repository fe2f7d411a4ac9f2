import { describe, expect, test } from 'vitest';
import { holders, holds, levelOf, NOBODY, RIGHTS, type Right } from '../../src/access/acl.ts';
import type { Claim } from '../../src/access/claim.ts';
import { type Answer, unique, worldForFile } from '../support/world.ts';

const world = worldForFile();
const PUT = 'mutation ($input: PutResourceInput!) { putResource(input: $input) { ref name acl { owners } } }';
const SET =
  'mutation ($ref: ResourceRef!, $acl: AclInput!) { setResourceAcl(ref: $ref, acl: $acl) { ref acl { owners viewMeta viewData } } }';
const LOOK = 'query ($ref: ResourceRef!) { resource(ref: $ref) { ref name acl { owners viewData } } }';
const RECORD = 'mutation ($input: RecordEventInput!) { recordEvent(input: $input) { event { id } } }';
const EVENTS =
  'query ($ref: ResourceRef!) { events(filter: { resource: { eq: $ref } }) { totalCount nodes { message attributes payload privatePayload } } }';

/** What the contract says: rights imply each other. */
const IMPLIED: Partial<Record<Right, readonly Right[]>> = {
  owners: RIGHTS.filter((right) => right !== 'owners'),
  editAcl: ['editData', 'delete', 'manage', 'viewAcl'],
  editData: ['editMeta', 'viewData'],
  viewAcl: ['viewData'],
  viewData: ['viewMeta'],
};

function implied(right: Right): Set<Right> {
  return new Set([right, ...(IMPLIED[right] ?? []).flatMap((each) => [...implied(each)])]);
}

const as = async (subject: string, ...groups: string[]) => ({
  token: await world().token({ subject, groups }),
});
const codeOf = (answer: Answer) => answer.errors?.[0]?.extensions.code;

/** A page that root owns, with one event that says everything; the group holds the rights. */
async function page(rights: readonly Right[], group: string): Promise<string> {
  const ref = `page/${unique('page')}`;
  const acl = Object.fromEntries(rights.map((right) => [right, [`group/${group}`]]));
  await world().ask(PUT, { input: { ref, name: 'a page', acl: { owners: ['user/root'], ...acl } } });
  const message = 'public';
  await world().ask(RECORD, {
    input: { type: 'note', resource: ref, message, payload: 1, privatePayload: 2 },
  });
  return ref;
}

describe('rights imply each other', () => {
  const claim = 'group/holders' as Claim;

  test.each(RIGHTS)('%s, exactly as the contract says', (right) => {
    const acl = { ...NOBODY, [right]: [claim] };
    const held = RIGHTS.filter((each) => holds(new Set([claim]), acl, each));
    expect(new Set(held)).toEqual(implied(right));
    for (const each of RIGHTS) expect(holders(acl, each).includes(claim)).toBe(held.includes(each));
    expect(holds(new Set(['group/others' as Claim]), acl, right)).toBe(false);
  });

  test('nobody holds anything of nobody’s', () => {
    for (const right of RIGHTS) expect(holds(new Set([claim]), NOBODY, right)).toBe(false);
    expect(levelOf(new Set([claim]), NOBODY)).toBe(0);
  });

  test('a claim is compared as a whole', () => {
    const acl = { ...NOBODY, owners: ['group/dev' as Claim] };
    for (const other of ['group/devs', 'group/de', 'user/dev', 'Group/dev', 'group/DEV', 'group/dev/x'])
      expect(holds(new Set([other as Claim]), acl, 'viewMeta')).toBe(false);
  });
});

describe.each(RIGHTS)('who holds %s alone', (right) => {
  const may = implied(right);
  const sees = may.has('viewMeta');
  const refused = sees ? 'FORBIDDEN' : 'NOT_FOUND';

  test(`${sees ? 'sees' : 'does not see'} the resource, ${may.has('viewAcl') ? 'and' : 'and not'} its ACL`, async () => {
    const ref = await page([right], 'holders');
    const holder = await as('jane', 'holders');
    const { resource } = await world().ask(LOOK, { ref }, holder);
    expect(resource === null).toBe(!sees);
    if (sees) expect(resource.acl !== null).toBe(may.has('viewAcl'));
    const listed = await world().ask(
      '{ resources(first: 500) { nodes { ref acl { owners } } } }',
      {},
      holder,
    );
    expect(listed.resources.nodes.map((node: { ref: string }) => node.ref).includes(ref)).toBe(sees);
  });

  test('sees of its events what belongs to it', async () => {
    const ref = await page([right], 'holders');
    const { events } = await world().ask(EVENTS, { ref }, await as('jane', 'holders'));
    const data = may.has('viewData');
    const shown = {
      message: 'public',
      attributes: data ? {} : null,
      payload: data ? 1 : null,
      privatePayload: right === 'owners' ? 2 : null,
    };
    expect(events).toEqual({ totalCount: sees ? 1 : 0, nodes: sees ? [shown] : [] });
  });

  test(`${may.has('editMeta') ? 'renames it' : 'does not rename it'}`, async () => {
    const ref = await page([right], 'holders');
    const answer = await world().send(PUT, { input: { ref, name: 'renamed' } }, await as('jane', 'holders'));
    expect(codeOf(answer)).toBe(may.has('editMeta') ? undefined : refused);
    const { resource } = await world().ask(LOOK, { ref });
    expect(resource.name).toBe(may.has('editMeta') ? 'renamed' : 'a page');
  });

  test(`${may.has('editAcl') ? 'changes its ACL' : 'does not change its ACL'}`, async () => {
    const acl = { viewData: ['group/new'] };
    for (const [query, variables] of [
      [SET, (ref: string) => ({ ref, acl })],
      [PUT, (ref: string) => ({ input: { ref, acl } })],
    ] as const) {
      const ref = await page([right], 'holders');
      const answer = await world().send(query, variables(ref), await as('jane', 'holders'));
      expect(codeOf(answer)).toBe(may.has('editAcl') ? undefined : refused);
      const { resource } = await world().ask(LOOK, { ref });
      expect(resource.acl.viewData.includes('group/new')).toBe(may.has('editAcl'));
    }
  });

  test(`${may.has('editData') ? 'records' : 'does not record'} events about it`, async () => {
    const ref = await page([right], 'holders');
    const input = { type: 'note', resource: ref };
    const answer = await world().send(RECORD, { input }, await as('jane', 'holders'));
    expect(codeOf(answer)).toBe(may.has('editData') ? undefined : refused);
    expect((await world().ask(EVENTS, { ref })).events.totalCount).toBe(may.has('editData') ? 2 : 1);
  });
});

describe('what a viewer may not see does not exist for that viewer', () => {
  test('a hidden resource is answered as one that is not there, to the letter', async () => {
    const hidden = await page([], 'holders');
    const absent = `page/${unique('page')}`;
    const jane = await as('jane', 'others');
    for (const [query, variables] of [
      [LOOK, (ref: string) => ({ ref })],
      [SET, (ref: string) => ({ ref, acl: { viewData: [] } })],
      [EVENTS, (ref: string) => ({ ref })],
    ] as const) {
      const ofHidden = JSON.stringify(await world().send(query, variables(hidden), jane));
      const ofAbsent = JSON.stringify(await world().send(query, variables(absent), jane));
      expect(ofHidden.replaceAll(hidden, '…')).toBe(ofAbsent.replaceAll(absent, '…'));
    }
    expect(codeOf(await world().send(SET, { ref: hidden, acl: {} }, jane))).toBe('NOT_FOUND');
  });

  test('a list of resources is paged as if hidden ones were not there', async () => {
    const group = unique('group');
    const type = `t${unique('x').replace('-', '')}`;
    const put = (id: number, acl: object) => world().ask(PUT, { input: { ref: `${type}/${id}`, acl } });
    for (let id = 0; id < 9; id++) await put(id, id % 3 === 0 ? { viewMeta: [`group/${group}`] } : {});
    const query = `query ($after: String) {
      resources(type: "${type}", first: 2, after: $after) { nodes { ref } pageInfo { hasNextPage endCursor } }
    }`;
    const jane = await as('jane', group);
    const first = (await world().ask(query, {}, jane)).resources;
    expect(first.nodes).toEqual([{ ref: `${type}/0` }, { ref: `${type}/3` }]);
    expect(first.pageInfo.hasNextPage).toBe(true);
    const second = (await world().ask(query, { after: first.pageInfo.endCursor }, jane)).resources;
    expect(second).toMatchObject({ nodes: [{ ref: `${type}/6` }], pageInfo: { hasNextPage: false } });
  });
});

describe('creating a resource', () => {
  test('makes its creator the owner where no ACL is given, or none that names owners', async () => {
    const jane = await as('jane');
    for (const acl of [undefined, null, {}, { viewData: ['group/all'] }, { owners: null }]) {
      const ref = `page/${unique('page')}`;
      const { putResource } = await world().ask(PUT, { input: { ref, acl } }, jane);
      expect(putResource.acl.owners).toEqual(['user/jane']);
    }
  });

  test('takes the ACL as it is given, though it leaves its creator nothing', async () => {
    const ref = `page/${unique('page')}`;
    const jane = await as('jane');
    const { putResource } = await world().ask(PUT, { input: { ref, acl: { owners: ['group/dev'] } } }, jane);
    expect(putResource.acl).toBeNull();
    expect((await world().ask(LOOK, { ref }, jane)).resource).toBeNull();
    expect((await world().ask(LOOK, { ref }, await as('joe', 'dev'))).resource.acl.owners).toEqual([
      'group/dev',
    ]);
  });

  test('by the event that names it first makes the recorder its owner', async () => {
    const ref = `page/${unique('page')}`;
    const jane = await as('jane');
    await world().ask(RECORD, { input: { type: 'note', resource: ref, actor: 'user/joe' } }, jane);
    expect((await world().ask(LOOK, { ref }, jane)).resource.acl.owners).toEqual(['user/jane']);
    expect((await world().ask(LOOK, { ref }, await as('joe'))).resource).toBeNull();
  });

  test('of many at a time creates one, and makes one of them its owner', async () => {
    const ref = `page/${unique('page')}`;
    const answers = await Promise.all(
      Array.from({ length: 8 }, async (_, nth) =>
        world().send(PUT, { input: { ref, name: `${nth}` } }, await as(`user-${nth}`)),
      ),
    );
    const created = answers.filter((answer) => answer.errors === undefined);
    expect(created).toHaveLength(1);
    for (const answer of answers) expect([undefined, 'NOT_FOUND']).toContain(codeOf(answer));
    const { resource } = await world().ask(LOOK, { ref });
    expect(resource).toEqual({ ...created[0]?.data.putResource, acl: { ...resource.acl } });
    expect(resource.acl.owners).toEqual([`user/user-${resource.name}`]);
  });
});

describe('changing an ACL', () => {
  test('replaces all of it, and keeps the owners where none are named', async () => {
    const ref = await page(['viewMeta'], 'holders');
    const { setResourceAcl } = await world().ask(SET, { ref, acl: { viewData: ['group/new'] } });
    expect(setResourceAcl.acl).toEqual({ owners: ['user/root'], viewMeta: [], viewData: ['group/new'] });
  });

  test('to other owners takes being one: they see what is private', async () => {
    const ref = await page(['editAcl'], 'holders');
    const jane = await as('jane', 'holders');
    const mine = { ref, acl: { owners: ['user/jane'], editAcl: ['group/holders'] } };
    expect(codeOf(await world().send(SET, mine, jane))).toBe('FORBIDDEN');
    const same = { ref, acl: { owners: ['user/root'], editAcl: ['group/holders'] } };
    expect((await world().ask(SET, same, jane)).setResourceAcl.acl.owners).toEqual(['user/root']);
    expect((await world().send(SET, mine, await as('root'))).errors).toBeUndefined();
    expect((await world().ask(LOOK, { ref }, jane)).resource.acl.owners).toEqual(['user/jane']);
  });

  test('together with the name is done as a whole or not at all', async () => {
    const ref = await page(['editAcl'], 'holders');
    const jane = await as('jane', 'holders');
    const away = { input: { ref, name: 'mine', acl: { viewMeta: ['group/holders'] } } };
    expect((await world().ask(PUT, away, jane)).putResource.name).toBe('mine');

    const meta = await page(['editMeta', 'viewMeta'], 'holders');
    const both = { input: { ref: meta, name: 'mine', acl: {} } };
    expect(codeOf(await world().send(PUT, both, jane))).toBe('FORBIDDEN');
    expect((await world().ask(LOOK, { ref: meta })).resource.name).toBe('a page');
  });

  test('names each claim once', async () => {
    const ref = await page([], 'holders');
    const twice = { ref, acl: { viewData: ['group/a', 'group/b', 'group/a'] } };
    expect((await world().ask(SET, twice)).setResourceAcl.acl.viewData).toEqual(['group/a', 'group/b']);
  });

  test('holds from the next request on', async () => {
    const ref = await page(['editAcl'], 'holders');
    const jane = await as('jane', 'holders');
    await world().ask(SET, { ref, acl: { viewMeta: ['group/holders'] } }, jane);
    expect(codeOf(await world().send(SET, { ref, acl: {} }, jane))).toBe('FORBIDDEN');
    await world().ask(SET, { ref, acl: {} });
    expect(codeOf(await world().send(SET, { ref, acl: {} }, jane))).toBe('NOT_FOUND');
    expect((await world().ask(LOOK, { ref }, jane)).resource).toBeNull();
  });

  test.each([
    [{ owners: ['jane'] }, 'BAD_USER_INPUT'],
    [{ viewData: ['group/'] }, 'BAD_USER_INPUT'],
    [{ viewData: ['group/a\u0000'] }, 'BAD_USER_INPUT'],
    [{ viewData: [null] }, 'BAD_USER_INPUT'],
    [{ shout: ['group/a'] }, 'BAD_USER_INPUT'],
    [{ viewData: Array.from({ length: 1_001 }, (_, nth) => `user/${nth}`) }, 'LIMIT_EXCEEDED'],
  ])('to %j is refused', async (acl, code) => {
    const ref = await page([], 'holders');
    expect(codeOf(await world().send(SET, { ref, acl }))).toBe(code);
    const created = `page/${unique('page')}`;
    expect(codeOf(await world().send(PUT, { input: { ref: created, acl } }))).toBe(code);
    expect((await world().ask(LOOK, { ref: created })).resource).toBeNull();
  });

  test('group/admin may, whoever owns it', async () => {
    const ref = `page/${unique('page')}`;
    await world().ask(PUT, { input: { ref } }, await as('jane'));
    const changed = await world().ask(SET, { ref, acl: { owners: ['user/joe'] } }, await as('any', 'admin'));
    expect(changed.setResourceAcl.acl.owners).toEqual(['user/joe']);
  });

  test('a group or user whose name is like group/admin’s may not', async () => {
    const ref = await page([], 'holders');
    for (const who of [await as('admin'), await as('jane', 'Admin'), await as('jane', 'admins', 'admin/x')])
      expect(codeOf(await world().send(SET, { ref, acl: {} }, who))).toBe('NOT_FOUND');
  });
});

describe('a name', () => {
  test('is kept where it is left out, and taken away by null', async () => {
    const ref = await page([], 'holders');
    const put = async (input: object) =>
      (await world().ask(PUT, { input: { ref, ...input } })).putResource.name;
    expect(await put({})).toBe('a page');
    expect(await put({ acl: { viewData: ['group/a'] } })).toBe('a page');
    expect(await put({ name: 'another' })).toBe('another');
    expect(await put({ name: null })).toBeNull();
  });

  test('is text, and not without end', async () => {
    const ref = await page([], 'holders');
    expect(codeOf(await world().send(PUT, { input: { ref, name: 'x'.repeat(501) } }))).toBe('LIMIT_EXCEEDED');
    expect(codeOf(await world().send(PUT, { input: { ref, name: 'a\0' } }))).toBe('BAD_USER_INPUT');
  });
});

describe('declaring attributes and event types', () => {
  const attribute =
    'mutation ($name: String!) { defineAttribute(input: { name: $name, kind: STRING }) { name } }';
  const type =
    'mutation ($name: String!) { defineEventType(input: { name: $name, category: STATE }) { name } }';

  test.each([attribute, type])('takes group/admin: %s', async (query) => {
    const name = unique('declared').replace('-', '_');
    expect(codeOf(await world().send(query, { name }, await as('jane', 'dev')))).toBe('FORBIDDEN');
    expect(codeOf(await world().send(query, { name }, { token: null }))).toMatch(/UNAUTHENTICATED|FORBIDDEN/);
    expect((await world().send(query, { name })).errors).toBeUndefined();
  });
});

describe('nobody, who came without a token', () => {
  const nobody = { token: null };

  test('makes no journal and records nothing of a type that is not kept: UNAUTHENTICATED', async () => {
    const journal = unique('spam');
    const journals = async () =>
      (await world().db.query('select 1 from journal where name = $1', [journal])).rows.length;
    const nobody = { token: null };
    const asked = await world().send(RECORD, { input: { journal, type: 'note' } }, nobody);
    expect([codeOf(asked), await journals()]).toEqual(['UNAUTHENTICATED', 0]);
    const off = { name: unique('off'), category: 'USER', enabled: false };
    await world().ask(
      'mutation ($input: DefineEventTypeInput!) { defineEventType(input: $input) { name } }',
      {
        input: off,
      },
    );
    expect(codeOf(await world().send(RECORD, { input: { type: off.name } }, nobody))).toBe('UNAUTHENTICATED');
  });

  test('records nothing and creates nothing: UNAUTHENTICATED', async () => {
    const ref = `page/${unique('page')}`;
    for (const [query, variables] of [
      [RECORD, { input: { type: 'note' } }],
      [RECORD, { input: { type: 'note', resource: ref } }],
      [PUT, { input: { ref } }],
      [PUT, { input: { ref, acl: { owners: ['group/anonymous'] } } }],
    ] as const) {
      expect(codeOf(await world().send(query, variables, nobody))).toBe('UNAUTHENTICATED');
    }
    expect((await world().ask(LOOK, { ref })).resource).toBeNull();
  });

  test('sees nothing, counts nothing and watches nothing of others', async () => {
    const ref = await page(['viewData'], 'holders');
    const { events, resources, resource } = await world().ask(
      `query ($ref: ResourceRef!) {
        events { totalCount nodes { id } }
        resources { nodes { ref } }
        resource(ref: $ref) { ref }
      }`,
      { ref },
      nobody,
    );
    expect({ events, resources, resource }).toEqual({
      events: { totalCount: 0, nodes: [] },
      resources: { nodes: [] },
      resource: null,
    });
    expect(codeOf(await world().send(SET, { ref, acl: {} }, nobody))).toBe('NOT_FOUND');
  });

  test('sees what is shown to group/anonymous, and changes none of it', async () => {
    const ref = await page(['viewData'], 'anonymous');
    try {
      const { events } = await world().ask(EVENTS, { ref }, nobody);
      expect(events.nodes).toEqual([{ message: 'public', attributes: {}, payload: 1, privatePayload: null }]);
      expect(codeOf(await world().send(SET, { ref, acl: {} }, nobody))).toBe('FORBIDDEN');
      expect(codeOf(await world().send(PUT, { input: { ref, name: 'mine' } }, nobody))).toBe('FORBIDDEN');
      // Who has a token is not one of them.
      expect((await world().ask(LOOK, { ref }, await as('jane'))).resource).toBeNull();
    } finally {
      await world().ask(SET, { ref, acl: {} });
    }
  });
});
