/** The relay that an application's own process runs: from the outbox in its database to the API. */
import { ask, type Endpoint } from '../client/request.ts';
import { createDeliver } from '../outbox/deliver.ts';
import { type Relay, startRelay } from '../outbox/relay.ts';
import type { Queryable } from '../outbox/statement.ts';
import { ATTEMPT_MS, putResource, RECORD } from './api-send.ts';
import { Outage } from './outage.ts';
import type { Report } from './sink.ts';

export interface ApiRelayOptions {
  readonly endpoint: Endpoint;
  readonly database: Queryable;
  /** How often it looks for markers of recorders that are gone. */
  readonly sweepIntervalMs: number;
  /** How long parcels are left to a relay that has taken them, and may be gone. */
  readonly claimMs: number;
  readonly report: Report;
}

export function startApiRelay({
  endpoint,
  database,
  sweepIntervalMs,
  claimMs,
  report,
}: ApiRelayOptions): Relay {
  const outage = new Outage(report);
  const deliver = createDeliver({
    async record(events) {
      await ask(endpoint, { query: RECORD, variables: { input: events } }, { timeoutMs: ATTEMPT_MS });
      outage.over();
    },
    put: (resource) => putResource(endpoint, resource),
  });
  return startRelay({
    database,
    deliver,
    sweepIntervalMs,
    claimMs,
    // It stays in the outbox, with the reason, and is tried again.
    onRefused: (error) => report(error),
    onError: (error) => outage.failed(error),
  });
}
