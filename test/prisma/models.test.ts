import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import type { RuntimeModels } from '../../src/recorder/prisma/internals.ts';
import { readModels } from '../../src/recorder/prisma/models.ts';
import { blocksOf, namesIn, stringIn, wordIn } from '../../src/recorder/prisma/schema-text.ts';
import { bankForTest } from './support/bank.ts';

const SCHEMA = new URL('support/schema.prisma', import.meta.url);

/** The data model of the tests' own client. */
async function bankModels() {
  const bank = await bankForTest();
  const client = bank.plain() as unknown as {
    _runtimeDataModel: RuntimeModels;
    _engineConfig: { inlineSchema: string };
  };
  return readModels(client._engineConfig.inlineSchema, client._runtimeDataModel);
}

describe('the text of a schema', () => {
  test('is taken apart at its blocks, past comments, strings and broken lines', () => {
    const blocks = blocksOf(`
      // model No { id Int @id }
      /* model Neither {
         id Int @id } */
      model A { // its comment
        id   Int      @id(map: "a } pk") @default(autoincrement())
        text String?  @map("te\\"xt") @default("{ @id // }")
        bs   B[]      @relation("AB")
        b    B        @relation(
          fields: [bId],
          references: [id], onDelete: Cascade
        )
        bId  Int      @db.SmallInt
        loc  Unsupported("geometry(Point)")?
        @@unique([id, text(sort: Desc)], name: "both")
        @@map("table a")
      }
      enum E { ONE @map("1")
        TWO }`);

    expect(blocks.map(({ kind, name, lines }) => [kind, name, lines.map((line) => line.name)])).toEqual([
      ['model', 'A', ['id', 'text', 'bs', 'b', 'bId', 'loc', '', '']],
      ['enum', 'E', ['ONE', 'TWO']],
    ]);
    const [id, text, bs, b, bId, loc, unique, map] = blocks[0]?.lines ?? [];
    expect(stringIn(id?.attributes.get('@id'))).toBe('a } pk');
    expect(text).toMatchObject({ type: 'String', optional: true, list: false });
    expect(stringIn(text?.attributes.get('@map'))).toBe('te"xt');
    expect([...(text?.attributes.keys() ?? [])]).toEqual(['@map', '@default']);
    expect(bs).toMatchObject({ type: 'B', list: true });
    expect(namesIn(b?.attributes.get('@relation'), 'references')).toEqual(['id']);
    expect(wordIn(b?.attributes.get('@relation'), 'onDelete')).toBe('Cascade');
    expect(bId?.attributes.has('@db.SmallInt')).toBe(true);
    expect(loc).toMatchObject({ type: 'Unsupported', optional: true });
    expect(namesIn(unique?.attributes.get('@@unique'))).toEqual(['id', 'text']);
    expect(stringIn(map?.attributes.get('@@map'))).toBe('table a');
    expect(stringIn(blocks[1]?.lines[0]?.attributes.get('@map'))).toBe('1');
  });

  test('that is another than the client’s is refused', async () => {
    const bank = await bankForTest();
    const { _runtimeDataModel: runtime } = bank.plain() as unknown as { _runtimeDataModel: RuntimeModels };
    const schema = (await readFile(SCHEMA, 'utf8')).replace('  bio ', '  biography ');

    expect(() => readModels(schema, runtime)).toThrow(/Profile\.bio was not found/);
  });
});

describe('a data model', () => {
  test('has tables, columns, keys and labels of enums', async () => {
    const models = await bankModels();
    const account = models.get('Account');

    expect(account).toMatchObject({ table: '"public"."accounts"', property: 'account', key: ['id'] });
    expect(account?.uniques).toEqual([['id'], ['number']]);
    expect(account?.fields.get('number')).toMatchObject({
      column: '"account_number"',
      columnName: 'account_number',
    });
    expect(account?.fields.get('updatedAt')?.updatedAt).toBe(true);
    expect(account?.fields.get('status')?.labels?.get('CLOSED')).toBe('closed for good');
    expect(models.get('Seat')?.uniques).toEqual([
      ['row', 'place'],
      ['place', 'row'],
    ]);
    expect(models.get('Setting')?.key).toEqual(['name']);
    expect(models.get('Sample')?.fields.has('point')).toBe(false);
    expect(models.get('Customer')?.fields.get('id')?.native).toBe('Uuid');
  });

  test('has relations from both of their sides, and what they do', async () => {
    const models = await bankModels();
    const relation = (model: string, name: string) => models.get(model)?.relations.get(name);

    expect(relation('Account', 'customer')).toEqual({
      name: 'customer',
      to: 'Customer',
      list: false,
      backToOne: false,
      through: 'here',
      own: ['customerId'],
      others: ['id'],
      onDelete: 'Cascade',
      onUpdate: 'Cascade',
    });
    expect(relation('Customer', 'profile')).toMatchObject({ through: 'there', backToOne: true, own: ['id'] });
    expect(relation('Customer', 'manager')).toMatchObject({ through: 'here', onDelete: 'SetNull' });
    expect(relation('Customer', 'reports')).toMatchObject({ through: 'there', others: ['managerId'] });
    expect(relation('Seat', 'visits')).toMatchObject({ own: ['row', 'place'], others: ['row', 'place'] });
    expect(relation('Customer', 'tags')?.through).toEqual({
      table: '"public"."_CustomerToTag"',
      own: '"A"',
      other: '"B"',
    });
    expect(relation('Tag', 'customers')?.through).toMatchObject({ own: '"B"', other: '"A"' });
  });
});
