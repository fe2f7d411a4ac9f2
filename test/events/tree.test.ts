/** A tree of events: parents stand before their children, and every reader finds its way up and down. */
import { v7 } from 'uuid';
import { describe, expect, test } from 'vitest';
import { openWorld, unique, worldForFile } from '../support/world.ts';
import { type Input, NOBODYS_ID, newJournal, recorderOf } from './support/recorder.ts';

const world = worldForFile({ servers: 2 });
const { record, one, refusal, read, journal: all, resource, as } = recorderOf(world);

const note = (message: string, children: readonly Input[] = []): Input => ({
  type: 'note',
  message,
  children,
});
const messages = (events: readonly { readonly message: string }[]) => events.map(({ message }) => message);

const TREE = `query ($id: ID!, $maxDepth: Int) {
  event(id: $id) { tree(maxDepth: $maxDepth) { message } children { totalCount nodes { message } } }
}`;

describe('children that are recorded with their parent', () => {
  test('stand behind it, each before its own children, trees in their order', async () => {
    const journal = newJournal();
    const tops = await record([
      { journal, ...note('1', [note('1.1', [note('1.1.1'), note('1.1.2')]), note('1.2')]) },
      { journal, ...note('2', [note('2.1')]) },
    ]);
    expect(messages(tops)).toEqual(['1', '2']);
    const events = await all(journal);
    expect(messages(events)).toEqual(['1', '1.1', '1.1.1', '1.1.2', '1.2', '2', '2.1']);
    const idOf = (message: string) => ({ id: events.find((event) => event.message === message)?.id });
    for (const { message, parent, root } of events) {
      expect(parent, message).toEqual(message.length === 1 ? null : idOf(message.slice(0, -2)));
      expect(root, message).toEqual(idOf(message.slice(0, 1)));
    }
    const { rows } = await world().db.query(
      `select message, path from event e join journal j on j.id = e.journal_id where j.name = $1 order by position`,
      [journal],
    );
    for (const { message, path } of rows) {
      const above = ['1', '1.1', '2'].filter((name) => message.startsWith(`${name}.`));
      expect(path ?? [], message).toEqual(above.map((name) => idOf(name).id));
    }
  });

  test('are shown as a tree, down to a depth', async () => {
    const journal = newJournal();
    const top = await one({ journal, ...note('1', [note('1.1', [note('1.1.1')]), note('1.2')]) });
    const down = async (maxDepth: number | null) => (await world().ask(TREE, { id: top.id, maxDepth })).event;
    expect(messages((await down(null)).tree)).toEqual(['1', '1.1', '1.1.1', '1.2']);
    expect(messages((await down(0)).tree)).toEqual(['1']);
    expect(messages((await down(1)).tree)).toEqual(['1', '1.1', '1.2']);
    expect((await down(null)).children).toEqual({
      totalCount: 2,
      nodes: [{ message: '1.1' }, { message: '1.2' }],
    });
  });

  test('get ids that follow from their parent’s, so that the tree is recorded once by any server', async () => {
    const journal = newJournal();
    const id = v7();
    const tree = { journal, id, ...note('1', [note('1.1', [note('1.1.1')]), note('1.2')]) };
    for (const server of world().servers) await one(tree, { server });
    const ids = (await all(journal)).map((event) => event.id);
    expect(ids).toHaveLength(4);
    // Its time, and a tail that is the same wherever and whenever it is made.
    for (const each of ids) expect(each.slice(0, 13)).toBe(id.slice(0, 13));
  });

  test('get ids that nobody can work out from their parent’s: that an id is taken would tell of a hidden child', async () => {
    const input = { id: v7(), type: 'note', children: [{ type: 'note' }] };
    const ids = [];
    for (const digit of ['1', '2']) {
      const other = await openWorld({ servers: 0 });
      await other.db.query("update installation set seal_key = decode(repeat($1, 64), 'hex')", [digit]);
      await other.addServer();
      await other.ask(
        'mutation ($input: RecordEventInput!) { recordEvent(input: $input) { event { id } } }',
        {
          input,
        },
      );
      ids.push((await other.ask('{ events { nodes { id } } }')).events.nodes[0].id);
    }
    expect(new Set(ids).size).toBe(2);
  });

  test('are compared as well when the tree is recorded again', async () => {
    const journal = newJournal();
    const id = v7();
    await one({ journal, id, ...note('1', [note('1.1')]) });
    expect(await refusal([{ journal, id, ...note('1', [note('other')]) }])).toMatchObject({
      code: 'ID_CONFLICT',
      at: 'input[0].children[0]',
    });
    await one({ journal, id, ...note('1', [note('1.1'), note('1.2')]) });
    expect(messages(await all(journal))).toEqual(['1', '1.1', '1.2']);
  });

  test('go where their parent goes, and nowhere else', async () => {
    const journal = newJournal();
    await one({
      journal,
      ...note('1', [
        { ...note('1.1'), journal: 'main' },
        { ...note('1.2'), journal },
      ]),
    });
    expect(await all(journal)).toHaveLength(3);
    const elsewhere = { journal, ...note('1', [{ ...note('1.1'), journal: newJournal() }]) };
    expect(await refusal([elsewhere])).toMatchObject({ code: 'BAD_USER_INPUT', at: 'input[0].children[0]' });
  });

  test('may name the parent that they stand in, and no other', async () => {
    const id = v7();
    const journal = newJournal();
    await one({ journal, id, ...note('1', [{ ...note('1.1'), parentId: id }]) });
    expect(await refusal([{ journal, ...note('2', [{ ...note('2.1'), parentId: id }]) }])).toEqual({
      code: 'BAD_USER_INPUT',
      message: 'A child belongs to the event it stands in: leave its parentId out.',
      index: 0,
      at: 'input[0].children[0]',
    });
  });
});

describe('an event that names its parent', () => {
  test('hangs below it, whether that was recorded before or stands in the same batch', async () => {
    const journal = newJournal();
    const [a, b] = [v7(), v7()];
    await record([{ journal, id: a, ...note('a') }]);
    await record([
      { journal, id: b, ...note('b'), parentId: a },
      { journal, ...note('c'), parentId: b },
    ]);
    const events = await all(journal);
    expect(events.map(({ parent, root }) => [parent, root])).toEqual([
      [null, { id: a }],
      [{ id: a }, { id: a }],
      [{ id: b }, { id: a }],
    ]);
    expect(messages((await world().ask(TREE, { id: a })).event.tree)).toEqual(['a', 'b', 'c']);
  });

  test('is refused where that comes later in the batch', async () => {
    const journal = newJournal();
    const id = v7();
    expect(
      await refusal([
        { journal, ...note('b'), parentId: id },
        { journal, id, ...note('a') },
      ]),
    ).toMatchObject({
      code: 'NOT_FOUND',
      message: `There is no event ${id} to record this one under.`,
      index: 0,
    });
  });

  test('is refused where that stands in another journal', async () => {
    const elsewhere = newJournal();
    const { id } = await one({ journal: elsewhere, ...note('a') });
    expect(await refusal([{ journal: newJournal(), ...note('b'), parentId: id }])).toMatchObject({
      code: 'BAD_USER_INPUT',
      message: `A tree stays in one journal: ${id} stands in ${elsewhere}.`,
    });
  });

  test('is told the same of a parent that is hidden as of one that is not there', async () => {
    const journal = newJournal();
    const ref = unique('page/hidden');
    await resource({ ref, acl: { owners: ['user/bob'] } });
    const { id } = await one({ journal, ...note('a'), resource: ref });
    const ann = await as('ann');
    const [hidden, missing] = [
      await refusal([{ journal, ...note('b'), parentId: id }], ann),
      await refusal([{ journal, ...note('b'), parentId: NOBODYS_ID }], ann),
    ];
    expect(hidden.code).toBe('NOT_FOUND');
    expect({ ...missing, message: missing.message.replace(NOBODYS_ID, id) }).toEqual(hidden);
  });

  test('is shown without a parent, and says so, to who may not see that', async () => {
    const journal = newJournal();
    const [hidden, open] = [unique('page/hidden'), unique('page/open')];
    await resource({ ref: hidden, acl: { owners: ['user/bob'] } });
    await resource({ ref: open, acl: { owners: ['user/ann'] } });
    const top = await one({ journal, ...note('a'), resource: hidden });
    const child = await one({ journal, ...note('b'), resource: open, parentId: top.id });
    const ann = await as('ann');
    expect(await read(child.id, ann)).toMatchObject({ parent: null, root: null });
    const { event } = await world().ask(
      `query ($id: ID!) { event(id: $id) { parentHidden } }`,
      { id: child.id },
      ann,
    );
    expect(event.parentHidden).toBe(true);
    expect(await read(top.id, ann)).toBeNull();
  });
});
