/** A declaration file is read at start and brought into the registry; what contradicts that stops the start. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { StartError } from '../../src/base/errors.ts';
import { readDeclarationFile } from '../../src/events/declaration.ts';
import { unique, worldForFile } from '../support/world.ts';
import { recorderOf } from './support/recorder.ts';

const world = worldForFile();
const { one, attribute, type } = recorderOf(world);

const TYPE = `query ($name: String!) {
  eventType(name: $name) { category severity messageTemplate enabled attributes { required attribute { name kind indexed private } } }
}`;
const COUNT = `query ($filter: EventFilter) { events(filter: $filter) { totalCount } }`;

async function folder(): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), 'eventree-types-'));
  onTestFinished(() => rm(made, { recursive: true }));
  return made;
}

async function file(name: string, content: string | object): Promise<string> {
  const path = join(await folder(), name);
  await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

async function started(path: string) {
  return world().addServer({ EVENTREE_TYPES_FILE: path });
}

/** The sentence with which the server does not start. */
async function stopped(path: string): Promise<string> {
  const error = await started(path).then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(StartError);
  return (error as Error).message;
}

const lookUp = async (name: string) => (await world().ask(TYPE, { name })).eventType;

describe('a declaration file', () => {
  test('of TypeScript is read, with its types beside it', async () => {
    const [name, size] = [unique('shop.sold'), unique('size')];
    const declaration = new URL('../../src/events/declaration.ts', import.meta.url).pathname;
    const path = await file(
      'eventree.types.ts',
      `import { defineTypes } from ${JSON.stringify(declaration)};
      const severity: 'HIGH' | 'LOW' = 'HIGH';
      export default defineTypes({
        attributes: { ${JSON.stringify(size)}: { kind: 'INTEGER', private: true } },
        eventTypes: {
          ${JSON.stringify(name)}: {
            category: 'ACTION', severity, messageTemplate: '{actor} sold {old}',
            attributes: { ${JSON.stringify(size)}: { required: true }, old: {} },
          },
        },
      });`,
    );
    const server = await started(path);
    expect(await lookUp(name)).toEqual({
      ...{ category: 'ACTION', severity: 'HIGH', messageTemplate: '{actor} sold {old}', enabled: true },
      attributes: [
        { required: true, attribute: { name: size, kind: 'INTEGER', indexed: true, private: true } },
        { required: false, attribute: { name: 'old', kind: 'JSON', indexed: false, private: false } },
      ],
    });
    expect(await one({ type: name, attributes: { [size]: 1 } }, { server })).toMatchObject({
      severity: 'HIGH',
    });
  });

  test('of JSON is read, and synchronised again when it has changed', async () => {
    const [name, size] = [unique('shop.sold'), unique('size')];
    const declared = { category: 'ACTION', attributes: { [size]: {} } };
    const first = {
      attributes: { [size]: { kind: 'STRING', indexed: false } },
      eventTypes: { [name]: declared },
    };
    await started(await file('eventree.types.json', first));
    expect(await lookUp(name)).toMatchObject({ category: 'ACTION', severity: 'MEDIUM' });
    await one({ type: name, attributes: { [size]: 'x' } });

    const second = {
      attributes: { [size]: { kind: 'STRING', indexed: true } },
      eventTypes: { [name]: { ...declared, category: 'ALARM', severity: 'LOW', enabled: false } },
    };
    await started(await file('other.json', second));
    expect(await lookUp(name)).toMatchObject({ category: 'ALARM', severity: 'LOW', enabled: false });
    const { events } = await world().ask(COUNT, { filter: { attributes: [{ name: size, eq: 'x' }] } });
    expect(events.totalCount).toBe(1);
  });

  test('is looked for under its usual names in the working folder', async () => {
    const here = await folder();
    expect(await readDeclarationFile(undefined, here)).toBeNull();
    await writeFile(join(here, 'eventree.types.json'), '{ "attributes": { "a": { "kind": "STRING" } } }');
    expect((await readDeclarationFile(undefined, here))?.file).toBe(join(here, 'eventree.types.json'));
    await writeFile(join(here, 'eventree.types.ts'), 'export default { attributes: {} };');
    expect((await readDeclarationFile(undefined, here))?.file).toBe(join(here, 'eventree.types.ts'));
  });

  test('leaves alone what it does not name', async () => {
    const name = unique('by.hand');
    await type({ name, category: 'USER' });
    await started(await file('eventree.types.json', {}));
    expect(await lookUp(name)).toMatchObject({ category: 'USER' });
  });
});

describe('the server does not start', () => {
  test('where an attribute would change its kind, and nothing of the file is taken over', async () => {
    const [name, fresh] = [unique('size'), unique('fresh')];
    await attribute({ name, kind: 'INTEGER' });
    const path = await file('eventree.types.json', {
      attributes: { [fresh]: { kind: 'STRING' }, [name]: { kind: 'STRING' } },
    });
    expect(await stopped(path)).toBe(
      `The declaration file ${path} contradicts what is recorded: The attribute ${name} is of kind INTEGER for good: declare another one for values of kind STRING.`,
    );
    const { attributes } = await world().ask('{ attributes { name kind } }');
    expect(attributes.filter((each: { name: string }) => [name, fresh].includes(each.name))).toEqual([
      { name, kind: 'INTEGER' },
    ]);
  });

  for (const [what, eventType, sentence] of [
    [
      'lists an attribute that is not declared',
      { category: 'USER', attributes: { never: {} } },
      'There is no attribute "never"',
    ],
    [
      'shows one in its message that it does not have',
      { category: 'USER', messageTemplate: '{old}' },
      'The message template shows {old}',
    ],
  ] as const) {
    test(`where a type ${what}`, async () => {
      const name = unique('wrong');
      const path = await file('eventree.types.json', { eventTypes: { [name]: eventType } });
      const message = await stopped(path);
      expect(message).toContain(path);
      expect(message).toContain(sentence);
      expect(await lookUp(name)).toBeNull();
    });
  }

  test('where a built-in type would lose an attribute', async () => {
    const path = await file('eventree.types.json', { eventTypes: { update: { category: 'CRUD' } } });
    expect(await stopped(path)).toContain(
      'The event type update is built in and keeps its attribute attribute.',
    );
  });

  for (const [what, content, place] of [
    ['a kind that there is not', { attributes: { a: { kind: 'TEXT' } } }, 'attributes.a.kind'],
    ['a category that there is not', { eventTypes: { a: { category: 'OTHER' } } }, 'eventTypes.a.category'],
    ['a misspelt field', { attributes: { a: { kind: 'STRING', index: true } } }, 'attributes.a'],
    ['a field of its own', { types: {} }, 'its top'],
    ['something else', '[]', 'its top'],
  ] as const) {
    test(`where the file has ${what}`, async () => {
      const path = await file('eventree.types.json', content);
      expect(await stopped(path)).toContain(`The declaration file ${path} is not valid at ${place}: `);
    });
  }

  test('where the file cannot be read', async () => {
    const missing = join(await folder(), 'missing.json');
    const broken = [
      missing,
      await file('eventree.types.json', '{ "attributes": '),
      await file('eventree.types.ts', 'export default {{{'),
      await file('throws.ts', 'throw new Error("not today")'),
    ];
    for (const path of broken)
      expect(await stopped(path)).toContain(`The declaration file ${path} cannot be read: `);
  });
});
