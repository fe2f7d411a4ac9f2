/** A mutation records all of its events or none, in their order. */
import { v7 } from 'uuid';
import { describe, expect, test } from 'vitest';
import { unique, worldForFile } from '../support/world.ts';
import { type Input, NOBODYS_ID, newJournal, recorderOf } from './support/recorder.ts';

const world = worldForFile();
const { record, one, refusal, journal: all, resource, as } = recorderOf(world);

test('a batch is recorded in its order, without anything in between', async () => {
  const journal = newJournal();
  const batch = (name: string) =>
    Array.from({ length: 300 }, (_, nth) => ({ journal, type: 'note', message: `${name} ${nth}` }));
  await Promise.all(['a', 'b', 'c', 'd'].map((name) => record(batch(name))));
  const { rows } = await world().db.query(
    `select message from event e join journal j on j.id = e.journal_id where j.name = $1 order by position`,
    [journal],
  );
  expect(rows).toHaveLength(1_200);
  for (let first = 0; first < 1_200; first += 300) {
    const name = rows[first].message.slice(0, 1);
    const messages = rows.slice(first, first + 300).map(({ message }) => message);
    expect(messages).toEqual(batch(name).map(({ message }) => message));
  }
});

test('an empty batch records nothing', async () => {
  expect(await record([])).toEqual([]);
});

describe('one bad event in a batch keeps all of it out', () => {
  const good = { type: 'note' };
  const bad: Readonly<Record<string, readonly [code: string, event: Input, at?: string]>> = {
    'a type that nobody declared': ['UNKNOWN_EVENT_TYPE', { type: 'never.declared' }],
    'an attribute that its type does not have': [
      'UNKNOWN_ATTRIBUTE',
      { type: 'note', attributes: { old: 1 } },
    ],
    'a value of another kind': [
      'ATTRIBUTE_KIND_MISMATCH',
      { type: 'call', attributes: { elapsed_ms: 'long' } },
    ],
    'an id of another version': ['BAD_USER_INPUT', { ...good, id: '6e8bc430-9c3a-11d9-9669-0800200c9a66' }],
    'no id at all': ['BAD_USER_INPUT', { ...good, id: 'mine' }],
    'a parent that is not there': ['NOT_FOUND', { ...good, parentId: NOBODYS_ID }],
    'a parent whose id is none': ['NOT_FOUND', { ...good, parentId: 'nobody' }],
    'another journal': ['BAD_USER_INPUT', { ...good, journal: 'another' }],
    'a change of rights': ['FORBIDDEN', { type: 'acl_change' }],
    'a revocation of tokens': ['FORBIDDEN', { type: 'token_revocation' }],
    'a child with a type that nobody declared': [
      'UNKNOWN_EVENT_TYPE',
      { ...good, children: [good, { ...good, children: [{ type: 'never.declared' }] }] },
      'input[2].children[1].children[0]',
    ],
    'a child below another event': [
      'BAD_USER_INPUT',
      { ...good, children: [{ ...good, parentId: NOBODYS_ID }] },
      'input[2].children[0]',
    ],
  };
  for (const [what, [code, event, at = 'input[2]']] of Object.entries(bad)) {
    test(`by ${what}`, async () => {
      const journal = newJournal();
      const ref = unique('page/in');
      await one({ ...good, journal });
      const before = { ...good, journal, resource: ref, id: v7() };
      const refused = await refusal([
        before,
        { ...good, journal },
        { journal, ...event },
        { ...good, journal },
      ]);
      expect(refused).toMatchObject({ code, index: 2, at });
      expect(await all(journal)).toHaveLength(1);
      const left = await world().ask(`query ($ref: ResourceRef!) { resource(ref: $ref) { ref } }`, { ref });
      expect(left.resource, 'a resource that it would have created').toBeNull();
      expect((await one({ ...good, journal })).position).toBe(2);
      expect((await one(before)).position).toBe(3);
    });
  }

  test('by a resource that the recorder may not record on', async () => {
    const journal = newJournal();
    const ref = unique('page/closed');
    await resource({ ref, acl: { owners: ['user/bob'] } });
    const ann = await as('ann');
    const input = [good, { ...good, resource: ref }].map((event) => ({ ...event, journal }));
    expect(await refusal(input, ann)).toMatchObject({ code: 'NOT_FOUND', index: 1, at: 'input[1]' });
    expect(await all(journal)).toEqual([]);
  });
});

test('a request that is refused takes none of its neighbours with it', async () => {
  const journal = newJournal();
  const answers = await Promise.all(
    Array.from({ length: 40 }, (_, nth) =>
      nth % 4 === 3
        ? refusal([
            { journal, type: 'note' },
            { journal, type: 'note', parentId: NOBODYS_ID },
          ])
        : one({ journal, type: 'note', message: `${nth}` }),
    ),
  );
  expect(answers.filter((answer) => 'code' in answer)).toHaveLength(10);
  const recorded = await all(journal);
  expect(recorded.map(({ position }) => position)).toEqual(Array.from({ length: 30 }, (_, nth) => nth + 1));
  expect(new Set(recorded.map(({ message }) => Number(message) % 4))).toEqual(new Set([0, 1, 2]));
});
