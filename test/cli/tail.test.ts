import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { developmentSecret } from '../../src/server/development.ts';
import { emptyFolder, environmentOf, eventree, type RunningCli, startFollowing } from '../support/cli.ts';
import { migratedDatabase } from '../support/database.ts';
import { RECORD } from '../support/load.ts';
import { startServerProcess } from '../support/server-process.ts';
import { unique, worldForFile } from '../support/world.ts';

const RED = '\u001b[31m';

describe('eventree tail', { timeout: 60_000 }, () => {
  const world = worldForFile();
  let environment: Record<string, string>;

  beforeAll(async () => {
    environment = await environmentOf(world());
    const define = `mutation { defineAttribute(input: { name: "size", kind: INTEGER }) { name }
      build: defineEventType(input: { name: "build", category: ACTION, attributes: [] }) { name }
      done: defineEventType(input: { name: "build.done", category: CHANGE, attributes: [{ name: "size" }] }) { name } }`;
    await world().ask(define);
  });

  async function record(...input: object[]): Promise<{ id: string }[]> {
    return (await world().ask(RECORD, { input })).recordEvents.events;
  }

  const follow = (args: readonly string[], more: Record<string, string> = {}) =>
    startFollowing(String(world().servers[0]?.url), ['tail', ...args], {
      environment: { ...environment, ...more },
    });

  /** What was shown, when this line is the last of it. */
  async function messages(running: RunningCli, last: string): Promise<(string | undefined)[]> {
    await running.untilLine(new RegExp(`  ${last}$`));
    return running.lines.map((line) => line.split('  ').at(-1));
  }

  test('shows each event on one line, without colours where no terminal is', async () => {
    const running = await follow([]);
    const occurredAt = '2026-01-02T12:04:05Z';
    await record(
      {
        type: 'build',
        resource: 'page/1',
        severity: 'HIGH',
        actor: 'user/jane',
        message: 'It ran',
        occurredAt,
      },
      { type: 'note', severity: 'LOW', message: `one\nline, ${RED}plain` },
    );
    await running.untilLines(2);
    const [first, second] = running.lines;
    expect(first).toMatch(/^2026-01-0\d \d\d:\d\d:05 {2}HIGH {6}build {2}page\/1 {2}user\/jane {2}It ran$/);
    expect(second).toMatch(/^\S+ \S+ {2}LOW {7}note {2}- {2}user\/root {2}one line, {2}\[31mplain$/);
    expect(running.stderr()).toBe('');
  });

  test('ends with 0 at Ctrl-C', async () => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      const running = await follow([]);
      running.process.kill(signal);
      expect(await running.ended).toEqual({ code: 0, signal: null, stdout: '', stderr: '' });
    }
  });

  test('ends in peace when its reader has enough', async () => {
    const running = await follow([]);
    running.process.stdout?.destroy();
    await record({ type: 'note' });
    expect(await running.ended).toMatchObject({ code: 0, stderr: '' });
  });

  test('is coloured where it is told to be', async () => {
    await record({ type: 'note', severity: 'CRITICAL', message: 'in red' });
    const shown = async (more: Record<string, string>) =>
      (await eventree(['tail', '--no-follow', '-n', '1'], { environment: { ...environment, ...more } }))
        .stdout;
    expect(await shown({ FORCE_COLOR: '1' })).toContain(RED);
    expect(await shown({ FORCE_COLOR: '0' })).not.toContain('\u001b');
    expect(await shown({ FORCE_COLOR: '1', NO_COLOR: '1' })).not.toContain('\u001b');
    expect(await shown({ CI: '1' })).not.toContain('\u001b');
  });

  test.runIf(process.platform === 'linux')('is coloured in a terminal', async () => {
    await record({ type: 'note', severity: 'CRITICAL', message: 'in red' });
    const args = ['tail', '--no-follow', '-n', '1'];
    const shown = async (more: Record<string, string>) =>
      (await eventree(args, { environment: { ...environment, ...more }, terminal: true })).stdout;
    expect(await shown({ TERM: 'xterm' })).toContain(RED);
    expect(await shown({ TERM: 'dumb' })).not.toContain('\u001b');
    expect(await shown({ TERM: 'xterm', NO_COLOR: '1' })).not.toContain('\u001b');
  });

  test('prints JSON, a cursor with each event, and goes on from there', async () => {
    const journal = unique('journal');
    const [first, , third] = await record(
      ...['a', 'b', 'c'].map((message) => ({ journal, type: 'note', message })),
    );
    const args = ['tail', '--journal', journal, '--no-follow', '--json'];
    const { stdout } = await eventree([...args, '--since', 'beginning'], { environment });
    const [line, second] = stdout
      .trimEnd()
      .split('\n')
      .map((text) => JSON.parse(text));
    expect(line).toMatchObject({ id: first?.id, journal, type: 'note', message: 'a', actor: 'user/root' });
    expect(Date.parse(line.recordedAt)).toBeGreaterThan(0);
    const rest = await eventree([...args, '--since', second.cursor], { environment });
    expect(
      rest.stdout
        .trimEnd()
        .split('\n')
        .map((text) => JSON.parse(text).id),
    ).toEqual([third?.id]);
    const none = await eventree([...args, '--since', 'now'], { environment });
    expect(none).toMatchObject({ code: 0, stdout: '', stderr: '' });
  });

  test('shows the newest first that it is asked for, then what follows', async () => {
    const journal = unique('journal');
    const note = (message: string) => ({ journal, type: 'note', message });
    await record(...['a', 'b', 'c'].map(note));
    const running = await follow(['--journal', journal, '-n', '2']);
    await record(note('d'));
    expect(await messages(running, 'd')).toEqual(['b', 'c', 'd']);
  });

  test('shows the newest 10 and ends with --no-follow', async () => {
    const journal = unique('journal');
    await record(...Array.from({ length: 12 }, (_, nth) => ({ journal, type: 'note', message: `n${nth}` })));
    const { stdout } = await eventree(['tail', '--journal', journal, '--no-follow'], { environment });
    expect(stdout.match(/n\d+$/gm)).toEqual(Array.from({ length: 10 }, (_, nth) => `n${nth + 2}`));
  });

  test('misses nothing that is recorded while it shows the newest of another kind', async () => {
    const journal = unique('journal');
    const running = await follow(['--journal', journal, '-n', '5', '--type', 'build']);
    await record({ journal, type: 'note', message: 'other' }, { journal, type: 'build', message: 'one' });
    expect(await messages(running, 'one')).toEqual(['one']);
  });

  test('follows what its options choose', async () => {
    const journal = unique('journal');
    const args = [
      '--type',
      'build*',
      '--severity',
      'high',
      '--attribute',
      'size>=12',
      '--actor',
      'user/jane',
    ];
    const running = await follow(['--journal', journal, ...args]);
    const fits = { journal, type: 'build.done', severity: 'HIGH', actor: 'user/jane' };
    const input = [
      { ...fits, message: 'small', attributes: { size: 11 } },
      { ...fits, message: 'one', attributes: { size: 12 } },
      { ...fits, message: 'low', attributes: { size: 12 }, severity: 'LOW' },
      { ...fits, message: 'of another', attributes: { size: 12 }, actor: 'user/john' },
      { ...fits, message: 'a note', type: 'note' },
      { ...fits, message: 'two', attributes: { size: 13 } },
    ];
    await record(...input);
    expect(await messages(running, 'two')).toEqual(['one', 'two']);
  });

  test('shows what happened within an event', async () => {
    const journal = unique('journal');
    const [root] = await record(
      { journal, type: 'note', message: 'root', children: [{ type: 'note', message: 'leaf' }] },
      { journal, type: 'note', message: 'other' },
    );
    const args = ['tail', '--journal', journal, '--no-follow', '--within', String(root?.id)];
    const { stdout } = await eventree(args, { environment });
    expect(stdout.match(/\S+$/gm)).toEqual(['root', 'leaf']);
  });

  test('shows no more than its token may see', async () => {
    const journal = unique('journal');
    const PUT = 'mutation ($input: PutResourceInput!) { putResource(input: $input) { ref } }';
    const ref = unique('page/x');
    await world().ask(PUT, { input: { ref, acl: { viewData: ['user/jane'] } } });
    const token = await world().token({ subject: 'jane' });
    const running = await follow(['--journal', journal], { EVENTREE_TOKEN: token });
    await record(
      { journal, type: 'note', message: 'hidden' },
      { journal, type: 'note', resource: ref, message: 'seen' },
    );
    expect(await messages(running, 'seen')).toEqual(['seen']);
  });

  test.each([
    ['a token that is not accepted', { EVENTREE_TOKEN: 'not.a.token' }, [], /`eventree token` makes one/],
    ['a cursor that is none', {}, ['--since', 'nope'], /cursor/i],
    ['a filter that is none', {}, ['--filter', '{"nope":1}'], /nope/],
    ['an attribute that is none', {}, ['--attribute', 'nope=1'], /nope/],
  ])('stops with a sentence at %s', async (_, more, args, sentence) => {
    const { code, stdout, stderr } = await eventree(['tail', ...args], {
      environment: { ...environment, ...more },
    });
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(sentence);
    expect(stderr).not.toMatch(/^ +at |Trying again/m);
  });

  test('stops with a sentence when its token expires', async () => {
    const token = await world().token({ lifetimeSeconds: 3 });
    const { code, stderr } = await eventree(['tail'], {
      environment: { ...environment, EVENTREE_TOKEN: token },
    });
    expect(code).toBe(1);
    expect(stderr).toMatch(/expired.*\n.*`eventree token` makes one/i);
  });

  test('is somebody by the secret of the folder that its server uses', { timeout: 60_000 }, async () => {
    const folder = await emptyFolder();
    const database = await migratedDatabase();
    onTestFinished(() => database.drop());
    const server = await startServerProcess({
      DATABASE_URL: database.url,
      EVENTREE_DATA_DIR: join(folder, '.eventree'),
    });
    const options = { environment: { EVENTREE_URL: server.url }, folder };
    const running = await startFollowing(server.url, ['tail'], options);
    // A note without a resource is seen by its actor and group/admin.
    await eventree(['record', 'note', '--actor', 'user/jane', '--message', 'hello'], options);
    expect(await messages(running, 'hello')).toEqual(['hello']);
    await server.stop();
  });

  test.runIf(process.platform === 'linux')(
    'shows that secret’s token to nobody but this machine',
    async () => {
      const shown: (string | undefined)[] = [];
      const stranger = createServer((request, response) => {
        shown.push(request.headers.authorization);
        response.end('nothing');
      }).listen(0);
      onTestFinished(() => void stranger.close());
      await once(stranger, 'listening');
      const { port } = stranger.address() as AddressInfo;
      const folder = await emptyFolder();
      await developmentSecret(join(folder, '.eventree'));
      // Linux takes 0.0.0.0 to this machine; by its name it could be any.
      for (const host of ['127.0.0.1', '0.0.0.0']) {
        const args = ['record', 'note', '--url', `http://${host}:${port}`];
        expect((await eventree(args, { folder })).code).toBe(1);
      }
      expect(shown).toEqual([expect.stringMatching(/^Bearer ey/), undefined]);
    },
  );
});
