/**
 * The composition root: puts the rooms together in the order in which they need each other, and takes
 * them apart in the reverse. Nothing else knows all of them.
 */
import { once, setMaxListeners } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createAuthenticate, signToken } from '../access/authenticate.ts';
import { createResources } from '../access/resources.ts';
import { checkToken } from '../access/revocation.ts';
import { logged, messageOf, StartError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { type Config, isDevelopment } from '../config.ts';
import { openDatabase } from '../db/database.ts';
import { startEmbedded } from '../db/embedded/embedded.ts';
import { migrate } from '../db/migrate.ts';
import { reportTo } from '../db/trouble.ts';
import { createAclChange } from '../events/acl-change.ts';
import { createSeal } from '../events/cursor.ts';
import { readDeclarationFile } from '../events/declaration.ts';
import { indexAttribute } from '../events/index/indexer.ts';
import { startIndexThread } from '../events/index/thread.ts';
import { createJournals } from '../events/journal.ts';
import { createReader } from '../events/read.ts';
import { type Announcement, createRecording } from '../events/record.ts';
import { openRegistry } from '../events/registry-store.ts';
import { createTokenRevocation } from '../events/token-revocation.ts';
import type { Core } from '../graphql/context.ts';
import { createFormatError } from '../graphql/errors.ts';
import { createFindText, readPersistedOperations } from '../graphql/persisted.ts';
import { createPolicy } from '../graphql/policy.ts';
import { type Broker, createMemoryBroker } from '../live/broker.ts';
import { createRedisBroker } from '../live/broker-redis.ts';
import { startLive } from '../live/live.ts';
import { createMarkers } from '../outbox/markers.ts';
import { runOn } from '../outbox/statement.ts';
import { createAdmission } from './admission.ts';
import { developmentSecret } from './development.ts';
import type { Door } from './door.ts';
import { createExplorer } from './explorer.ts';
import { createHealth } from './health.ts';
import { createHttpListener } from './http.ts';
import { startKeepAlive } from './keep-alive.ts';
import { createMetrics } from './metrics.ts';
import { startServerRelay } from './relay.ts';
import { type OidcClient, openWeb } from './web.ts';
import { WEB_FOLDER } from './web-files.ts';
import { openWsDoor } from './ws.ts';

export interface RunningServer {
  /** e.g. http://127.0.0.1:4000 */
  readonly url: string;
  /** For people. */
  readonly database: string;
  readonly signals: string;
  /** A token of group/admin, in development mode. */
  readonly developmentToken: string | null;
  /** Rejects when the server cannot go on, e.g. because its database has ended for good. */
  readonly failed: Promise<never>;
  /** Finishes what is under way and stops everything that was started. */
  stop(): Promise<void>;
}

export interface ServerOptions {
  /** Where the built web UI lies; by default, where `npm run build` puts it. */
  readonly webFolder?: string;
}

/** How often connections that have become idle are closed while the server stops. */
const SWEEP_MS = 50;
const DEVELOPMENT_TOKEN_DAYS = 30;
const MAIN_JOURNAL = 'main';
/** RFC 7518, 3.2: as long as what HS256 makes of it. */
const LEAST_SECRET_BYTES = 32;

/** @throws StartError for what whoever starts it can mend. */
export async function startServer(
  config: Config,
  logger: Logger,
  options: ServerOptions = {},
): Promise<RunningServer> {
  const stops: (() => Promise<void> | void)[] = [];
  let stopped: Promise<void> | undefined;
  const stop = () => {
    stopped ??= stopAll(stops, logger);
    return stopped;
  };
  try {
    return { ...(await start(config, logger, options, (how) => stops.push(how))), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function stopAll(stops: (() => Promise<void> | void)[], logger: Logger): Promise<void> {
  for (const stop of stops.reverse()) {
    // What cannot be stopped must not keep the rest from stopping.
    await Promise.resolve(stop()).catch((error: unknown) => logger.error(logged(error), 'stop failed'));
  }
}

async function start(
  config: Config,
  logger: Logger,
  { webFolder = WEB_FOLDER }: ServerOptions,
  onStop: (stop: () => Promise<void> | void) => void,
): Promise<Omit<RunningServer, 'stop'>> {
  const report = reportTo(logger);
  const { url, failed } = await findDatabase(config, logger, onStop);
  const database = openDatabase({
    url,
    poolSize: config.databasePoolSize,
    statementTimeoutMs: config.queryTimeoutMs,
    onIdleError: (error) => logger.warn({ error: error.message }, 'database connection lost'),
  });
  onStop(() => database.close());
  await migrate(database.pool, logger);

  // ── The journal ──
  const installation = await database.prisma.installation.findUniqueOrThrow({ where: { id: 1 } });
  const registry = await openRegistry(database);
  const declared = await readDeclarationFile(config.typesFile);
  if (declared !== null) await registry.synchronize(declared.declarations, declared.file);
  const journals = createJournals(database, config);
  await journals.findOrCreate(MAIN_JOURNAL);
  const reader = createReader({ database, registry, timeoutMs: config.queryTimeoutMs });
  const { logLevel, queryTimeoutMs: statementTimeoutMs } = config;
  const index = await startIndexThread(database.pool, { url, logLevel, statementTimeoutMs }, report);
  onStop(() => index.stop());
  for (const { name, indexed, indexReady } of registry.current().attributes.values()) {
    if (indexed && !indexReady) indexAttribute(database.pool, registry, name).catch(report);
  }

  // ── Live ──
  const broker = createBroker(config, installation.name, logger);
  onStop(() => broker.close());
  const live = startLive({
    database,
    broker,
    reader,
    pollIntervalMs: config.pollIntervalMs,
    checkpointIntervalMs: config.checkpointIntervalMs,
    onError: report,
  });
  onStop(() => live.stop());

  // ── Recording ──
  const metrics = createMetrics({
    pendingEvents: () => recording.pending(),
    parcels: () => relay.parcels(),
    readers: () => live.readers(),
    poolConnections: () => ({
      total: database.pool.totalCount,
      idle: database.pool.idleCount,
      waiting: database.pool.waitingCount,
    }),
  });
  const announce = (announcement: Announcement) => {
    metrics.recorded.inc(announcement.events.length);
    broker.announce(announcement);
    index.grown(announcement.events.length);
  };
  const recording = createRecording({
    database,
    registry,
    journals,
    limits: config,
    idKey: installation.sealKey,
    announce,
  });
  onStop(() => recording.drained());

  // ── Doors ──
  const ownEvents = { database, registry, limits: config, idKey: installation.sealKey, announce };
  const core: Core = {
    registry,
    journals,
    reader,
    recording,
    seal: createSeal(installation.sealKey),
    resources: createResources(database),
    changeAcl: createAclChange(ownEvents),
    revokeTokens: createTokenRevocation(ownEvents),
    markers: createMarkers(runOn(database.pool), config),
    indexAttribute: (name) => indexAttribute(database.pool, registry, name),
    follow: { live, reader, checkpointIntervalMs: config.checkpointIntervalMs },
  };
  const formatError = createFormatError((error, place) => {
    logger.error({ ...place, ...logged(error) }, 'unexpected error');
  });
  const relay = startServerRelay({ database, url, core, formatError, limits: config, logger });
  onStop(() => relay.stop());
  const secret = isDevelopment(config) ? await developmentSecret(config.dataDir) : config.jwtSecret;
  const rules = { issuer: config.jwtIssuer, audience: config.jwtAudience };
  const key = secret === undefined ? { jwksUrl: config.jwksUrl as string } : { secret };
  const developmentToken = isDevelopment(config) ? await signDevelopmentToken(secret as string, rules) : null;
  if (config.jwtSecret !== undefined && Buffer.byteLength(config.jwtSecret) < LEAST_SECRET_BYTES) {
    logger.warn(
      `EVENTREE_JWT_SECRET has fewer than ${LEAST_SECRET_BYTES} bytes: a longer one is harder to guess.`,
    );
  }
  const { persistedOperations, persistedOperationsFile: file } = config;
  const persisted = file === undefined ? new Map<string, string>() : await readPersistedOperations(file);
  const health = createHealth(database, broker, live, config.pollIntervalMs);
  const stopping = new AbortController();
  // Every open stream listens to it.
  setMaxListeners(0, stopping.signal);
  const keepAlive = startKeepAlive(config.stallTimeoutMs);
  onStop(() => keepAlive.stop());
  const authenticate = createAuthenticate({ key, ...rules });
  const door: Door = {
    async authenticate(authorization) {
      const principal = await authenticate(authorization);
      checkToken(principal, registry.current().revocations);
      return principal;
    },
    policy: createPolicy(core, config, createFindText(persistedOperations, persisted)),
    formatError,
    logger,
    metrics,
    origins: { allowed: new Set(config.allowedOrigins), localOnly: isDevelopment(config) },
    admission: createAdmission(config),
    keepAlive,
    limits: config,
    stopping: stopping.signal,
  };
  const web = await openWeb({
    folder: webFolder,
    settings: { developmentToken, oidc: oidcClient(config), journal: MAIN_JOURNAL },
  });
  // A head that takes its time is answered 408. Looked for four times in that time, or once a second.
  const headersTimeout = config.initTimeoutMs;
  const http = createServer(
    { headersTimeout, connectionsCheckingInterval: Math.min(headersTimeout / 4, 1_000) },
    createHttpListener({ ...door, health, explorer: createExplorer(developmentToken), web }),
  );
  const ws = openWsDoor(http, door);
  await listen(http, config);
  onStop(async () => {
    health.drain();
    stopping.abort();
    const closed = new Promise<void>((resolve) => http.close(() => resolve()));
    const goodbye = ws.close(config.drainTimeoutMs);
    // One that is answered now, or whose stream ends, is kept open by its client for what it may ask next.
    const sweeping = setInterval(() => http.closeIdleConnections(), SWEEP_MS);
    const impatience = setTimeout(() => http.closeAllConnections(), config.drainTimeoutMs);
    await Promise.all([closed, goodbye]);
    clearInterval(sweeping);
    clearTimeout(impatience);
  });

  const { port } = http.address() as AddressInfo;
  const host = config.host.includes(':') ? `[${config.host}]` : config.host;
  return {
    url: `http://${host}:${port}`,
    database:
      config.databaseUrl === undefined
        ? `embedded PostgreSQL in ${config.dataDir}`
        : describeUrl(config.databaseUrl),
    signals: broker.description,
    developmentToken,
    failed,
  };
}

function createBroker(config: Config, installation: string, logger: Logger): Broker {
  const { redisUrl: url, redisSentinels: sentinels, redisClusterNodes: nodes } = config;
  if (nodes !== undefined) return createRedisBroker({ nodes }, installation, logger);
  if (url !== undefined) return createRedisBroker({ url, sentinels }, installation, logger);
  return createMemoryBroker();
}

/** The database to work on, and when to give up on it. */
async function findDatabase(config: Config, logger: Logger, onStop: (stop: () => Promise<void>) => void) {
  if (config.databaseUrl !== undefined)
    return { url: config.databaseUrl, failed: new Promise<never>(() => {}) };
  const embedded = await startEmbedded({ dataDir: config.dataDir, logger });
  onStop(() => embedded.stop());
  const failed = embedded.ended.then((end) => {
    if (end.reason !== 'stopped')
      throw new StartError(`The embedded PostgreSQL has ended for good: ${end.reason}.`);
    return new Promise<never>(() => {});
  });
  // Whoever runs the server waits for it; a failure before that is a failure of the start.
  failed.catch(() => {});
  return { url: embedded.url, failed };
}

/** @throws StartError where the address cannot be had. */
async function listen(http: Server, { host, port }: Config): Promise<void> {
  http.listen(port, host);
  try {
    await once(http, 'listening');
  } catch (error) {
    const taken = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE';
    throw new StartError(
      taken
        ? `Port ${port} of ${host} is taken by another program: stop it, or set EVENTREE_PORT.`
        : `The server cannot listen on ${host}, port ${port}: ${messageOf(error)}.`,
    );
  }
}

function signDevelopmentToken(
  secret: string,
  rules: { issuer: string | undefined; audience: string | undefined },
) {
  const lifetimeSeconds = DEVELOPMENT_TOKEN_DAYS * 24 * 60 * 60;
  return signToken(secret, { subject: 'developer', groups: ['admin'], lifetimeSeconds }, rules);
}

/** How people sign in to the web UI, where that is set. */
function oidcClient({ oidcAuthority, oidcClientId, oidcScope }: Config): OidcClient | null {
  if (oidcAuthority === undefined || oidcClientId === undefined) return null;
  return { authority: oidcAuthority, clientId: oidcClientId, scope: oidcScope };
}

/** Without the password. */
function describeUrl(url: string): string {
  const { host, pathname, searchParams } = new URL(url);
  return `PostgreSQL at ${searchParams.get('host') ?? host}${pathname}`;
}
