/**
 * Figures for Prometheus, at /metrics. They tell of this node, not of journals: whoever can reach the address
 * may read them, and what is in which journal is not for everybody.
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

export interface Metrics {
  readonly contentType: string;
  print(): Promise<string>;
  readonly recorded: Counter<string>;
  readonly delivered: Tally;
  readonly operations: Histogram<'door'>;
  readonly errors: Counter<'code'>;
  readonly sockets: Gauge<string>;
}

export interface Watched {
  readonly pendingEvents: () => number;
  /** In the outbox; null where that is not known. */
  readonly parcels: () => { readonly waiting: number; readonly refused: number } | null;
  readonly readers: () => number;
  readonly poolConnections: () => { readonly total: number; readonly idle: number; readonly waiting: number };
}

export function createMetrics(watched: Watched): Metrics {
  const register = new Registry();
  const registers = [register];
  collectDefaultMetrics({ register });

  new Gauge({
    name: 'eventree_pending_events',
    help: 'Events that wait to be written.',
    registers,
    collect() {
      this.set(watched.pendingEvents());
    },
  });
  new Gauge({
    name: 'eventree_outbox_parcels',
    help: 'Parcels in the database’s outbox that wait to be recorded, and those that were refused.',
    labelNames: ['state'],
    registers,
    collect() {
      // What is not known is left out: zero would say that all is well.
      this.reset();
      for (const [state, count] of Object.entries(watched.parcels() ?? {})) this.set({ state }, count);
    },
  });
  new Gauge({
    name: 'eventree_live_readers',
    help: 'Readers that follow a journal on this node.',
    registers,
    collect() {
      this.set(watched.readers());
    },
  });
  new Gauge({
    name: 'eventree_database_connections',
    help: 'Connections to PostgreSQL.',
    labelNames: ['state'],
    registers,
    collect() {
      for (const [state, connections] of Object.entries(watched.poolConnections()))
        this.set({ state }, connections);
    },
  });

  const delivered = new Tally();
  new Counter({
    name: 'eventree_messages_delivered_total',
    help: 'Messages of subscriptions that were sent.',
    registers,
    collect() {
      this.inc(delivered.take());
    },
  });

  return {
    contentType: register.contentType,
    print: () => register.metrics(),
    recorded: new Counter({
      name: 'eventree_events_recorded_total',
      help: 'Events that this node committed.',
      registers,
    }),
    delivered,
    operations: new Histogram({
      name: 'eventree_operation_seconds',
      help: 'Time from an operation’s arrival to its answer, subscriptions left out.',
      labelNames: ['door'],
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
      registers,
    }),
    errors: new Counter({
      name: 'eventree_errors_total',
      help: 'Errors told to clients, by their code.',
      labelNames: ['code'],
      registers,
    }),
    sockets: new Gauge({ name: 'eventree_sockets', help: 'Open WebSockets.', registers }),
  };
}

/** Counts what happens hundreds of thousands of times a second, for a counter that is asked once in a while. */
class Tally {
  private count = 0;

  inc(by = 1): void {
    this.count += by;
  }

  /** What was counted since it was last taken. */
  take(): number {
    const { count } = this;
    this.count = 0;
    return count;
  }
}
