import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { readDeclarationFile } from '../../src/events/declaration.ts';
import { emptyFolder, environmentOf, eventree, startEventree } from '../support/cli.ts';
import { newEvents, RECORD } from '../support/load.ts';
import { freePort } from '../support/redis.ts';
import { openWorld, type World, worldForFile } from '../support/world.ts';

/** All of an event that is the same wherever it is recorded. */
const ALL = `{ events(order: OLDEST_FIRST, first: 500) { nodes {
  id journal type { name } resource { ref } category severity message occurredAt actor activeClaim sessionId
  correlationId parent { id } root { id } attributes payload privatePayload visibleToActor
} } }`;

describe('eventree export', { timeout: 60_000 }, () => {
  const world = worldForFile();
  let environment: Record<string, string>;

  beforeAll(async () => {
    environment = await environmentOf(world());
    await declare(world());
    await recordTrees(world());
  });

  test.each(['ndjson', 'cloudevents'])('writes %s by which an empty server has the same', async (format) => {
    const folder = await emptyFolder();
    const args = ['export', '--format', format, '--types', 'types.json'];
    const exported = await eventree(args, { environment, folder });
    expect(exported).toMatchObject({ code: 0, stderr: '' });

    const other = await openWorld();
    const there = await environmentOf(other);
    for (const [declared, recorded] of [
      [11, 8],
      [0, 0],
    ]) {
      const imported = await eventree(['import', '-', '--types', 'types.json', '--json'], {
        environment: there,
        input: exported.stdout,
        folder,
      });
      expect(imported).toMatchObject({ code: 0, stderr: '' });
      const summary = { declared, read: 9, recorded, leftOut: 1, refused: [] };
      expect(JSON.parse(imported.stdout)).toMatchObject(summary);
    }
    const events = await eventsOf(world());
    expect(await eventsOf(other)).toEqual(events.filter(({ type }) => type.name !== 'acl_change'));
    expect(await typesOf(other)).toEqual(await typesOf(world()));

    // And what that one exports is, line by line, what it was given.
    const again = await eventree([...args.slice(0, -1), 'again.json'], { environment: there, folder });
    const lines = exported.stdout.split('\n').filter((line) => !line.includes('"acl_change"'));
    expect(again.stdout).toBe(lines.join('\n'));
    const [first, second] = await Promise.all(
      ['types.json', 'again.json'].map((name) => readFile(join(folder, name), 'utf8')),
    );
    expect(second).toBe(first);
  });

  test('writes the types as a server reads them at its start', async () => {
    const folder = await emptyFolder();
    const file = join(folder, 'eventree.types.json');
    // Whatever is exported: all types.
    const result = await eventree(['export', '--type', 'nope', '--types', file], { environment });
    expect(result).toEqual({ code: 0, signal: null, stdout: '', stderr: '' });
    const declarations = (await readDeclarationFile(undefined, folder))?.declarations;
    // None of those that every server has, but for what was made another here.
    expect(Object.keys(declarations?.attributes ?? {}).sort()).toEqual(Object.keys(KINDS).sort());
    expect(Object.keys(declarations?.eventTypes ?? {})).toEqual(['job', 'job.retired', 'job.step', 'note']);

    const other = await openWorld({ environment: { EVENTREE_TYPES_FILE: file } });
    expect(await typesOf(other)).toEqual(await typesOf(world()));
  });

  test('takes a file for the types only under a name by which it is read as JSON', async () => {
    const { code, stdout, stderr } = await eventree(['export', '--types', 'types'], { environment });
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain('ends with .json');
  });

  test('writes to a file, and to standard output for -', async () => {
    const folder = await emptyFolder();
    const toFile = await eventree(['export', '-o', 'events.ndjson'], { environment, folder });
    expect(toFile).toMatchObject({ code: 0, stdout: '', stderr: '' });
    const text = await readFile(join(folder, 'events.ndjson'), 'utf8');
    expect(text).toMatch(/^(\{.*\}\n){9}$/);
    expect((await eventree(['export', '-o', '-'], { environment })).stdout).toBe(text);
  });

  test('takes what its options choose', async () => {
    const { stdout } = await eventree(['export', '--type', 'job.*', '--severity', 'high'], { environment });
    expect(parse(stdout).map(({ type, severity }) => [type, severity])).toEqual([['job.step', 'CRITICAL']]);
  });

  test('shows no more than its reader may see, and says what is without its parent', async () => {
    const jane = await environmentOf(world(), { subject: 'jane' });
    const { code, stdout, stderr } = await eventree(['export'], { environment: jane });
    expect(code).toBe(0);
    expect(parse(stdout).map(({ message }) => message)).toEqual(['step 1', 'step 2']);
    expect(stderr).toBe(
      '2 of these events belong to a parent that you may not see: they are exported without it.\n',
    );
  });

  test('leaves the last export as it is where there is no server', async () => {
    const folder = await emptyFolder();
    await writeFile(join(folder, 'events.ndjson'), 'the last one');
    const away = { EVENTREE_URL: `http://127.0.0.1:${await freePort()}` };
    const { code } = await eventree(['export', '-o', 'events.ndjson'], { environment: away, folder });
    expect(code).toBe(1);
    expect(await readFile(join(folder, 'events.ndjson'), 'utf8')).toBe('the last one');
  });

  test('fails with a sentence where nothing can be written', async () => {
    const { code, stderr } = await eventree(['export', '-o', 'no/folder/events.ndjson'], { environment });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^The file no\/folder\/events\.ndjson cannot be written: .*\.\n$/);
    const types = await eventree(['export', '--types', 'no/folder/types.json'], { environment });
    expect(types.code).toBe(1);
    expect(types.stderr).toMatch(/^The file no\/folder\/types\.json cannot be written: .*\.\n$/);
  });

  test('ends in peace when its reader has enough', async () => {
    const input = newEvents(1_000).map((event) => ({
      ...event,
      journal: 'long',
      payload: 'x'.repeat(2_000),
    }));
    await world().ask(RECORD, { input });
    const running = await startEventree(['export', '--journal', 'long'], { environment });
    await running.untilLines(1);
    running.process.stdout?.destroy();
    expect(await running.ended).toMatchObject({ code: 0, stderr: '' });
  });
});

const KINDS = {
  branch: 'STRING',
  size: 'INTEGER',
  ratio: 'FLOAT',
  done: 'BOOLEAN',
  due: 'DATETIME',
  any: 'JSON',
  // A name that every object has.
  constructor: 'RESOURCE',
};

async function declare(world: World): Promise<void> {
  const attribute = `mutation ($input: DefineAttributeInput!) { defineAttribute(input: $input) { name } }`;
  for (const [name, kind] of Object.entries(KINDS)) {
    const more = { size: { indexed: false, description: 'Of it.' }, ratio: { private: true } };
    await world.ask(attribute, { input: { name, kind, ...more[name as keyof typeof more] } });
  }
  const attributes = Object.keys(KINDS).map((name) => ({ name }));
  const job = { category: 'CALL', messageTemplate: '{actor} ran {branch}', attributes };
  await define(world, { ...job, name: 'job', description: 'A job “ran”.', severity: 'LOW' });
  await define(world, { ...job, name: 'job.step' });
  await define(world, {
    name: 'job.retired',
    category: 'STATE',
    attributes: [{ name: 'size', required: true }],
  });
  // A built-in one, made another.
  await define(world, { name: 'note', category: 'USER', severity: 'CRITICAL' });
}

async function define(world: World, input: object): Promise<void> {
  const type = `mutation ($input: DefineEventTypeInput!) { defineEventType(input: $input) { name } }`;
  await world.ask(type, { input });
}

/** Eight events and a change of rights. */
async function recordTrees(world: World): Promise<void> {
  const step = { type: 'job.step', resource: 'page/1' };
  const own = { type: 'job.step', resource: 'page/2', actor: 'user/joe', visibleToActor: true };
  const [root] = await record([
    {
      type: 'job',
      resource: 'job/ä ö/1',
      actor: 'user/jane',
      activeClaim: 'group/ops',
      sessionId: 'session\n1',
      correlationId: 'c-1',
      occurredAt: '1969-07-20T20:17:40.123Z',
      severity: 'LOW',
      category: 'ALARM',
      attributes: {
        branch: 'main',
        size: -12,
        ratio: 0.1,
        done: false,
        due: '2026-01-02T03:04:05.678Z',
        any: [{ a: null }],
        constructor: 'page/2',
      },
      payload: { deep: [{ er: 'ü 😀' }], n: 1e-7 },
      privatePayload: 'only for owners',
      children: [
        { ...step, message: 'step 1', children: [{ ...own, message: 'step 1.1' }] },
        { ...step, message: 'step 2', severity: 'CRITICAL' },
      ],
    },
  ]);
  await record([{ type: 'job.retired', attributes: { size: 3 } }]);
  await define(world, {
    name: 'job.retired',
    category: 'STATE',
    enabled: false,
    attributes: [{ name: 'size', required: true }],
  });
  await record([{ type: 'note' }, { type: 'note', message: 'two\nlines\t\u001b[31m', payload: false }]);
  await record([{ type: 'note', message: 'later', parentId: root?.id }]);
  await world.ask('mutation { setResourceAcl(ref: "page/1", acl: { viewData: ["user/jane"] }) { ref } }');

  async function record(input: readonly object[]): Promise<{ id: string }[]> {
    return (await world.ask(RECORD, { input })).recordEvents.events;
  }
}

async function eventsOf(world: World): Promise<{ type: { name: string } }[]> {
  return (await world.ask(ALL)).events.nodes;
}

async function typesOf(world: World): Promise<unknown> {
  return world.ask(`{
    attributes { name kind description indexed private }
    eventTypes {
      name description category severity messageTemplate enabled attributes { required attribute { name } }
    }
  }`);
}

function parse(ndjson: string): Record<string, unknown>[] {
  return ndjson
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
}
