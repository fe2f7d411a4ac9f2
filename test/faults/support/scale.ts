/**
 * How often faults are made, and for how long. `npm test` makes them in the short form; `npm run test:faults`
 * sets FAULTS=full.
 */
const SHORT = {
  connectionCuts: 120,
  redisRounds: 1,
  serverKills: 20,
  /** The embedded database takes five in a minute. */
  postgresRestarts: 4,
  nodeRounds: 1,
  frozenMs: 3_000,
  stalledReaders: 50,
  stalledMs: 6_000,
  revocations: 60,
  clientsCutAtOnce: 150,
  timesCutAtOnce: 1,
  connections: 1_500,
};

const FULL: typeof SHORT = {
  connectionCuts: 1_000,
  redisRounds: 10,
  serverKills: 50,
  postgresRestarts: 12,
  nodeRounds: 2,
  frozenMs: 60_000,
  stalledReaders: 50,
  stalledMs: 45_000,
  revocations: 1_000,
  clientsCutAtOnce: 500,
  timesCutAtOnce: 5,
  connections: 10_000,
};

export const isFull = process.env.FAULTS === 'full';

export const SCALE = isFull ? FULL : SHORT;

/** A test's own limit: what its short form may take, and its full form. */
export function limitMs(short: number, full: number): number {
  return isFull ? full : short;
}
