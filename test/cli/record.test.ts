import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { v7 } from 'uuid';
import { beforeAll, describe, expect, test } from 'vitest';
import { type CliOptions, type CliResult, emptyFolder, environmentOf, eventree } from '../support/cli.ts';
import { NOBODYS_ID } from '../support/load.ts';
import { worldForFile } from '../support/world.ts';

describe('eventree record', { timeout: 60_000 }, () => {
  const world = worldForFile();

  beforeAll(async () => {
    const define = `mutation ($name: String!, $kind: AttributeKind!) { defineAttribute(input: { name: $name, kind: $kind }) { name } }`;
    const kinds = { words: 'STRING', size: 'INTEGER', ratio: 'FLOAT', done: 'BOOLEAN', due: 'DATETIME' };
    const more = { about: 'RESOURCE', any: 'JSON' };
    for (const [name, kind] of Object.entries({ ...kinds, ...more }))
      await world().ask(define, { name, kind });
    const attributes = Object.keys({ ...kinds, ...more }).map((name) => ({ name }));
    await world().ask(
      'mutation ($attributes: [EventTypeAttributeInput!]!) { defineEventType(input: { name: "deployment.start", category: ACTION, messageTemplate: "{actor} deploys {resource}", attributes: $attributes }) { name } }',
      { attributes },
    );
    await world().ask(
      'mutation { defineEventType(input: { name: "off", category: ACTION, enabled: false }) { name } }',
    );
  });

  async function record(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
    return eventree(['record', ...args], { environment: await environmentOf(world()), ...options });
  }

  async function recorded(args: readonly string[], options: CliOptions = {}) {
    const { code, stdout, stderr } = await record([...args, '--json'], options);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    return JSON.parse(stdout);
  }

  test('says the id and the message of what is committed', async () => {
    const { code, stdout, stderr } = await record(['deployment.start', '--resource', 'deployment/847']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const [, id, message] = /^(\S{36}) {2}(.*)\n$/.exec(stdout) ?? [];
    expect(message).toBe('user/root deploys deployment/847');
    const { event } = await world().ask('query ($id: ID!) { event(id: $id) { message } }', { id });
    expect(event).toEqual({ message });
  });

  test('takes every option into the event', async () => {
    const parent = (await recorded(['note', '--message', 'above'])).id;
    const id = v7();
    const args = [
      'note',
      '--journal',
      'archive',
      '--resource',
      'host/db/1',
      '--message',
      'Moved',
      '--id',
      id,
    ];
    const more = ['--severity', 'high', '--category', 'alarm', '--actor', 'user/jane'];
    const rest = ['--correlation-id', 'c 1', '--occurred-at', '2020-02-03T04:05:06+01:00'];
    const event = await recorded([
      ...args,
      ...more,
      ...rest,
      '--payload',
      '[1]',
      '--private-payload',
      '{"a":2}',
    ]);
    expect(event).toEqual({
      id,
      journal: 'archive',
      type: 'note',
      resource: 'host/db/1',
      message: 'Moved',
      severity: 'HIGH',
      category: 'ALARM',
      actor: 'user/jane',
      correlationId: 'c 1',
      occurredAt: '2020-02-03T03:05:06.000Z',
      attributes: {},
      payload: [1],
      privatePayload: { a: 2 },
    });
    expect((await recorded(['note', '--parent', parent])).parentId).toBe(parent);
  });

  test('shows the event to its actor where it is told to', async () => {
    const resource = 'host/hidden';
    const [jane, john] = await Promise.all(['jane', 'john'].map((subject) => world().token({ subject })));
    const seenBy = async (id: string, token: string | undefined) => {
      const query = 'query ($id: ID!) { event(id: $id) { message payload } }';
      return (await world().ask(query, { id }, { token: token as string })).event;
    };
    const args = [
      'note',
      '--resource',
      resource,
      '--message',
      'Done',
      '--payload',
      '1',
      '--actor',
      'user/jane',
    ];
    const shown = await recorded([...args, '--visible-to-actor']);
    expect(shown).toMatchObject({ visibleToActor: true, actor: 'user/jane' });
    expect(await seenBy(shown.id, jane)).toEqual({ message: 'Done', payload: 1 });
    expect(await seenBy(shown.id, john)).toBeNull();
    const hidden = await recorded(args);
    expect(hidden).not.toHaveProperty('visibleToActor');
    expect(await seenBy(hidden.id, jane)).toBeNull();
  });

  test('reads attributes by their kinds', async () => {
    const given = {
      words: '12=a b',
      size: '12',
      ratio: '0.5',
      done: 'true',
      due: '2026-01-02T03:04:05Z',
      about: 'host/1',
      any: '{"a":[1]}',
    };
    const args = Object.entries(given).flatMap(([name, text]) => ['--attribute', `${name}=${text}`]);
    const { attributes } = await recorded(['deployment.start', ...args]);
    expect(attributes).toEqual({
      ...given,
      size: 12,
      ratio: 0.5,
      done: true,
      due: '2026-01-02T03:04:05.000Z',
      any: { a: [1] },
    });
  });

  test('reads a payload from a file', async () => {
    const folder = await emptyFolder();
    await writeFile(join(folder, 'report.json'), '{"lines": 12}');
    const { payload } = await recorded(['note', '--payload', '@report.json'], { folder });
    expect(payload).toEqual({ lines: 12 });
    const { code, stderr } = await record(['note', '--payload', '@nope.json'], { folder });
    expect(code).toBe(2);
    expect(stderr).toMatch(/^--payload: nope\.json cannot be read as JSON \(.*\)\.\n$/);
  });

  test('records once under one id', async () => {
    const args = ['note', '--message', 'once', '--id', v7()];
    expect((await record(args)).stdout).toBe((await record(args)).stdout);
    const { events } = await world().ask('{ events(filter: { search: "once" }) { totalCount } }');
    expect(events.totalCount).toBe(1);
  });

  test.each([
    ['a type that is none', ['nope'], /event type "?nope/],
    ['an attribute of another type', ['note', '--attribute', 'size=1'], /has no attribute "size"/],
    ['a value of another kind', ['deployment.start', '--attribute', 'size=big'], /size/],
    [
      'a number that would be rounded',
      ['deployment.start', '--attribute', 'size=9007199254740993'],
      /size|2\^53/,
    ],
    ['a parent that is none', ['note', '--parent', NOBODYS_ID], /There is no event/],
    ['an id that is none', ['note', '--id', 'nope'], /not a UUID of version 7/],
  ])('exits with 1 and the server’s sentence for %s', async (_, args, sentence) => {
    const { code, stdout, stderr } = await record(args);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(sentence);
    expect(stderr).toMatch(/^[^\n]+\.\n$/);
  });

  test('exits with 2 for an attribute without a value', async () => {
    const { code, stderr } = await record(['note', '--attribute', 'size']);
    expect(code).toBe(2);
    expect(stderr).toContain('It is written name=value');
  });

  test('says what it lacks where its token is not accepted', async () => {
    const environment = { ...(await environmentOf(world())), EVENTREE_TOKEN: 'not.a.token' };
    const { code, stderr } = await record(['note'], { environment });
    expect(code).toBe(1);
    expect(stderr).toContain('`eventree token` makes one');
  });

  test('says that an event of a disabled type is not kept', async () => {
    for (const more of [[], ['--json']]) {
      const { code, stdout, stderr } = await record(['off', ...more]);
      expect(code).toBe(0);
      expect(stdout).not.toBe('');
      expect(stderr).toBe('The event type off is disabled: the event is not kept.\n');
    }
  });
});
