import { Command } from 'commander';
import { beforeAll, describe, expect, test } from 'vitest';
import { addFilterOptions, filterOf } from '../../src/cli/filter-options.ts';
import { createClient } from '../../src/client/client.ts';
import { RECORD } from '../support/load.ts';
import { worldForFile } from '../support/world.ts';

/** By a real server: what an option means is what it answers. */
describe('the options by which events are chosen', () => {
  const world = worldForFile();

  beforeAll(async () => {
    await world().ask(`mutation {
      size: defineAttribute(input: { name: "size", kind: INTEGER }) { name }
      path: defineAttribute(input: { name: "path", kind: STRING }) { name }
      build: defineEventType(input: { name: "build", category: ACTION }) { name }
      done: defineEventType(input: { name: "build.done", category: CHANGE, attributes: [{ name: "size" }, { name: "path" }] }) { name }
    }`);
    const c = { type: 'build.done', message: 'c', resource: 'host/1', severity: 'CRITICAL' };
    const input = [
      { type: 'note', message: 'a', resource: 'page/1', severity: 'LOW', correlationId: 'c-1' },
      { type: 'build', message: 'b', resource: 'page/2', severity: 'HIGH', actor: 'user/jane' },
      { ...c, attributes: { size: 12, path: 'src/a=b' } },
    ];
    await world().ask(RECORD, { input });
  });

  test.each([
    [[], 'abc'],
    [['--type', 'build'], 'b'],
    [['--type', 'build', '--type', 'note'], 'ab'],
    [['--type', 'build*'], 'bc'],
    [['--type', 'build.*', '--type', 'note'], 'ac'],
    [['--resource', 'page/1', '--resource', 'host/1'], 'ac'],
    [['--resource-type', 'page'], 'ab'],
    [['--resource-type', 'page', '--resource-type', 'host'], 'abc'],
    [['--actor', 'user/jane', '--actor', 'user/nobody'], 'b'],
    [['--severity', 'high'], 'bc'],
    [['--category', 'change', '--category', 'ALARM'], 'c'],
    [['--search', 'c'], 'c'],
    [['--attribute', 'size'], 'c'],
    [['--attribute', 'size=12'], 'c'],
    [['--attribute', 'size!=12'], ''],
    [['--attribute', 'size>=12', '--attribute', 'size<13'], 'c'],
    [['--attribute', 'size>12'], ''],
    [['--attribute', 'size<=12'], 'c'],
    [['--attribute', 'path^=src/'], 'c'],
    [['--attribute', 'path=src/a=b'], 'c'],
    [['--type', 'build.done', '--severity', 'low', '--attribute', 'size=13'], ''],
    [['--filter', '{"correlationId":{"eq":"c-1"}}'], 'a'],
    [['--filter', '{"not":{"type":{"eq":"note"}}}', '--severity', 'critical'], 'c'],
  ])('choose by %j: %s', async (args, chosen) => {
    const options = addFilterOptions(new Command()).parse(args, { from: 'user' }).opts();
    const url = String(world().servers[0]?.url);
    const client = createClient({ url, token: await world().token({ groups: ['admin'] }) });
    const filter = await filterOf(options, client);
    const query = `query ($filter: EventFilter) {
      events(filter: $filter, order: OLDEST_FIRST) { nodes { message } }
    }`;
    const { events } = await client.query<{ events: { nodes: { message: string }[] } }>(query, { filter });
    expect(events.nodes.map(({ message }) => message).join('')).toBe(chosen);
  });

  test.each(['=1', 'a b=1', 'size~1', ''])('refuse the test %j of an attribute', (text) => {
    const command = addFilterOptions(new Command())
      .exitOverride()
      .configureOutput({ writeErr: () => {} });
    expect(() => command.parse(['--attribute', text], { from: 'user' })).toThrow(
      'It is written like branch=main',
    );
  });
});
