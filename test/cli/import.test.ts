import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { v7 } from 'uuid';
import { beforeAll, describe, expect, test } from 'vitest';
import { type CliResult, emptyFolder, environmentOf, eventree, startEventree } from '../support/cli.ts';
import { NOBODYS_ID } from '../support/load.ts';
import { freePort } from '../support/redis.ts';
import { unique, worldForFile } from '../support/world.ts';

const AT = '2026-01-02T03:04:05.678Z';

describe('eventree import', { timeout: 60_000 }, () => {
  const world = worldForFile();
  let environment: Record<string, string>;

  beforeAll(async () => {
    environment = await environmentOf(world());
  });

  async function importLines(lines: readonly (object | string | Buffer)[], ...args: string[]) {
    const input = Buffer.concat(
      lines.flatMap((line) => [
        Buffer.isBuffer(line) ? line : Buffer.from(typeof line === 'string' ? line : JSON.stringify(line)),
        Buffer.from('\n'),
      ]),
    );
    const result = await eventree(['import', '-', '--json', ...args], { environment, input });
    return { ...result, summary: JSON.parse(result.stdout || 'null') };
  }

  async function messagesOf(journal: string): Promise<string[]> {
    const query =
      'query ($journal: String!) { events(journal: $journal, order: OLDEST_FIRST, first: 500) { nodes { message } } }';
    const { events } = await world().ask(query, { journal });
    return events.nodes.map(({ message }: { message: string }) => message);
  }

  test('records the lines of a file in their order, and says how many', async () => {
    const journal = unique('journal');
    const lines = ['first', 'second', 'third'].map((message) =>
      JSON.stringify({ journal, type: 'note', message }),
    );
    const folder = await emptyFolder();
    // As an editor of another system leaves it.
    await writeFile(join(folder, 'events.ndjson'), `\ufeff${lines[0]}\r\n\r\n${lines[1]}\r\n${lines[2]}`);
    const result = await eventree(['import', 'events.ndjson'], { environment, folder });
    expect(result).toMatchObject({
      code: 0,
      stdout: '3 events read: 3 recorded, 0 already there.\n',
      stderr: '',
    });
    expect(await messagesOf(journal)).toEqual(['first', 'second', 'third']);
  });

  test('adds nothing the second time, whatever a line says of itself', async () => {
    const journal = unique('journal');
    const id = v7();
    const cloudEvent = { specversion: '1.0', type: 'note', source: '/a', id: '1', data: 'x' };
    const lines = [
      { journal, type: 'note', message: 'with an id', id },
      { journal, type: 'note', message: 'with a time', occurredAt: AT },
      { journal, type: 'note', message: 'with neither' },
      { journal, type: 'note', message: 'with neither' },
      { journal, type: 'note', message: 'with children', children: [{ type: 'note', message: 'a child' }] },
      { journal, type: 'note', message: 'below', parentId: id },
    ];
    const foreign = [
      { ...cloudEvent, time: AT },
      { ...cloudEvent, id: '2' },
    ];
    for (const [recorded, alreadyThere] of [
      [6, 0],
      [0, 6],
    ]) {
      const { code, summary } = await importLines(lines);
      expect({ code, ...summary }).toMatchObject({ code: 0, read: 6, recorded, alreadyThere, refused: [] });
    }
    for (const recorded of [2, 0]) {
      const { summary } = await importLines(foreign, '--journal', journal);
      expect(summary).toMatchObject({ read: 2, recorded, alreadyThere: 2 - recorded, refused: [] });
    }
    expect(await messagesOf(journal)).toHaveLength(9);
  });

  test('reports a bad line with its number and reason, and the rest goes on', async () => {
    const journal = unique('journal');
    const good = (message: string) => ({ journal, type: 'note', message });
    const lines: [object | string | Buffer, RegExp | null][] = [
      [good('1'), null],
      ['{"type": "note"', /not JSON/],
      ['[1]', /not a JSON object/],
      ['', null],
      [{ ...good('5'), severity: 'WORST' }, /`severity` must be one of LOW, /],
      [good('6'), null],
      [{ ...good('7'), type: 'nope' }, /nope/],
      [{ ...good('8'), colour: 'red' }, /has no field "colour"/],
      [{ ...good('9'), attributes: { size: 1 } }, /has no attribute "size"/],
      [{ ...good('10'), resource: 'no slash' }, /^resource: .*type\/id/],
      [{ ...good('11'), parentId: NOBODYS_ID }, /There is no event/],
      [{ ...good('12'), id: '7d444840-9dc0-11d1-b245-5ffdce74fad2' }, /not a UUID of version 7/],
      [{ ...good('13'), message: '\u0000' }, /U\+0000/],
      [Buffer.from([0x22, 0xff, 0x22]), /not UTF-8/],
      ['x'.repeat(16_000_001), /longer than 16000000 bytes/],
      [{ ...good('16'), payload: 'x'.repeat(2_000_000) }, /more than 1048576/],
      [{ ...good('17'), payload: 9007199254740991 }, null],
      [JSON.stringify({ ...good('18'), payload: 1 }).replace(':1}', ':9007199254740993}'), /beyond 2\^53/],
      [`{"type":"note","payload":${'['.repeat(20_000)}${']'.repeat(20_000)}}`, /nested deeper/],
      [{ specversion: '1.0', type: 'note', source: '/a' }, /A CloudEvent has a `id`/],
      [good('21'), null],
      [{ ...good('22'), visibleToActor: 'yes' }, /`visibleToActor` must be true or false/],
      [{ ...good('23'), visibleToActor: true }, null],
    ];
    const { code, stderr, summary } = await importLines(lines.map(([line]) => line));
    const bad = lines.flatMap(([, reason], index) => (reason === null ? [] : [{ line: index + 1, reason }]));
    expect(code).toBe(1);
    expect(summary).toMatchObject({ read: 22, recorded: 5, refusedInAll: bad.length });
    const inOrder = (one: { line: number }, other: { line: number }) => one.line - other.line;
    expect(summary.refused.sort(inOrder)).toEqual(
      bad.map(({ line, reason }) => ({
        line,
        code: expect.any(String),
        message: expect.stringMatching(reason),
      })),
    );
    for (const { line } of bad) expect(stderr).toMatch(new RegExp(`^line ${line}: .+$`, 'm'));
    expect(stderr.trimEnd().split('\n')).toHaveLength(bad.length);
    expect(await messagesOf(journal)).toEqual(['1', '6', '17', '21', '23']);
  });

  test('says how many it refused without --json as well', async () => {
    const { code, stdout } = await eventree(['import', '-'], { environment, input: 'nope\n' });
    expect({ code, stdout }).toEqual({
      code: 1,
      stdout: '1 event read: 0 recorded, 0 already there, 1 refused.\n',
    });
  });

  test('shows no control characters of a refused line', async () => {
    const { stderr } = await importLines([
      { type: 'note', '\u001b[31mred': 1 },
      { type: '\u001b[2Jcleared' },
    ]);
    expect(stderr).not.toContain('\u001b');
  });

  test('declares what is missing or another, once, and leaves the rest alone', async () => {
    const [same, changed, missing] = [unique('same'), unique('changed'), unique('missing')];
    const [size, any] = [unique('size'), unique('any')];
    await declare(same);
    await declare(changed);
    const types = await typesFile({
      attributes: { [size]: { kind: 'INTEGER', private: true }, [any]: { kind: 'JSON' } },
      eventTypes: {
        [same]: { category: 'ACTION' },
        [changed]: { category: 'ALARM', messageTemplate: `{${size}}`, attributes: { [size]: {} } },
        [missing]: { category: 'STATE', attributes: { [any]: { required: true } } },
      },
    });
    const lines = [
      { type: same, occurredAt: AT },
      { type: changed, occurredAt: AT, attributes: { [size]: 7 } },
      { type: missing, occurredAt: AT, attributes: { [any]: [null] } },
    ];
    for (const [declared, recorded] of [
      [4, 3],
      [0, 0],
    ]) {
      const { code, summary } = await importLines(lines, '--types', types);
      expect({ code, ...summary }).toMatchObject({ code: 0, declared, recorded, refused: [] });
    }
    expect(await typeOf(same)).toMatchObject({ category: 'ACTION', attributes: [] });
    expect(await typeOf(changed)).toMatchObject({
      category: 'ALARM',
      messageTemplate: `{${size}}`,
      attributes: [{ required: false, attribute: { name: size, kind: 'INTEGER', private: true } }],
    });
    expect(await typeOf(missing)).toMatchObject({
      attributes: [{ required: true, attribute: { name: any } }],
    });
  });

  test('disables a type when its events are there', async () => {
    const type = unique('type');
    const types = await typesFile({ eventTypes: { [type]: { category: 'ACTION', enabled: false } } });
    const { summary } = await importLines([{ type, occurredAt: AT }], '--types', types);
    expect(summary).toMatchObject({ declared: 1, recorded: 1, notKept: 0 });
    expect(await typeOf(type)).toMatchObject({ enabled: false });
    // What was off before stays off all the time.
    const { summary: later } = await importLines(
      [{ type, occurredAt: AT, message: 'new' }],
      '--types',
      types,
    );
    expect(later).toMatchObject({ declared: 0, recorded: 0, notKept: 1 });
  });

  test('records nothing where it may not declare, or the file is none', async () => {
    const journal = unique('journal');
    const input = JSON.stringify({ journal, type: 'note' });
    const types = await typesFile({ eventTypes: { [unique('type')]: { category: 'ACTION' } } });
    const jane = await environmentOf(world(), { subject: 'jane' });
    const refused = await eventree(['import', '-', '--types', types], { environment: jane, input });
    expect(refused).toMatchObject({ code: 1, stdout: '' });
    expect(refused.stderr).toMatch(/^Declaring attributes and event types takes the claim group\/admin\.\n$/);

    const broken = await typesFile({ eventTypes: { note: { category: 'NOPE' } } });
    const wrong = await eventree(['import', '-', '--types', broken], { environment, input });
    expect(wrong).toMatchObject({ code: 2, stdout: '' });
    expect(wrong.stderr).toMatch(/^The declaration file \S+ is not valid at eventTypes\.note\.category: /);
    expect(await messagesOf(journal)).toEqual([]);
  });

  test('stops where an attribute is of another kind here', async () => {
    const types = await typesFile({ attributes: { elapsed_ms: { kind: 'STRING' } } });
    const { code, stdout, stderr } = await importLines([{ type: 'note' }], '--types', types);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/^The attribute elapsed_ms is of kind FLOAT for good: /);
  });

  test('says without --json as well that it has declared', async () => {
    const eventTypes = { [unique('type')]: { category: 'ACTION' }, [unique('type')]: { category: 'ACTION' } };
    const args = ['import', '-', '--types', await typesFile({ eventTypes })];
    const { stdout } = await eventree(args, { environment, input: '' });
    expect(stdout).toBe('2 declarations made. 0 events read: 0 recorded, 0 already there.\n');
  });

  test('needs no right to declare where nothing is to be declared', async () => {
    const jane = await environmentOf(world(), { subject: 'jane' });
    const args = ['import', '-', '--types', await typesFile({})];
    const input = JSON.stringify({ type: 'note', message: unique('message') });
    expect(await eventree(args, { environment: jane, input })).toMatchObject({ code: 0, stderr: '' });
  });

  async function typesFile(declarations: object): Promise<string> {
    const file = join(await emptyFolder(), 'types.json');
    await writeFile(file, JSON.stringify(declarations));
    return file;
  }

  async function declare(name: string): Promise<void> {
    const define =
      'mutation ($name: String!) { defineEventType(input: { name: $name, category: ACTION }) { name } }';
    await world().ask(define, { name });
  }

  async function typeOf(name: string) {
    const query = `query ($name: String!) { eventType(name: $name) {
      category messageTemplate enabled attributes { required attribute { name kind private } }
    } }`;
    return (await world().ask(query, { name })).eventType;
  }

  test('moves events into another journal under ids of their own', async () => {
    const journal = unique('journal');
    const [root, leaf] = [v7(), v7()];
    const lines = [
      { id: root, journal: 'main', type: 'note', message: 'root' },
      { id: leaf, journal: 'main', type: 'note', message: 'leaf', parentId: root },
    ];
    await importLines(lines);
    for (const recorded of [2, 0]) {
      const { summary } = await importLines(lines, '--journal', journal);
      expect(summary).toMatchObject({ recorded, refused: [] });
    }
    const query =
      'query ($journal: String!) { events(journal: $journal) { nodes { id message parent { message } } } }';
    const { events } = await world().ask(query, { journal });
    expect(events.nodes).toMatchObject([
      { message: 'leaf', parent: { message: 'root' } },
      { message: 'root' },
    ]);
    expect(events.nodes.map(({ id }: { id: string }) => id)).not.toContain(leaf);

    const kept = await importLines(lines, '--journal', journal, '--keep-ids');
    expect(kept.summary.refused).toMatchObject([{ code: 'ID_CONFLICT' }, { code: 'ID_CONFLICT' }]);
  });

  test('takes what `tail --json` prints', async () => {
    const journal = unique('journal');
    await importLines([{ journal, type: 'note', message: 'tailed' }]);
    const { stdout } = await eventree(['tail', '--journal', journal, '--no-follow', '--json'], {
      environment,
    });
    const { summary } = await importLines([stdout.trim()]);
    expect(summary).toMatchObject({ read: 1, alreadyThere: 1, refused: [] });
  });

  test('gives the time of --occurred-at to lines without one', async () => {
    const journal = unique('journal');
    const args = ['--journal', journal, '--occurred-at', '2020-01-01T00:00:00Z'];
    await importLines([{ type: 'note' }, { type: 'note', occurredAt: AT }], ...args);
    const query = 'query ($journal: String!) { events(journal: $journal) { nodes { occurredAt } } }';
    const { events } = await world().ask(query, { journal });
    expect(events.nodes).toEqual([{ occurredAt: AT }, { occurredAt: '2020-01-01T00:00:00.000Z' }]);
  });

  test('leaves changes of rights out: nobody may claim them', async () => {
    const changes = [{ type: 'acl_change', resource: 'page/1' }, { type: 'token_revocation' }];
    const { code, summary } = await importLines(changes);
    expect({ code, ...summary }).toMatchObject({ code: 0, recorded: 0, leftOut: 2 });
  });

  test('stops with a sentence where no line would fare better', async () => {
    const input = JSON.stringify({ type: 'note' });
    const unknown = { ...environment, EVENTREE_TOKEN: 'not.a.token' };
    const away = { EVENTREE_URL: `http://127.0.0.1:${await freePort()}` };
    const results: [CliResult, string][] = [
      [await eventree(['import', '-'], { environment: unknown, input }), '`eventree token` makes one'],
      [await eventree(['import', '-'], { environment: away, input }), 'Is it running there?'],
    ];
    for (const [{ code, stdout, stderr }, hint] of results) {
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
      expect(stderr).toContain(hint);
      expect(stderr).not.toMatch(/^line 1|stops here/m);
    }
  });

  test('ends though more would come, where it can do no more', async () => {
    const unknown = { ...environment, EVENTREE_TOKEN: 'not.a.token' };
    const running = await startEventree(['import', '-', '--batch', '1'], { environment: unknown });
    running.process.stdin?.write(`${JSON.stringify({ type: 'note' })}\n`.repeat(2));
    expect((await running.ended).code).toBe(1);
  });
});
