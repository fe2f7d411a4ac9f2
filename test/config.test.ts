import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { StartError } from '../src/base/errors.ts';
import {
  type Config,
  describeConfig,
  isDevelopment,
  isLoopback,
  loadConfig,
  serverUrl,
} from '../src/config.ts';

/** The settings as they are promised: variable, name, and its value where nothing is set. */
const SETTINGS: readonly (readonly [string, keyof Config, unknown])[] = [
  ['EVENTREE_HOST', 'host', '127.0.0.1'],
  ['EVENTREE_PORT', 'port', 4_000],
  ['EVENTREE_DATA_DIR', 'dataDir', './.eventree'],
  ['DATABASE_URL', 'databaseUrl', undefined],
  ['EVENTREE_DATABASE_POOL_SIZE', 'databasePoolSize', 12],
  ['REDIS_URL', 'redisUrl', undefined],
  ['EVENTREE_REDIS_SENTINELS', 'redisSentinels', undefined],
  ['EVENTREE_REDIS_CLUSTER_NODES', 'redisClusterNodes', undefined],
  ['EVENTREE_JWT_SECRET', 'jwtSecret', undefined],
  ['EVENTREE_JWKS_URL', 'jwksUrl', undefined],
  ['EVENTREE_JWT_ISSUER', 'jwtIssuer', undefined],
  ['EVENTREE_JWT_AUDIENCE', 'jwtAudience', undefined],
  ['EVENTREE_OIDC_AUTHORITY', 'oidcAuthority', undefined],
  ['EVENTREE_OIDC_CLIENT_ID', 'oidcClientId', undefined],
  ['EVENTREE_OIDC_SCOPE', 'oidcScope', 'openid profile'],
  ['EVENTREE_TYPES_FILE', 'typesFile', undefined],
  ['EVENTREE_ALLOWED_ORIGINS', 'allowedOrigins', []],
  ['EVENTREE_TRUSTED_PROXIES', 'trustedProxies', []],
  ['EVENTREE_LOG_LEVEL', 'logLevel', 'info'],
  ['EVENTREE_MAX_REQUEST_BYTES', 'maxRequestBytes', 16_777_216],
  ['EVENTREE_MAX_ADDRESS_CONNECTIONS', 'maxAddressConnections', 10_000],
  ['EVENTREE_MAX_PRINCIPAL_CONNECTIONS', 'maxPrincipalConnections', 10_000],
  ['EVENTREE_MAX_SOCKET_OPERATIONS', 'maxSocketOperations', 1_000],
  ['EVENTREE_MAX_SOCKET_MESSAGES_PER_SECOND', 'maxSocketMessagesPerSecond', 2_000],
  ['EVENTREE_INIT_TIMEOUT_MS', 'initTimeoutMs', 5_000],
  ['EVENTREE_STALL_TIMEOUT_MS', 'stallTimeoutMs', 30_000],
  ['EVENTREE_MAX_BATCH_EVENTS', 'maxBatchEvents', 1_000],
  ['EVENTREE_MAX_TREE_EVENTS', 'maxTreeEvents', 10_000],
  ['EVENTREE_MAX_TREE_DEPTH', 'maxTreeDepth', 32],
  ['EVENTREE_MAX_EVENT_BYTES', 'maxEventBytes', 1_048_576],
  ['EVENTREE_MAX_MESSAGE_CHARS', 'maxMessageChars', 10_000],
  ['EVENTREE_MAX_CLOCK_SKEW_MS', 'maxClockSkewMs', 10_000],
  ['EVENTREE_MAX_PENDING_EVENTS', 'maxPendingEvents', 50_000],
  ['EVENTREE_MAX_MARKERS', 'maxMarkers', 10_000],
  ['EVENTREE_MAX_JOURNALS', 'maxJournals', 1_000],
  ['EVENTREE_MAX_QUERY_DEPTH', 'maxQueryDepth', 16],
  ['EVENTREE_MAX_QUERY_COST', 'maxQueryCost', 50_000],
  ['EVENTREE_MAX_QUERY_TOKENS', 'maxQueryTokens', 5_000],
  ['EVENTREE_PERSISTED_OPERATIONS', 'persistedOperations', 'off'],
  ['EVENTREE_PERSISTED_OPERATIONS_FILE', 'persistedOperationsFile', undefined],
  ['EVENTREE_QUERY_TIMEOUT_MS', 'queryTimeoutMs', 10_000],
  ['EVENTREE_POLL_INTERVAL_MS', 'pollIntervalMs', 1_000],
  ['EVENTREE_CHECKPOINT_INTERVAL_MS', 'checkpointIntervalMs', 10_000],
  ['EVENTREE_DRAIN_TIMEOUT_MS', 'drainTimeoutMs', 10_000],
  ['EVENTREE_URL', 'url', undefined],
  ['EVENTREE_TOKEN', 'token', undefined],
];

const described = describeConfig({});

/** What is said to whoever starts it, line by line. */
function problemsOf(env: NodeJS.ProcessEnv): string[] {
  try {
    loadConfig(env);
    return [];
  } catch (error) {
    expect(error).toBeInstanceOf(StartError);
    return (error as StartError).message.split('\n');
  }
}

describe('the settings', () => {
  test('are these', () => {
    expect(described.map(({ variable }) => variable)).toEqual(SETTINGS.map(([variable]) => variable));
  });

  test.each(SETTINGS)('%s has its default', (_, name, fallback) => {
    expect(loadConfig({})[name]).toEqual(fallback);
  });

  test.each(described.map(({ variable, meaning }) => [variable, meaning]))(
    '%s says in one line what it means',
    (_, meaning) => {
      expect(meaning).toMatch(/^[A-Z`][^\n]{10,110}\.$/);
    },
  );

  test.each(SETTINGS.filter(([, , fallback]) => typeof fallback === 'number'))(
    '%s says what it counts',
    (variable) => {
      expect(variable).toMatch(
        /_(MS|PER_SECOND|CONNECTIONS|OPERATIONS|BYTES|CHARS|EVENTS|DEPTH|COST|TOKENS|SIZE|MARKERS|JOURNALS|PORT)$/,
      );
      if (/TIMEOUT|INTERVAL|SKEW/.test(variable)) expect(variable).toMatch(/_MS$/);
    },
  );

  test('that the contract promises exist, with its defaults', () => {
    const contract = readFileSync(new URL('support/contract.graphql', import.meta.url), 'utf8');
    const promised = contract.slice(contract.indexOf('── Starting a server'));
    const named = [...promised.matchAll(/\b((?:EVENTREE|DATABASE|REDIS)_\w+)(?: \((\S+?)\))?/g)];
    expect(named.length).toBeGreaterThanOrEqual(9);
    for (const [, variable, fallback] of named) {
      const found = described.find((each) => each.variable === variable);
      expect(found, variable).toBeDefined();
      if (/^[\d./]/.test(fallback ?? '')) expect(found?.fallback).toBe(fallback);
    }
  });

  test('cannot be changed once they are loaded', () => {
    const config = loadConfig({ EVENTREE_ALLOWED_ORIGINS: 'https://app.example.com' });
    expect(Object.isFrozen(config)).toBe(true);
    expect(Object.isFrozen(config.allowedOrigins)).toBe(true);
    expect(() => Object.assign(config, { port: 1 })).toThrow(TypeError);
  });

  test('that are set to nothing are not set', () => {
    const empty = Object.fromEntries(SETTINGS.map(([variable]) => [variable, '']));
    expect(loadConfig(empty)).toEqual(loadConfig({}));
  });

  test('of other programs are none of ours', () => {
    expect(loadConfig({ PATH: '/bin', PORT: 'nope', MY_EVENTREE_PORT: 'x', HOST: '' })).toEqual(
      loadConfig({}),
    );
  });
});

describe('what is given', () => {
  test.each<[string, string, keyof Config, unknown]>([
    ['EVENTREE_HOST', 'localhost', 'host', 'localhost'],
    ['EVENTREE_PORT', '0', 'port', 0],
    ['EVENTREE_PORT', '65535', 'port', 65_535],
    ['DATABASE_URL', 'postgres://db.example/x', 'databaseUrl', 'postgres://db.example/x'],
    ['DATABASE_URL', 'postgresql://u@h/x?host=%2Ftmp', 'databaseUrl', 'postgresql://u@h/x?host=%2Ftmp'],
    ['REDIS_URL', 'rediss://cache.example:6380/1', 'redisUrl', 'rediss://cache.example:6380/1'],
    [
      'EVENTREE_REDIS_CLUSTER_NODES',
      'rediss://u:p@a.example, rediss://u:p@[::1]:7001',
      'redisClusterNodes',
      ['rediss://u:p@a.example', 'rediss://u:p@[::1]:7001'],
    ],
    ['EVENTREE_JWKS_URL', 'https://login.example/keys', 'jwksUrl', 'https://login.example/keys'],
    [
      'EVENTREE_ALLOWED_ORIGINS',
      ' https://a.example , http://b.example:81,',
      'allowedOrigins',
      ['https://a.example', 'http://b.example:81'],
    ],
    [
      'EVENTREE_TRUSTED_PROXIES',
      ' 10.0.0.1, 10.0.0.0/8 ,::1,2001:db8::/32,0.0.0.0/0',
      'trustedProxies',
      ['10.0.0.1', '10.0.0.0/8', '::1', '2001:db8::/32', '0.0.0.0/0'],
    ],
    ['EVENTREE_LOG_LEVEL', 'silent', 'logLevel', 'silent'],
    ['EVENTREE_DRAIN_TIMEOUT_MS', '0', 'drainTimeoutMs', 0],
  ])('%s=%s is taken', (variable, value, name, taken) => {
    expect(loadConfig({ [variable]: value })[name]).toEqual(taken);
  });

  test.each([
    ['EVENTREE_PORT', 'nope', 'must be a whole number'],
    ['EVENTREE_PORT', '-1', 'must be a whole number'],
    ['EVENTREE_PORT', '4e3', 'must be a whole number'],
    ['EVENTREE_PORT', '4000.5', 'must be a whole number'],
    ['EVENTREE_PORT', ' 4000', 'must be a whole number'],
    ['EVENTREE_PORT', '65536', 'must be at most 65535'],
    ['EVENTREE_DATABASE_POOL_SIZE', '3', 'must be at least 4'],
    ['EVENTREE_MAX_REQUEST_BYTES', '1023', 'must be at least 1024'],
    ['EVENTREE_MAX_REQUEST_BYTES', '16MB', 'must be a whole number'],
    ['EVENTREE_MAX_BATCH_EVENTS', '1001', 'must be at most 1000'],
    ['EVENTREE_QUERY_TIMEOUT_MS', '10s', 'must be a whole number'],
    ['DATABASE_URL', 'mysql://h/x', 'must be a URL that begins with postgresql:// or postgres://'],
    ['DATABASE_URL', 'postgres', 'must be a URL that begins with postgresql:// or postgres://'],
    ['REDIS_URL', 'http://h', 'must be a URL that begins with redis:// or rediss://'],
    ['REDIS_URL', 'redis://:100%@h', 'must have its user and password percent-encoded'],
    ['EVENTREE_REDIS_SENTINELS', 'redis://:100%@h', 'must have users and passwords percent-encoded'],
    ['EVENTREE_REDIS_CLUSTER_NODES', 'a.example:7000', 'must be URLs that begin with redis:// or rediss://'],
    ['EVENTREE_REDIS_CLUSTER_NODES', 'redis://a b', 'must be URLs that begin with redis:// or rediss://'],
    ['EVENTREE_REDIS_CLUSTER_NODES', 'redis://', 'must be URLs that begin with redis:// or rediss://'],
    ['EVENTREE_REDIS_CLUSTER_NODES', ',', 'must be URLs that begin with redis:// or rediss://'],
    ['EVENTREE_REDIS_CLUSTER_NODES', 'redis://a,rediss://b', 'must have the same redis:// or rediss://'],
    ['EVENTREE_REDIS_CLUSTER_NODES', 'redis://u:p@a,redis://u:q@b', 'must have the same .* password'],
    ['EVENTREE_JWKS_URL', 'file:///etc/keys', 'must be a URL that begins with https:// or http://'],
    ['EVENTREE_OIDC_AUTHORITY', 'login.example', 'must be a URL that begins with https:// or http://'],
    ['EVENTREE_OIDC_AUTHORITY', 'https://u:p@login.example', 'must have no user, password, query'],
    ['EVENTREE_OIDC_AUTHORITY', 'https://login.example/?realm=x', 'must have no user, password, query'],
    ['EVENTREE_OIDC_AUTHORITY', 'https://login.example/#x', 'must have no user, password, query'],
    ['EVENTREE_URL', 'localhost:4000', 'must be a URL that begins with http:// or https://'],
    ['EVENTREE_LOG_LEVEL', 'loud', 'must be one of trace, debug, info, warn, error, fatal, silent'],
    ['EVENTREE_ALLOWED_ORIGINS', 'https://a.example/', 'must be origins as browsers send them'],
    ['EVENTREE_ALLOWED_ORIGINS', '*', 'must be origins as browsers send them'],
    ['EVENTREE_ALLOWED_ORIGINS', 'null', 'must be origins as browsers send them'],
    ['EVENTREE_ALLOWED_ORIGINS', 'https://A.example', 'must be origins as browsers send them'],
    ['EVENTREE_TRUSTED_PROXIES', 'localhost', 'must be addresses or networks'],
    ['EVENTREE_TRUSTED_PROXIES', '10.0.0.0/33', 'must be addresses or networks'],
    ['EVENTREE_TRUSTED_PROXIES', '::/129', 'must be addresses or networks'],
    ['EVENTREE_TRUSTED_PROXIES', '10.0.0.0/8/8', 'must be addresses or networks'],
    ['EVENTREE_TRUSTED_PROXIES', '10.0.0/8', 'must be addresses or networks'],
    ['EVENTREE_TRUSTED_PROXIES', '10.0.0.0/', 'must be addresses or networks'],
    ['EVENTREE_TRUSTED_PROXIES', 'fe80::1%eth0', 'must be addresses or networks'],
    ['EVENTREE_PERSISTED_OPERATIONS', 'yes', 'must be one of off, allow, only'],
    ['EVENTREE_INIT_TIMEOUT_MS', '0', 'must be at least 100'],
    ['EVENTREE_MAX_SOCKET_MESSAGES_PER_SECOND', '0', 'must be at least 1'],
  ])('%s=%s is refused by its name', (variable, value, sentence) => {
    expect(problemsOf({ [variable]: value })).toEqual([
      expect.stringMatching(new RegExp(`^${variable} ${sentence}.*\\.$`)),
    ]);
  });

  test('is refused without being repeated: it may be a secret in the wrong place', () => {
    const misplaced = 's3cret-in-the-wrong-place';
    const strings = SETTINGS.map(([variable]) => variable).filter(
      (variable) => !/HOST|DIR|SECRET|TOKEN$|ISSUER|AUDIENCE|CLIENT_ID|SCOPE|FILE/.test(variable),
    );
    const problems = problemsOf(Object.fromEntries(strings.map((variable) => [variable, misplaced])));
    expect(problems).toHaveLength(strings.length);
    expect(problems.join()).not.toContain(misplaced);
  });
});

describe('what is unknown', () => {
  test('is named, each on a line of its own, with what else is wrong', () => {
    const problems = problemsOf({
      EVENTREE_PROT: '4000',
      EVENTREE_MAX_QUERY_DEEPTH: '4',
      EVENTREE_PORT: 'nope',
    });
    expect(problems).toHaveLength(3);
    expect(problems[0]).toMatch(/^EVENTREE_PROT is not a variable of Eventree\./);
    expect(problems[1]).toMatch(/^EVENTREE_MAX_QUERY_DEEPTH is not a variable of Eventree\./);
    expect(problems[2]).toMatch(/^EVENTREE_PORT /);
  });

  test('is refused though it is empty, or another case of one we know', () => {
    expect(problemsOf({ EVENTREE_SECRET: '' })).toHaveLength(1);
    expect(problemsOf({ EVENTREE_Port: '1' })).toHaveLength(1);
  });
});

describe('what contradicts itself', () => {
  const secret = { EVENTREE_JWT_SECRET: 'a secret that is long enough for HS256' };
  const keySet = { EVENTREE_JWKS_URL: 'https://login.example/keys' };

  test('is two ways to check tokens', () => {
    expect(problemsOf({ ...secret, ...keySet })).toEqual([
      expect.stringMatching(/EVENTREE_JWT_SECRET and EVENTREE_JWKS_URL contradict/),
    ]);
  });

  test('is two ways to Redis, or half of one', () => {
    const server = { REDIS_URL: 'redis://cache.example:6379' };
    const master = { REDIS_URL: 'redis://:never-shown@mymaster' };
    const sentinels = { EVENTREE_REDIS_SENTINELS: 'redis://a.example:26379,redis://b.example' };
    const cluster = { EVENTREE_REDIS_CLUSTER_NODES: 'redis://a.example:7000' };
    for (const env of [server, cluster, { ...master, ...sentinels }]) expect(problemsOf(env)).toEqual([]);

    expect(problemsOf({ ...server, ...cluster })).toEqual([
      expect.stringMatching(/^REDIS_URL and EVENTREE_REDIS_CLUSTER_NODES contradict/),
    ]);
    expect(problemsOf({ ...sentinels, ...cluster })).toEqual([
      expect.stringMatching(/^EVENTREE_REDIS_SENTINELS and EVENTREE_REDIS_CLUSTER_NODES contradict/),
    ]);
    expect(problemsOf(sentinels)).toEqual([
      expect.stringMatching(/^EVENTREE_REDIS_SENTINELS is set, .* set REDIS_URL/),
    ]);
    expect(problemsOf({ ...server, ...sentinels })).toEqual([
      expect.stringMatching(/^REDIS_URL names a port, but EVENTREE_REDIS_SENTINELS/),
    ]);
  });

  test('is half of a provider to sign in at, or one whose tokens cannot be checked', () => {
    const authority = { EVENTREE_OIDC_AUTHORITY: 'https://login.example/realms/main' };
    const client = { EVENTREE_OIDC_CLIENT_ID: 'eventree-web' };
    expect(problemsOf({ ...authority, ...client, ...keySet })).toEqual([]);

    expect(problemsOf({ ...authority, ...keySet })).toEqual([
      expect.stringMatching(/^EVENTREE_OIDC_AUTHORITY is set, .* set EVENTREE_OIDC_CLIENT_ID\.$/),
    ]);
    expect(problemsOf({ ...client, ...keySet })).toEqual([
      expect.stringMatching(/^EVENTREE_OIDC_CLIENT_ID is set, .* set EVENTREE_OIDC_AUTHORITY\.$/),
    ]);
    const unchecked = /^EVENTREE_OIDC_AUTHORITY is set, but not the keys .* set EVENTREE_JWKS_URL\.$/;
    expect(problemsOf({ ...authority, ...client })).toEqual([expect.stringMatching(unchecked)]);
    expect(problemsOf({ ...authority, ...client, ...secret })).toEqual([expect.stringMatching(unchecked)]);
    expect(problemsOf(client)).toEqual([
      expect.stringMatching(/set EVENTREE_OIDC_AUTHORITY\.$/),
      expect.stringMatching(/^EVENTREE_OIDC_CLIENT_ID is set, .* set EVENTREE_JWKS_URL\.$/),
    ]);
  });

  test('is a list of persisted operations without a use for it, and the other way round', () => {
    const file = { EVENTREE_PERSISTED_OPERATIONS_FILE: 'operations.json' };
    expect(problemsOf(file)).toEqual([expect.stringMatching(/_FILE is set and .*_OPERATIONS is off/)]);
    for (const mode of ['allow', 'only']) {
      const on = { EVENTREE_PERSISTED_OPERATIONS: mode };
      expect(problemsOf(on)).toEqual([expect.stringMatching(/on without a list: set .*_FILE/)]);
      expect(problemsOf({ ...file, ...on })).toEqual([]);
    }
  });

  test('is a tree that is smaller than a batch', () => {
    expect(problemsOf({ EVENTREE_MAX_TREE_EVENTS: '999' })).toEqual([
      expect.stringMatching(/EVENTREE_MAX_TREE_EVENTS is smaller than EVENTREE_MAX_BATCH_EVENTS/),
    ]);
    expect(problemsOf({ EVENTREE_MAX_TREE_EVENTS: '999', EVENTREE_MAX_BATCH_EVENTS: '999' })).toEqual([]);
  });

  test.each([
    '0.0.0.0',
    '::',
    '192.168.1.2',
    'eventree.example',
    '127.0.0.1.example',
    '128.0.0.1',
    'localhost.example',
  ])('is development mode at %s, which others can reach', (host) => {
    const [problem, ...others] = problemsOf({ EVENTREE_HOST: host });
    expect(others).toEqual([]);
    for (const name of ['EVENTREE_HOST', host, 'EVENTREE_JWT_SECRET', 'EVENTREE_JWKS_URL'])
      expect(problem).toContain(name);
    expect(problemsOf({ EVENTREE_HOST: host, ...secret })).toEqual([]);
    expect(problemsOf({ EVENTREE_HOST: host, ...keySet })).toEqual([]);
    expect(problemsOf({ EVENTREE_HOST: host, EVENTREE_JWT_SECRET: '' })).toHaveLength(1);
  });

  test.each(['127.0.0.1', '127.1.2.3', 'localhost', '::1'])('is not development mode at %s', (host) => {
    expect(isLoopback(host)).toBe(true);
    expect(isDevelopment(loadConfig({ EVENTREE_HOST: host }))).toBe(true);
  });

  test('is development mode never where there are keys', () => {
    expect(isDevelopment(loadConfig(secret))).toBe(false);
    expect(isDevelopment(loadConfig(keySet))).toBe(false);
  });
});

describe('the table of settings', () => {
  const secrets = {
    DATABASE_URL: 'postgresql://eventree:never-shown@db.example/x',
    REDIS_URL: 'redis://:never-shown@cache.example',
    EVENTREE_REDIS_SENTINELS: 'redis://:never-shown@sentinel.example',
    EVENTREE_REDIS_CLUSTER_NODES: 'redis://:never-shown@node.example',
    EVENTREE_JWT_SECRET: 'never-shown',
    EVENTREE_TOKEN: 'never-shown',
  };

  test('hides secrets, and says that they are set', () => {
    const table = describeConfig(secrets);
    expect(JSON.stringify(table)).not.toContain('never-shown');
    for (const variable of Object.keys(secrets))
      expect(table).toContainEqual(expect.objectContaining({ variable, value: '[hidden]' }));
  });

  test('shows what is set, what is not, and the defaults', () => {
    const table = describeConfig({ EVENTREE_PORT: '5000' });
    expect(table).toContainEqual(
      expect.objectContaining({ variable: 'EVENTREE_PORT', value: '5000', fallback: '4000' }),
    );
    expect(table).toContainEqual(
      expect.objectContaining({ variable: 'EVENTREE_HOST', value: '127.0.0.1', fallback: '127.0.0.1' }),
    );
    expect(table).toContainEqual(
      expect.objectContaining({ variable: 'EVENTREE_JWT_SECRET', value: null, fallback: null }),
    );
  });
});

test('the commands find the server of this machine where they are told of none', () => {
  expect(serverUrl(loadConfig({}))).toBe('http://127.0.0.1:4000/graphql');
  expect(serverUrl(loadConfig({ EVENTREE_PORT: '5000' }))).toBe('http://127.0.0.1:5000/graphql');
  expect(serverUrl(loadConfig({ EVENTREE_URL: 'https://events.example/graphql' }))).toBe(
    'https://events.example/graphql',
  );
});
