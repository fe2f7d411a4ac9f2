/**
 * Environment → typed, checked, frozen. The only reader of process.env.
 *
 * Each setting stands once, with its variable, default, meaning and check; `eventree config` prints this
 * same table. Quantities carry their unit in the name. What is unknown or contradictory stops the start
 * with a sentence that names the variable: a misspelt limit that quietly falls back to its default would
 * be found out too late.
 */
import { isIP } from 'node:net';
import { z } from 'zod';
import { StartError } from './base/errors.ts';

interface Setting<T> {
  readonly variable: string;
  /** As it would be written in the environment; undefined: unset. */
  readonly fallback: string | undefined;
  readonly meaning: string;
  readonly check: z.ZodType<T, string>;
  readonly secret: boolean;
}

function setting<T>(
  variable: string,
  fallback: string | undefined,
  meaning: string,
  check: z.ZodType<T, string>,
  { secret = false } = {},
): Setting<T> {
  return { variable, fallback, meaning, check, secret };
}

const text = z.string().min(1);

const url = (...protocols: string[]) =>
  text.refine((value) => URL.canParse(value) && protocols.includes(new URL(value).protocol), {
    error: `must be a URL that begins with ${protocols.map((p) => `${p}//`).join(' or ')}`,
    abort: true,
  });

const whole = (least: number, most: number) =>
  z
    .string()
    .regex(/^\d{1,15}$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.number().min(least, `must be at least ${least}`).max(most, `must be at most ${most}`));

const list = z.string().transform((value) =>
  value
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== ''),
);

const origins = list
  // Compared with what browsers send as it stands: a path or a slash at the end would never match.
  .refine((values) => values.every((value) => URL.canParse(value) && new URL(value).origin === value), {
    error: 'must be origins as browsers send them, like https://app.example.com, separated by commas',
  })
  .readonly();

const networks = list
  .refine((values) => values.every(isNetwork), {
    error: 'must be addresses or networks, like 10.0.0.1 or 10.0.0.0/8, separated by commas',
  })
  .readonly();

function isNetwork(value: string): boolean {
  const [address = '', bits, ...more] = value.split('/');
  const version = isIP(address);
  if (version === 0 || address.includes('%') || more.length > 0) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128));
}

const redisServer = url('redis:', 'rediss:').refine(hasReadableLogin, {
  error: 'must have its user and password percent-encoded: write %25 for %',
});

const redisServers = list
  .refine((values) => values.length > 0 && values.every(isRedisUrl), {
    error: 'must be URLs that begin with redis:// or rediss://, separated by commas',
    abort: true,
  })
  .refine((values) => values.every(hasReadableLogin), {
    error: 'must have users and passwords percent-encoded: write %25 for %',
  })
  .refine((values) => new Set(values.map(loginOf)).size === 1, {
    error: 'must have the same redis:// or rediss://, user and password in all of its URLs',
  })
  .readonly();

function isRedisUrl(value: string): boolean {
  if (!URL.canParse(value)) return false;
  const { protocol, host } = new URL(value);
  return ['redis:', 'rediss:'].includes(protocol) && host !== '';
}

function hasReadableLogin(value: string): boolean {
  const { username, password } = new URL(value);
  try {
    decodeURIComponent(username + password);
    return true;
  } catch {
    return false;
  }
}

function loginOf(value: string): string {
  const { protocol, username, password } = new URL(value);
  return JSON.stringify([protocol, username, password]);
}

/** It is shown to browsers, which read `/.well-known/openid-configuration` below it. */
const issuer = url('https:', 'http:').refine(
  (value) => {
    const { username, password, search, hash } = new URL(value);
    return `${username}${password}${search}${hash}` === '';
  },
  { error: 'must have no user, password, query or fragment' },
);

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
const logLevel = z.enum(LOG_LEVELS, { error: `must be one of ${LOG_LEVELS.join(', ')}` });

const PERSISTED_MODES = ['off', 'allow', 'only'] as const;
const persistedMode = z.enum(PERSISTED_MODES, { error: `must be one of ${PERSISTED_MODES.join(', ')}` });

const SETTINGS = {
  host: setting('EVENTREE_HOST', '127.0.0.1', 'Address the server listens on.', text),
  port: setting('EVENTREE_PORT', '4000', 'Port the server listens on; 0 takes a free one.', whole(0, 65_535)),
  dataDir: setting(
    'EVENTREE_DATA_DIR',
    './.eventree',
    'Folder of the embedded database and of the development secret.',
    text,
  ),
  databaseUrl: setting(
    'DATABASE_URL',
    undefined,
    'PostgreSQL 15 or newer; unset: the server runs its own in the data folder.',
    url('postgresql:', 'postgres:'),
    { secret: true },
  ),
  databasePoolSize: setting(
    'EVENTREE_DATABASE_POOL_SIZE',
    '12',
    'Connections to PostgreSQL a server holds at most.',
    whole(4, 500),
  ),
  redisUrl: setting(
    'REDIS_URL',
    undefined,
    'Redis that carries signals between servers; with sentinels, the master’s name stands for its host.',
    redisServer,
    { secret: true },
  ),
  redisSentinels: setting(
    'EVENTREE_REDIS_SENTINELS',
    undefined,
    'Redis Sentinels that tell where the master named in REDIS_URL is: URLs, separated by commas.',
    redisServers,
    { secret: true },
  ),
  redisClusterNodes: setting(
    'EVENTREE_REDIS_CLUSTER_NODES',
    undefined,
    'Some nodes of a Redis Cluster that carries signals instead: URLs, separated by commas.',
    redisServers,
    { secret: true },
  ),
  jwtSecret: setting('EVENTREE_JWT_SECRET', undefined, 'Secret of HS256 tokens.', text, { secret: true }),
  jwksUrl: setting(
    'EVENTREE_JWKS_URL',
    undefined,
    'Key set of tokens signed with a private key (RS256, PS256, ES256, EdDSA).',
    url('https:', 'http:'),
  ),
  jwtIssuer: setting('EVENTREE_JWT_ISSUER', undefined, 'What `iss` of a token must be.', text),
  jwtAudience: setting('EVENTREE_JWT_AUDIENCE', undefined, 'What `aud` of a token must hold.', text),
  oidcAuthority: setting(
    'EVENTREE_OIDC_AUTHORITY',
    undefined,
    'Issuer of the OpenID Connect provider where people sign in to the web UI.',
    issuer,
  ),
  oidcClientId: setting(
    'EVENTREE_OIDC_CLIENT_ID',
    undefined,
    'Name that the web UI is registered under at that provider, as a public client.',
    text,
  ),
  oidcScope: setting(
    'EVENTREE_OIDC_SCOPE',
    'openid profile',
    'What the web UI asks that provider for, separated by spaces.',
    text,
  ),
  typesFile: setting(
    'EVENTREE_TYPES_FILE',
    undefined,
    'Declaration of attributes and event types; unset: eventree.types.ts or .json where there is one.',
    text,
  ),
  allowedOrigins: setting(
    'EVENTREE_ALLOWED_ORIGINS',
    '',
    'Origins of other web sites whose pages may call this server, separated by commas.',
    origins,
  ),
  trustedProxies: setting(
    'EVENTREE_TRUSTED_PROXIES',
    '',
    'Addresses or networks of proxies whose X-Forwarded-For is believed, separated by commas.',
    networks,
  ),
  logLevel: setting('EVENTREE_LOG_LEVEL', 'info', 'Least level that is logged.', logLevel),
  maxRequestBytes: setting(
    'EVENTREE_MAX_REQUEST_BYTES',
    '16777216',
    'Size of an HTTP body or WebSocket message.',
    whole(1_024, 1_073_741_824),
  ),
  maxAddressConnections: setting(
    'EVENTREE_MAX_ADDRESS_CONNECTIONS',
    '10000',
    'WebSockets and SSE streams that one network address may have open on a server.',
    whole(1, 1_000_000),
  ),
  maxPrincipalConnections: setting(
    'EVENTREE_MAX_PRINCIPAL_CONNECTIONS',
    '10000',
    'WebSockets and SSE streams that one `sub` of a token may have open on a server.',
    whole(1, 1_000_000),
  ),
  maxSocketOperations: setting(
    'EVENTREE_MAX_SOCKET_OPERATIONS',
    '1000',
    'Operations that are open at a time on one WebSocket, subscriptions counted.',
    whole(1, 100_000),
  ),
  maxSocketMessagesPerSecond: setting(
    'EVENTREE_MAX_SOCKET_MESSAGES_PER_SECOND',
    '2000',
    'Messages that are read from one WebSocket in a second; the rest wait their turn.',
    whole(1, 1_000_000),
  ),
  initTimeoutMs: setting(
    'EVENTREE_INIT_TIMEOUT_MS',
    '5000',
    'How long a client may take for a request’s head, and for `connection_init`.',
    whole(100, 60_000),
  ),
  stallTimeoutMs: setting(
    'EVENTREE_STALL_TIMEOUT_MS',
    '30000',
    'How long a WebSocket or SSE stream may take nothing that is sent to it.',
    whole(1_000, 600_000),
  ),
  maxBatchEvents: setting(
    'EVENTREE_MAX_BATCH_EVENTS',
    '1000',
    'Events in one recordEvents, children not counted.',
    whole(1, 1_000),
  ),
  maxTreeEvents: setting(
    'EVENTREE_MAX_TREE_EVENTS',
    '10000',
    'Events in one mutation, children counted.',
    whole(1, 100_000),
  ),
  maxTreeDepth: setting(
    'EVENTREE_MAX_TREE_DEPTH',
    '32',
    'Levels of a tree of events, the root counted.',
    whole(1, 256),
  ),
  maxEventBytes: setting(
    'EVENTREE_MAX_EVENT_BYTES',
    '1048576',
    'Size of an event’s attributes, payload and private payload together, as JSON.',
    whole(1_024, 67_108_864),
  ),
  maxMessageChars: setting(
    'EVENTREE_MAX_MESSAGE_CHARS',
    '10000',
    'Length of an event’s message.',
    whole(1, 1_000_000),
  ),
  maxClockSkewMs: setting(
    'EVENTREE_MAX_CLOCK_SKEW_MS',
    '10000',
    'How far ahead of this server’s clock the time in an id may lie.',
    whole(0, 86_400_000),
  ),
  maxPendingEvents: setting(
    'EVENTREE_MAX_PENDING_EVENTS',
    '50000',
    'Events that wait to be written; more are refused with UNAVAILABLE.',
    whole(100, 10_000_000),
  ),
  maxMarkers: setting(
    'EVENTREE_MAX_MARKERS',
    '10000',
    'Markers of calls under way that one `sub` of a token may have open.',
    whole(1, 10_000_000),
  ),
  maxJournals: setting('EVENTREE_MAX_JOURNALS', '1000', 'Journals there may be.', whole(1, 1_000_000)),
  maxQueryDepth: setting(
    'EVENTREE_MAX_QUERY_DEPTH',
    '16',
    'Levels of fields in an operation.',
    whole(1, 1_000),
  ),
  maxQueryCost: setting(
    'EVENTREE_MAX_QUERY_COST',
    '50000',
    'Estimated number of fields an operation may answer with.',
    whole(10, 100_000_000),
  ),
  maxQueryTokens: setting(
    'EVENTREE_MAX_QUERY_TOKENS',
    '5000',
    'Words and signs of an operation’s text.',
    whole(10, 1_000_000),
  ),
  persistedOperations: setting(
    'EVENTREE_PERSISTED_OPERATIONS',
    'off',
    'Operations by their hash: `off`, `allow` beside texts, or `only`, which refuses all other texts.',
    persistedMode,
  ),
  persistedOperationsFile: setting(
    'EVENTREE_PERSISTED_OPERATIONS_FILE',
    undefined,
    'JSON object of operations’ texts by their SHA-256 hash.',
    text,
  ),
  queryTimeoutMs: setting(
    'EVENTREE_QUERY_TIMEOUT_MS',
    '10000',
    'How long the database may work on one read.',
    whole(10, 3_600_000),
  ),
  pollIntervalMs: setting(
    'EVENTREE_POLL_INTERVAL_MS',
    '1000',
    'How often the journal is looked at for events whose signal was lost.',
    whole(10, 60_000),
  ),
  checkpointIntervalMs: setting(
    'EVENTREE_CHECKPOINT_INTERVAL_MS',
    '10000',
    'How often a silent eventStream says where it stands.',
    whole(100, 10_000),
  ),
  drainTimeoutMs: setting(
    'EVENTREE_DRAIN_TIMEOUT_MS',
    '10000',
    'How long a stopping server waits for requests under way.',
    whole(0, 600_000),
  ),
  url: setting(
    'EVENTREE_URL',
    undefined,
    'Server that the commands record, tail, import and export speak to; unset: the one of this machine.',
    url('http:', 'https:'),
  ),
  token: setting('EVENTREE_TOKEN', undefined, 'Token those commands show.', text, { secret: true }),
} as const satisfies Record<string, Setting<unknown>>;

type Settings = typeof SETTINGS;
type Optional = {
  [Name in keyof Settings]: Settings[Name]['fallback'] extends undefined ? Name : never;
}[keyof Settings];

/** All settings, checked. Those without a default may be undefined. */
export type Config = Readonly<{
  [Name in keyof Settings]: z.output<Settings[Name]['check']> | (Name extends Optional ? undefined : never);
}>;

/**
 * @throws StartError with one line for each variable that is unknown, malformed or contradictory.
 */
export function loadConfig(env: NodeJS.ProcessEnv = process.env): Config {
  const problems = unknownVariables(env);
  const config: Record<string, unknown> = {};
  for (const [name, { variable, fallback, check }] of Object.entries(SETTINGS)) {
    const given = env[variable] || fallback;
    if (given === undefined) continue;
    const checked = check.safeParse(given);
    if (checked.success) config[name] = checked.data;
    else problems.push(`${variable} ${checked.error.issues[0]?.message ?? 'is not valid'}.`);
  }
  // The table above is what gives the object its type; TypeScript cannot follow a loop over it.
  const loaded = config as unknown as Config;
  if (problems.length === 0) problems.push(...contradictions(loaded));
  if (problems.length > 0) throw new StartError(problems.join('\n'));
  return Object.freeze(loaded);
}

/** Where the commands find a server: the one they are told, or the one that these settings start. */
export function serverUrl({ url, host, port }: Pick<Config, 'url' | 'host' | 'port'>): string {
  if (url !== undefined) return url;
  // Who listens on all addresses, as on 0.0.0.0, listens there too.
  const address = isLoopback(host) ? host : '127.0.0.1';
  return `http://${address.includes(':') ? `[${address}]` : address}:${port || 4000}/graphql`;
}

/** Without a secret or key set of its own the server makes tokens itself, for whoever sits at the machine. */
export function isDevelopment(config: Config): boolean {
  return config.jwtSecret === undefined && config.jwksUrl === undefined;
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}

export interface SettingInForce {
  readonly variable: string;
  /** Secrets are hidden; null where the variable is unset and has no default. */
  readonly value: string | null;
  readonly fallback: string | null;
  readonly meaning: string;
}

/** The table of `eventree config`. */
export function describeConfig(env: NodeJS.ProcessEnv = process.env): SettingInForce[] {
  return Object.values(SETTINGS).map(({ variable, fallback, meaning, secret }) => {
    const given = env[variable] || fallback;
    return {
      variable,
      value: given === undefined ? null : secret ? '[hidden]' : given,
      fallback: fallback ?? null,
      meaning,
    };
  });
}

function unknownVariables(env: NodeJS.ProcessEnv): string[] {
  const known = new Set<string>(Object.values(SETTINGS).map(({ variable }) => variable));
  return Object.keys(env)
    .filter((name) => name.startsWith('EVENTREE_') && !known.has(name))
    .map((name) => `${name} is not a variable of Eventree. \`eventree config\` lists them all.`);
}

function contradictions(config: Config): string[] {
  const problems: string[] = [];
  if (config.jwtSecret !== undefined && config.jwksUrl !== undefined) {
    problems.push('EVENTREE_JWT_SECRET and EVENTREE_JWKS_URL contradict each other: set one of them.');
  }
  if (isDevelopment(config) && !isLoopback(config.host)) {
    problems.push(
      `EVENTREE_HOST is ${config.host}, which other machines can reach, but there is nothing to check their ` +
        'tokens by: set EVENTREE_JWT_SECRET or EVENTREE_JWKS_URL.',
    );
  }
  const hasFile = config.persistedOperationsFile !== undefined;
  if (hasFile !== (config.persistedOperations !== 'off')) {
    problems.push(
      hasFile
        ? 'EVENTREE_PERSISTED_OPERATIONS_FILE is set and EVENTREE_PERSISTED_OPERATIONS is off: set it to allow or only.'
        : 'EVENTREE_PERSISTED_OPERATIONS is on without a list: set EVENTREE_PERSISTED_OPERATIONS_FILE.',
    );
  }
  problems.push(...contradictionsOfRedis(config), ...contradictionsOfOidc(config));
  if (config.maxTreeEvents < config.maxBatchEvents) {
    problems.push('EVENTREE_MAX_TREE_EVENTS is smaller than EVENTREE_MAX_BATCH_EVENTS: raise the first.');
  }
  return problems;
}

function contradictionsOfRedis({ redisUrl, redisSentinels, redisClusterNodes }: Config): string[] {
  const problems: string[] = [];
  if (redisClusterNodes !== undefined && redisUrl !== undefined) {
    problems.push('REDIS_URL and EVENTREE_REDIS_CLUSTER_NODES contradict each other: set one of them.');
  }
  if (redisClusterNodes !== undefined && redisSentinels !== undefined) {
    problems.push(
      'EVENTREE_REDIS_SENTINELS and EVENTREE_REDIS_CLUSTER_NODES contradict each other: set one of them.',
    );
  } else if (redisSentinels !== undefined && redisUrl === undefined) {
    problems.push(
      'EVENTREE_REDIS_SENTINELS is set, but not which master to ask for: set REDIS_URL, e.g. to redis://mymaster.',
    );
  } else if (redisSentinels !== undefined && new URL(redisUrl as string).port !== '') {
    problems.push(
      'REDIS_URL names a port, but EVENTREE_REDIS_SENTINELS tell where the master is: its name alone stands for the host.',
    );
  }
  return problems;
}

function contradictionsOfOidc({ oidcAuthority, oidcClientId, jwksUrl }: Config): string[] {
  if (oidcAuthority === undefined && oidcClientId === undefined) return [];
  const problems: string[] = [];
  if (oidcAuthority === undefined) {
    problems.push('EVENTREE_OIDC_CLIENT_ID is set, but not at which provider: set EVENTREE_OIDC_AUTHORITY.');
  } else if (oidcClientId === undefined) {
    problems.push(
      'EVENTREE_OIDC_AUTHORITY is set, but not as whom to ask there: set EVENTREE_OIDC_CLIENT_ID.',
    );
  }
  if (jwksUrl === undefined) {
    const variable = oidcAuthority === undefined ? 'EVENTREE_OIDC_CLIENT_ID' : 'EVENTREE_OIDC_AUTHORITY';
    problems.push(`${variable} is set, but not the keys of the tokens it leads to: set EVENTREE_JWKS_URL.`);
  }
  return problems;
}
