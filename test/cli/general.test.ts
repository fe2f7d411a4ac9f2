import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createAuthenticate } from '../../src/access/authenticate.ts';
import { loadConfig, serverUrl } from '../../src/config.ts';
import { emptyFolder, eventree } from '../support/cli.ts';
import { migratedDatabase, scratchDatabase } from '../support/database.ts';
import { freePort } from '../support/redis.ts';

const COMMANDS = ['serve', 'record', 'tail', 'export', 'import', 'token', 'migrate', 'config'];

describe('eventree', () => {
  test('shows its commands and exit codes with --help', async () => {
    const { code, stdout } = await eventree(['--help']);
    expect(code).toBe(0);
    for (const command of COMMANDS) expect(stdout).toMatch(new RegExp(`^ {2}${command} `, 'm'));
    expect(stdout).toContain('Exit codes: 0 done, 1 failed, 2 used wrongly.');
  });

  test.each(COMMANDS)('teaches %s by examples', async (command) => {
    const { code, stdout, stderr } = await eventree(['help', command]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(new RegExp(`Examples:\n(  .*\n)*  .*eventree ${command}`));
  });

  test.each(['--help', 'help export', 'config'])(
    'ends in peace when the reader of `eventree %s` has gone',
    async (words) => {
      // Gone long before anything is written.
      const { code, stderr } = await eventree(words.split(' '), { reader: 'true' });
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    },
  );

  test('tells its version', async () => {
    const { version } = JSON.parse(await readFile('package.json', 'utf8'));
    expect(await eventree(['--version'])).toMatchObject({ code: 0, stdout: `${version}\n` });
  });

  test.each([
    ['no command', [], 'Usage: eventree'],
    ['an unknown command', ['nope'], "unknown command 'nope'"],
    ['an unknown option', ['tail', '--nope'], "unknown option '--nope'"],
    ['an argument too many', ['config', 'nope'], 'too many arguments'],
    ['an argument too few', ['record'], "missing required argument 'type'"],
    ['a word that is none', ['tail', '--severity', 'nope'], 'one of LOW, MEDIUM, HIGH, CRITICAL'],
    ['a number that is none', ['tail', '-n', '-1'], 'whole number'],
    ['a URL that is none', ['tail', '--url', 'nope'], 'is not the URL of a server'],
    ['a token that is none', ['tail', '--token', 'a b'], 'The token is not one'],
    ['options that contradict each other', ['tail', '-n', '3', '--since', 'now'], 'give one of them'],
    ['JSON that is none', ['record', 'note', '--payload', '{nope'], '--payload: it is not JSON'],
    ['a file that is not there', ['import', 'nope.ndjson'], 'nope.ndjson cannot be read'],
  ])('exits with 2 and a sentence for %s', async (_, args, sentence) => {
    const { code, stdout, stderr } = await eventree(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(sentence);
    expect(stderr).not.toMatch(/^ +at /m);
  });

  test('fails with a sentence where there is no server, and with a stack for who debugs', async () => {
    const environment = { EVENTREE_URL: `http://127.0.0.1:${await freePort()}` };
    const failed = await eventree(['record', 'note'], { environment });
    expect(failed.code).toBe(1);
    expect(failed.stderr).toMatch(
      /^The server at http:\S+\/graphql cannot be reached: connect ECONNREFUSED \S+\.\nIs it running there\? .*\n$/,
    );
    const debug = { ...environment, EVENTREE_LOG_LEVEL: 'debug' };
    expect((await eventree(['record', 'note'], { environment: debug })).stderr).toMatch(/^ +at /m);
  });
});

describe('the server of this machine', () => {
  test.each([
    ['127.0.0.1', 'http://127.0.0.1:4000/graphql'],
    ['127.0.0.2', 'http://127.0.0.2:4000/graphql'],
    ['localhost', 'http://localhost:4000/graphql'],
    ['::1', 'http://[::1]:4000/graphql'],
    ['0.0.0.0', 'http://127.0.0.1:4000/graphql'],
    ['::', 'http://127.0.0.1:4000/graphql'],
  ])('that listens on %s is looked for at %s', (host, url) => {
    expect(serverUrl(loadConfig({ EVENTREE_HOST: host, EVENTREE_JWT_SECRET: 'x' }))).toBe(url);
  });

  test('is not looked for where another one is named', () => {
    const environment = { EVENTREE_HOST: '::1', EVENTREE_URL: 'https://events.example' };
    expect(serverUrl(loadConfig(environment))).toBe('https://events.example');
  });
});

describe('eventree config', () => {
  test('shows every setting with the value in force, and no secret', async () => {
    const environment = {
      EVENTREE_PORT: '5000',
      EVENTREE_JWT_SECRET: 'never shown',
      EVENTREE_TOKEN: 'nor this',
    };
    const { code, stdout, stderr } = await eventree(['config'], { environment });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain('EVENTREE_PORT = 5000\n');
    expect(stdout).toContain('(default: 4000)');
    expect(stdout).toContain('EVENTREE_HOST = 127.0.0.1\n');
    expect(stdout).toContain('REDIS_URL = (not set)\n');
    expect(stdout).toContain('EVENTREE_JWT_SECRET = [hidden]\n');
    expect(stdout).not.toMatch(/never shown|nor this/);
  });

  test('prints JSON with --json', async () => {
    const { stdout } = await eventree(['config', '--json'], { environment: { EVENTREE_PORT: '5000' } });
    expect(JSON.parse(stdout)).toContainEqual({
      variable: 'EVENTREE_PORT',
      value: '5000',
      fallback: '4000',
      meaning: expect.stringContaining('Port'),
    });
  });

  test('exits with 2 and names every setting that is wrong', async () => {
    const environment = { EVENTREE_PORT: 'nope', EVENTREE_PROT: '1' };
    const { code, stderr } = await eventree(['config'], { environment });
    expect(code).toBe(2);
    expect(stderr).toMatch(/^EVENTREE_PORT must be a whole number/m);
    expect(stderr).toMatch(/^EVENTREE_PROT is not a variable of Eventree/m);
  });
});

describe('eventree token', () => {
  const secret = 'a secret that is long enough for HS256';
  const principalOf = (token: string, key = secret) =>
    createAuthenticate({ key: { secret: key }, issuer: undefined, audience: undefined })(`Bearer ${token}`);

  test('prints a token of subject and groups, and nothing else', async () => {
    const args = ['token', '--subject', 'jane', '--group', 'admins', '--group', 'dev', '--lifetime', '30m'];
    const { code, stdout, stderr } = await eventree(args, { environment: { EVENTREE_JWT_SECRET: secret } });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^\S+\n$/);
    const { subject, claims, expiresAt } = await principalOf(stdout.trim());
    expect(subject).toBe('user/jane');
    expect([...claims]).toEqual(['user/jane', 'group/admins', 'group/dev']);
    expect((expiresAt as number) - Date.now()).toBeGreaterThan(29 * 60_000);
    expect((expiresAt as number) - Date.now()).toBeLessThanOrEqual(30 * 60_000);
  });

  test('says with --json when it expires', async () => {
    const environment = { EVENTREE_JWT_SECRET: secret };
    const { stdout } = await eventree(['token', '--subject', 'jane', '--json'], { environment });
    const { token, expiresAt } = JSON.parse(stdout);
    expect((await principalOf(token)).expiresAt).toBe(Date.parse(expiresAt));
  });

  test('signs with the development secret of the folder, which it makes where there is none', async () => {
    const folder = await emptyFolder();
    const { stdout } = await eventree(['token', '--subject', 'jane'], { folder });
    const kept = await readFile(join(folder, '.eventree/token-secret'), 'utf8');
    expect((await principalOf(stdout.trim(), kept)).subject).toBe('user/jane');
  });

  test('refuses where the keys are somebody else’s', async () => {
    const environment = { EVENTREE_JWKS_URL: 'https://login.example/keys' };
    const { code, stdout, stderr } = await eventree(['token', '--subject', 'jane'], { environment });
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/^EVENTREE_JWKS_URL is set: .*\.\n$/);
  });

  test.each(['8', '8x', '0h', '999999999w', 'h'])('refuses the lifetime %s', async (lifetime) => {
    const { code, stderr } = await eventree(['token', '--subject', 'jane', '--lifetime', lifetime]);
    expect(code).toBe(2);
    expect(stderr).toContain('A lifetime is written like');
  });

  test('refuses names that no claim can have', async () => {
    expect((await eventree(['token', '--subject', ' jane'])).code).toBe(2);
    expect((await eventree(['token', '--subject', 'jane', '--group', 'a\nb'])).code).toBe(2);
  });
});

describe('eventree migrate', { timeout: 60_000 }, () => {
  test('applies what the database lacks, and says so', async () => {
    const database = await scratchDatabase();
    const environment = { DATABASE_URL: database.url };
    const first = await eventree(['migrate'], { environment });
    expect(first).toMatchObject({ code: 0, stderr: '' });
    expect(first.stdout).toMatch(/^(Applied \S+\.\n)+$/);
    const again = await eventree(['migrate'], { environment });
    expect(again).toMatchObject({ code: 0, stdout: 'The database is up to date.\n' });
    await database.drop();
  });

  test('prints JSON with --json', async () => {
    const database = await migratedDatabase();
    const { stdout } = await eventree(['migrate', '--json'], { environment: { DATABASE_URL: database.url } });
    expect(JSON.parse(stdout)).toEqual({ applied: [] });
    await database.drop();
  });

  test('migrates the embedded database in the data folder', async () => {
    const { code, stdout } = await eventree(['migrate']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^(Applied \S+\.\n)+$/);
  });

  test('fails with a sentence where the database cannot be reached', async () => {
    const environment = { DATABASE_URL: `postgresql://localhost:${await freePort()}/nope` };
    const { code, stderr } = await eventree(['migrate'], { environment });
    expect(code).toBe(1);
    expect(stderr).toContain('ECONNREFUSED');
    expect(stderr).not.toMatch(/^ +at /m);
  });
});
