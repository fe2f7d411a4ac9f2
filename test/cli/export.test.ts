import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { emptyFolder, environmentOf, eventree, startEventree } from '../support/cli.ts';
import { newEvents, RECORD } from '../support/load.ts';
import { freePort } from '../support/redis.ts';
import { openWorld, type World, worldForFile } from '../support/world.ts';

/** All of an event that is the same wherever it is recorded. */
const ALL = `{ events(order: OLDEST_FIRST, first: 500) { nodes {
  id journal type { name } resource { ref } category severity message occurredAt actor activeClaim sessionId
  correlationId parent { id } root { id } attributes payload privatePayload
} } }`;

describe('eventree export', () => {
  const world = worldForFile();
  let environment: Record<string, string>;

  beforeAll(async () => {
    environment = await environmentOf(world());
    await declare(world());
    await recordTrees(world());
  });

  test.each(['ndjson', 'cloudevents'])(
    'writes %s by which another server has the same events',
    async (format) => {
      const exported = await eventree(['export', '--format', format], { environment });
      expect(exported).toMatchObject({ code: 0, stderr: '' });

      const other = await openWorld();
      await declare(other);
      const imported = await eventree(['import', '-', '--json'], {
        environment: await environmentOf(other),
        input: exported.stdout,
      });
      expect(imported).toMatchObject({ code: 0, stderr: '' });
      expect(JSON.parse(imported.stdout)).toMatchObject({ read: 8, recorded: 7, leftOut: 1, refused: [] });

      const events = await eventsOf(world());
      expect(await eventsOf(other)).toEqual(events.filter(({ type }) => type.name !== 'acl_change'));
      // And what that one exports is, line by line, what it was given.
      const again = await eventree(['export', '--format', format], {
        environment: await environmentOf(other),
      });
      const lines = exported.stdout.split('\n').filter((line) => !line.includes('"acl_change"'));
      expect(again.stdout).toBe(lines.join('\n'));
    },
  );

  test('writes to a file, and to standard output for -', async () => {
    const folder = await emptyFolder();
    const toFile = await eventree(['export', '-o', 'events.ndjson'], { environment, folder });
    expect(toFile).toMatchObject({ code: 0, stdout: '', stderr: '' });
    const text = await readFile(join(folder, 'events.ndjson'), 'utf8');
    expect(text).toMatch(/^(\{.*\}\n){8}$/);
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

async function declare(world: World): Promise<void> {
  const attribute = `mutation ($name: String!, $kind: AttributeKind!) { defineAttribute(input: { name: $name, kind: $kind }) { name } }`;
  const kinds = {
    branch: 'STRING',
    size: 'INTEGER',
    ratio: 'FLOAT',
    done: 'BOOLEAN',
    due: 'DATETIME',
    any: 'JSON',
  };
  for (const [name, kind] of Object.entries(kinds)) await world.ask(attribute, { name, kind });
  const type = `mutation ($name: String!, $attributes: [EventTypeAttributeInput!]!) {
    defineEventType(input: { name: $name, category: ACTION, messageTemplate: "{actor} ran {branch}", attributes: $attributes }) { name }
  }`;
  const attributes = Object.keys(kinds).map((name) => ({ name }));
  await world.ask(type, { name: 'job', attributes });
  await world.ask(type, { name: 'job.step', attributes });
}

/** Seven events and a change of rights. */
async function recordTrees(world: World): Promise<void> {
  const step = { type: 'job.step', resource: 'page/1' };
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
      },
      payload: { deep: [{ er: 'ü 😀' }], n: 1e-7 },
      privatePayload: 'only for owners',
      children: [
        { ...step, message: 'step 1', children: [{ type: 'job.step', message: 'step 1.1' }] },
        { ...step, message: 'step 2', severity: 'CRITICAL' },
      ],
    },
  ]);
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

function parse(ndjson: string): Record<string, unknown>[] {
  return ndjson
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
}
