/** Whether this node can do its work: for load balancers, at /readyz. */
import type { Database } from '../db/database.ts';
import type { Broker } from '../live/broker.ts';
import type { Live } from '../live/live.ts';

export interface HealthReport {
  readonly ready: boolean;
  /** The server is stopping and takes nothing new. */
  readonly draining: boolean;
  readonly database: { readonly ok: boolean; readonly ms: number };
  readonly signals: { readonly ok: boolean; readonly through: string };
  /**
   * How many events live readers wait for that are known to be in the journal, and how long ago the
   * journals' heads were last looked at: what they may lag behind without anybody's knowing it.
   */
  readonly lag: { readonly ok: boolean; readonly events: number; readonly ms: number };
}

export interface Health {
  check(): Promise<HealthReport>;
  /** From now on not ready: the server is about to stop. */
  drain(): void;
}

const PATIENCE_MS = 2_000;

export function createHealth(database: Database, broker: Broker, live: Live, pollIntervalMs: number): Health {
  let draining = false;
  return {
    async check() {
      const started = performance.now();
      const answered = await Promise.race([
        database.pool.query('select 1').then(
          () => true,
          () => false,
        ),
        new Promise<false>((resolve) => setTimeout(resolve, PATIENCE_MS, false).unref()),
      ]);
      const lagMs = Date.now() - live.lookedAt();
      const report = {
        database: { ok: answered, ms: Math.round(performance.now() - started) },
        // Without signals the node still works, a poll interval behind: that alone does not take it out.
        signals: { ok: broker.isConnected(), through: broker.description },
        lag: { ok: lagMs < pollIntervalMs * 3 + PATIENCE_MS, events: live.behind(), ms: lagMs },
      };
      return { ready: !draining && report.database.ok && report.lag.ok, draining, ...report };
    },
    drain() {
      draining = true;
    },
  };
}
